//! A request that may be repeated: the key under which its answer is kept, and what it asked for.

use crate::store::{
    Answer, Answered, DeviceIx, Fingerprint, IdempotencyKey, Now, Position, Snapshot, StorageError, WriteTransaction,
};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// The device that asks.
    pub device: DeviceIx,
    /// What it calls its request, if it does.
    pub key: Option<IdempotencyKey>,
    /// What it asks for.
    pub fingerprint: Fingerprint,
}

/// What is known of a request.
pub(super) enum Before {
    /// Nothing: it is new, or has no key.
    New,
    /// It was answered.
    Answered(Answer),
    /// Another request was answered under its key.
    KeyReused,
}

impl Request {
    /// What is known of it.
    pub(super) fn before(&self, snapshot: &Snapshot<'_>) -> Result<Before, StorageError> {
        let Some(key) = &self.key else {
            return Ok(Before::New);
        };
        Ok(match snapshot.answered(self.device, key)? {
            None => Before::New,
            Some(answered) if answered.fingerprint == self.fingerprint => Before::Answered(answered.answer),
            Some(_) => Before::KeyReused,
        })
    }

    /// Keeps its answer.
    pub(super) fn keep(&self, tx: &mut WriteTransaction<'_>, answer: Answer, now: Now) -> Result<(), StorageError> {
        let Some(key) = &self.key else {
            return Ok(());
        };
        let fingerprint = self.fingerprint;
        tx.keep_answer(self.device, key, &Answered { fingerprint, answer }, now)
    }

    /// Keeps the answer about a sale or a refund, whose repeat a standby knows by its number: that row less to follow in
    /// each sale.
    pub(super) fn keep_document(
        &self,
        tx: &mut WriteTransaction<'_>,
        position: Position,
        now: Now,
    ) -> Result<(), StorageError> {
        let Some(key) = &self.key else {
            return Ok(());
        };
        let (fingerprint, answer) = (self.fingerprint, Answer::Record(position));
        tx.keep_answer_here(self.device, key, &Answered { fingerprint, answer }, now)
    }
}
