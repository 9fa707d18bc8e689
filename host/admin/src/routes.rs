//! The table of routes.

use http::Method;
use percent_encoding::percent_decode_str;

/// Largest body of any route, in bytes: a component.
pub const MAX_BODY_BYTES: u64 = 64 * 1024 * 1024;

/// What a token allows. Each scope includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Look.
    Read,
    /// Deploy, roll back, replay dead letters.
    Deploy,
    /// Tenants, their secrets, the host itself.
    Admin,
}

impl Scope {
    /// Its name in configuration and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Deploy => "deploy",
            Self::Admin => "admin",
        }
    }

    /// The scope of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Read, Self::Deploy, Self::Admin].into_iter().find(|scope| scope.name() == name)
    }
}

/// What a route does. Those that change something are audited under [`Action::name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    OpenApi,
    Health,
    Status,
    Metrics,
    Audit,
    Drain,
    ListTenants,
    CreateTenant,
    ShowTenant,
    ChangeTenant,
    RemoveTenant,
    SetSecret,
    RemoveSecret,
    HasArtifact,
    PutArtifact,
    Deploy,
    Rollback,
    PromoteCanary,
    CancelCanary,
    ListReleases,
    ShowRelease,
    ListDeployments,
    Diff,
    ListDeadLetters,
    ReplayDeadLetter,
    DiscardDeadLetter,
    CloseSockets,
}

/// One row.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// Segments in braces take anything.
    pub(crate) path: &'static str,
    /// None: without a token.
    pub(crate) scope: Option<Scope>,
    pub(crate) action: Action,
    /// The name in the audit log; none for what changes nothing.
    pub(crate) audited: Option<&'static str>,
}

const fn row(
    method: Method,
    path: &'static str,
    scope: Option<Scope>,
    action: Action,
    audited: Option<&'static str>,
) -> Route {
    Route { method, path, scope, action, audited }
}

const READ: Option<Scope> = Some(Scope::Read);
const DEPLOY: Option<Scope> = Some(Scope::Deploy);
const ADMIN: Option<Scope> = Some(Scope::Admin);

/// Every route.
#[rustfmt::skip]
pub(crate) const ROUTES: &[Route] = &[
    row(Method::GET, "/v1/openapi.json", None, Action::OpenApi, None),
    row(Method::GET, "/v1/health", None, Action::Health, None),
    row(Method::GET, "/v1/status", READ, Action::Status, None),
    row(Method::GET, "/metrics", READ, Action::Metrics, None),
    row(Method::GET, "/v1/audit", READ, Action::Audit, None),
    row(Method::POST, "/v1/drain", ADMIN, Action::Drain, Some("host.drain")),
    row(Method::GET, "/v1/tenants", READ, Action::ListTenants, None),
    row(Method::POST, "/v1/tenants", ADMIN, Action::CreateTenant, Some("tenant.create")),
    row(Method::GET, "/v1/tenants/{tenant}", READ, Action::ShowTenant, None),
    row(Method::PATCH, "/v1/tenants/{tenant}", ADMIN, Action::ChangeTenant, Some("tenant.change")),
    row(Method::DELETE, "/v1/tenants/{tenant}", ADMIN, Action::RemoveTenant, Some("tenant.remove")),
    row(Method::PUT, "/v1/tenants/{tenant}/secrets/{name}", ADMIN, Action::SetSecret, Some("secret.set")),
    row(Method::DELETE, "/v1/tenants/{tenant}/secrets/{name}", ADMIN, Action::RemoveSecret, Some("secret.remove")),
    row(Method::HEAD, "/v1/artifacts/{digest}", DEPLOY, Action::HasArtifact, None),
    row(Method::PUT, "/v1/artifacts/{digest}", DEPLOY, Action::PutArtifact, Some("artifact.put")),
    row(Method::GET, "/v1/tenants/{tenant}/releases", READ, Action::ListReleases, None),
    row(Method::GET, "/v1/tenants/{tenant}/releases/{release}", READ, Action::ShowRelease, None),
    row(Method::GET, "/v1/tenants/{tenant}/deployments", READ, Action::ListDeployments, None),
    row(Method::POST, "/v1/tenants/{tenant}/deployments", DEPLOY, Action::Deploy, Some("release.deploy")),
    row(Method::POST, "/v1/tenants/{tenant}/rollback", DEPLOY, Action::Rollback, Some("release.rollback")),
    row(Method::POST, "/v1/tenants/{tenant}/canary/promote", DEPLOY, Action::PromoteCanary, Some("canary.promote")),
    row(Method::POST, "/v1/tenants/{tenant}/canary/cancel", DEPLOY, Action::CancelCanary, Some("canary.cancel")),
    row(Method::GET, "/v1/tenants/{tenant}/diff", READ, Action::Diff, None),
    row(Method::GET, "/v1/tenants/{tenant}/dead-letters", READ, Action::ListDeadLetters, None),
    row(Method::POST, "/v1/tenants/{tenant}/dead-letters/replay", DEPLOY, Action::ReplayDeadLetter, Some("event.replay")),
    row(Method::POST, "/v1/tenants/{tenant}/dead-letters/discard", DEPLOY, Action::DiscardDeadLetter, Some("event.discard")),
    row(Method::POST, "/v1/tenants/{tenant}/sockets/close", ADMIN, Action::CloseSockets, Some("sockets.close")),
];

/// Method, path and scope of every route, for documentation and tests.
pub fn routes() -> impl Iterator<Item = (&'static Method, &'static str, Option<Scope>)> {
    ROUTES.iter().map(|route| (&route.method, route.path, route.scope))
}

/// What a path leads to.
pub(crate) enum Found {
    /// A route, and what its braces took.
    Route(&'static Route, Vec<String>),
    /// Routes with other methods.
    OtherMethods(Vec<&'static Method>),
    /// Nothing.
    Nothing,
}

/// Looks a path up.
pub(crate) fn find(method: &Method, path: &str) -> Found {
    let mut others = Vec::new();
    for route in ROUTES {
        let Some(taken) = taken(route.path, path) else { continue };
        if route.method == *method {
            return Found::Route(route, taken);
        }
        others.push(&route.method);
    }
    if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
}

/// What the braces of a pattern take of a path; none when it does not fit.
fn taken(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    let mut taken = Vec::new();
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return Some(taken),
            (Some(wanted), Some(segment)) if wanted.starts_with('{') => {
                let segment = percent_decode_str(segment).decode_utf8().ok()?;
                if segment.is_empty() {
                    return None;
                }
                taken.push(segment.into_owned());
            }
            (Some(wanted), Some(segment)) if wanted == segment => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_routes() {
        let found = |method: Method, path: &str| match find(&method, path) {
            Found::Route(route, taken) => Some((route.action, taken)),
            _ => None,
        };
        assert_eq!(found(Method::GET, "/v1/tenants"), Some((Action::ListTenants, vec![])));
        assert_eq!(
            found(Method::PUT, "/v1/tenants/shop/secrets/a%20b"),
            Some((Action::SetSecret, vec!["shop".to_owned(), "a b".to_owned()]))
        );
        for nothing in ["/v1/tenants/", "/v1", "/v1/tenants/a/b", "//", "/v1/tenants/%ff"] {
            assert_eq!(found(Method::GET, nothing), None, "{nothing}");
        }
        assert!(
            matches!(find(&Method::DELETE, "/v1/tenants"), Found::OtherMethods(methods) if methods.len() == 2)
        );
    }

    #[test]
    fn whatever_changes_something_needs_a_token_and_is_audited() {
        for route in ROUTES {
            let safe = route.method == Method::GET || route.method == Method::HEAD;
            assert_eq!(route.audited.is_none(), safe, "{}", route.path);
            assert!(safe || route.scope.is_some_and(|scope| scope > Scope::Read), "{}", route.path);
        }
    }
}
