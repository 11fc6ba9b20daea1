//! Sales and refunds: lists of them, one with its lines, and those that came again.

use std::fmt;
use std::str::FromStr;

use super::headquarters::Headquarters;
use super::projection::{Content, innermost, kept_slot, slot_content};
use super::storage::{OriginId, Reading, SaleKind, StorageError};
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::{ChannelId, CustomerRef, ReceiptNumber, SaleId, Series, SiteId};
use crate::domain::journal::RecordId;
use crate::domain::money::{Currency, Minor};
use crate::domain::time::{BusinessDay, LocalTime};

/// A sale or a refund without its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleSummary {
    /// The till's own identity of it.
    pub id: SaleId,
    /// Which way goods and money went.
    pub kind: SaleKind,
    /// The record that it is.
    pub record: RecordId,
    /// Where it was made.
    pub site: SiteId,
    /// The business day that it belongs to.
    pub business_day: BusinessDay,
    /// When it was made, at the till.
    pub at: LocalTime,
    /// When its node recorded it, in milliseconds since 1970.
    pub recorded_ms: u64,
    /// Its receipt's number.
    pub receipt: ReceiptNumber,
    /// The sales channel.
    pub channel: ChannelId,
    /// Who bought, where known.
    pub customer: Option<CustomerRef>,
    /// The currency of the total.
    pub currency: Currency,
    /// What was paid, or paid back; positive.
    pub total: Minor,
    /// The sale that a refund takes back from.
    pub of: Option<SaleId>,
}

/// Which sales are asked for, in the order of day, site, time and identity.
#[derive(Debug, Clone)]
pub struct SalesQuery {
    /// The first business day.
    pub from: BusinessDay,
    /// The last business day.
    pub to: BusinessDay,
    /// Of one site, or of all.
    pub site: Option<SiteId>,
    /// Behind this one.
    pub after: Option<SaleCursor>,
    /// At most so many.
    pub limit: u32,
}

/// A sale's place in the order in which sales are listed. As text its parts stand between `~`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleCursor {
    /// The business day.
    pub business_day: BusinessDay,
    /// The site.
    pub site: SiteId,
    /// The till's clock, in seconds since 1970.
    pub at_seconds: i64,
    /// The identity.
    pub id: SaleId,
}

/// A sale that came again under an identity that is taken. It is not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// The identity.
    pub id: SaleId,
    /// The record that came again.
    pub record: RecordId,
    /// The record that counts.
    pub counted: RecordId,
    /// When its batch came, in milliseconds since 1970.
    pub found_ms: u64,
}

/// The record that holds a sale's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) origin: OriginId,
    pub(super) seq: u64,
}

impl SaleSummary {
    /// Its place in the list.
    #[must_use]
    pub fn cursor(&self) -> SaleCursor {
        SaleCursor {
            business_day: self.business_day,
            site: self.site.clone(),
            at_seconds: self.at.local_seconds(),
            id: self.id.clone(),
        }
    }
}

impl fmt::Display for SaleCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            business_day,
            site,
            at_seconds,
            id,
        } = self;
        write!(f, "{business_day}~{site}~{at_seconds}~{}~{}", id.series, id.counter)
    }
}

/// Why a text is not a place in the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a cursor that this headquarters gave out")]
pub struct SaleCursorError(pub String);

impl FromStr for SaleCursor {
    type Err = SaleCursorError;

    fn from_str(text: &str) -> Result<Self, SaleCursorError> {
        let parts: Vec<&str> = text.split('~').collect();
        let parsed = match *parts.as_slice() {
            [day, site, at, series, counter] => (|| {
                let series: Series = series.parse().ok()?;
                Some(Self {
                    business_day: day.parse().ok()?,
                    site: site.parse().ok()?,
                    at_seconds: at.parse().ok()?,
                    id: SaleId {
                        series,
                        counter: counter.parse().ok()?,
                    },
                })
            })(),
            _ => None,
        };
        parsed.ok_or_else(|| SaleCursorError(text.chars().take(80).collect()))
    }
}

impl Headquarters {
    /// A page of sales and refunds.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn sales(&self, query: &SalesQuery) -> Result<Vec<SaleSummary>, StorageError> {
        self.database.read(|reading| reading.sales(query))
    }

    /// A sale or a refund with everything in it, from the ledger.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn sale(&self, id: &SaleId) -> Result<Option<(SaleSummary, Entry)>, StorageError> {
        self.database.read(|reading| {
            let Some((summary, kept)) = reading.sale(id)? else {
                return Ok(None);
            };
            let entry = content(reading, kept)?;
            Ok(Some((summary, entry)))
        })
    }

    /// Sales that came again: with another content (`conflicts`), or with the same one. Newest first, at most `limit`.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn repeats(&self, conflicts: bool, limit: u32) -> Result<Vec<Repeat>, StorageError> {
        self.database.read(|reading| reading.repeats(conflicts, limit))
    }
}

/// The fact that a record holds, inside whatever it came in.
fn content(reading: &Reading<'_>, kept: Kept) -> Result<Entry, StorageError> {
    let damaged = |reason: String| StorageError::Damaged(format!("record {} of a sale: {reason}", kept.seq));
    let slot = kept_slot(reading, kept.origin, kept.seq)?;
    let slot = slot.ok_or_else(|| damaged("it is not in the ledger".into()))?;
    let Content::Fact(recorded, fact) = slot_content(&slot) else {
        return Err(damaged("it cannot be read".into()));
    };
    let Entry { recorded, fact } = match fact {
        Fact::Correction(correction) => {
            Entry::decode(&correction.replacement).map_err(|error| damaged(error.to_string()))?
        }
        fact => Entry { recorded, fact },
    };
    let (recorded, fact) = innermost(recorded, fact).map_err(|unreadable| damaged(unreadable.reason))?;
    Ok(Entry { recorded, fact })
}
