//! Registers: every other replica's row of each item on sale at a site, as far as it may be counted.

use rusqlite::{OptionalExtension as _, Row as SqlRow};

use super::value::{damaged, incarnation, number, parsed, unsigned};
use super::{Reading, StorageError, Writing};
use crate::domain::escrow::{Amount, Registers, ReplicaId, Row};
use crate::domain::ids::{SiteId, Sku};

/// A replica's number in this database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::hq) struct ReplicaIx(pub(super) i64);

/// A replica's row of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hq) struct Register {
    /// Whose.
    pub replica: ReplicaId,
    /// The row.
    pub row: Row,
    /// The last record of the replica's journal that is in it for certain.
    pub through: u64,
}

/// A replica, what was handed on to it and what was taken over from it.
type Peer = (i64, Amount, Amount);

/// A row whose replicas are still numbers.
struct Stored {
    registers: Registers,
    peers: Vec<Peer>,
}

const REGISTERS: &str = "added, removed, held, freed, debt, repaid, peers";

impl Reading<'_> {
    /// The number of a replica; none where nothing names it.
    pub(super) fn replica_ix(&self, replica: &ReplicaId) -> Result<Option<ReplicaIx>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id FROM replica WHERE node = ?1 AND counter = ?2 AND random = ?3")?;
        let incarnation = replica.incarnation;
        let key = (
            replica.node.as_str(),
            incarnation.counter,
            incarnation.random.cast_signed(),
        );
        Ok(statement.query_row(key, |row| row.get(0).map(ReplicaIx)).optional()?)
    }

    /// Whose number it is.
    pub(super) fn replica(&self, ix: ReplicaIx) -> Result<ReplicaId, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT node, counter, random FROM replica WHERE id = ?1")?;
        Ok(statement.query_row([ix.0], |row| replica(row, 0))?)
    }

    /// Every replica's row of an item.
    pub(in crate::hq) fn registers_of(&self, site: &SiteId, sku: &Sku) -> Result<Vec<Register>, StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {REGISTERS}, replica, through FROM register WHERE site = ?1 AND sku = ?2 ORDER BY replica"
        ))?;
        let found = statement.query_map((site.as_str(), sku.as_str()), |row| {
            Ok((stored(row)?, ReplicaIx(row.get(7)?), unsigned(row, 8)?))
        })?;
        let found: Vec<_> = found.collect::<Result<_, _>>()?;
        let register = |(stored, replica, through)| {
            Ok(Register {
                replica: self.replica(replica)?,
                row: self.row_of(stored)?,
                through,
            })
        };
        found.into_iter().map(register).collect()
    }

    /// Items of a site of which any replica has a row, headquarters too, in the order of their SKUs, behind `after`.
    pub(in crate::hq) fn registered(
        &self,
        site: &SiteId,
        after: Option<&Sku>,
        limit: u32,
    ) -> Result<Vec<Sku>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT DISTINCT sku FROM register WHERE site = ?1 AND sku > ?2 ORDER BY sku LIMIT ?3")?;
        let key = (site.as_str(), after.map_or("", Sku::as_str), limit);
        let skus = statement.query_map(key, |row| parsed(row, 0))?;
        Ok(skus.collect::<Result<_, _>>()?)
    }

    pub(super) fn register_of(&self, site: &SiteId, sku: &Sku, of: ReplicaIx) -> Result<(Row, u64), StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {REGISTERS}, through FROM register WHERE site = ?1 AND sku = ?2 AND replica = ?3"
        ))?;
        let key = (site.as_str(), sku.as_str(), of.0);
        let found = statement.query_row(key, |row| Ok((stored(row)?, unsigned(row, 7)?)));
        match found.optional()? {
            Some((stored, through)) => Ok((self.row_of(stored)?, through)),
            None => Ok((Row::default(), 0)),
        }
    }

    /// Up to which record of its journal a replica's rows are in documents.
    pub(super) fn mark(&self, of: &ReplicaId) -> Result<i64, StorageError> {
        let Some(of) = self.replica_ix(of)? else {
            return Ok(0);
        };
        let mut statement = self
            .connection
            .prepare_cached("SELECT mark FROM shelf_mark WHERE replica = ?1")?;
        Ok(statement
            .query_row([of.0], |row| row.get(0))
            .optional()?
            .unwrap_or_default())
    }

    fn row_of(&self, stored: Stored) -> Result<Row, StorageError> {
        let Stored { mut registers, peers } = stored;
        for (replica, given, accepted) in peers {
            let replica = self.replica(ReplicaIx(replica))?;
            if !given.is_zero() {
                registers.given.insert(replica.clone(), given);
            }
            if !accepted.is_zero() {
                registers.accepted.insert(replica, accepted);
            }
        }
        Ok(Row::from(registers))
    }
}

impl Writing<'_> {
    /// The number of a replica; a new one where nothing named it before.
    pub(super) fn known_replica(&self, replica: &ReplicaId) -> Result<ReplicaIx, StorageError> {
        if let Some(known) = self.replica_ix(replica)? {
            return Ok(known);
        }
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO replica (id, node, counter, random)
             VALUES ((SELECT coalesce(max(id), 0) + 1 FROM replica), ?1, ?2, ?3) RETURNING id",
        )?;
        let incarnation = replica.incarnation;
        let key = (
            replica.node.as_str(),
            incarnation.counter,
            incarnation.random.cast_signed(),
        );
        Ok(ReplicaIx(statement.query_row(key, |row| row.get(0))?))
    }

    /// Merges what another replica's document says of its rows.
    pub(super) fn merge_registers(
        &self,
        site: &SiteId,
        of: &ReplicaId,
        through: u64,
        rows: &[(Sku, Row)],
    ) -> Result<(), StorageError> {
        if self.retired(of)?.is_some() {
            return Ok(());
        }
        let of = self.known_replica(of)?;
        for (sku, row) in rows {
            let (mut known, before) = self.register_of(site, sku, of)?;
            if through <= before && known.covers(row) {
                continue;
            }
            known.merge(row);
            self.save_register(site, sku, of, &known, through.max(before))?;
            self.put_alert_due(site, sku)?;
        }
        Ok(())
    }

    pub(super) fn save_register(
        &self,
        site: &SiteId,
        sku: &Sku,
        of: ReplicaIx,
        row: &Row,
        through: u64,
    ) -> Result<(), StorageError> {
        let registers = row.registers();
        let amount = |amount: Amount| number(amount.parts());
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO register (site, sku, replica, added, removed, held, freed, debt, repaid, peers, through)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (site, sku, replica) DO UPDATE SET added = excluded.added, removed = excluded.removed,
                 held = excluded.held, freed = excluded.freed, debt = excluded.debt, repaid = excluded.repaid,
                 peers = excluded.peers, through = excluded.through",
        )?;
        statement.execute((
            site.as_str(),
            sku.as_str(),
            of.0,
            amount(registers.added)?,
            amount(registers.removed)?,
            amount(registers.held)?,
            amount(registers.freed)?,
            amount(registers.debt)?,
            amount(registers.repaid)?,
            self.packed_peers(registers)?,
            number(through)?,
        ))?;
        Ok(())
    }

    /// Notes up to which mark headquarters' own rows are in its documents.
    pub(super) fn save_mark(&self, of: &ReplicaId, mark: i64) -> Result<(), StorageError> {
        let of = self.known_replica(of)?;
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO shelf_mark (replica, mark) VALUES (?1, ?2)
             ON CONFLICT (replica) DO UPDATE SET mark = excluded.mark",
        )?;
        statement.execute((of.0, mark))?;
        Ok(())
    }

    fn packed_peers(&self, registers: &Registers) -> Result<Option<Vec<u8>>, StorageError> {
        let mut names: Vec<&ReplicaId> = registers.given.keys().chain(registers.accepted.keys()).collect();
        if names.is_empty() {
            return Ok(None);
        }
        names.sort();
        names.dedup();
        let mut peers: Vec<Peer> = Vec::with_capacity(names.len());
        for name in names {
            let given = registers.given.get(name).copied().unwrap_or_default();
            let accepted = registers.accepted.get(name).copied().unwrap_or_default();
            peers.push((self.known_replica(name)?.0, given, accepted));
        }
        let packed = postcard::to_allocvec(&peers).map_err(|error| StorageError::Failed(error.to_string()))?;
        Ok(Some(packed))
    }
}

/// A replica from three columns.
pub(super) fn replica(row: &SqlRow<'_>, first: usize) -> rusqlite::Result<ReplicaId> {
    Ok(ReplicaId {
        node: parsed(row, first)?,
        incarnation: incarnation(row, first + 1)?,
    })
}

/// The first seven columns.
fn stored(row: &SqlRow<'_>) -> rusqlite::Result<Stored> {
    let amount = |column: usize| -> rusqlite::Result<Amount> {
        let parts = unsigned(row, column)?;
        Amount::try_from(parts).map_err(|error| damaged(column, rusqlite::types::Type::Integer, &error))
    };
    let peers = match row.get_ref(6)? {
        rusqlite::types::ValueRef::Null => Vec::new(),
        peers => {
            postcard::from_bytes(peers.as_blob()?).map_err(|error| damaged(6, rusqlite::types::Type::Blob, &error))?
        }
    };
    let registers = Registers {
        added: amount(0)?,
        removed: amount(1)?,
        held: amount(2)?,
        freed: amount(3)?,
        debt: amount(4)?,
        repaid: amount(5)?,
        ..Registers::default()
    };
    Ok(Stored { registers, peers })
}
