//! Refund: goods brought back against a receipt, never more than was sold, line by line over all refunds.
//!
//! Its identity comes from the same count as the till's sales. Repeated with the same content it gets the first answer;
//! with other content it is refused. Each line says where its goods go: back on sale, or to what is damaged.

use std::collections::BTreeMap;

use super::request::{Before, Request};
use super::settings::Settings;
use super::shelves::Shelves;
use super::till::{self, StatedTender, TillRefusal};
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::{ReceiptNumber, SaleId, StaffId};
use crate::domain::quantity::Quantity;
use crate::domain::sale::{
    Refund, RefundDraft, RefundReason, RefundRefusal as RuleRefusal, RefundedLine, ReturnedLine, Sale, decide_refund,
};
use crate::domain::stock::Place;
use crate::domain::time::LocalTime;
use crate::store::{
    Answer, Change, Device, Document, DocumentKind, Failure, Now, Position, Snapshot, StorageError, WriteTransaction,
};

/// A refund as a till asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundCommand {
    /// The till's own count of its sales and refunds.
    pub counter: u64,
    /// The sale that it takes back from.
    pub of: SaleRef,
    /// When it was made, where the till says so.
    pub at: Option<LocalTime>,
    /// Who takes it back, where known.
    pub staff: Option<StaffId>,
    /// Why, in words.
    pub reason: Option<RefundReason>,
    /// What comes back. A line that is named twice with the same place counts as its sum.
    pub lines: Vec<ReturnedLine>,
    /// How it is paid back; in all exactly the total.
    pub tenders: Vec<StatedTender>,
}

/// How a till names a sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaleRef {
    /// By its receipt.
    Receipt(ReceiptNumber),
    /// By its identity.
    Id(SaleId),
}

/// A refund that stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refunded {
    /// The refund.
    pub refund: Refund,
    /// Where it stands.
    pub position: Position,
    /// Whether it stood there before this request.
    pub repeated: bool,
}

/// Why a refund is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefundRefusal {
    /// The till may not, or its request contradicts an earlier one.
    #[error(transparent)]
    Till(#[from] TillRefusal),
    /// This node has no such sale, or no longer.
    #[error("this node has no sale {}", match .0 { SaleRef::Receipt(receipt) => receipt.to_string(), SaleRef::Id(id) => id.to_string() })]
    UnknownSale(SaleRef),
    /// The refund itself breaks a rule.
    #[error(transparent)]
    Refund(#[from] RuleRefusal),
}

impl RefundRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Till(refusal) => refusal.code(),
            Self::UnknownSale(_) => "unknown-sale",
            Self::Refund(refusal) => refusal.code(),
        }
    }
}

type Refused = Failure<RefundRefusal>;

/// Takes goods back.
///
/// # Errors
/// A [`RefundRefusal`], or why the store could not keep it. Nothing is recorded then, and no receipt number is taken.
pub fn refund(
    tx: &mut WriteTransaction<'_>,
    settings: &Settings,
    now: Now,
    device: &Device,
    request: &Request,
    command: &RefundCommand,
) -> Result<Refunded, Refused> {
    let till = till::till(device).map_err(refused)?;
    let id = till::sale_id(till, command.counter).map_err(refused)?;
    match request.before(tx)? {
        Before::Answered(Answer::Record(position)) => return Ok(recorded(tx, position)?),
        Before::Answered(Answer::Kept { .. }) | Before::KeyReused => return Err(refused(TillRefusal::KeyReused)),
        Before::New => {}
    }
    if let Some(document) = tx.document(till.series_ix, command.counter)? {
        return repeated(tx, command, &document);
    }
    let (sale, sold_at) = find_sale(tx, &command.of)?;
    let at = till::made_at(command.at, device, settings, now).map_err(refused)?;
    let draft = RefundDraft {
        id,
        at,
        business_day: settings.business_day(at),
        staff: command.staff.clone(),
        reason: command.reason.clone(),
        lines: command.lines.clone(),
        tenders: till::tenders(&command.tenders, sale.currency).map_err(refused)?,
    };
    let already = tx.refunded_lines(sold_at)?;
    let receipt = tx.next_receipt(&till.register)?;
    let refund = decide_refund(&sale, &already, draft, receipt.number, settings.sale.cash_rounding).map_err(refused)?;
    let recorded = tx.stamp(now);
    let fact = Fact::Refund(refund.clone());
    let mut shelves = Shelves::default();
    shelves.apply_fact(tx, &fact)?;
    let appended = tx.append(&Entry { recorded, fact })?;
    shelves.save(tx, appended.position)?;
    tx.insert_document(&Document {
        series: till.series_ix,
        counter: refund.id.counter,
        position: appended.position,
        kind: DocumentKind::Refund,
        receipt_series: receipt.series,
        number: refund.receipt.number,
        business_day: refund.business_day,
        total: refund.totals.total,
    })?;
    tx.take_receipt(&till.register);
    for line in &refund.lines {
        tx.add_refunded(sold_at, &RefundedLine::from(line))?;
    }
    request.keep_document(tx, appended.position, now)?;
    tx.changed(Change::Refund(appended.position));
    Ok(Refunded {
        refund,
        position: appended.position,
        repeated: false,
    })
}

fn find_sale(snapshot: &Snapshot<'_>, of: &SaleRef) -> Result<(Sale, Position), Refused> {
    let document = match of {
        SaleRef::Receipt(receipt) => snapshot.document_by_receipt(receipt)?,
        SaleRef::Id(id) => match snapshot.series(&id.series)? {
            Some(series) => snapshot.document(series, id.counter)?,
            None => None,
        },
    };
    let position = document.map(|document| document.position);
    let sale = position
        .map(|position| snapshot.sale_at(position))
        .transpose()?
        .flatten();
    match (sale, position) {
        (Some(sale), Some(position)) => Ok((sale, position)),
        _ => Err(refused(RefundRefusal::UnknownSale(of.clone()))),
    }
}

/// The answer to a refund whose identity is in use.
fn repeated(snapshot: &Snapshot<'_>, command: &RefundCommand, document: &Document) -> Result<Refunded, Refused> {
    if document.kind == DocumentKind::Sale {
        let sale = snapshot.sale_at(document.position)?;
        let sale = sale.ok_or_else(|| missing("sale", document.position))?;
        let (id, receipt) = (sale.id, sale.receipt);
        return Err(refused(TillRefusal::IdUsed { id, receipt }));
    }
    let known = recorded(snapshot, document.position)?;
    if same(snapshot, command, &known.refund)? {
        return Ok(known);
    }
    let (id, receipt) = (known.refund.id, known.refund.receipt);
    Err(refused(TillRefusal::IdUsed { id, receipt }))
}

/// Whether a till's request is the one that a refund was recorded for.
fn same(snapshot: &Snapshot<'_>, command: &RefundCommand, refund: &Refund) -> Result<bool, StorageError> {
    let same_sale = match &command.of {
        SaleRef::Id(id) => *id == refund.of,
        SaleRef::Receipt(receipt) => match snapshot.document_by_receipt(receipt)? {
            Some(document) => snapshot
                .sale_at(document.position)?
                .is_some_and(|sale| sale.id == refund.of),
            None => false,
        },
    };
    let tenders = till::tenders(&command.tenders, refund.currency);
    let asked = by_line(
        command
            .lines
            .iter()
            .map(|line| ((line.line, line.place), line.quantity)),
    );
    let recorded = by_line(refund.lines.iter().map(|line| ((line.line, line.place), line.quantity)));
    Ok(same_sale
        && command.at.is_none_or(|at| at == refund.at)
        && command.staff == refund.staff
        && command.reason == refund.reason
        && tenders.is_ok_and(|tenders| tenders == refund.tenders)
        && asked == recorded)
}

fn by_line(lines: impl Iterator<Item = ((u16, Place), Quantity)>) -> BTreeMap<(u16, Place), Quantity> {
    let mut sums = BTreeMap::new();
    for (line, quantity) in lines {
        let sum: &mut Quantity = sums.entry(line).or_default();
        *sum = [*sum, quantity].into_iter().sum();
    }
    sums
}

fn recorded(snapshot: &Snapshot<'_>, position: Position) -> Result<Refunded, StorageError> {
    let refund = snapshot.refund_at(position)?;
    Ok(Refunded {
        refund: refund.ok_or_else(|| missing("refund", position))?,
        position,
        repeated: true,
    })
}

fn missing(what: &str, position: Position) -> StorageError {
    StorageError::Inconsistent(format!("there is no {what} at position {}", position.get()))
}

fn refused(refusal: impl Into<RefundRefusal>) -> Refused {
    Failure::Refused(refusal.into())
}
