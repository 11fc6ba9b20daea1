//! Answers by their keys.

use rusqlite::OptionalExtension as _;

use super::value::{hash, number};
use super::{Reading, StorageError, Writing};
use crate::domain::journal::Hash;

impl Reading<'_> {
    /// What was answered under a key, and to what.
    pub(in crate::hq) fn answer(&self, caller: &str, key: &str) -> Result<Option<(Hash, String)>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT fingerprint, body FROM api_answer WHERE caller = ?1 AND key = ?2")?;
        let answer = statement.query_row((caller, key), |row| Ok((hash(row, 0)?, row.get(1)?)));
        Ok(answer.optional()?)
    }
}

impl Writing<'_> {
    /// Keeps an answer, and forgets those that were given before `forget_before_ms`.
    pub(in crate::hq) fn keep_answer(
        &self,
        (caller, key): (&str, &str),
        fingerprint: Hash,
        body: &str,
        now_ms: u64,
        forget_before_ms: u64,
    ) -> Result<(), StorageError> {
        let mut forget = self
            .connection
            .prepare_cached("DELETE FROM api_answer WHERE answered_ms < ?1")?;
        forget.execute([number(forget_before_ms)?])?;
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO api_answer (caller, key, fingerprint, body, answered_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        statement.execute((caller, key, fingerprint.0, body, number(now_ms)?))?;
        Ok(())
    }
}
