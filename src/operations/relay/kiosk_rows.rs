//! A kiosk's rows, as its journal on this disk says: what its parent knows of it at every moment, and retires it at.

use std::collections::BTreeMap;

use crate::domain::escrow::{Row, Shelf};
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::Sku;
use crate::domain::stock::{Effect, Place, effects, effects_of_copy};
use crate::store::{ReplicaIx, Rows, StorageError, WriteTransaction};

/// Rows of one kiosk that a batch has moved so far.
#[derive(Debug)]
pub(super) struct KioskRows {
    replica: ReplicaIx,
    /// With the number of the record that moved each last.
    rows: BTreeMap<(Place, Sku), (Row, u64)>,
}

impl KioskRows {
    pub(super) const fn new(replica: ReplicaIx) -> Self {
        Self {
            replica,
            rows: BTreeMap::new(),
        }
    }

    /// Goes on with a record, as far as it moves what `counts` says. An effect that the row refuses is none that the kiosk
    /// recorded on such a row: what is missing here its documents bring.
    pub(super) fn add(
        &mut self,
        tx: &WriteTransaction<'_>,
        (seq, fact): (u64, &Fact),
        counts: impl Fn(&Effect<'_>) -> bool,
    ) -> Result<(), StorageError> {
        let copied = match fact {
            Fact::Rehomed(copy) => Entry::decode(&copy.record).ok(),
            _ => None,
        };
        let moved = match &copied {
            Some(entry) => effects_of_copy(&entry.fact),
            None => effects(fact),
        };
        for effect in moved.iter().filter(|effect| counts(effect)) {
            let key = (effect.place, effect.sku.clone());
            let mut row = match self.rows.remove(&key) {
                Some((row, _)) => row,
                // A document has brought the row as it was behind this record: what the record did is in it.
                None if tx.kiosk_row_seq(effect.place, effect.sku, self.replica)? >= seq => continue,
                None => tx
                    .shelf_row(Rows::Now, effect.place, effect.sku, self.replica)?
                    .unwrap_or_default(),
            };
            if let Err(refusal) = effect.verb.apply(&mut row, &Shelf::default()) {
                tracing::warn!(sku = %effect.sku, seq, %refusal, "a record of a kiosk does not fit its row here");
            }
            self.rows.insert(key, (row, seq));
        }
        Ok(())
    }

    /// Writes what has moved.
    pub(super) fn save(self, tx: &mut WriteTransaction<'_>) -> Result<(), StorageError> {
        for ((place, sku), (row, seq)) in self.rows {
            tx.put_kiosk_row((place, &sku, self.replica), &row, seq)?;
        }
        Ok(())
    }
}
