//! What is told to people about stock, when it is told and when it is over. The rules are the same at a node and at
//! headquarters; where they keep what was told is their own business.
//!
//! Promises: an alert is raised once, says anew what has changed, and is over when its cause is. Must never: forget who has
//! seen it because its words changed.

use serde::{Deserialize, Serialize};

use super::status::{StockStatus, is_highly_reserved};
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;

/// From how many bytes on an alert says nothing more beside what it says: what each transfer differs in is with it.
const DETAIL_MAX: usize = 1_000;

/// What is told to people about stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// Some is available, and no more than the threshold.
    LowStock,
    /// Nothing is available.
    OutOfStock,
    /// Over 80 % of what is there is promised.
    HighReservation,
    /// More was sold in hand than there was a right to, and it is not settled.
    Oversold,
    /// A neighbour was not heard from for longer than a limit: the parent, or at headquarters a node.
    Stale,
    /// The last count found more or less than there should have been.
    CountDifference,
    /// Not so much of an item arrived as another site had sent.
    TransferDifference,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must act.
    Critical,
}

impl AlertKind {
    /// All.
    pub const ALL: [Self; 7] = [
        Self::LowStock,
        Self::OutOfStock,
        Self::HighReservation,
        Self::Oversold,
        Self::Stale,
        Self::CountDifference,
        Self::TransferDifference,
    ];
    /// Those of an item.
    pub const OF_ITEMS: [Self; 5] = [
        Self::LowStock,
        Self::OutOfStock,
        Self::HighReservation,
        Self::Oversold,
        Self::CountDifference,
    ];

    /// Its number, for rows.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::LowStock => 1,
            Self::OutOfStock => 2,
            Self::HighReservation => 3,
            Self::Oversold => 4,
            Self::Stale => 5,
            Self::CountDifference => 6,
            // As the fact's kind.
            Self::TransferDifference => 27,
        }
    }

    /// The kind of a number that [`number`](Self::number) gave.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// Its stable name, for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LowStock => "low_stock",
            Self::OutOfStock => "out_of_stock",
            Self::HighReservation => "high_reservation",
            Self::Oversold => "oversold",
            Self::Stale => "stale",
            Self::CountDifference => "count_difference",
            Self::TransferDifference => "transfer_difference",
        }
    }

    /// How bad it is.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::OutOfStock | Self::Oversold => Severity::Critical,
            Self::LowStock | Self::Stale | Self::CountDifference | Self::TransferDifference => Severity::Warning,
            Self::HighReservation => Severity::Info,
        }
    }
}

/// How an item stands at a site, as far as it is known where it is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing<'a> {
    /// The item.
    pub sku: &'a Sku,
    /// What is there.
    pub on_hand: Quantity,
    /// What is promised.
    pub reserved: Quantity,
    /// What went out beyond the rights and is not settled.
    pub owed: Quantity,
    /// From how much left on it counts as low.
    pub threshold: Quantity,
    /// The documents whose debt is open, as far as they are known.
    pub debts: &'a OpenDebts,
    /// What the last count of it found.
    pub count: Option<CountFound>,
}

/// The documents whose debt is open: the oldest by name, the others counted. Whoever names them reads records, so that
/// nobody names more than are said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenDebts {
    /// The oldest, at most [`OpenDebts::NAMED_MAX`].
    pub named: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

impl OpenDebts {
    /// How many are named.
    pub const NAMED_MAX: usize = 5;
}

/// What a count found of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountFound {
    /// What was counted.
    pub counted: Quantity,
    /// By how much that differs from what there should have been, with what came late and was compensated.
    pub difference: Quantity,
    /// Whether not everything from before its marks is known.
    pub provisional: bool,
}

/// What is done about one alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// It is raised.
    Raise,
    /// It is open, and its words change.
    Reword,
    /// It is over.
    Clear,
    /// Nothing.
    Leave,
}

/// What is done about an alert: `told` are the words of the open one, `wrong` what there is to say now.
#[must_use]
pub fn telling(told: Option<&str>, wrong: Option<&str>) -> Telling {
    match (told, wrong) {
        (None, Some(_)) => Telling::Raise,
        (Some(told), Some(wrong)) if told != wrong => Telling::Reword,
        (Some(_), None) => Telling::Clear,
        (Some(_), Some(_)) | (None, None) => Telling::Leave,
    }
}

/// Every kind of alert of an item with what there is to say, if anything is wrong.
#[must_use]
pub fn judge(standing: &Standing<'_>) -> [(AlertKind, Option<String>); 5] {
    let &Standing {
        sku,
        on_hand,
        reserved,
        owed,
        threshold,
        debts,
        count,
    } = standing;
    let available = [on_hand, -reserved].into_iter().sum::<Quantity>().max(Quantity::ZERO);
    let status = StockStatus::of(available, threshold);
    let low = (status == StockStatus::LowStock)
        .then(|| format!("{available} units of {sku} are available, and {threshold} is the threshold"));
    let out = (status == StockStatus::OutOfStock)
        .then(|| format!("nothing of {sku} is available: {on_hand} units are there, {reserved} are promised"));
    let high = is_highly_reserved(on_hand, reserved)
        .then(|| format!("{reserved} of {on_hand} units of {sku} are promised, which is over 80 %"));
    let oversold = (owed > Quantity::ZERO).then(|| {
        let sales = named(debts);
        format!("{owed} units of {sku} were sold beyond what this site had a right to: {sales}")
    });
    let differs = count.filter(|count| count.difference != Quantity::ZERO).map(|count| {
        let CountFound {
            counted,
            difference,
            provisional,
        } = count;
        let should = [counted, -difference].into_iter().sum::<Quantity>();
        let provisional = if provisional {
            "; it is provisional: not every node of the site had given a mark, or told all from before it"
        } else {
            ""
        };
        format!("the last count of {sku} found {counted} units where {should} should have been{provisional}")
    });
    [
        (AlertKind::LowStock, low),
        (AlertKind::OutOfStock, out),
        (AlertKind::HighReservation, high),
        (AlertKind::Oversold, oversold),
        (AlertKind::CountDifference, differs),
    ]
}

fn named(debts: &OpenDebts) -> String {
    if debts.named.is_empty() {
        return "by records that are no longer kept, or by another node".into();
    }
    let mut named = debts.named.clone();
    if debts.more > 0 {
        named.push(format!("and {} more", debts.more));
    }
    named.join(", ")
}

/// What an alert says that stays until somebody has seen it, when there is one thing more to say; none where nothing is.
#[must_use]
pub fn beside(told: Option<&str>, detail: &str) -> Option<String> {
    match told {
        None => Some(detail.to_owned()),
        Some(told) if told.contains(detail) || told.len() > DETAIL_MAX => None,
        Some(told) => Some(format!("{told}; {detail}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(units: i64) -> Quantity {
        Quantity::from_thousandths(units * 1000)
    }

    fn wrong(on_hand: i64, reserved: i64, owed: i64, difference: i64) -> Vec<AlertKind> {
        let sku = "1001".parse().unwrap();
        let judged = judge(&Standing {
            sku: &sku,
            on_hand: units(on_hand),
            reserved: units(reserved),
            owed: units(owed),
            threshold: units(10),
            debts: &OpenDebts::default(),
            count: Some(CountFound {
                counted: units(3),
                difference: units(difference),
                provisional: false,
            }),
        });
        judged
            .into_iter()
            .filter_map(|(kind, wrong)| wrong.map(|_| kind))
            .collect()
    }

    #[test]
    fn each_kind_is_told_for_its_own_reason() {
        assert_eq!(wrong(11, 0, 0, 0), []);
        assert_eq!(wrong(10, 0, 0, 0), [AlertKind::LowStock]);
        assert_eq!(wrong(10, 9, 0, 0), [AlertKind::LowStock, AlertKind::HighReservation]);
        assert_eq!(wrong(-2, 0, 2, 0), [AlertKind::OutOfStock, AlertKind::Oversold]);
        assert_eq!(wrong(20, 0, 0, -1), [AlertKind::CountDifference]);
    }

    #[test]
    fn an_alert_is_raised_once_reworded_and_cleared() {
        assert_eq!(telling(None, Some("a")), Telling::Raise);
        assert_eq!(telling(Some("a"), Some("a")), Telling::Leave);
        assert_eq!(telling(Some("a"), Some("b")), Telling::Reword);
        assert_eq!(telling(Some("a"), None), Telling::Clear);
        assert_eq!(telling(None, None), Telling::Leave);
    }

    #[test]
    fn a_kind_is_known_by_its_number() {
        for kind in AlertKind::ALL {
            assert_eq!(AlertKind::from_number(kind.number()), Some(kind));
        }
    }
}
