//! Requests that were answered: a repeat within 90 days gets the first answer again.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use super::clock::Now;
use super::keys::{DeviceIx, Position};
use super::{Snapshot, StorageError, WriteTransaction};

/// How long an answer is kept, in days.
pub const IDEMPOTENCY_DAYS: i64 = 90;

/// What a client calls its request: 1 to 128 printed ASCII characters. Kept as it came, not hashed, so that keys that
/// count up stand side by side and a new one does not touch a page of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Box<str>);

/// Why a text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key has 1 to 128 printed ASCII characters without spaces")]
pub struct IdempotencyKeyError;

impl IdempotencyKey {
    /// The key as it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = IdempotencyKeyError;

    fn from_str(text: &str) -> Result<Self, IdempotencyKeyError> {
        let printed = text.bytes().all(|byte| byte.is_ascii_graphic());
        ((1..=128).contains(&text.len()) && printed)
            .then(|| Self(text.into()))
            .ok_or(IdempotencyKeyError)
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a request asked for, in 16 bytes: another request under the same key is told apart by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub(super) [u8; 16]);

impl Fingerprint {
    /// Of a request's content: what it asks (`sale`, `refund`) and its bytes in any fixed form.
    #[must_use]
    pub fn of(verb: &str, content: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(verb);
        hasher.update(b"\0");
        hasher.update(content);
        let hash: [u8; 32] = hasher.finalize().into();
        let mut short = [0; 16];
        short.copy_from_slice(&hash[..16]);
        Self(short)
    }
}

/// The first answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Made anew from the record at this position.
    Record(Position),
    /// Kept as it was.
    Kept {
        /// The status.
        status: u16,
        /// The body.
        body: Vec<u8>,
    },
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// What it asked for.
    pub fingerprint: Fingerprint,
    /// The answer.
    pub answer: Answer,
}

impl Snapshot<'_> {
    /// The answer to a request under a key of a device, where there was one.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn answered(&self, device: DeviceIx, key: &IdempotencyKey) -> Result<Option<Answered>, StorageError> {
        let sql = "SELECT fingerprint, position, status, body FROM idempotency WHERE device = ?1 AND key = ?2";
        self.one(sql, (device.0, key.as_str()), |row| {
            // Of an answer that is kept the position says behind which record it was given.
            let answer = match row.get(2)? {
                None => Answer::Record(Position(row.get(1)?)),
                Some(status) => Answer::Kept {
                    status,
                    body: row.get(3)?,
                },
            };
            let fingerprint = Fingerprint(row.get(0)?);
            Ok(Answered { fingerprint, answer })
        })
    }
}

impl WriteTransaction<'_> {
    /// Keeps the answer to a request, also for standbys.
    ///
    /// # Errors
    /// Where the store failed.
    pub fn keep_answer(
        &mut self,
        device: DeviceIx,
        key: &IdempotencyKey,
        answered: &Answered,
        now: Now,
    ) -> Result<(), StorageError> {
        self.keep_answer_here(device, key, answered, now)?;
        self.note_answer(device, key)
    }

    /// Keeps the answer to a request on this disk alone: of a sale or a refund, which any disk knows by its number.
    ///
    /// # Errors
    /// Where the store failed.
    pub fn keep_answer_here(
        &mut self,
        device: DeviceIx,
        key: &IdempotencyKey,
        answered: &Answered,
        now: Now,
    ) -> Result<(), StorageError> {
        let (position, status, body) = match &answered.answer {
            Answer::Record(position) => (position.0, None, None),
            Answer::Kept { status, body } => (self.tip()?.position.0, Some(*status), Some(body.as_slice())),
        };
        self.write(
            "INSERT INTO idempotency (device, key, fingerprint, position, status, body, day) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                device.0,
                key.as_str(),
                answered.fingerprint.0,
                position,
                status,
                body,
                now.day(),
            ),
        )?;
        Ok(())
    }

    /// Looks at `step` answers behind `after` in the order of their keys and forgets those that are older than
    /// [`IDEMPOTENCY_DAYS`]. Gives where it stopped, or none at the end: an index by age would cost every sale.
    ///
    /// # Errors
    /// Where the store failed.
    pub fn forget_old_answers(
        &mut self,
        after: Option<(DeviceIx, IdempotencyKey)>,
        step: u32,
        now: Now,
    ) -> Result<Option<(DeviceIx, IdempotencyKey)>, StorageError> {
        let (device, key) = match &after {
            Some((device, key)) => (device.0, key.as_str()),
            None => (i64::MIN, ""),
        };
        let sql = "SELECT device, key FROM (SELECT device, key FROM idempotency WHERE (device, key) > (?1, ?2) \
            ORDER BY device, key LIMIT ?3) ORDER BY device DESC, key DESC LIMIT 1";
        let last = self.one(sql, (device, key, step), |row| {
            Ok((DeviceIx(row.get(0)?), IdempotencyKey(row.get::<_, String>(1)?.into())))
        })?;
        if let Some((last_device, last_key)) = &last {
            let sql = "DELETE FROM idempotency WHERE (device, key) > (?1, ?2) AND (device, key) <= (?3, ?4) \
                AND day < ?5";
            let oldest = now.day() - IDEMPOTENCY_DAYS;
            self.write(sql, (device, key, last_device.0, last_key.as_str(), oldest))?;
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_short_and_printed() {
        assert!("a-1".parse::<IdempotencyKey>().is_ok());
        for wrong in ["", "a b", "a\n", "é", &"x".repeat(129)] {
            assert_eq!(wrong.parse::<IdempotencyKey>(), Err(IdempotencyKeyError));
        }
    }
}
