//! Stock work: goods in, losses, corrections, moves between places and counts. One document, whole or not at all. What a
//! count posts is decided in [`super::count`].

use std::collections::BTreeSet;

use super::count::{Counted, counted, keep_count};
use super::retire::release_counted;
use super::shelves::Shelves;
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::{NodeId, Sku, StaffId};
use crate::domain::money::Price;
use crate::domain::quantity::Quantity;
use crate::domain::stock::{MovementId, StockWork, WorkKind, WorkLine, WorkReason};
use crate::store::{Change, Device, Failure, IdempotencyKey, Now, Position, StorageError, WriteTransaction};

/// The most lines of one document, so that its record fits a batch.
pub const WORK_LINES_MAX: usize = 1_000;
/// The longest note, supplier or reference, in characters.
const TEXT_MAX: usize = 200;

/// Work as it is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkCommand {
    /// What is done. A count's mark is the number that [`super::count_mark`] gave, and its others are not looked at.
    pub kind: WorkKind,
    /// Who does it, where known.
    pub staff: Option<StaffId>,
    /// In words.
    pub note: Option<String>,
    /// What it is done to.
    pub lines: Vec<WorkEntry>,
}

/// One line as it is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkEntry {
    /// The item.
    pub sku: Sku,
    /// How much; of a count, what was counted.
    pub quantity: Quantity,
    /// What one unit cost, of goods in.
    pub cost: Option<Price>,
}

/// Why nothing is done. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkRefusal {
    /// No line at all.
    #[error("stock work needs at least one line")]
    NoLines,
    /// Over [`WORK_LINES_MAX`] lines.
    #[error("stock work has at most {WORK_LINES_MAX} lines, and this has {0}")]
    TooManyLines(usize),
    /// A text is too long or has control characters.
    #[error("a note, a supplier and a reference have at most {TEXT_MAX} characters, none of them control characters")]
    Text,
    /// `other` without a note.
    #[error("the reason `other` needs a note that says what it is")]
    NoteMissing,
    /// From a place to the same place.
    #[error("goods move from one place to another")]
    SamePlace,
    /// A quantity that the kind of work does not have.
    #[error(
        "line {line}: the quantity of {sku} is over 0 (a count: not below; a correction: not 0) and at most {}",
        Quantity::LINE_MAX
    )]
    Quantity {
        /// The line.
        line: usize,
        /// The item.
        sku: Sku,
    },
    /// A cost on other work than goods in.
    #[error("line {line}: only goods that come in have a cost")]
    Cost {
        /// The line.
        line: usize,
    },
    /// An item on two lines.
    #[error("line {line}: {sku} is on another line already")]
    Repeated {
        /// The line.
        line: usize,
        /// The item.
        sku: Sku,
    },
    /// The catalog does not have the item.
    #[error("line {line}: no item has the SKU {sku}")]
    UnknownSku {
        /// The line.
        line: usize,
        /// The item.
        sku: Sku,
    },
    /// The mark is not known, is of another incarnation, or records from before it are no longer kept.
    #[error("there is no mark {0} to count from: take a new one")]
    Mark(u64),
    /// A node that is said to have stopped moves no goods here.
    #[error("{0} is no other node that moves goods at this site")]
    NotThere(NodeId),
    /// It was done before, under the same key.
    #[error("this work was entered before, so long ago that its answer is no longer kept")]
    LongMade,
}

impl WorkRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoLines => "no-lines",
            Self::TooManyLines(_) => "too-many-lines",
            Self::Text => "reference",
            Self::NoteMissing => "note-missing",
            Self::SamePlace => "same-place",
            Self::Quantity { .. } => "work-quantity",
            Self::Cost { .. } => "work-cost",
            Self::Repeated { .. } => "item-repeated",
            Self::UnknownSku { .. } => "unknown-sku",
            Self::Mark(_) => "count-mark",
            Self::NotThere(_) => "node-not-found",
            Self::LongMade => "long-made",
        }
    }
}

/// Does it. `key` is what the device calls its request.
///
/// # Errors
/// A [`WorkRefusal`], or why the store could not keep it. Nothing moves then.
pub fn stock_work(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    device: &Device,
    key: &IdempotencyKey,
    command: &WorkCommand,
) -> Result<StockWork, Failure<WorkRefusal>> {
    check(command).map_err(Failure::Refused)?;
    let id = MovementId::of(&tx.issuer(device.ix)?, key.as_str());
    if tx.movement(id)?.is_some() {
        return Err(Failure::Refused(WorkRefusal::LongMade));
    }
    for (entry, line) in command.lines.iter().zip(1..) {
        if tx.priced(&entry.sku)?.is_none() && tx.stock(&entry.sku)?.is_none() {
            let sku = entry.sku.clone();
            return Err(Failure::Refused(WorkRefusal::UnknownSku { line, sku }));
        }
    }
    let (kind, lines) = match command.kind {
        WorkKind::Count { mark, .. } => {
            let Counted { kind, lines } = counted(tx, mark, &command.lines)?;
            (kind, lines)
        }
        _ => (command.kind.clone(), command.lines.iter().map(as_entered).collect()),
    };
    let work = StockWork {
        id,
        site: tx.known_identity()?.site,
        kind,
        device: device.name.clone(),
        staff: command.staff.clone(),
        note: command.note.clone(),
        lines,
    };
    if let WorkKind::Count { .. } = work.kind {
        let staff = work.staff.as_ref().map(|staff| format!(", staff {staff}"));
        let by = format!("device {}{}", work.device, staff.unwrap_or_default());
        release_counted(tx, now, work.lines.iter().map(|line| &line.sku), &by)?;
    }
    let position = post(tx, now, work.clone())?;
    keep_count(tx, &work, position)?;
    Ok(work)
}

/// Records work and moves the shelves by it.
pub(super) fn post(tx: &mut WriteTransaction<'_>, now: Now, work: StockWork) -> Result<Position, StorageError> {
    let (id, recorded, fact) = (work.id, tx.stamp(now), Fact::StockWork(work));
    let mut shelves = Shelves::default();
    shelves.apply_fact(tx, &fact)?;
    let position = tx.append(&Entry { recorded, fact })?.position;
    shelves.save(tx, position)?;
    tx.put_movement(id, position)?;
    tx.changed(Change::Movement(position));
    Ok(position)
}

fn as_entered(entry: &WorkEntry) -> WorkLine {
    WorkLine {
        sku: entry.sku.clone(),
        quantity: entry.quantity,
        cost: entry.cost,
        counted: None,
    }
}

fn check(command: &WorkCommand) -> Result<(), WorkRefusal> {
    match command.lines.len() {
        0 => return Err(WorkRefusal::NoLines),
        lines if lines > WORK_LINES_MAX => return Err(WorkRefusal::TooManyLines(lines)),
        _ => {}
    }
    let (mut texts, mut reason) = (vec![&command.note], None);
    match &command.kind {
        WorkKind::GoodsIn {
            supplier, reference, ..
        } => texts.extend([supplier, reference]),
        WorkKind::Loss { reason: why, .. } | WorkKind::Correction { reason: why, .. } => reason = Some(*why),
        WorkKind::Move { reason: why, from, to } => {
            reason = Some(*why);
            if from == to {
                return Err(WorkRefusal::SamePlace);
            }
        }
        WorkKind::Count { .. } | WorkKind::CountLate { .. } => {}
    }
    let readable = |text: &String| text.chars().count() <= TEXT_MAX && !text.chars().any(char::is_control);
    if !texts.into_iter().flatten().all(readable) {
        return Err(WorkRefusal::Text);
    }
    if reason == Some(WorkReason::Other) && command.note.as_ref().is_none_or(|note| note.trim().is_empty()) {
        return Err(WorkRefusal::NoteMissing);
    }
    let mut seen = BTreeSet::new();
    for (entry, line) in command.lines.iter().zip(1..) {
        let sku = || entry.sku.clone();
        let quantity = entry.quantity;
        let fits = match command.kind {
            WorkKind::Correction { .. } | WorkKind::CountLate { .. } => {
                quantity != Quantity::ZERO && quantity >= -Quantity::LINE_MAX
            }
            WorkKind::Count { .. } => quantity >= Quantity::ZERO,
            WorkKind::GoodsIn { .. } | WorkKind::Loss { .. } | WorkKind::Move { .. } => quantity > Quantity::ZERO,
        };
        if !fits || quantity > Quantity::LINE_MAX {
            return Err(WorkRefusal::Quantity { line, sku: sku() });
        }
        if entry.cost.is_some() && !matches!(command.kind, WorkKind::GoodsIn { .. }) {
            return Err(WorkRefusal::Cost { line });
        }
        if !seen.insert(&entry.sku) {
            return Err(WorkRefusal::Repeated { line, sku: sku() });
        }
    }
    Ok(())
}
