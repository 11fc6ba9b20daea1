//! What a sale and a refund have in common: who may make one, when it may have been made, how it is paid.

use rust_decimal::Decimal;

use super::settings::Settings;
use crate::domain::ids::{ReceiptNumber, SaleId};
use crate::domain::money::{Currency, Minor, Money, MoneyError};
use crate::domain::sale::{Discount, Percent, Tender, TenderKind, TenderReference};
use crate::domain::time::LocalTime;
use crate::store::{Device, Now, Till};

/// The highest count of a till: beyond it programs in some languages no longer read it exactly.
const COUNTER_MAX: u64 = (1 << 53) - 1;

/// Why a till may not do what it asks, whatever it sells.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TillRefusal {
    /// The device has no register.
    #[error("this device has no register and cannot sell")]
    NotATill,
    /// The count is 0 or too high.
    #[error("the counter goes from 1 to {COUNTER_MAX}, and this one is {0}")]
    CounterOutOfRange(u64),
    /// The till's time is too far from the node's.
    #[error("the time must be from {earliest} to {latest}, and it is {at}")]
    AtOutsideWindow {
        /// The till's time.
        at: LocalTime,
        /// The earliest allowed.
        earliest: LocalTime,
        /// The latest allowed.
        latest: LocalTime,
    },
    /// A tender that is not whole minor units, or too large.
    #[error("tender {tender}: {error}")]
    TenderAmount {
        /// The tender, from 1.
        tender: usize,
        /// What is wrong with its amount.
        error: MoneyError,
    },
    /// The identity belongs to another sale or refund.
    #[error("{id} was used before for {receipt}, with other content")]
    IdUsed {
        /// The identity.
        id: SaleId,
        /// What it was used for.
        receipt: ReceiptNumber,
    },
    /// The key belongs to another request.
    #[error("the idempotency key was used before for another request")]
    KeyReused,
}

impl TillRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotATill => "not-a-till",
            Self::CounterOutOfRange(_) => "counter-out-of-range",
            Self::AtOutsideWindow { .. } => "time-outside-window",
            Self::TenderAmount { .. } => "tender-amount",
            Self::IdUsed { .. } => "id-used",
            Self::KeyReused => "idempotency-key-reused",
        }
    }
}

/// A payment as a till states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedTender {
    /// The means.
    pub kind: TenderKind,
    /// What is given, in the document's currency.
    pub amount: Decimal,
    /// The means' own reference, where there is one.
    pub reference: Option<TenderReference>,
}

/// A discount as a till states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatedDiscount {
    /// So much, in the sale's currency.
    Amount(Decimal),
    /// That part.
    Percent(Percent),
}

impl StatedDiscount {
    pub(super) fn in_minor(self, currency: Currency) -> Result<Discount, MoneyError> {
        Ok(match self {
            Self::Amount(amount) => Discount::Amount(minor(amount, currency)?),
            Self::Percent(part) => Discount::Percent(part),
        })
    }
}

/// Where a device sells.
pub(super) fn till(device: &Device) -> Result<&Till, TillRefusal> {
    device.till.as_ref().ok_or(TillRefusal::NotATill)
}

/// The identity of a till's next document.
pub(super) fn sale_id(till: &Till, counter: u64) -> Result<SaleId, TillRefusal> {
    if !(1..=COUNTER_MAX).contains(&counter) {
        return Err(TillRefusal::CounterOutOfRange(counter));
    }
    let series = till.series.clone();
    Ok(SaleId { series, counter })
}

/// When a document was made: as the till says, within the window unless it may report any day, else now.
pub(super) fn made_at(
    stated: Option<LocalTime>,
    device: &Device,
    settings: &Settings,
    now: Now,
) -> Result<LocalTime, TillRefusal> {
    let Some(at) = stated else {
        return Ok(now.local());
    };
    let (earliest, latest) = settings.window(now.local());
    let inside = (earliest.local()..=latest.local()).contains(&at.local());
    if inside || device.rights.backdate {
        Ok(at)
    } else {
        Err(TillRefusal::AtOutsideWindow { at, earliest, latest })
    }
}

/// Tenders in minor units.
pub(super) fn tenders(stated: &[StatedTender], currency: Currency) -> Result<Vec<Tender>, TillRefusal> {
    let convert = |(stated, tender): (&StatedTender, usize)| {
        let amount = minor(stated.amount, currency).map_err(|error| TillRefusal::TenderAmount { tender, error })?;
        Ok(Tender {
            kind: stated.kind,
            amount,
            reference: stated.reference.clone(),
        })
    };
    stated.iter().zip(1..).map(convert).collect()
}

fn minor(amount: Decimal, currency: Currency) -> Result<Minor, MoneyError> {
    Money::exact(amount, currency).map(|money| Minor(money.minor()))
}
