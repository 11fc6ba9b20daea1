//! A POST that writes: its key, what it asks in a few bytes, and its body.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::guard::Caller;
use super::state::HqApi;
use crate::domain::journal::Hash;
use crate::hq::once::{Keyed, OnceError};
use crate::hq::storage::{StorageError, Writing};
use crate::http::body;
use crate::http::problem::{Problem, kind};

/// The most characters of a key.
const KEY_CHARACTERS_MAX: usize = 128;
/// Marks an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A request that writes, with its body read. Repeated with its `Idempotency-Key`, it is done once.
#[derive(Debug, Clone)]
pub(super) struct Command<T> {
    /// Who asks, in words.
    pub by: String,
    /// What it asks.
    pub body: T,
    keyed: Option<Keyed>,
}

/// What became of a command.
pub(super) struct Done {
    /// Whether it was done before, and not this time.
    pub replayed: bool,
    /// The answer.
    pub response: Response,
}

impl<T: DeserializeOwned> FromRequest<HqApi> for Command<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &HqApi) -> Result<Self, Problem> {
        let (mut parts, rest) = request.into_parts();
        let Caller(token) = Caller::from_request_parts(&mut parts, api).await?;
        let key = key(&parts.headers)?;
        let verb = format!("{} {}", parts.method, parts.uri.path());
        let bytes = body::read(Request::from_parts(parts, rest)).await?;
        let keyed = key.map(|key| Keyed {
            caller: token.name.clone(),
            key,
            fingerprint: fingerprint(&verb, &bytes),
        });
        Ok(Self {
            by: token.name,
            body: body::parse(&bytes)?,
            keyed,
        })
    }
}

impl<T> Command<T> {
    /// What the client calls the request, where it names it.
    pub(super) const fn keyed(&self) -> Option<&Keyed> {
        self.keyed.as_ref()
    }

    /// Does the work once, in one transaction with its answer.
    pub(super) async fn once<A, E>(
        self,
        api: &HqApi,
        status: StatusCode,
        work: impl FnOnce(&Writing<'_>, T, String, u64) -> Result<A, E> + Send + 'static,
    ) -> Result<Done, Problem>
    where
        T: Send + 'static,
        A: Serialize,
        E: From<StorageError> + Into<Problem> + Send + 'static,
    {
        let now_ms = api.now_ms();
        let Self { by, body, keyed } = self;
        let answer = api
            .ask(move |headquarters| headquarters.once(keyed, now_ms, move |writing| work(writing, body, by, now_ms)))
            .await?;
        let mut response = Response::new(Body::from(answer.json));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if answer.replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        Ok(Done {
            replayed: answer.replayed,
            response,
        })
    }
}

impl<E: Into<Problem>> From<OnceError<E>> for Problem {
    fn from(error: OnceError<E>) -> Self {
        match error {
            OnceError::KeyReused => Self::new(
                &kind::KEY_REUSED,
                "another request was sent under the same Idempotency-Key; nothing was done",
            ),
            OnceError::Work(error) => error.into(),
        }
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(header) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = header.to_str().ok();
    let key = text.filter(|text| {
        (1..=KEY_CHARACTERS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    });
    let key = key.ok_or_else(|| {
        let detail = format!("a key is 1 to {KEY_CHARACTERS_MAX} visible ASCII characters");
        Problem::new(&kind::KEY_INVALID, detail)
    })?;
    Ok(Some(key.to_owned()))
}

fn fingerprint(verb: &str, body: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(verb);
    hasher.update(b"\0");
    hasher.update(body);
    Hash(hasher.finalize().into())
}
