//! What has happened behind a place in the journal.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::domain::fact::Fact;
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;
use crate::domain::sale::{Refund, Sale};
use crate::domain::stock::{Accepted, Granted, PickupAct, PickupStep};
use crate::store::{IncarnationRow, Position, Snapshot, StorageError};

/// The most records that are read at once.
const PAGE_RECORDS: i64 = 500;
/// The most records that a client can be behind; beyond that it reads anew what it shows.
const BEHIND_MAX: i64 = 10_000;

/// A place in this disk's journal: everything up to there is known. Written `TAG-POSITION`; the tag is that of the
/// incarnation, so that a place is not looked for in a journal that was restored from a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    tag: String,
    position: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.tag, self.position)
    }
}

/// Where a stream begins.
#[derive(Debug)]
pub struct Start {
    /// From behind there.
    pub place: Place,
    /// Why what the client has missed is not known, where it is not.
    pub reset: Option<&'static str>,
    /// The newest change of an alert at that time.
    pub alerts_revision: i64,
}

/// A part of what has happened.
#[derive(Debug)]
pub struct Page {
    /// In order.
    pub happened: Vec<Happened>,
    /// Up to here.
    pub place: Place,
    /// Whether that is all there is.
    pub complete: bool,
}

/// What one record says.
#[derive(Debug)]
pub struct Happened {
    /// Where it stands.
    pub place: Place,
    /// What there is now of the items that it touched.
    pub stock: Vec<StockNews>,
    /// The document, where it is one.
    pub document: Option<Document>,
}

/// A sale or a refund.
#[derive(Debug)]
pub enum Document {
    /// A sale.
    Sale(Sale),
    /// A refund.
    Refund(Refund),
}

/// What there is now of an item.
#[derive(Debug, Serialize)]
pub struct StockNews {
    sku: Sku,
    quantity: Quantity,
    reserved: Quantity,
    available: Quantity,
}

impl Place {
    /// The record that it is behind.
    pub fn position(&self) -> Position {
        Position::from_number(self.position)
    }
}

/// Where a stream begins that goes on behind the event `last`, or with what comes next.
pub fn start(snapshot: &Snapshot<'_>, last: Option<&str>) -> Result<Start, StorageError> {
    let alerts_revision = snapshot.alerts_revision()?;
    let lives = snapshot.incarnations()?;
    let end = end(&lives)?;
    let Some(last) = last else {
        return Ok(Start {
            place: end,
            reset: None,
            alerts_revision,
        });
    };
    let known = last.rsplit_once('-').and_then(|(tag, position)| {
        let position = position.parse().ok()?;
        let place = place(&lives, position)?;
        (place.tag == tag && position <= end.position).then_some(place)
    });
    Ok(match known {
        None => Start {
            place: end,
            reset: Some("the last event is not of this journal"),
            alerts_revision,
        },
        Some(place) if end.position - place.position > BEHIND_MAX => Start {
            place: end,
            reset: Some("too much has happened since the last event"),
            alerts_revision,
        },
        Some(place) => Start {
            place,
            reset: None,
            alerts_revision,
        },
    })
}

/// What has happened behind a place.
pub fn read(snapshot: &Snapshot<'_>, from: &Place) -> Result<Page, StorageError> {
    let lives = snapshot.incarnations()?;
    let end = end(&lives)?;
    let through = end.position.min(from.position.saturating_add(PAGE_RECORDS));
    let mut happened = Vec::new();
    for position in from.position + 1..=through {
        let Some(place) = place(&lives, position) else { continue };
        let fact = match snapshot.entry(Position::from_number(position)) {
            Ok(Some(entry)) => entry.fact,
            // Pruned, or not readable by this version: there is nothing to tell of it.
            Ok(None) | Err(StorageError::Inconsistent(_)) => continue,
            Err(error) => return Err(error),
        };
        happened.extend(tell(snapshot, place, fact)?);
    }
    Ok(Page {
        happened,
        complete: through == end.position,
        place: place(&lives, through).unwrap_or(end),
    })
}

fn tell(snapshot: &Snapshot<'_>, place: Place, fact: Fact) -> Result<Option<Happened>, StorageError> {
    let skus: BTreeSet<&Sku> = match &fact {
        Fact::Sale(sale) => sale.lines.iter().map(|line| &line.sku).collect(),
        Fact::Refund(refund) => refund.lines.iter().map(|line| &line.sku).collect(),
        Fact::Movement(movement) => movement.lines.iter().map(|line| &line.sku).collect(),
        Fact::StockWork(work) => work.lines.iter().map(|line| &line.sku).collect(),
        Fact::HoldOpened(opened) => opened.lines.iter().map(|line| &line.sku).collect(),
        Fact::HoldEnded(ended) => ended.lines.iter().map(|line| &line.sku).collect(),
        Fact::Granted(Granted { lines, .. }) | Fact::Accepted(Accepted { lines, .. }) => {
            lines.iter().map(|line| &line.sku).collect()
        }
        Fact::TransferDispatched(sent) => sent.lines.iter().map(|line| &line.sku).collect(),
        Fact::TransferReceived(received) => received.lines.iter().map(|line| &line.sku).collect(),
        Fact::PickupStep(PickupStep {
            act: PickupAct::Collected { in_hand, .. },
            ..
        }) if !in_hand.is_empty() => in_hand.iter().map(|line| &line.sku).collect(),
        Fact::Retired(retired) => retired.lines.iter().map(|line| &line.sku).collect(),
        Fact::LatePosted(posted) => posted.lines.iter().map(|line| &line.sku).collect(),
        Fact::RightsReleased(released) => released.lines.iter().map(|line| &line.sku).collect(),
        Fact::Opened(_)
        | Fact::PickupOrdered(_)
        | Fact::PickupStep(_)
        | Fact::TransferRequested(_)
        | Fact::TransferCalledOff(_)
        | Fact::HoldExtended(_)
        | Fact::Rehomed(_)
        | Fact::Correction(_)
        | Fact::Settlement(_)
        | Fact::ThresholdSet(_)
        | Fact::StandbyAdmitted(_)
        | Fact::StandbyDismissed(_) => {
            return Ok(None);
        }
    };
    let mut stock = Vec::with_capacity(skus.len());
    for sku in skus {
        let figures = snapshot.stock(sku)?.unwrap_or_default();
        stock.push(StockNews {
            sku: sku.clone(),
            quantity: figures.on_hand,
            reserved: figures.reserved,
            available: figures.available(),
        });
    }
    let document = match fact {
        Fact::Sale(sale) => Some(Document::Sale(sale)),
        Fact::Refund(refund) => Some(Document::Refund(refund)),
        _ => None,
    };
    Ok(Some(Happened { place, stock, document }))
}

/// The journal's end.
fn end(lives: &[IncarnationRow]) -> Result<Place, StorageError> {
    let newest = lives
        .last()
        .ok_or_else(|| StorageError::Inconsistent("no incarnation is open".into()))?;
    Ok(Place {
        tag: newest.incarnation.tag(),
        position: newest.position(newest.head.seq).get(),
    })
}

/// A position with the tag of the incarnation that it is in.
fn place(lives: &[IncarnationRow], position: i64) -> Option<Place> {
    let life = lives.iter().rev().find(|life| life.first.get() <= position)?;
    Some(Place {
        tag: life.incarnation.tag(),
        position,
    })
}
