//! What every request passes: who asks, how many at once and how long, and what it is answered where it fails.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::access::{Access, access, methods};
use super::state::HqApi;
use crate::hq::{Token, TokenRole};
use crate::http::guard::{method_not_allowed, unpanicked};
use crate::http::problem::{self, Problem, kind};

/// The most characters of a token that are looked at.
const TOKEN_CHARACTERS_MAX: usize = 128;

/// Who asks: the token's name stands in for the person in whatever is decided.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub Token);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            let cause = "a call that is open to anyone asked for the caller";
            Problem::fault(&kind::INTERNAL, "headquarters does not know who asks", cause)
        })
    }
}

/// Guards every route.
pub(super) async fn guard(State(api): State<HqApi>, request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let mut response = match pass(&api, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    if let Some(code) = problem::render(&mut response, uri.path()) {
        api.metrics.count_problem(code);
    }
    response
}

async fn pass(api: &HqApi, mut request: Request, next: Next) -> Result<Response, Problem> {
    let matched = request.extensions().get::<MatchedPath>();
    let access = match matched.map(MatchedPath::as_str) {
        // Nothing is there, or it is documentation: the router says which.
        None => Access::Anyone,
        Some(path) if path.starts_with("/docs") => Access::Anyone,
        Some(path) => match access(request.method(), path) {
            Some(access) => access,
            // The handler may be there: what the table does not have is for nobody.
            None => return Ok(method_not_allowed(methods(path))),
        },
    };
    let _place = match access {
        Access::Anyone => None,
        Access::Token(role) => {
            let place = api
                .in_flight
                .try_acquire()
                .map_err(|_| Problem::new(&kind::OVERLOADED, "too many requests are under way").retry_after(1))?;
            let caller = admit(api, role, request.headers()).await?;
            request.extensions_mut().insert(caller);
            Some(place)
        }
    };
    let work = unpanicked(async { Ok::<_, Infallible>(next.run(request).await) });
    match tokio::time::timeout(api.request_timeout(), work).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(panic)) => Err(Problem::fault(
            &kind::INTERNAL,
            "headquarters could not finish the request",
            panic,
        )),
        Err(_) => Err(Problem::new(
            &kind::TIMED_OUT,
            "headquarters gave up waiting; whether the request has taken effect is not known",
        )
        .retry_after(1)),
    }
}

async fn admit(api: &HqApi, needed: TokenRole, headers: &HeaderMap) -> Result<Caller, Problem> {
    let token = api.authenticate(shown(headers)?).await?;
    let token = token.ok_or_else(|| Problem::new(&kind::TOKEN_UNKNOWN, "the token is not known, or was revoked"))?;
    if token.role < needed {
        let detail = format!("the token {:?} is for looking only", token.name);
        return Err(Problem::new(&kind::ROLE_FORBIDDEN, detail));
    }
    Ok(Caller(token))
}

fn shown(headers: &HeaderMap) -> Result<&str, Problem> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, token) = given.and_then(|text| text.split_once(' ')).unwrap_or_default();
    let token = token.trim_start();
    if scheme.eq_ignore_ascii_case("bearer") && (1..=TOKEN_CHARACTERS_MAX).contains(&token.len()) {
        Ok(token)
    } else {
        let detail = "this call needs the header Authorization: Bearer TOKEN";
        Err(Problem::new(&kind::TOKEN_MISSING, detail))
    }
}
