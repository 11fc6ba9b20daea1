//! A POST that writes: its key, what it asks in a few bytes, and its body.

use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use serde::de::DeserializeOwned;

use super::body;
use super::caller::Caller;
use super::problem::{Problem, kind};
use crate::operations;
use crate::store::{Fingerprint, IdempotencyKey};

/// The most characters of a key.
const KEY_CHARACTERS_MAX: usize = 64;

/// A request that writes, with its body read. Repeated with its key, it is done once.
#[derive(Debug)]
pub struct Command<T> {
    /// What the client calls it.
    pub key: IdempotencyKey,
    /// Method, path and body to the byte.
    pub fingerprint: Fingerprint,
    /// What it asks.
    pub body: T,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Command<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let key = key(request.headers())?;
        let verb = format!("{} {}", request.method(), request.uri().path());
        let bytes = body::read(request).await?;
        Ok(Self {
            key,
            fingerprint: Fingerprint::of(&verb, &bytes),
            body: body::parse(&bytes)?,
        })
    }
}

impl<T> Command<T> {
    /// The request as operations know it, and the body.
    pub fn into_request(self, caller: &Caller) -> (operations::Request, T) {
        let request = operations::Request {
            device: caller.ix,
            key: Some(self.key),
            fingerprint: self.fingerprint,
        };
        (request, self.body)
    }
}

fn key(headers: &HeaderMap) -> Result<IdempotencyKey, Problem> {
    let header = headers.get("idempotency-key").ok_or_else(|| {
        Problem::new(
            &kind::KEY_MISSING,
            "this call writes, so it needs the header Idempotency-Key",
        )
    })?;
    let text = header.to_str().ok().filter(|text| text.len() <= KEY_CHARACTERS_MAX);
    text.and_then(|text| text.parse().ok()).ok_or_else(|| {
        let detail = format!("a key is 1 to {KEY_CHARACTERS_MAX} visible ASCII characters");
        Problem::new(&kind::KEY_INVALID, detail)
    })
}
