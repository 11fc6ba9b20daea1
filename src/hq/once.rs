//! Doing what a client asks once, however often it asks.

use serde::Serialize;

use super::headquarters::Headquarters;
use super::storage::{StorageError, Writing};
use crate::domain::journal::Hash;

/// For how long an answer is kept, in milliseconds: 90 days.
const KEPT_MS: u64 = 90 * 24 * 60 * 60 * 1000;

/// A request as its client names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keyed {
    /// Who asks.
    pub caller: String,
    /// What the client calls the request.
    pub key: String,
    /// Of everything that it asks.
    pub fingerprint: Hash,
}

/// An answer: JSON, given now or kept from the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Once {
    /// The answer.
    pub json: String,
    /// Whether it was given before; nothing was done this time.
    pub replayed: bool,
}

/// Why a request is not done.
#[derive(Debug)]
pub(super) enum OnceError<E> {
    /// The key was used for something else.
    KeyReused,
    /// The work refused or failed; nothing is kept of it.
    Work(E),
}

impl<E: From<StorageError>> From<StorageError> for OnceError<E> {
    fn from(error: StorageError) -> Self {
        Self::Work(error.into())
    }
}

impl Headquarters {
    /// Does the work in one transaction with its answer; under a key that was used for the same request it gives the
    /// first answer again and does nothing.
    pub(super) fn once<T, E>(
        &self,
        keyed: Option<Keyed>,
        now_ms: u64,
        work: impl FnOnce(&Writing<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<Once, OnceError<E>>
    where
        T: Serialize,
        E: From<StorageError> + Send + 'static,
    {
        self.database.write(move |writing| {
            if let Some(keyed) = &keyed
                && let Some((fingerprint, json)) = writing.answer(&keyed.caller, &keyed.key)?
            {
                return if fingerprint == keyed.fingerprint {
                    Ok(Once { json, replayed: true })
                } else {
                    Err(OnceError::KeyReused)
                };
            }
            let answer = work(writing).map_err(OnceError::Work)?;
            let json = serde_json::to_string(&answer).map_err(|error| StorageError::Failed(error.to_string()))?;
            if let Some(Keyed {
                caller,
                key,
                fingerprint,
            }) = keyed
            {
                let forget_before_ms = now_ms.saturating_sub(KEPT_MS);
                writing.keep_answer((&caller, &key), fingerprint, &json, now_ms, forget_before_ms)?;
            }
            Ok(Once { json, replayed: false })
        })
    }
}
