//! Repair: rebuilds everything that follows from the journal, in one transaction, and sets damaged records aside.
//!
//! The journal itself is never changed. What it cannot give back (a record that is damaged) is listed for a correction.

use std::ops::ControlFlow;

use super::audit::{Dictionary, Row, StockFold};
use crate::domain::fact::{Entry, Fact, RecordError};
use crate::domain::sale::{Refund, RefundedLine};
use crate::domain::stock::Movement;
use crate::store::{JournalRow, Now, StorageError, WriteTransaction};

/// How many records are held in memory at once.
const STEP: u64 = 1_000;

/// What was rebuilt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repaired {
    /// How many records were read.
    pub records: u64,
    /// How many sales and refunds have rows again.
    pub documents: u64,
    /// How many records are damaged and were set aside.
    pub set_aside: u64,
}

/// Rebuilds documents, refunded lines and stock. Nothing else is written meanwhile.
///
/// # Errors
/// Why the store could not keep it; everything is as before then.
pub fn repair(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    mut progress: impl FnMut(u64),
) -> Result<Repaired, StorageError> {
    let mut rebuild = Rebuild {
        names: Dictionary::read(tx)?,
        stock: StockFold::default(),
        done: Repaired::default(),
    };
    tx.clear_derived()?;
    for row in tx.incarnations()? {
        let (mut hash, mut next) = (row.before_earliest, row.earliest_seq);
        while next <= row.head.seq {
            let last = row.head.seq.min(next.saturating_add(STEP - 1));
            let mut rows: Vec<JournalRow> = Vec::new();
            tx.walk_journal(row.position(next), row.position(last), |found| {
                rows.push(found);
                Ok::<_, StorageError>(ControlFlow::Continue(()))
            })?;
            for found in rows {
                if hash.after(&found.record) != found.hash {
                    let reason = "the record on the node's disk does not give the chain's hash";
                    tx.set_journal_aside(found.position, reason, &found.record, now)?;
                    rebuild.done.set_aside += 1;
                }
                hash = found.hash;
                rebuild.record(tx, &found)?;
            }
            next = last + 1;
            progress(rebuild.done.records);
        }
    }
    for (sku, quantity) in rebuild.stock.into_items() {
        tx.add_stock_quietly(&sku, quantity)?;
    }
    tx.catalog_changed();
    Ok(rebuild.done)
}

struct Rebuild {
    names: Dictionary,
    stock: StockFold,
    done: Repaired,
}

impl Rebuild {
    fn record(&mut self, tx: &mut WriteTransaction<'_>, found: &JournalRow) -> Result<(), StorageError> {
        self.done.records += 1;
        let fact = match Entry::decode(&found.record) {
            Ok(entry) => entry.fact,
            // A newer version's record moves nothing that this version knows.
            Err(RecordError::Malformed { .. } | RecordError::UnknownKind { .. }) => return Ok(()),
        };
        self.stock.add_fact(&fact);
        if let Fact::Movement(Movement { id: Some(id), .. }) = &fact {
            tx.put_movement(*id, found.position)?;
        }
        if let Some(document) = Row::of(&fact).and_then(|row| row.document(&self.names, found.position)) {
            tx.insert_document(&document)?;
            self.done.documents += 1;
        }
        if let Fact::Refund(refund) = &fact {
            self.refund(tx, refund)?;
        }
        Ok(())
    }

    fn refund(&self, tx: &mut WriteTransaction<'_>, refund: &Refund) -> Result<(), StorageError> {
        let sale = match self.names.series_of(&refund.of) {
            Some(series) => tx.document(series, refund.of.counter)?,
            None => None,
        };
        // The sale may have been pruned before its refund.
        let Some(sale) = sale else { return Ok(()) };
        for line in &refund.lines {
            tx.add_refunded(sale.position, &RefundedLine::from(line))?;
        }
        Ok(())
    }
}
