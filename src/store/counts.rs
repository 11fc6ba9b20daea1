//! Marks of counts, which counts wait for records from before their marks, and what the last count of an item found.

use super::clock::Now;
use super::keys::{Position, count, row_count, signed, unsigned};
use super::snapshot::parsed;
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::escrow::ReplicaId;
use crate::domain::ids::{Incarnation, NodeId, Sku};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{CountFound, MovementId, NodeMark};

/// For how long a mark is kept, in milliseconds: nobody counts for longer than thirty days.
const MARK_KEPT_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

/// Where a count's mark stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountMark {
    /// The last record of the own journal that it includes.
    pub position: Position,
    /// Each other node's, with what was known of it then.
    pub others: Vec<NodeMark>,
}

impl Snapshot<'_> {
    /// A mark by its number.
    pub(crate) fn count_mark(&self, mark: u64) -> Result<Option<CountMark>, StorageError> {
        let sql = "SELECT position FROM count_mark WHERE ix = ?1";
        let Some(position) = self.one(sql, (row_count(mark),), |row| row.get(0).map(Position))? else {
            return Ok(None);
        };
        let sql = "SELECT node, counter, random, seq, had FROM count_mark_node WHERE mark = ?1 ORDER BY node, counter";
        let others = self.all(sql, (row_count(mark),), |row| {
            let incarnation = Incarnation {
                counter: row.get(1)?,
                random: unsigned(row.get(2)?),
            };
            let node = parsed(row, 0)?;
            Ok(NodeMark {
                replica: ReplicaId { node, incarnation },
                mark: row.get::<_, Option<i64>>(3)?.map(count),
                had: count(row.get(4)?),
            })
        })?;
        Ok(Some(CountMark { position, others }))
    }

    /// Nodes that have moved goods and are neither this one nor kiosks of it.
    pub(crate) fn nodes_not_relayed(&self) -> Result<Vec<ReplicaId>, StorageError> {
        let sql = "SELECT DISTINCT node, counter, random FROM shelf JOIN replica ON replica.ix = shelf.replica \
            WHERE (added > 0 OR removed > 0) AND node <> (SELECT node FROM node) \
                AND node NOT IN (SELECT node FROM relay_origin) ORDER BY node, counter";
        self.all(sql, (), |row| {
            let incarnation = Incarnation {
                counter: row.get(1)?,
                random: unsigned(row.get(2)?),
            };
            let node = parsed(row, 0)?;
            Ok(ReplicaId { node, incarnation })
        })
    }

    /// What the last count of an item found.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn count_found(&self, sku: &Sku) -> Result<Option<CountFound>, StorageError> {
        let sql = "SELECT counted, difference, provisional FROM count_found WHERE sku = ?1";
        self.one(sql, (sku.as_str(),), |row| {
            Ok(CountFound {
                counted: row.get(0).map(Quantity::from_thousandths)?,
                difference: row.get(1).map(Quantity::from_thousandths)?,
                provisional: row.get(2)?,
            })
        })
    }

    /// The newest count of an item that lacks a record of a node, if any: what the record moved is compensated in it.
    pub(crate) fn late_for(&self, sku: &Sku, of: &ReplicaId, seq: u64) -> Result<Option<MovementId>, StorageError> {
        let sql = "SELECT count_line.work FROM count_line JOIN count_open ON count_open.work = count_line.work \
            WHERE sku = ?1 AND node = ?2 AND counter = ?3 AND random = ?4 AND had < ?5 AND seq >= ?5 \
            ORDER BY position DESC LIMIT 1";
        let life = of.incarnation;
        let key = (
            sku.as_str(),
            of.node.as_str(),
            life.counter,
            signed(life.random),
            row_count(seq),
        );
        self.one(sql, key, |row| row.get(0).map(MovementId))
    }

    /// Counts that need a node's records up to `seq` at most.
    pub(crate) fn counts_reached(&self, of: &ReplicaId, seq: u64) -> Result<Vec<MovementId>, StorageError> {
        let sql = "SELECT work FROM count_open WHERE node = ?1 AND counter = ?2 AND random = ?3 AND seq <= ?4";
        let life = of.incarnation;
        let key = (of.node.as_str(), life.counter, signed(life.random), row_count(seq));
        self.all(sql, key, |row| row.get(0).map(MovementId))
    }

    /// Whether a count lacks records of any node.
    pub(crate) fn count_is_open(&self, work: MovementId) -> Result<bool, StorageError> {
        let sql = "SELECT 1 FROM count_open WHERE work = ?1 LIMIT 1";
        Ok(self.one(sql, (work.0,), |_| Ok(()))?.is_some())
    }
}

impl WriteTransaction<'_> {
    /// Keeps a mark. Gives its number. Marks of long ago are forgotten.
    pub(crate) fn add_count_mark(&mut self, mark: &CountMark, now: Now) -> Result<u64, StorageError> {
        let old = row_count(now.unix_ms.saturating_sub(MARK_KEPT_MS));
        let sql = "DELETE FROM count_mark_node WHERE mark IN (SELECT ix FROM count_mark WHERE taken_ms < ?1)";
        self.write(sql, (old,))?;
        self.write("DELETE FROM count_mark WHERE taken_ms < ?1", (old,))?;
        let sql = "INSERT INTO count_mark (position, taken_ms) VALUES (?1, ?2)";
        self.write(sql, (mark.position.0, row_count(now.unix_ms)))?;
        let ix = self.one("SELECT max(ix) FROM count_mark", (), |row| row.get::<_, i64>(0))?;
        let ix = ix.unwrap_or_default();
        for NodeMark {
            replica,
            mark: seq,
            had,
        } in &mark.others
        {
            let sql =
                "INSERT INTO count_mark_node (mark, node, counter, random, seq, had) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let life = replica.incarnation;
            let (random, seq) = (signed(life.random), seq.map(row_count));
            self.write(
                sql,
                (ix, replica.node.as_str(), life.counter, random, seq, row_count(*had)),
            )?;
        }
        Ok(count(ix))
    }

    /// Keeps what a count found of an item, in the place of what an earlier one found.
    pub(crate) fn put_count_found(
        &mut self,
        sku: &Sku,
        work: MovementId,
        found: CountFound,
    ) -> Result<(), StorageError> {
        let sql = "INSERT OR REPLACE INTO count_found (sku, work, counted, difference, provisional) \
            VALUES (?1, ?2, ?3, ?4, ?5)";
        let (counted, difference) = (found.counted.thousandths(), found.difference.thousandths());
        self.write(sql, (sku.as_str(), work.0, counted, difference, found.provisional))?;
        self.put_alert_due(sku)
    }

    /// Adds what was compensated to what a count found, where it is still the last one of the item.
    pub(crate) fn add_to_count_found(
        &mut self,
        sku: &Sku,
        work: MovementId,
        compensated: Quantity,
    ) -> Result<(), StorageError> {
        let sql = "UPDATE count_found SET difference = difference + ?3 WHERE sku = ?1 AND work = ?2";
        self.write(sql, (sku.as_str(), work.0, compensated.thousandths()))?;
        self.put_alert_due(sku)
    }

    /// Keeps that a count lacks records from before a node's mark.
    pub(crate) fn put_count_open(&mut self, work: MovementId, of: &NodeMark) -> Result<(), StorageError> {
        let Some(mark) = of.mark else { return Ok(()) };
        let sql = "INSERT INTO count_open (work, node, counter, random, had, seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (node, life): (&NodeId, _) = (&of.replica.node, of.replica.incarnation);
        let random = signed(life.random);
        self.write(
            sql,
            (
                work.0,
                node.as_str(),
                life.counter,
                random,
                row_count(of.had),
                row_count(mark),
            ),
        )?;
        Ok(())
    }

    /// Keeps which item an open count has.
    pub(crate) fn put_count_line(
        &mut self,
        sku: &Sku,
        work: MovementId,
        position: Position,
    ) -> Result<(), StorageError> {
        let sql = "INSERT INTO count_line (sku, position, work) VALUES (?1, ?2, ?3)";
        self.write(sql, (sku.as_str(), position.0, work.0))?;
        Ok(())
    }

    /// A node's records from before a count's mark are all here. Where they are of all nodes its lines are let go.
    pub(crate) fn close_count(&mut self, work: MovementId, of: &ReplicaId) -> Result<(), StorageError> {
        let sql = "DELETE FROM count_open WHERE work = ?1 AND node = ?2 AND counter = ?3 AND random = ?4";
        let life = of.incarnation;
        self.write(sql, (work.0, of.node.as_str(), life.counter, signed(life.random)))?;
        let sql = "DELETE FROM count_line WHERE work = ?1 AND NOT EXISTS (SELECT 1 FROM count_open WHERE work = ?1)";
        self.write(sql, (work.0,))?;
        Ok(())
    }

    /// A count is provisional no more.
    pub(crate) fn settle_count(&mut self, work: MovementId) -> Result<(), StorageError> {
        let sql = "INSERT OR IGNORE INTO alert_due (sku) SELECT sku FROM count_found WHERE work = ?1";
        self.write(sql, (work.0,))?;
        self.write("UPDATE count_found SET provisional = 0 WHERE work = ?1", (work.0,))?;
        Ok(())
    }
}
