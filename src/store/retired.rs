//! Rows of other replicas that this node writes: its kiosks', folded from their journals, and those of kiosks that it has
//! retired. What retired ones left, and why an incarnation of this node's own was retired.

use super::keys::{IncarnationIx, Position, count, row_count};
use super::shelves::{ReplicaIx, Rows};
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::escrow::{Amount, ReplicaId, Row};
use crate::domain::ids::Sku;
use crate::domain::stock::Place;

/// A replica that its parent has retired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetiredRow {
    /// The replica.
    pub replica: ReplicaId,
    /// Its short number here.
    pub ix: ReplicaIx,
    /// The last record that its parent had.
    pub seq: u64,
    /// Where this node's own journal says so; none where another has retired it.
    pub position: Option<Position>,
}

/// That an incarnation of this node was retired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetirementNotice {
    /// The incarnation's short number.
    pub incarnation: IncarnationIx,
    /// The last record that the parent had.
    pub seq: u64,
    /// Who decided it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When this node heard of it, in milliseconds since 1970.
    pub told_ms: u64,
}

/// What stands in a row that the parent of a retired replica writes, in place of the record that moved it last.
const CLOSED: Position = Position(-1);

impl Snapshot<'_> {
    /// Whether and where a replica was retired.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn retired(&self, replica: &ReplicaId) -> Result<Option<RetiredRow>, StorageError> {
        let Some(ix) = self.replica_ix(replica)? else {
            return Ok(None);
        };
        let found = self.one("SELECT seq, position FROM retired WHERE replica = ?1", (ix.0,), |row| {
            Ok((count(row.get(0)?), Position(row.get(1)?)))
        })?;
        Ok(found.map(|(seq, position)| RetiredRow {
            replica: replica.clone(),
            ix,
            seq,
            position: Some(position).filter(|position| *position != Position::NONE),
        }))
    }

    /// The replicas that this node has retired itself.
    pub(crate) fn retired_here(&self) -> Result<Vec<RetiredRow>, StorageError> {
        let sql = "SELECT replica, seq, position FROM retired WHERE position > 0 ORDER BY replica";
        let found = self.all(sql, (), |row| {
            Ok((ReplicaIx(row.get(0)?), count(row.get(1)?), Position(row.get(2)?)))
        })?;
        let named = found.into_iter().map(|(ix, seq, position)| {
            Ok(RetiredRow {
                replica: self.replica(ix)?,
                ix,
                seq,
                position: Some(position),
            })
        });
        named.collect()
    }

    /// Earlier lives of this node that its parent has retired.
    pub(crate) fn own_lives_retired(&self) -> Result<Vec<RetiredRow>, StorageError> {
        let sql = "SELECT replica, seq FROM retired JOIN replica ON replica.ix = retired.replica \
            WHERE position = 0 AND node = (SELECT node FROM node) ORDER BY replica";
        let found = self.all(sql, (), |row| Ok((ReplicaIx(row.get(0)?), count(row.get(1)?))))?;
        let named = found.into_iter().map(|(ix, seq)| {
            Ok(RetiredRow {
                replica: self.replica(ix)?,
                ix,
                seq,
                position: None,
            })
        });
        named.collect()
    }

    /// What a replica that this node has retired left of an item and nobody may promise yet.
    pub(crate) fn unpromised(&self, sku: &Sku, replica: ReplicaIx) -> Result<Amount, StorageError> {
        let sql = "SELECT amount FROM unpromised WHERE sku = ?1 AND replica = ?2";
        let found = self.one(sql, (sku.as_str(), replica.0), |row| Ok(count(row.get(0)?)))?;
        Ok(found.and_then(Amount::new).unwrap_or_default())
    }

    /// The same, by replica.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn unpromised_at(&self, sku: &Sku) -> Result<Vec<(ReplicaId, Amount)>, StorageError> {
        let sql = "SELECT replica, amount FROM unpromised WHERE sku = ?1 ORDER BY replica";
        let found = self.all(sql, (sku.as_str(),), |row| {
            Ok((ReplicaIx(row.get(0)?), count(row.get(1)?)))
        })?;
        let named = found.into_iter().map(|(ix, amount)| {
            let amount = Amount::new(amount).unwrap_or_default();
            Ok((self.replica(ix)?, amount))
        });
        named.collect()
    }

    /// All that one replica left and nobody may promise yet.
    pub(crate) fn unpromised_of(&self, replica: ReplicaIx) -> Result<Vec<(Sku, Amount)>, StorageError> {
        let sql = "SELECT sku, amount FROM unpromised WHERE replica = ?1 ORDER BY sku";
        self.all(sql, (replica.0,), |row| {
            let amount = Amount::new(count(row.get(1)?)).unwrap_or_default();
            Ok((super::snapshot::parsed(row, 0)?, amount))
        })
    }

    /// That an incarnation of this node was retired; the newest where several were.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn retirement(&self) -> Result<Option<RetirementNotice>, StorageError> {
        let sql = "SELECT incarnation, seq, by_whom, reason, told_ms FROM retirement ORDER BY incarnation DESC LIMIT 1";
        self.one(sql, (), |row| {
            Ok(RetirementNotice {
                incarnation: IncarnationIx(row.get(0)?),
                seq: count(row.get(1)?),
                by: row.get(2)?,
                reason: row.get(3)?,
                told_ms: count(row.get(4)?),
            })
        })
    }

    /// Whether the parent of the replica writes this row since it was retired.
    pub(crate) fn is_closed(&self, place: Place, sku: &Sku, replica: ReplicaIx) -> Result<bool, StorageError> {
        Ok(self.touched(place, sku, replica)? == Some(CLOSED))
    }

    /// What moved a row last: of this node's own the position of the record, of a kiosk's the number in its journal.
    fn touched(&self, place: Place, sku: &Sku, replica: ReplicaIx) -> Result<Option<Position>, StorageError> {
        let sql = "SELECT touched FROM shelf WHERE sku = ?1 AND place = ?2 AND replica = ?3";
        self.one(sql, (sku.as_str(), place.number(), replica.0), |row| {
            row.get(0).map(Position)
        })
    }

    /// The number of the record of a kiosk's journal that moved its row last; 0 for none.
    pub(crate) fn kiosk_row_seq(&self, place: Place, sku: &Sku, replica: ReplicaIx) -> Result<u64, StorageError> {
        Ok(self.touched(place, sku, replica)?.map_or(0, |touched| count(touched.0)))
    }
}

impl WriteTransaction<'_> {
    /// Keeps a kiosk's row as record `seq` of its journal left it.
    pub(crate) fn put_kiosk_row(
        &mut self,
        key: (Place, &Sku, ReplicaIx),
        row: &Row,
        seq: u64,
    ) -> Result<(), StorageError> {
        self.put_shelf_row(Rows::Now, key, row, Position(row_count(seq)))?;
        self.stock_changed(key.1);
        self.put_alert_due(key.1)
    }

    /// Keeps a row that another node writes since it has retired the replica.
    pub(crate) fn put_closed_row(&mut self, key: (Place, &Sku, ReplicaIx), row: &Row) -> Result<(), StorageError> {
        self.put_shelf_row(Rows::Now, key, row, CLOSED)?;
        self.stock_changed(key.1);
        self.put_alert_due(key.1)
    }

    /// Notes that a replica is retired, by this node's record at `position` or by another's word. Who said it first stays.
    pub(crate) fn put_retired(
        &mut self,
        replica: ReplicaIx,
        seq: u64,
        position: Option<Position>,
    ) -> Result<(), StorageError> {
        let sql = "INSERT INTO retired (replica, seq, position) VALUES (?1, ?2, ?3) ON CONFLICT (replica) DO NOTHING";
        let position = position.unwrap_or(Position::NONE);
        self.write(sql, (replica.0, row_count(seq), position.0))?;
        Ok(())
    }

    /// Says what a retired replica left of an item and nobody may promise yet.
    pub(crate) fn set_unpromised(&mut self, sku: &Sku, replica: ReplicaIx, amount: Amount) -> Result<(), StorageError> {
        if amount.is_zero() {
            let sql = "DELETE FROM unpromised WHERE sku = ?1 AND replica = ?2";
            self.write(sql, (sku.as_str(), replica.0))?;
        } else {
            let sql = "INSERT OR REPLACE INTO unpromised (sku, replica, amount) VALUES (?1, ?2, ?3)";
            self.write(sql, (sku.as_str(), replica.0, row_count(amount.parts())))?;
        }
        self.stock_changed(sku);
        Ok(())
    }

    /// Lets go what was left to another incarnation than the present one.
    pub(crate) fn remove_unpromised(&mut self) -> Result<(), StorageError> {
        self.write("DELETE FROM unpromised", ())?;
        Ok(())
    }

    /// Keeps why an incarnation of this node was retired. The first word stays.
    pub(crate) fn put_retirement(&mut self, notice: &RetirementNotice) -> Result<(), StorageError> {
        let sql = "INSERT INTO retirement (incarnation, seq, by_whom, reason, told_ms) VALUES (?1, ?2, ?3, ?4, ?5) \
            ON CONFLICT (incarnation) DO NOTHING";
        self.write(
            sql,
            (
                notice.incarnation.0,
                row_count(notice.seq),
                notice.by.as_str(),
                notice.reason.as_str(),
                row_count(notice.told_ms),
            ),
        )?;
        Ok(())
    }
}
