//! Answers that are kept as they were: for requests that leave no record from which theirs could be made anew.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::documents::json_answer;
use crate::operations::Request;
use crate::store::{Answer, Answered, Failure, Now, StorageError, WriteTransaction};

/// An answer, and whether it was given before.
#[derive(Debug)]
pub(super) struct Kept {
    status: u16,
    body: Vec<u8>,
    /// Whether it was given before.
    pub repeated: bool,
}

/// Why a request was not answered.
#[derive(Debug)]
pub(super) enum KeptRefusal<R> {
    /// Its key belongs to another request.
    KeyReused,
    /// The work's own refusal.
    Refused(R),
}

/// Runs `work` the first time that a request comes, and gives its answer then and every other time.
pub(super) fn kept<B: Serialize, R>(
    tx: &mut WriteTransaction<'_>,
    request: &Request,
    now: Now,
    work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<(StatusCode, B), Failure<R>>,
) -> Result<Kept, Failure<KeptRefusal<R>>> {
    let before = match &request.key {
        Some(key) => tx.answered(request.device, key)?,
        None => None,
    };
    match before {
        Some(answered) if answered.fingerprint == request.fingerprint => match answered.answer {
            Answer::Kept { status, body } => Ok(Kept {
                status,
                body,
                repeated: true,
            }),
            Answer::Record(_) => Err(Failure::Refused(KeptRefusal::KeyReused)),
        },
        Some(_) => Err(Failure::Refused(KeptRefusal::KeyReused)),
        None => {
            let (status, body) = work(tx).map_err(|failure| failure.map_refusal(KeptRefusal::Refused))?;
            let status = status.as_u16();
            let body = serde_json::to_vec(&body).map_err(|error| StorageError::Other(error.to_string()))?;
            if let Some(key) = &request.key {
                let answer = Answer::Kept {
                    status,
                    body: body.clone(),
                };
                let fingerprint = request.fingerprint;
                tx.keep_answer(request.device, key, &Answered { fingerprint, answer }, now)?;
            }
            Ok(Kept {
                status,
                body,
                repeated: false,
            })
        }
    }
}

impl IntoResponse for Kept {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        json_answer(status, self.body, self.repeated)
    }
}
