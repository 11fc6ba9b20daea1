//! Projections: figures made of the ledger, each in transactions of its own and each able to be made again.
//!
//! Promises: a batch takes effect in a projection once, whatever stops in between; the order of the ledger's
//! positions alone decides the figures, so that making them again gives the same; a record that cannot be read or
//! taken in is set aside and stops nothing.

mod digest;
mod history;
mod record;
mod sales;
mod stock;
mod walk;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, PoisonError};

use super::happenings::Happening;
use super::headquarters::Headquarters;
use super::storage::{LedgerBatch, OriginId, StorageError, Writing};
use record::DecodedBatch;
pub(super) use record::{Content, content as slot_content, unpack};
use sales::Sales;
use stock::Stock;
use walk::Figures;
pub(super) use walk::{innermost, kept_slot};

/// How much is taken into one transaction: enough that waiting for the disk costs little, and so little that an
/// acknowledgement is not kept waiting long behind it.
const STEP_BATCHES_MAX: usize = 16;
const STEP_BYTES_MAX: usize = 256 << 10;

/// A projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Projection {
    /// Sales, refunds and the totals of each site and day.
    Sales,
    /// Stock on hand.
    Stock,
}

impl Projection {
    /// All of them, in the order in which they follow each other.
    pub const ALL: [Self; 2] = [Self::Sales, Self::Stock];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sales => Sales::NAME,
            Self::Stock => Stock::NAME,
        }
    }
}

impl Headquarters {
    /// Brings every projection up to the ledger's end. Gives how many batches it took in.
    ///
    /// # Errors
    /// Where storage fails; what was done until then stays done.
    pub fn project(&self) -> Result<u64, StorageError> {
        let _alone = self.projecting.lock().unwrap_or_else(PoisonError::into_inner);
        let projected = self.project_all(true)?;
        // Among what was counted may be facts of headquarters' own.
        if projected > 0 {
            self.own_rows.notify_one();
        }
        Ok(projected)
    }

    /// Throws a projection away and makes it again from the ledger.
    ///
    /// # Errors
    /// Where storage fails; [`project`](Self::project) goes on from there.
    pub fn rebuild(&self, projection: Projection) -> Result<(), StorageError> {
        let _alone = self.projecting.lock().unwrap_or_else(PoisonError::into_inner);
        self.database.write(move |writing| {
            match projection {
                Projection::Sales => writing.clear_sales()?,
                Projection::Stock => {
                    writing.clear_stock()?;
                    writing.clear_history()?;
                    writing.clear_thresholds_and_counts()?;
                }
            }
            writing.clear_projection(projection.name())
        })?;
        self.project_all(false)?;
        self.watch.tell(Happening::Figures);
        Ok(())
    }

    /// Takes in what an older version of this program left for a newer one. Once at each start is enough.
    pub(super) fn project_waiting(&self) -> Result<(), StorageError> {
        for projection in Projection::ALL {
            let headquarters = self.name.clone();
            self.database.write(move |writing| match projection {
                Projection::Sales => walk::read_waiting::<Sales>(writing, &headquarters).map(drop),
                Projection::Stock => walk::read_waiting::<Stock>(writing, &headquarters).map(drop),
            })?;
        }
        Ok(())
    }

    /// Goes on until nothing is left. Gives how many batches there were.
    fn project_all(&self, tell: bool) -> Result<u64, StorageError> {
        let mut taken = 0;
        loop {
            match self.project_some(tell)? {
                0 => return Ok(taken),
                some => taken += some,
            }
        }
    }

    /// Takes the next batches into the projection that is to go first, and into the other where it is level with it.
    fn project_some(&self, tell: bool) -> Result<u64, StorageError> {
        let (sales, stock, last) = self.database.read(|reading| {
            let sales = reading.projected(Sales::NAME)?;
            let stock = reading.projected(Stock::NAME)?;
            Ok::<_, StorageError>((sales, stock, reading.last_position()?))
        })?;
        if sales < last {
            let batches = self.decode_behind(sales, last)?;
            let taken = batches.len() as u64;
            let happenings = self.take_in::<Sales>(sales, batches.clone())?;
            for happening in happenings.into_iter().filter(|_| tell) {
                self.watch.tell(happening);
            }
            if stock == sales {
                self.take_in_stock(stock, batches)?;
            }
            Ok(taken)
        } else if stock < sales {
            let batches = self.decode_behind(stock, sales)?;
            let taken = batches.len() as u64;
            self.take_in_stock(stock, batches)?;
            Ok(taken)
        } else {
            Ok(0)
        }
    }

    /// Takes batches into the stock figures. Rights that changed hands are told also while figures are made anew: whoever
    /// hears of them twice knows them.
    fn take_in_stock(&self, behind: u64, batches: Vec<Arc<DecodedBatch>>) -> Result<(), StorageError> {
        for happening in self.take_in::<Stock>(behind, batches)? {
            self.watch.tell(happening);
        }
        Ok(())
    }

    /// The next batches behind `position`, and none behind `last`.
    fn decode_behind(&self, position: u64, last: u64) -> Result<Vec<Arc<DecodedBatch>>, StorageError> {
        let (kept, origins) = self.database.read(|reading| {
            let mut kept = reading.batches_behind(position, STEP_BATCHES_MAX, STEP_BYTES_MAX)?;
            kept.retain(|batch| batch.position.is_some_and(|position| position <= last));
            let mut origins = HashMap::new();
            for batch in &kept {
                if let Entry::Vacant(place) = origins.entry(batch.origin) {
                    let origin = reading.origin_by_id(batch.origin)?;
                    place.insert(Arc::new(origin.ok_or_else(|| missing(batch.origin))?));
                }
            }
            Ok::<_, StorageError>((kept, origins))
        })?;
        let decode = |batch: LedgerBatch| {
            let origin: &Arc<_> = origins.get(&batch.origin).ok_or_else(|| missing(batch.origin))?;
            Ok(Arc::new(record::decode(&batch, origin.clone())))
        };
        kept.into_iter().map(decode).collect()
    }

    fn take_in<F: Figures>(
        &self,
        behind: u64,
        batches: Vec<Arc<DecodedBatch>>,
    ) -> Result<Vec<Happening>, StorageError> {
        let Some(last) = batches.last().map(|batch| batch.position) else {
            return Ok(Vec::new());
        };
        let headquarters = self.name.clone();
        self.database.write(move |writing: &Writing<'_>| {
            // Whoever else has moved the projection meanwhile has taken these in already.
            if writing.projected(F::NAME)? != behind {
                return Ok(Vec::new());
            }
            let happenings = walk::walk::<F>(writing, &headquarters, &batches)?;
            writing.save_projected(F::NAME, last)?;
            Ok(happenings)
        })
    }
}

fn missing(origin: OriginId) -> StorageError {
    StorageError::Damaged(format!("origin {} is not there", origin.0))
}
