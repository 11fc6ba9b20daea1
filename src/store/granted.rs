//! Rights that this node has handed on and that their receiver has not taken over, as far as is known here.

use super::keys::{Position, count, row_count, signed, unsigned};
use super::shelves::ReplicaIx;
use super::snapshot::{parsed, unreadable};
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::escrow::Amount;
use crate::domain::ids::Sku;

impl Snapshot<'_> {
    /// The record that answered a request of a replica on an item, where one did.
    pub(crate) fn grant_for(
        &self,
        replica: ReplicaIx,
        sku: &Sku,
        request: u64,
    ) -> Result<Option<Position>, StorageError> {
        let sql = "SELECT position FROM granted WHERE replica = ?1 AND sku = ?2 AND request = ?3";
        self.one(sql, (replica.0, sku.as_str(), signed(request)), |row| {
            row.get(0).map(Position)
        })
    }

    /// The records that handed rights on an item on to a replica behind a total and that it has not taken over, oldest
    /// first; at most `limit`.
    pub(crate) fn grants_behind(
        &self,
        replica: ReplicaIx,
        sku: &Sku,
        total: Amount,
        limit: u32,
    ) -> Result<Vec<Position>, StorageError> {
        let sql = "SELECT position FROM granted WHERE replica = ?1 AND sku = ?2 AND after > ?3 AND taken = 0 \
            ORDER BY after LIMIT ?4";
        let total = row_count(total.parts());
        self.all(sql, (replica.0, sku.as_str(), total, limit), |row| {
            row.get(0).map(Position)
        })
    }
}

impl Snapshot<'_> {
    /// The items on which a replica has not taken over all that was handed on to it, with the total and the request of
    /// the last step.
    pub(crate) fn grants_outstanding(
        &self,
        replica: ReplicaIx,
    ) -> Result<Vec<(Sku, Amount, Option<u64>)>, StorageError> {
        let sql = "SELECT sku, max(after), request FROM granted WHERE replica = ?1 AND taken = 0 GROUP BY sku";
        self.all(sql, (replica.0,), |row| {
            let total = Amount::try_from(count(row.get(1)?)).map_err(|error| unreadable(1, error))?;
            Ok((parsed(row, 0)?, total, row.get::<_, Option<i64>>(2)?.map(unsigned)))
        })
    }
}

impl WriteTransaction<'_> {
    /// Forgets every step: they were of an incarnation that is over.
    pub(crate) fn forget_all_granted(&mut self) -> Result<(), StorageError> {
        self.write("DELETE FROM granted", ())?;
        Ok(())
    }

    /// Notes a step.
    pub(crate) fn put_granted(
        &mut self,
        (replica, sku): (ReplicaIx, &Sku),
        after: Amount,
        request: Option<u64>,
        position: Position,
    ) -> Result<(), StorageError> {
        let sql = "INSERT OR REPLACE INTO granted (replica, sku, after, request, position, taken) \
            VALUES (?1, ?2, ?3, ?4, ?5, 0)";
        let after = row_count(after.parts());
        self.write(sql, (replica.0, sku.as_str(), after, request.map(signed), position.0))?;
        Ok(())
    }

    /// Notes that the receiver has taken over the steps up to a total. The last one stays: by it a request that comes again
    /// is known.
    pub(crate) fn forget_granted(&mut self, replica: ReplicaIx, sku: &Sku, total: Amount) -> Result<(), StorageError> {
        let sql = "DELETE FROM granted WHERE replica = ?1 AND sku = ?2 AND after < ?3";
        self.write(sql, (replica.0, sku.as_str(), row_count(total.parts())))?;
        let sql = "UPDATE granted SET taken = 1 WHERE replica = ?1 AND sku = ?2 AND after <= ?3";
        self.write(sql, (replica.0, sku.as_str(), row_count(total.parts())))?;
        Ok(())
    }
}
