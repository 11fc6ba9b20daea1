//! What the answers about a shelf's history look like.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;
use crate::domain::stock::{Growth, HoldPurpose, Place, StepKind, quantity};
use crate::http::sync::instant;
use crate::operations::{
    DebtSale, Explanation, GrantAccount, KindSum, OpenHoldOf, PlaceAccount, ReplicaAccount, StatementHead, Step,
};
use crate::store::HistorySum;

/// What one record did to an item, or what many records did that are no longer kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepBody {
    /// The record's place in the node's journal; none for a sum of records that are no longer kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) record: Option<i64>,
    /// What it was: `opening`, `receipt`, `return`, `adjustment`, `sale`, `sale_from_hold`, `hold_opened`,
    /// `hold_released`, `hold_expired`, `granted`, `accepted`, `handed_over`, `taken_over`, `earlier`, …
    #[schema(value_type = String, example = "sale")]
    pub(super) kind: StepKind,
    /// How many records; left out for 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) times: Option<u64>,
    /// When it was recorded; the last one where there are many.
    pub(super) at: String,
    /// By how much what is there changed.
    #[schema(value_type = String, example = "-1")]
    pub(super) change: Quantity,
    /// By how much what is promised changed.
    #[schema(value_type = String, example = "0")]
    pub(super) reserved_change: Quantity,
    /// What was there after it, by this node's journal.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quantity_after: Option<Quantity>,
    /// What was promised after it, by this node's journal.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reserved_after: Option<Quantity>,
    /// What of it was beyond the node's rights; left out where there was none.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) debt: Option<Quantity>,
    /// Who did it, as far as that is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) who: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
    /// The document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) document: Option<String>,
}

/// A page of an item's history, the newest first. Behind the oldest record that is kept stands one entry for each kind,
/// with the sum of those that are not.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryBody {
    pub(super) history: Vec<StepBody>,
    /// The cursor of the next page, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<i64>,
}

/// An item's account.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExplainBody {
    #[schema(value_type = String)]
    pub(super) sku: Sku,
    pub(super) site: String,
    pub(super) node: String,
    /// What is there, over all nodes of the site that are known here.
    #[schema(value_type = String)]
    pub(super) quantity: Quantity,
    /// What is promised.
    #[schema(value_type = String)]
    pub(super) reserved: Quantity,
    /// What is there and promised to nobody; below 0 where more is promised or gone than was there.
    #[schema(value_type = String)]
    pub(super) unreserved: Quantity,
    /// Sold beyond the rights to it and not settled.
    #[schema(value_type = String)]
    pub(super) owed: Quantity,
    /// Rights that were handed on and have not arrived: `quantity + owed = rights + reserved + under_way`.
    #[schema(value_type = String)]
    pub(super) under_way: Quantity,
    /// Part of that: what kiosks that this node has retired left, and nobody may promise until it is counted or released.
    #[schema(value_type = String)]
    pub(super) unpromised: Quantity,
    pub(super) places: Vec<PlaceBody>,
    pub(super) replicas: Vec<ReplicaBody>,
    pub(super) grants: Vec<GrantBody>,
    pub(super) holds: Vec<HeldBody>,
    pub(super) debts: Vec<DebtBody>,
}

/// One place's account by this node's journal.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlaceBody {
    /// `sellable` or `damaged`.
    #[schema(value_type = String)]
    pub(super) place: Place,
    pub(super) kinds: Vec<KindBody>,
    /// The newest steps, the newest first.
    pub(super) steps: Vec<StepBody>,
}

/// All steps of one kind.
#[derive(Debug, Serialize, ToSchema)]
pub struct KindBody {
    #[schema(value_type = String)]
    pub(super) kind: StepKind,
    /// How many; 0 where that is not known any more.
    pub(super) times: u64,
    pub(super) first: String,
    pub(super) last: String,
    #[serde(flatten)]
    pub(super) registers: RegistersBody,
}

/// Registers of a row, or by how much they grew.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegistersBody {
    /// Goods that came in.
    #[schema(value_type = String)]
    pub(super) added: Quantity,
    /// Goods that went out.
    #[schema(value_type = String)]
    pub(super) removed: Quantity,
    /// Promised.
    #[schema(value_type = String)]
    pub(super) held: Quantity,
    /// Promises that ended.
    #[schema(value_type = String)]
    pub(super) freed: Quantity,
    /// Rights handed on.
    #[schema(value_type = String)]
    pub(super) given: Quantity,
    /// Rights taken over.
    #[schema(value_type = String)]
    pub(super) accepted: Quantity,
    /// Taken beyond the rights.
    #[schema(value_type = String)]
    pub(super) debt: Quantity,
    /// Debt that was repaid.
    #[schema(value_type = String)]
    pub(super) repaid: Quantity,
}

/// One replica: a node in one of its lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReplicaBody {
    pub(super) replica: String,
    /// Whether it is this node as it is now.
    pub(super) present: bool,
    /// What it may still promise.
    #[schema(value_type = String)]
    pub(super) rights: Quantity,
    #[serde(flatten)]
    pub(super) registers: RegistersBody,
}

/// Rights on the way from one replica to another.
#[derive(Debug, Serialize, ToSchema)]
pub struct GrantBody {
    pub(super) from: String,
    pub(super) to: String,
    #[schema(value_type = String)]
    pub(super) given: Quantity,
    #[schema(value_type = String)]
    pub(super) accepted: Quantity,
}

/// An open hold of the item.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeldBody {
    pub(super) hold: String,
    #[schema(value_type = String)]
    pub(super) quantity: Quantity,
    #[schema(value_type = String)]
    pub(super) purpose: HoldPurpose,
    /// What people call the device that opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) device: Option<String>,
    pub(super) seconds_left: u64,
}

/// A record whose debt is not repaid.
#[derive(Debug, Serialize, ToSchema)]
pub struct DebtBody {
    /// What of it is still owed.
    #[schema(value_type = String)]
    pub(super) owed: Quantity,
    #[serde(flatten)]
    pub(super) step: StepBody,
}

impl From<Step> for StepBody {
    fn from(Step { row, particulars }: Step) -> Self {
        Self {
            record: Some(row.position.get()),
            kind: row.kind,
            times: None,
            at: instant(row.at_ms),
            change: row.growth.on_hand(),
            reserved_change: row.growth.reserved(),
            quantity_after: Some(row.on_hand),
            reserved_after: Some(row.reserved),
            debt: Some(quantity(row.growth.debt)).filter(|debt| *debt != Quantity::ZERO),
            who: particulars.who,
            why: particulars.why,
            document: particulars.document,
        }
    }
}

impl From<HistorySum> for StepBody {
    fn from(sum: HistorySum) -> Self {
        Self {
            record: None,
            kind: sum.kind,
            times: Some(sum.times),
            at: instant(sum.last_ms),
            change: sum.growth.on_hand(),
            reserved_change: sum.growth.reserved(),
            quantity_after: None,
            reserved_after: None,
            debt: Some(quantity(sum.growth.debt)).filter(|debt| *debt != Quantity::ZERO),
            who: None,
            why: Some("the sum of records that are no longer kept".into()),
            document: None,
        }
    }
}

impl ExplainBody {
    pub(super) fn of(head: &StatementHead, explained: Explanation) -> Self {
        let total = explained.all_replicas();
        let minus = |a: Quantity, b: Quantity| [a, -b].into_iter().sum::<Quantity>();
        Self {
            site: head.site.to_string(),
            node: head.node.to_string(),
            quantity: total.on_hand(),
            reserved: total.reserved(),
            unreserved: minus(total.on_hand(), total.reserved()),
            owed: total.owed(),
            under_way: minus(quantity(total.given), quantity(total.accepted)),
            unpromised: explained.unpromised.iter().map(|(_, left)| quantity(*left)).sum(),
            places: explained.places.into_iter().map(PlaceBody::from).collect(),
            replicas: explained.replicas.iter().map(ReplicaBody::from).collect(),
            grants: explained.grants.iter().map(GrantBody::from).collect(),
            holds: explained.holds.iter().map(|open| held(head, open)).collect(),
            debts: explained.debts.into_iter().map(DebtBody::from).collect(),
            sku: explained.sku,
        }
    }
}

impl From<PlaceAccount> for PlaceBody {
    fn from(account: PlaceAccount) -> Self {
        Self {
            place: account.place,
            kinds: account.kinds.iter().map(KindBody::from).collect(),
            steps: account.steps.into_iter().map(StepBody::from).collect(),
        }
    }
}

impl From<&KindSum> for KindBody {
    fn from(KindSum { sum, .. }: &KindSum) -> Self {
        Self {
            kind: sum.kind,
            times: sum.times,
            first: instant(sum.first_ms),
            last: instant(sum.last_ms),
            registers: sum.growth.into(),
        }
    }
}

impl From<Growth> for RegistersBody {
    fn from(growth: Growth) -> Self {
        Self {
            added: quantity(growth.added),
            removed: quantity(growth.removed),
            held: quantity(growth.held),
            freed: quantity(growth.freed),
            given: quantity(growth.given),
            accepted: quantity(growth.accepted),
            debt: quantity(growth.debt),
            repaid: quantity(growth.repaid),
        }
    }
}

impl From<&ReplicaAccount> for ReplicaBody {
    fn from(account: &ReplicaAccount) -> Self {
        Self {
            replica: account.replica.to_string(),
            present: account.present,
            rights: Quantity::from_thousandths(i64::try_from(account.row.rights()).unwrap_or(i64::MAX)),
            registers: Growth::of(&account.row).into(),
        }
    }
}

impl From<&GrantAccount> for GrantBody {
    fn from(grant: &GrantAccount) -> Self {
        Self {
            from: grant.from.to_string(),
            to: grant.to.to_string(),
            given: grant.given,
            accepted: grant.accepted,
        }
    }
}

fn held(head: &StatementHead, open: &OpenHoldOf) -> HeldBody {
    let hold = &open.hold.hold;
    HeldBody {
        hold: hold.opened.id.to_string(),
        quantity: open.quantity,
        purpose: hold.opened.purpose,
        device: open.device.clone(),
        seconds_left: hold.remaining_ms(head.running_ms).div_ceil(1_000),
    }
}

impl From<DebtSale> for DebtBody {
    fn from(debt: DebtSale) -> Self {
        Self {
            owed: debt.owed,
            step: debt.step.into(),
        }
    }
}
