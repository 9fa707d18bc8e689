//! The macro that turns a crate into a component.

/// Exports a service. Each part is optional:
///
/// ```
/// # fn main() {}
/// use pingtalk_sdk::prelude::*;
///
/// pingtalk_sdk::service! {
///     http: routes,     // fn() -> Router
///     events: on_event, // async fn(Platform, Event) -> Result<Disposition>
///     // sockets: Chat, // a type that implements SocketService
/// }
///
/// fn routes() -> Router {
///     Router::new()
/// }
///
/// async fn on_event(_platform: Platform, _event: Event) -> Result<Disposition> {
///     Ok(Disposition::Done)
/// }
/// ```
///
/// On other targets than wasm it exports nothing, and only checks the parts' types.
#[macro_export]
macro_rules! service {
    ($(http: $routes:path)? $(, events: $on_event:path)? $(, sockets: $sockets:path)? $(,)?) => {
        $crate::__service_internal!(events: $($on_event)?, sockets: $($sockets)?);
        $($crate::__service_http!($routes);)?
        $($crate::__service_events!($on_event);)?
        $($crate::__service_sockets!($sockets);)?
    };
}

#[cfg(target_family = "wasm")]
mod exports {
    #[doc(hidden)]
    #[macro_export]
    macro_rules! __service_internal {
        (events: $($on_event:path)?, sockets: $($sockets:path)?) => {
            #[doc(hidden)]
            enum __Internal {}

            impl $crate::wasm::Internal for __Internal {
                $(
                    async fn event(
                        event: $crate::wasm::Event,
                    ) -> ::core::option::Option<$crate::wasm::Disposition> {
                        ::core::option::Option::Some(
                            $crate::wasm::handle_event(event, $on_event).await,
                        )
                    }
                )?
                $(
                    async fn connect(
                        handshake: $crate::wasm::socket::Handshake,
                    ) -> ::core::option::Option<
                        ::core::result::Result<
                            $crate::wasm::socket::Session,
                            $crate::wasm::socket::Refusal,
                        >,
                    > {
                        ::core::option::Option::Some(
                            $crate::wasm::connect::<$sockets>(handshake).await,
                        )
                    }

                    async fn receive(
                        socket: $crate::wasm::socket::Socket,
                        message: $crate::wasm::socket::Message,
                        wants_ack: bool,
                    ) -> ::core::option::Option<
                        ::core::option::Option<$crate::wasm::socket::Ack>,
                    > {
                        ::core::option::Option::Some(
                            $crate::wasm::receive::<$sockets>(socket, message, wants_ack).await,
                        )
                    }

                    async fn disconnect(
                        socket: $crate::wasm::socket::Socket,
                        reason: $crate::wasm::socket::DisconnectReason,
                    ) -> ::core::option::Option<()> {
                        $crate::wasm::disconnect::<$sockets>(socket, reason).await;
                        ::core::option::Option::Some(())
                    }
                )?
            }
        };
    }

    #[doc(hidden)]
    #[macro_export]
    macro_rules! __service_http {
        ($routes:path) => {
            const _: () = {
                ::std::thread_local! {
                    /// Built once: it outlives the calls.
                    static ROUTER: ::std::rc::Rc<$crate::Router> = ::std::rc::Rc::new($routes());
                }

                struct Http;

                impl $crate::wasm::bindings::http::exports::wasi::http::handler::Guest for Http {
                    async fn handle(
                        request: $crate::wasm::Request,
                    ) -> ::core::result::Result<$crate::wasm::Response, $crate::wasm::ErrorCode>
                    {
                        let router = ROUTER.with(::core::clone::Clone::clone);
                        $crate::wasm::handle_request::<__Internal>(request, &router).await
                    }
                }

                $crate::wasm::bindings::http::export!(
                    Http with_types_in $crate::wasm::bindings::http
                );
            };
        };
    }

    #[doc(hidden)]
    #[macro_export]
    macro_rules! __service_events {
        ($on_event:path) => {
            const _: () = {
                use $crate::wasm::bindings::events::exports::pingtalk::events::handler;

                struct Events;

                impl handler::Guest for Events {
                    async fn handle(event: handler::Event) -> handler::Disposition {
                        $crate::wasm::handle_event(event, $on_event).await
                    }
                }

                $crate::wasm::bindings::events::export!(
                    Events with_types_in $crate::wasm::bindings::events
                );
            };
        };
    }

    #[doc(hidden)]
    #[macro_export]
    macro_rules! __service_sockets {
        ($service:path) => {
            const _: () = {
                use $crate::wasm::bindings::sockets::exports::pingtalk::sockets::handler;

                struct Sockets;

                impl handler::Guest for Sockets {
                    async fn connect(
                        handshake: handler::Handshake,
                    ) -> ::core::result::Result<handler::Session, handler::Refusal> {
                        $crate::wasm::connect::<$service>(handshake).await
                    }

                    async fn receive(
                        socket: handler::Socket,
                        message: handler::Message,
                        wants_ack: bool,
                    ) -> ::core::option::Option<handler::Ack> {
                        $crate::wasm::receive::<$service>(socket, message, wants_ack).await
                    }

                    async fn disconnect(
                        socket: handler::Socket,
                        reason: handler::DisconnectReason,
                    ) {
                        $crate::wasm::disconnect::<$service>(socket, reason).await;
                    }
                }

                $crate::wasm::bindings::sockets::export!(
                    Sockets with_types_in $crate::wasm::bindings::sockets
                );
            };
        };
    }
}

#[cfg(not(target_family = "wasm"))]
mod checks {
    #[doc(hidden)]
    #[macro_export]
    macro_rules! __service_internal {
        (events: $($on_event:path)?, sockets: $($sockets:path)?) => {};
    }

    #[doc(hidden)]
    #[macro_export]
    macro_rules! __service_http {
        ($routes:path) => {
            const _: fn() -> $crate::Router = $routes;
        };
    }

    #[doc(hidden)]
    #[macro_export]
    macro_rules! __service_events {
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
    macro_rules! __service_sockets {
        ($sockets:path) => {
            const _: () = {
                fn check<S: $crate::sockets::SocketService>() {}
                let _: fn() = check::<$sockets>;
            };
        };
    }
}
