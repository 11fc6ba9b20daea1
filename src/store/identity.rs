//! Who the node is, and which machine its disk runs in.

use sha2::{Digest as _, Sha256};

use super::clock::Now;
use super::keys::row_count;
use super::options::NewNode;
use super::snapshot::parsed;
use super::{Snapshot, StorageError, WriteTransaction};

/// A machine's identity, hashed, so that a backup does not tell which machine it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Machine(pub [u8; 32]);

impl Machine {
    pub(super) fn from_id(id: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"finalmarket machine\0");
        hasher.update(id.trim());
        Self(hasher.finalize().into())
    }
}

impl Snapshot<'_> {
    /// Who the node is; none in a database whose making was cut short.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn identity(&self) -> Result<Option<NewNode>, StorageError> {
        self.one("SELECT org, node, site, currency FROM node", (), |row| {
            Ok(NewNode {
                org: parsed(row, 0)?,
                node: parsed(row, 1)?,
                site: parsed(row, 2)?,
                currency: parsed(row, 3)?,
            })
        })
    }

    /// Who the node is, where it must be known.
    pub(crate) fn known_identity(&self) -> Result<NewNode, StorageError> {
        self.identity()?
            .ok_or_else(|| StorageError::Inconsistent("the database does not say whose it is".into()))
    }

    pub(super) fn machine(&self) -> Result<Option<Machine>, StorageError> {
        self.one("SELECT machine FROM node", (), |row| row.get(0).map(Machine))
    }
}

impl WriteTransaction<'_> {
    pub(super) fn insert_identity(&mut self, node: &NewNode, machine: Machine, now: Now) -> Result<(), StorageError> {
        self.write(
            "INSERT INTO node (one, org, node, site, currency, machine, created_ms) VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)",
            (
                node.org.as_str(),
                node.node.as_str(),
                node.site.as_str(),
                node.currency.code(),
                machine.0,
                row_count(now.unix_ms),
            ),
        )?;
        Ok(())
    }

    pub(super) fn set_machine(&mut self, machine: Machine) -> Result<(), StorageError> {
        self.write("UPDATE node SET machine = ?1", (machine.0,))?;
        Ok(())
    }
}
