//! Problems: what the API says where it does not do what was asked, as RFC 9457 writes it
//! (`application/problem+json`).
//!
//! Promises: every answer with a status from 400 up is a problem with a stable `type`, also those that the framework
//! makes by itself; a problem never tells the inside of the node: a fault's cause is logged, once, under the number
//! that the answer's `instance` ends with.

mod cart_refusals;
mod faults;
pub mod kind;
pub(crate) mod pages;
mod refusals;

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Map, Value};

pub use kind::Kind;

/// Why a request was not done. Becomes the answer's body once the path is known; see `render`.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    kind: &'static Kind,
    detail: Cow<'static, str>,
    members: Map<String, Value>,
    retry_after_seconds: Option<u64>,
    /// For the log only.
    cause: Option<String>,
}

impl Problem {
    /// A problem of a kind, with what is the matter this time, in words for people.
    #[must_use]
    pub fn new(kind: &'static Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts {
            kind,
            detail: detail.into(),
            members: Map::new(),
            retry_after_seconds: None,
            cause: None,
        }))
    }

    /// A fault of the node's own. Its cause goes to the log and not to the client.
    #[must_use]
    pub fn fault(kind: &'static Kind, detail: impl Into<Cow<'static, str>>, cause: impl std::fmt::Display) -> Self {
        let mut problem = Self::new(kind, detail);
        problem.0.cause = Some(cause.to_string());
        problem
    }

    /// With a member of its own, such as the line that is refused.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.members.insert(name.into(), value.into());
        self
    }

    /// With the place in the body that is at fault, as a JSON pointer (RFC 6901).
    #[must_use]
    pub fn at(self, pointer: impl Into<String>) -> Self {
        self.with("pointer", pointer.into())
    }

    /// With the time after which asking again makes sense.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after_seconds = Some(seconds.max(1));
        self
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> &'static Kind {
        self.0.kind
    }

    /// What is the matter this time.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    fn body(&self, instance: &str) -> Vec<u8> {
        let mut body = Map::with_capacity(5 + self.0.members.len());
        body.insert("type".into(), format!("/problems/{}", self.0.kind.code).into());
        body.insert("title".into(), self.0.kind.title.into());
        body.insert("status".into(), self.0.kind.status.as_u16().into());
        body.insert("detail".into(), self.0.detail.as_ref().into());
        body.insert("instance".into(), instance.into());
        body.extend(self.0.members.clone());
        Value::Object(body).to_string().into_bytes()
    }
}

/// Carries the problem to `render`, which knows the path.
impl IntoResponse for Problem {
    fn into_response(self) -> axum::response::Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.0.kind.status;
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives an answer from 400 up its body, and logs a fault. Returns the problem's code; none where it is no problem.
pub(crate) fn render(response: &mut axum::response::Response, path: &str) -> Option<&'static str> {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    let problem = response
        .extensions_mut()
        .remove::<Problem>()
        .unwrap_or_else(|| of_status(status));
    let mut instance = path.to_owned();
    if let Some(cause) = &problem.0.cause {
        let number = fault_number();
        tracing::error!(
            code = problem.0.kind.code,
            path,
            number,
            cause,
            "a request failed by a fault of the node"
        );
        instance = format!("{path}#{number}");
    }
    let body = problem.body(&instance);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    if let Some(seconds) = problem.0.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(
            HeaderName::from_static("www-authenticate"),
            HeaderValue::from_static("Bearer"),
        );
    }
    *response.body_mut() = Body::from(body);
    Some(problem.0.kind.code)
}

/// What the framework refused by itself.
fn of_status(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::new(&kind::NOT_FOUND, "nothing is at this address"),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(
            &kind::METHOD_NOT_ALLOWED,
            "this address does not have the method that was asked for",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(&kind::BODY_TOO_LARGE, "the body is too large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(&kind::UNSUPPORTED_MEDIA_TYPE, "the body must be JSON"),
        status if status.is_client_error() => Problem::new(&kind::MALFORMED_REQUEST, "the request cannot be read"),
        status => Problem::fault(
            &kind::INTERNAL,
            "the node could not finish the request",
            format_args!("the framework answered {status}"),
        ),
    }
}

/// A number by which an answer and a line of the log are brought together.
fn fault_number() -> String {
    // Without randomness two faults share a number; the log still tells them apart by their time.
    format!("{:08x}", getrandom::u32().unwrap_or_default())
}
