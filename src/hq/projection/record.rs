//! A ledger's batch, read: one decoding serves every projection.

use std::sync::Arc;

use crate::domain::fact::{Entry, Fact, RecordError};
use crate::domain::time::Hlc;
use crate::hq::storage::{LedgerBatch, Origin};
use crate::sync::wire::{Batch, BatchError, BatchHeader, Slot};

/// A batch with its records.
#[derive(Debug)]
pub(in crate::hq) struct DecodedBatch {
    /// Whose it is.
    pub origin: Arc<Origin>,
    /// Its place in the order in which batches take effect.
    pub position: u64,
    /// When it came, in milliseconds since 1970.
    pub received_ms: u64,
    /// Those of its records that take effect from it.
    pub records: Vec<DecodedRecord>,
}

/// A record's number and what it says.
#[derive(Debug)]
pub(in crate::hq) struct DecodedRecord {
    /// Its number in its incarnation.
    pub seq: u64,
    /// What it says.
    pub content: Content,
}

/// What a record says, as far as it can be read.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every record is a fact")]
pub(in crate::hq) enum Content {
    /// A fact and when it was recorded.
    Fact(Hlc, Fact),
    /// Nothing that this version reads.
    Unreadable(Unreadable),
}

/// Why a record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hq) struct Unreadable {
    /// The record's kind; 0 where not even that can be read.
    pub kind: u32,
    /// In words.
    pub reason: String,
    /// True where a newer version may read it.
    pub newer: bool,
}

impl From<RecordError> for Unreadable {
    fn from(error: RecordError) -> Self {
        let (kind, newer) = match error {
            RecordError::UnknownKind { kind } => (kind, true),
            RecordError::Malformed { kind, .. } => (kind, false),
        };
        Self {
            kind,
            reason: error.to_string(),
            newer,
        }
    }
}

impl From<Result<Entry, RecordError>> for Content {
    fn from(decoded: Result<Entry, RecordError>) -> Self {
        match decoded {
            Ok(entry) => Self::Fact(entry.recorded, entry.fact),
            Err(error) => Self::Unreadable(error.into()),
        }
    }
}

/// Reads a batch of the ledger. A batch that has rotted on the disk is one unreadable record in the place of all.
pub(in crate::hq) fn decode(kept: &LedgerBatch, origin: Arc<Origin>) -> DecodedBatch {
    let records = match unpack(kept) {
        Ok((header, slots)) => (header.first..)
            .zip(slots)
            .filter(|(seq, _)| *seq >= kept.effective_from)
            .map(|(seq, slot)| DecodedRecord {
                seq,
                content: content(&slot),
            })
            .collect(),
        Err(error) => {
            let reason = format!("the ledger's batch with this record and those behind it cannot be read: {error}");
            tracing::error!(node = %origin.node, seq = kept.effective_from, %reason, "a part of the ledger is damaged");
            let content = Content::Unreadable(Unreadable {
                kind: 0,
                reason,
                newer: false,
            });
            let seq = kept.effective_from;
            vec![DecodedRecord { seq, content }]
        }
    };
    DecodedBatch {
        origin,
        position: kept.position.unwrap_or_default(),
        received_ms: kept.received_ms,
        records,
    }
}

/// A ledger's batch without decoding its records.
pub(in crate::hq) fn unpack(kept: &LedgerBatch) -> Result<(BatchHeader, Vec<Slot>), BatchError> {
    let batch = Batch::open(&kept.sealed)?;
    let slots = batch.slots()?;
    Ok((batch.header, slots))
}

/// What a slot of a batch says.
pub(in crate::hq) fn content(slot: &Slot) -> Content {
    match slot {
        Slot::Record(record) => Entry::decode(record).into(),
        Slot::Withheld { reason, .. } => Content::Unreadable(Unreadable {
            kind: 0,
            reason: format!("the node keeps this record and could not send it: {reason}"),
            newer: false,
        }),
    }
}
