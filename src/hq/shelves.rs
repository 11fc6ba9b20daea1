//! Shelves at headquarters: what every replica of a site says of an item, and the figures that follow.

use super::headquarters::Headquarters;
use super::introduce::counts;
use super::storage::{Reading, Register, StorageError};
use crate::domain::escrow::{ReplicaId, Row, Shelf};
use crate::domain::ids::{SiteId, Sku};
use crate::domain::quantity::Quantity;
use crate::sync::carriage::Archive as _;
use crate::sync::wire::StreamState;

/// An item on sale at a site, as far as its replicas have told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteShelf {
    /// The item.
    pub sku: Sku,
    /// What is there; below 0 where more was sold in hand than is known to have come in.
    pub on_hand: Quantity,
    /// What is promised.
    pub reserved: Quantity,
    /// What was sold beyond rights and is not settled.
    pub owed: Quantity,
    /// Rights on their way from one replica to another.
    pub under_way: Quantity,
    /// What nodes that headquarters has retired left, part of what is under way: nobody may promise it until a count or an
    /// override.
    pub unpromised: Quantity,
    /// Every replica that has a row of it, whether it counts or not.
    pub replicas: Vec<ReplicaRow>,
}

/// A replica's part of a shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaRow {
    /// Whose.
    pub replica: ReplicaId,
    /// Whether its row counts: not where its incarnation is set apart or excluded.
    pub state: StreamState,
    /// Its row.
    pub row: Row,
    /// The last record of its journal that is in the row for certain.
    pub through: u64,
    /// The last record of its journal that is in the ledger. Records between both may have moved this shelf: until their
    /// document comes the row is that much behind.
    pub journal: u64,
}

impl SiteShelf {
    pub(super) fn of(reading: &Reading<'_>, site: &SiteId, sku: Sku) -> Result<Self, StorageError> {
        let mut shelf = Shelf::default();
        let mut replicas = Vec::new();
        let mut registers = reading.registers_of(site, &sku)?;
        registers.extend(own(reading, site, &sku)?);
        for Register { replica, row, through } in registers {
            let origin = reading.origin(&replica.node, replica.incarnation)?;
            let state = origin.as_ref().map_or(StreamState::SetApart, |origin| origin.state);
            if counts(state) {
                shelf.merge_row(&replica, &row);
            }
            replicas.push(ReplicaRow {
                replica,
                state,
                row,
                through,
                journal: origin.map_or(0, |origin| origin.acked.seq),
            });
        }
        let unpromised = reading.unpromised_in_all(site, &sku)?;
        Ok(Self {
            unpromised: quantity(unpromised.parts().into()),
            sku,
            on_hand: quantity(shelf.quantity()),
            reserved: quantity(shelf.reserved()),
            owed: quantity(shelf.owed()),
            under_way: quantity(shelf.under_way()),
            replicas,
        })
    }
}

impl Headquarters {
    /// An item's shelf at a site; one of nothing where nobody has told of it.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn site_shelf(&self, site: &SiteId, sku: &Sku) -> Result<SiteShelf, StorageError> {
        self.database.read(|reading| SiteShelf::of(reading, site, sku.clone()))
    }

    /// A site's shelves in the order of their SKUs, behind `after`, at most `limit`.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn site_shelves(&self, site: &SiteId, after: Option<&Sku>, limit: u32) -> Result<Vec<SiteShelf>, StorageError> {
        self.database.read(|reading| {
            let skus = reading.registered(site, after, limit)?;
            skus.into_iter().map(|sku| SiteShelf::of(reading, site, sku)).collect()
        })
    }
}

/// Headquarters' own row, which is always as its journal says.
fn own(reading: &Reading<'_>, site: &SiteId, sku: &Sku) -> Result<Option<Register>, StorageError> {
    let row = reading.own_row(site, sku)?;
    if row.is_empty() {
        return Ok(None);
    }
    let replica = reading.own_replica()?;
    let origin = reading.origin(&replica.node, replica.incarnation)?;
    let through = origin.map_or(0, |origin| origin.acked.seq);
    Ok(Some(Register { replica, row, through }))
}

/// Sums beyond what a quantity can be are cut to the largest that can.
fn quantity(thousandths: i128) -> Quantity {
    let bound = if thousandths < 0 { i64::MIN } else { i64::MAX };
    Quantity::from_thousandths(i64::try_from(thousandths).unwrap_or(bound))
}
