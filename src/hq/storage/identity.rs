//! Who this headquarters is: the key and the clock of its own journal.

use rusqlite::OptionalExtension as _;

use super::value::{bytes_32, incarnation, number, parsed, unsigned};
use super::{Reading, StorageError, Writing};
use crate::domain::ids::{Incarnation, NodeId};
use crate::domain::time::Hlc;

/// Headquarters as the writer of a journal.
#[derive(Clone)]
pub(in crate::hq) struct Identity {
    /// Its name as a node.
    pub node: NodeId,
    /// Its journal's incarnation.
    pub incarnation: Incarnation,
    /// The Ed25519 key that signs it.
    pub secret_key: [u8; 32],
    /// The stamp of the last record.
    pub recorded: Hlc,
}

impl Reading<'_> {
    /// Who this headquarters is; none before the first start is done.
    pub(in crate::hq) fn identity(&self) -> Result<Option<Identity>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT node, counter, random, secret_key, recorded FROM headquarters")?;
        let identity = statement.query_row([], |row| {
            Ok(Identity {
                node: parsed(row, 0)?,
                incarnation: incarnation(row, 1)?,
                secret_key: bytes_32(row, 3)?,
                recorded: Hlc(unsigned(row, 4)?),
            })
        });
        Ok(identity.optional()?)
    }
}

impl Writing<'_> {
    /// Writes who this headquarters is, or how far its clock is.
    pub(in crate::hq) fn save_identity(&self, identity: &Identity) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO headquarters (singleton, node, counter, random, secret_key, recorded) VALUES (1, ?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (singleton) DO UPDATE SET node = excluded.node, counter = excluded.counter,
                 random = excluded.random, secret_key = excluded.secret_key, recorded = excluded.recorded",
        )?;
        statement.execute((
            identity.node.as_str(),
            identity.incarnation.counter,
            identity.incarnation.random.cast_signed(),
            identity.secret_key,
            number(identity.recorded.0)?,
        ))?;
        Ok(())
    }
}
