//! Receive: goods in, opening stock, corrections. One document moves many items, whole or not at all.
//!
//! A movement's identity is made of the device that asks and its key: repeated to a node that was restored and has
//! forgotten it, it moves stock there again, and headquarters counts it once.

use std::collections::HashMap;

use super::request::{Before, Request};
use super::shelves::Shelves;
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;
use crate::domain::stock::{Movement, MovementId, MovementKind, MovementLine};
use crate::store::{Answer, Change, Failure, Now, Position, Snapshot, StorageError, WriteTransaction};

/// The most lines of one movement, so that its record fits a batch.
pub const MOVEMENT_LINES_MAX: usize = 1_000;
/// The longest reference of a movement, in characters.
const REFERENCE_MAX: usize = 200;

/// A movement as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveCommand {
    /// Why stock moves.
    pub kind: MovementKind,
    /// The document's own reference (delivery note, file name), in words.
    pub reference: Option<String>,
    /// What moves.
    pub lines: Vec<ReceiveLine>,
}

/// One line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveLine {
    /// The item.
    pub sku: Sku,
    /// How it moves.
    pub amount: ReceiveAmount,
}

/// How an item's stock moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiveAmount {
    /// By so much, up or down; not 0.
    By(Quantity),
    /// To so much, from whatever is there now.
    To(Quantity),
}

/// A movement that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Where it stands in the journal; nowhere where every item had the quantity asked for.
    pub position: Option<Position>,
    /// What moved.
    pub movement: Movement,
    /// Whether it was made before this request.
    pub repeated: bool,
}

/// Why nothing moves. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveRefusal {
    /// No line at all.
    #[error("a movement needs at least one line")]
    NoLines,
    /// Over [`MOVEMENT_LINES_MAX`] lines.
    #[error("a movement has at most {MOVEMENT_LINES_MAX} lines, and this one has {0}")]
    TooManyLines(usize),
    /// The reference is too long or has control characters.
    #[error("a reference has at most {REFERENCE_MAX} characters, none of them control characters")]
    Reference,
    /// A change of 0.
    #[error("line {line}: the change of {sku} is 0")]
    NoChange {
        /// The line.
        line: usize,
        /// The item.
        sku: Sku,
    },
    /// A quantity beyond [`Quantity::LINE_MAX`].
    #[error("line {line}: the quantity of {sku} is at most {}", Quantity::LINE_MAX)]
    TooLarge {
        /// The line.
        line: usize,
        /// The item.
        sku: Sku,
    },
    /// The catalog does not have the items.
    #[error("no item has the SKU {}", .0.iter().map(|(line, sku)| format!("{sku} (line {line})")).collect::<Vec<_>>().join(", "))]
    UnknownSkus(Vec<(usize, Sku)>),
    /// The key belongs to another request.
    #[error("the idempotency key was used before for another request")]
    KeyReused,
    /// It was made long ago: its record was acknowledged and pruned, and the answer with it.
    #[error("this movement was made before, so long ago that its record is no longer kept")]
    LongMade,
}

impl ReceiveRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoLines => "no-lines",
            Self::TooManyLines(_) => "too-many-lines",
            Self::Reference => "reference",
            Self::NoChange { .. } => "no-change",
            Self::TooLarge { .. } => "quantity-too-large",
            Self::UnknownSkus(_) => "unknown-sku",
            Self::KeyReused => "idempotency-key-reused",
            Self::LongMade => "long-made",
        }
    }
}

/// Moves stock.
///
/// # Errors
/// A [`ReceiveRefusal`], or why the store could not keep it. Nothing moves then.
pub fn receive(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    request: &Request,
    command: &ReceiveCommand,
) -> Result<Received, Failure<ReceiveRefusal>> {
    match request.before(tx)? {
        Before::Answered(answer) => return first_answer(tx, command, &answer),
        Before::KeyReused => return Err(Failure::Refused(ReceiveRefusal::KeyReused)),
        Before::New => {}
    }
    let id = match &request.key {
        Some(key) => Some(MovementId::of(&tx.issuer(request.device)?, key.as_str())),
        None => None,
    };
    if let Some(id) = id
        && let Some(position) = tx.movement(id)?
    {
        return made_before(tx, command, position);
    }
    check(command).map_err(Failure::Refused)?;
    let movement = Movement {
        id,
        kind: command.kind,
        reference: command.reference.clone(),
        lines: changes(tx, command.kind, &command.lines)?,
    };
    if movement.lines.is_empty() {
        let (status, body) = (200, Vec::new());
        request.keep(tx, Answer::Kept { status, body }, now)?;
        return Ok(Received {
            position: None,
            movement,
            repeated: false,
        });
    }
    let recorded = tx.stamp(now);
    let fact = Fact::Movement(movement.clone());
    let mut shelves = Shelves::default();
    shelves.apply_fact(tx, &fact)?;
    let position = tx.append(&Entry { recorded, fact })?.position;
    shelves.save(tx, position)?;
    if let Some(id) = id {
        tx.put_movement(id, position)?;
    }
    request.keep(tx, Answer::Record(position), now)?;
    tx.changed(Change::Movement(position));
    Ok(Received {
        position: Some(position),
        movement,
        repeated: false,
    })
}

fn check(command: &ReceiveCommand) -> Result<(), ReceiveRefusal> {
    match command.lines.len() {
        0 => return Err(ReceiveRefusal::NoLines),
        lines if lines > MOVEMENT_LINES_MAX => return Err(ReceiveRefusal::TooManyLines(lines)),
        _ => {}
    }
    let readable = |text: &String| text.chars().count() <= REFERENCE_MAX && !text.chars().any(char::is_control);
    if !command.reference.as_ref().is_none_or(readable) {
        return Err(ReceiveRefusal::Reference);
    }
    for (stated, line) in command.lines.iter().zip(1..) {
        let sku = || stated.sku.clone();
        let (ReceiveAmount::By(quantity) | ReceiveAmount::To(quantity)) = stated.amount;
        if stated.amount == ReceiveAmount::By(Quantity::ZERO) {
            return Err(ReceiveRefusal::NoChange { line, sku: sku() });
        }
        if quantity > Quantity::LINE_MAX || quantity < -Quantity::LINE_MAX {
            return Err(ReceiveRefusal::TooLarge { line, sku: sku() });
        }
    }
    Ok(())
}

/// By how much each line changes its item; lines that change nothing are left out.
fn changes(
    snapshot: &Snapshot<'_>,
    kind: MovementKind,
    lines: &[ReceiveLine],
) -> Result<Vec<MovementLine>, Failure<ReceiveRefusal>> {
    let mut changes = Vec::with_capacity(lines.len());
    let mut unknown = Vec::new();
    // What earlier lines of this movement leave of an item.
    let mut left: HashMap<&Sku, Quantity> = HashMap::new();
    for (stated, line) in lines.iter().zip(1..) {
        let sku = &stated.sku;
        // What stands on the shelf when a site opens stands there, whether or not the catalog has it yet.
        if kind != MovementKind::Opening && snapshot.priced(sku)?.is_none() {
            unknown.push((line, sku.clone()));
            continue;
        }
        let have = match left.get(sku) {
            Some(quantity) => *quantity,
            None => snapshot.stock(sku)?.unwrap_or_default().on_hand,
        };
        let change = match stated.amount {
            ReceiveAmount::By(change) => Some(change),
            ReceiveAmount::To(quantity) => quantity.checked_sub(have),
        };
        let after = change.and_then(|change| have.checked_add(change));
        let (Some(change), Some(after)) = (change, after) else {
            let sku = sku.clone();
            return Err(Failure::Refused(ReceiveRefusal::TooLarge { line, sku }));
        };
        left.insert(sku, after);
        if change != Quantity::ZERO {
            let sku = sku.clone();
            changes.push(MovementLine { sku, change });
        }
    }
    if unknown.is_empty() {
        Ok(changes)
    } else {
        Err(Failure::Refused(ReceiveRefusal::UnknownSkus(unknown)))
    }
}

/// The answer to a movement whose identity is in use and whose request is forgotten.
fn made_before(
    snapshot: &Snapshot<'_>,
    command: &ReceiveCommand,
    position: Position,
) -> Result<Received, Failure<ReceiveRefusal>> {
    let movement = match snapshot.entry(position)?.map(|entry| entry.fact) {
        Some(Fact::Movement(movement)) => movement,
        _ => return Err(Failure::Refused(ReceiveRefusal::LongMade)),
    };
    if !same(command, &movement) {
        return Err(Failure::Refused(ReceiveRefusal::KeyReused));
    }
    Ok(Received {
        position: Some(position),
        movement,
        repeated: true,
    })
}

/// Whether a request is the one that a movement was recorded for, as far as the record tells: what an item was brought
/// to is known there only as a change, and lines that changed nothing are left out.
fn same(command: &ReceiveCommand, movement: &Movement) -> bool {
    let mut recorded = movement.lines.iter().peekable();
    for line in &command.lines {
        let fits = |found: &&MovementLine| match line.amount {
            ReceiveAmount::By(change) => found.sku == line.sku && found.change == change,
            ReceiveAmount::To(_) => found.sku == line.sku,
        };
        let found = recorded.next_if(|found| fits(found));
        if found.is_none() && matches!(line.amount, ReceiveAmount::By(_)) {
            return false;
        }
    }
    recorded.next().is_none() && command.kind == movement.kind && command.reference == movement.reference
}

fn first_answer(
    snapshot: &Snapshot<'_>,
    command: &ReceiveCommand,
    answer: &Answer,
) -> Result<Received, Failure<ReceiveRefusal>> {
    let (position, movement) = match answer {
        Answer::Kept { .. } => {
            let movement = Movement {
                id: None,
                kind: command.kind,
                reference: command.reference.clone(),
                lines: Vec::new(),
            };
            (None, movement)
        }
        Answer::Record(position) => match snapshot.entry(*position)?.map(|entry| entry.fact) {
            Some(Fact::Movement(movement)) => (Some(*position), movement),
            _ => {
                let missing = format!("there is no movement at position {}", position.get());
                return Err(StorageError::Inconsistent(missing).into());
            }
        },
    };
    Ok(Received {
        position,
        movement,
        repeated: true,
    })
}
