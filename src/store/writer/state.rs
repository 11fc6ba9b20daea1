//! What the writer remembers between jobs, so that a sale does not read it anew. All of it follows from the rows.

use std::collections::HashMap;

use crate::domain::escrow::Row;
use crate::domain::ids::{Incarnation, ReceiptSeries, RegisterId, Sku};
use crate::domain::journal::{Hash, Head};
use crate::store::catalog::Priced;
use crate::store::clock::Clock;
use crate::store::holds::RunningClock;
use crate::store::keys::{IncarnationIx, Position, ReceiptSeriesIx, count};
use crate::store::shelves::ReplicaIx;

/// Where the journal stands.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Tip {
    pub ix: IncarnationIx,
    pub incarnation: Incarnation,
    /// Where the incarnation begins.
    pub first: Position,
    /// The last record's position.
    pub position: Position,
    /// The chain's hash after it.
    pub hash: Hash,
}

impl Tip {
    pub(in crate::store) fn head(&self) -> Head {
        Head {
            incarnation: self.incarnation,
            seq: self.seq(),
            hash: self.hash,
        }
    }

    pub(in crate::store) fn seq(&self) -> u64 {
        count(self.position.0 - self.first.0 + 1)
    }
}

/// A register's receipt series in the present incarnation.
#[derive(Debug, Clone)]
pub(in crate::store) struct OpenReceiptSeries {
    pub ix: ReceiptSeriesIx,
    pub name: ReceiptSeries,
    /// The next document's number.
    pub next: u64,
}

#[derive(Debug, Default)]
pub(in crate::store) struct State {
    /// None in a database that has no incarnation yet.
    pub tip: Option<Tip>,
    pub clock: Clock,
    /// What holds run out by.
    pub running: RunningClock,
    /// The replica that the present incarnation is.
    pub replica: Option<ReplicaIx>,
    pub receipt_series: HashMap<RegisterId, OpenReceiptSeries>,
    /// The version of the price feed.
    pub prices_version: Option<u64>,
    /// What was read of items that were sold. Whatever writes a price or the catalog empties it.
    pub prices: HashMap<Sku, Priced>,
    /// What is on sale, by this replica's own rows, as they were read or written last.
    pub own_rows: HashMap<Sku, (ReplicaIx, Row)>,
    /// The random number of this process, under which versions of feeds are given out.
    pub epoch: u64,
    /// The feeds of which it has given out any.
    pub served: Vec<&'static str>,
}

/// What a job that is undone gives back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    tip: Option<Tip>,
    clock: Clock,
}

impl State {
    pub(super) fn mark(&self) -> Mark {
        Mark {
            tip: self.tip,
            clock: self.clock,
        }
    }

    /// Forgets what a job that was undone had written. What was read is read again when it is needed.
    pub(super) fn back_to(&mut self, mark: Mark) {
        self.tip = mark.tip;
        self.clock = mark.clock;
        self.replica = None;
        self.receipt_series.clear();
        self.prices_version = None;
        self.prices.clear();
        self.own_rows.clear();
        self.served.clear();
    }
}
