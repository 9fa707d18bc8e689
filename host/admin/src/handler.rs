//! One request: its route, its token, its answer.

use std::sync::OnceLock;

use async_trait::async_trait;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, AUTHORIZATION},
};
use pingtalk_capabilities::calls::{Body, CallContext, CallError, HttpHandler};

use crate::{
    answer::{self, Answer},
    artifacts,
    audit::Change,
    call::{Admin, Call},
    dead_letters, deployments, host,
    problem::Problem,
    routes::{self, Action, Found, Route},
    sockets, tenants,
    token::{self, Token},
};

impl Admin {
    /// Checks the token that a request carries against the route's scope.
    fn admit(
        &self,
        context: &CallContext,
        headers: &HeaderMap,
        token: Option<&Token>,
        route: &Route,
    ) -> Result<(), Problem> {
        let Some(scope) = route.scope else { return Ok(()) };
        if let Some(wait) = self.attempts.wait(context.client) {
            let message = "too many wrong tokens from this address";
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", message);
            return Err(Problem { retry_after: Some(wait.as_secs().max(1)), ..problem });
        }
        let unauthorized =
            |message: &str| Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
        let Some(token) = token else {
            if !headers.contains_key(AUTHORIZATION) {
                return Err(unauthorized("send `Authorization: Bearer TOKEN`"));
            }
            let wrong = self.attempts.wrong(context.client);
            tracing::warn!(address = ?context.client, wrong, "a wrong admin token");
            return Err(unauthorized("this token is not known here"));
        };
        if token.scope() < scope {
            let message = format!(
                "this needs a token of scope `{}`; `{}` has `{}`",
                scope.name(),
                token.name(),
                token.scope().name()
            );
            return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", message));
        }
        Ok(())
    }

    async fn answer(&self, context: CallContext, request: Request<Body>) -> Answer {
        let path = request.uri().path();
        let (route, taken) = match routes::find(request.method(), path) {
            Found::Route(route, taken) => (route, taken),
            Found::OtherMethods(methods) => return Ok(other_methods(&methods)),
            Found::Nothing => {
                return Err(Problem::not_found(format!(
                    "there is no {path}: see /v1/openapi.json"
                )));
            }
        };
        let token = token::find(&self.parts.tokens, request.headers());
        let admitted = self.admit(&context, request.headers(), token, route);
        let by = token.map(|token| token.name().to_owned()).unwrap_or_default();
        let detail = format!("{} {}", request.method(), path);
        let in_path = route.path.contains("{tenant}");
        let (head, body) = request.into_parts();
        let query = head.uri.query().unwrap_or_default().to_owned();
        let call = Call { action: route.action, taken, by, query, named: OnceLock::new() };
        let answer = match admitted {
            Ok(()) => self.act(&call, body).await,
            Err(problem) => Err(problem),
        };
        // Who sends no known token changes nothing and must not fill the log.
        if let Some(action) = route.audited
            && !call.by.is_empty()
        {
            let tenant = match in_path {
                true => call.first(),
                false => call.named.get().map_or("", String::as_str),
            };
            let change = Change { by: &call.by, address: context.client, action, tenant, detail };
            change.ended(&self.parts.store, answer.as_ref().map(|_| ())).await;
        }
        answer
    }

    async fn act(&self, call: &Call, body: Body) -> Answer {
        match call.action {
            Action::OpenApi
            | Action::Health
            | Action::Status
            | Action::Metrics
            | Action::Audit
            | Action::Drain => host::answer(self, call).await,
            Action::ListTenants
            | Action::CreateTenant
            | Action::ShowTenant
            | Action::ChangeTenant
            | Action::RemoveTenant
            | Action::SetSecret
            | Action::RemoveSecret => tenants::answer(self, call, body).await,
            Action::HasArtifact | Action::PutArtifact => artifacts::answer(self, call, body).await,
            Action::Deploy
            | Action::Rollback
            | Action::PromoteCanary
            | Action::CancelCanary
            | Action::ListReleases
            | Action::ShowRelease
            | Action::ListDeployments
            | Action::Diff => deployments::answer(self, call, body).await,
            Action::ListDeadLetters | Action::ReplayDeadLetter | Action::DiscardDeadLetter => {
                dead_letters::answer(self, call, body).await
            }
            Action::CloseSockets => sockets::answer(self, call, body).await,
        }
    }
}

fn other_methods(methods: &[&Method]) -> Response<Body> {
    let allowed = methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", ");
    let message = format!("this path takes {allowed}");
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
    let mut response = answer::refusal(&problem);
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

#[async_trait]
impl HttpHandler for Admin {
    async fn handle(
        &self,
        context: CallContext,
        request: Request<Body>,
    ) -> Result<Response<Body>, CallError> {
        Ok(self.answer(context, request).await.unwrap_or_else(|problem| answer::refusal(&problem)))
    }
}
