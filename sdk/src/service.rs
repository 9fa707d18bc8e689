//! The macro that turns a crate into a component.

/// Exports a service. Each part is optional:
///
/// ```ignore
/// pingtalk_sdk::service! {
///     http: routes,      // fn() -> Router
///     events: on_event,  // async fn(Platform, Event) -> Result<Disposition>
///     sockets: Chat,     // a type that implements SocketService
/// }
/// ```
///
/// On other targets than wasm it exports nothing, and only checks the parts' types.
#[macro_export]
macro_rules! service {
    ($(http: $routes:path)? $(, events: $on_event:path)? $(, sockets: $sockets:path)? $(,)?) => {
        $($crate::__export_http!($routes);)?
        $($crate::__export_events!($on_event);)?
        $($crate::__export_sockets!($sockets);)?
    };
}

#[cfg(not(target_family = "wasm"))]
mod checks {
    #[doc(hidden)]
    #[macro_export]
    macro_rules! __export_http {
        ($routes:path) => {
            const _: fn() -> $crate::Router = $routes;
        };
    }

    #[doc(hidden)]
    #[macro_export]
    macro_rules! __export_events {
        ($on_event:path) => {
            const _: () = {
                #[allow(dead_code)]
                async fn check(
                    platform: $crate::Platform,
                    event: $crate::events::Event,
                ) -> $crate::Result<$crate::events::Disposition> {
                    $on_event(platform, event).await
                }
            };
        };
    }

    #[doc(hidden)]
    #[macro_export]
    macro_rules! __export_sockets {
        ($sockets:path) => {
            const _: () = {
                fn check<S: $crate::sockets::SocketService>() {}
                let _: fn() = check::<$sockets>;
            };
        };
    }
}
