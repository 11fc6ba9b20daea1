//! What the answers about a shelf's history and account look like, at a node and at headquarters.

use axum::Json;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::parameters::page_limit;
use super::problem::{Problem, kind};
use super::receipts::wants_text;
use super::sync::instant;
use crate::domain::escrow::Amount;
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;
use crate::domain::stock::{
    Account, DebtAccount, GrantAccount, Growth, HoldAccount, HoldPurpose, KindSum, Part, Place, PlaceAccount, Reach,
    ReplicaAccount, StatementHead, Step, StepKind, quantity, rights_of, statement,
};

/// How many steps an account tells one by one where the client does not say.
const STEPS_DEFAULT: u32 = 20;

/// What one record did to an item, or what many records did that are no longer kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepBody {
    /// Its place in this list; none for a sum of records that are no longer kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<i64>,
    /// The node that recorded it; none for a sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    /// What it was: `opening`, `receipt`, `return`, `adjustment`, `sale`, `sale_from_hold`, `hold_opened`,
    /// `hold_released`, `hold_expired`, `granted`, `accepted`, `handed_over`, `taken_over`, `earlier`, …
    #[schema(value_type = String, example = "sale")]
    kind: StepKind,
    /// How many records; left out for 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    /// When it was recorded; the last one where there are many.
    at: String,
    /// By how much what is there changed.
    #[schema(value_type = String, example = "-1")]
    change: Quantity,
    /// By how much what is promised changed.
    #[schema(value_type = String, example = "0")]
    reserved_change: Quantity,
    /// What was there after it, by the journals that are kept here.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity_after: Option<Quantity>,
    /// What was promised after it, by the journals that are kept here.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved_after: Option<Quantity>,
    /// What of it was beyond the node's rights; left out where there was none.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    debt: Option<Quantity>,
    /// Who did it, as far as that is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// The document.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<String>,
    /// The hold that it opened, ended or handed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<String>,
}

/// An item's account.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExplainBody {
    #[schema(value_type = String)]
    sku: Sku,
    site: String,
    node: String,
    /// What is there, over all nodes of the site that are known here.
    #[schema(value_type = String)]
    quantity: Quantity,
    /// What is promised.
    #[schema(value_type = String)]
    reserved: Quantity,
    /// What is there and promised to nobody; below 0 where more is promised or gone than was there.
    #[schema(value_type = String)]
    unreserved: Quantity,
    /// Sold beyond the rights to it and not settled.
    #[schema(value_type = String)]
    owed: Quantity,
    /// Rights that were handed on and have not arrived: `quantity + owed = rights + reserved + under_way`.
    #[schema(value_type = String)]
    under_way: Quantity,
    /// Part of that: what retired nodes left, and nobody may promise until it is counted or released.
    #[schema(value_type = String)]
    unpromised: Quantity,
    places: Vec<PlaceBody>,
    replicas: Vec<ReplicaBody>,
    grants: Vec<GrantBody>,
    holds: Vec<HeldBody>,
    /// What went out beyond the rights, the oldest first.
    debts: Vec<DebtBody>,
    /// Up to when each node is in it; empty where a node speaks of itself.
    complete_through: Vec<ReachBody>,
}

/// One place's account.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlaceBody {
    /// `sellable` or `damaged`.
    #[schema(value_type = String)]
    place: Place,
    /// What each journal that is kept here says.
    journals: Vec<JournalBody>,
    /// The newest steps, the newest first.
    steps: Vec<StepBody>,
}

/// What one node's journal says of a place.
#[derive(Debug, Serialize, ToSchema)]
pub struct JournalBody {
    node: String,
    kinds: Vec<KindBody>,
}

/// All steps of one kind.
#[derive(Debug, Serialize, ToSchema)]
pub struct KindBody {
    #[schema(value_type = String)]
    kind: StepKind,
    /// How many; 0 where that is not known any more.
    times: u64,
    first: String,
    last: String,
    #[serde(flatten)]
    registers: RegistersBody,
}

/// Registers of a row, or by how much they grew.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegistersBody {
    /// Goods that came in.
    #[schema(value_type = String)]
    added: Quantity,
    /// Goods that went out.
    #[schema(value_type = String)]
    removed: Quantity,
    /// Promised.
    #[schema(value_type = String)]
    held: Quantity,
    /// Promises that ended.
    #[schema(value_type = String)]
    freed: Quantity,
    /// Rights handed on.
    #[schema(value_type = String)]
    given: Quantity,
    /// Rights taken over.
    #[schema(value_type = String)]
    accepted: Quantity,
    /// Taken beyond the rights.
    #[schema(value_type = String)]
    debt: Quantity,
    /// Debt that was repaid.
    #[schema(value_type = String)]
    repaid: Quantity,
}

/// One replica: a node in one of its lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReplicaBody {
    replica: String,
    /// Whether it is this node as it is now.
    present: bool,
    /// Which part it plays, in words.
    part: &'static str,
    /// Whether it is in the sums.
    counts: bool,
    /// What it may still promise.
    #[schema(value_type = String)]
    rights: Quantity,
    #[serde(flatten)]
    registers: RegistersBody,
}

/// Rights on the way from one replica to another.
#[derive(Debug, Serialize, ToSchema)]
pub struct GrantBody {
    from: String,
    to: String,
    #[schema(value_type = String)]
    given: Quantity,
    #[schema(value_type = String)]
    accepted: Quantity,
}

/// An open hold of the item.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeldBody {
    hold: String,
    #[schema(value_type = String)]
    quantity: Quantity,
    #[schema(value_type = String)]
    purpose: HoldPurpose,
    /// The replica whose hold it is.
    owner: String,
    /// What people call the device that opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    /// How long it still lasts: by its owner's own clock, or at least.
    seconds_left: u64,
}

/// A record that took more than there were rights to.
#[derive(Debug, Serialize, ToSchema)]
pub struct DebtBody {
    /// What it took beyond the rights.
    #[schema(value_type = String)]
    made: Quantity,
    /// What of it is still owed.
    #[schema(value_type = String)]
    owed: Quantity,
    /// What repaid the rest, as far as that is known one by one.
    repaid: Vec<RepaymentBody>,
    #[serde(flatten)]
    step: StepBody,
}

/// What repaid a part of a debt.
#[derive(Debug, Serialize, ToSchema)]
pub struct RepaymentBody {
    /// How much of it.
    #[schema(value_type = String)]
    quantity: Quantity,
    #[serde(flatten)]
    step: StepBody,
}

/// Up to when a node is in an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReachBody {
    node: String,
    /// Everything that it recorded until then is in it, as far as it has told; missing where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    complete_through: Option<String>,
    /// How many records it has told of that are not in it yet.
    pending: u64,
    /// How many of its records wait for an operator's decision.
    set_apart: u64,
}

/// What of an account.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExplainQuery {
    /// The most steps that are told one by one; 20 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// `json` where it is not given, or `text`: an account statement for people.
    format: Option<String>,
}

/// How an account is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// How many steps are told one by one.
    pub steps_max: u32,
    as_text: bool,
}

impl ExplainQuery {
    /// Reads it, with the headers that may ask for text.
    ///
    /// # Errors
    /// `invalid-parameter`.
    pub fn wanted(&self, headers: &HeaderMap) -> Result<Wanted, Problem> {
        let steps_max = page_limit(Some(self.limit.unwrap_or(STEPS_DEFAULT)))?;
        let as_text = match self.format.as_deref() {
            None => wants_text(headers),
            Some("text") => true,
            Some("json") => false,
            Some(_) => return Err(Problem::new(&kind::INVALID_PARAMETER, "format is json or text")),
        };
        Ok(Wanted { steps_max, as_text })
    }
}

impl Wanted {
    /// The answer.
    #[must_use]
    pub fn answer(self, head: &StatementHead, account: Account) -> Response {
        if self.as_text {
            let text = statement(head, &account);
            return ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response();
        }
        Json(ExplainBody::of(head, account)).into_response()
    }
}

impl From<Step> for StepBody {
    fn from(step: Step) -> Self {
        Self {
            record: Some(step.number),
            node: Some(step.node.to_string()),
            kind: step.kind,
            times: None,
            at: instant(step.at_ms),
            change: step.growth.on_hand(),
            reserved_change: step.growth.reserved(),
            quantity_after: Some(step.on_hand),
            reserved_after: Some(step.reserved),
            debt: some(step.growth.debt),
            who: step.particulars.who,
            why: step.particulars.why,
            document: step.particulars.document,
            hold: step.particulars.hold.map(|hold| hold.to_string()),
        }
    }
}

impl From<KindSum> for StepBody {
    fn from(sum: KindSum) -> Self {
        Self {
            record: None,
            node: None,
            kind: sum.kind,
            times: Some(sum.times),
            at: instant(sum.last_ms),
            change: sum.growth.on_hand(),
            reserved_change: sum.growth.reserved(),
            quantity_after: None,
            reserved_after: None,
            debt: some(sum.growth.debt),
            who: None,
            why: Some("the sum of records that are no longer kept".into()),
            document: None,
            hold: None,
        }
    }
}

impl ExplainBody {
    fn of(head: &StatementHead, account: Account) -> Self {
        let (total, grants) = (account.total(), account.grants());
        let minus = |a: Quantity, b: Quantity| [a, -b].into_iter().sum::<Quantity>();
        Self {
            site: head.site.to_string(),
            node: head.node.to_string(),
            quantity: total.on_hand(),
            reserved: total.reserved(),
            unreserved: minus(total.on_hand(), total.reserved()),
            owed: total.owed(),
            under_way: minus(quantity(total.given), quantity(total.accepted)),
            unpromised: account.unpromised.iter().map(|(_, left)| *left).sum(),
            places: account.places.into_iter().map(PlaceBody::from).collect(),
            replicas: account.replicas.iter().map(ReplicaBody::from).collect(),
            grants: grants.iter().map(GrantBody::from).collect(),
            holds: account.holds.into_iter().map(HeldBody::from).collect(),
            debts: account.debts.into_iter().map(DebtBody::from).collect(),
            complete_through: account.reach.into_iter().map(ReachBody::from).collect(),
            sku: account.sku,
        }
    }
}

impl From<PlaceAccount> for PlaceBody {
    fn from(account: PlaceAccount) -> Self {
        let journals = account.journals.iter().map(|journal| JournalBody {
            node: journal.node.to_string(),
            kinds: journal.kinds.iter().map(KindBody::from).collect(),
        });
        Self {
            place: account.place,
            journals: journals.collect(),
            steps: account.steps.into_iter().map(StepBody::from).collect(),
        }
    }
}

impl From<&KindSum> for KindBody {
    fn from(sum: &KindSum) -> Self {
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
            present: account.part == Part::Present,
            part: account.part.words(),
            counts: account.counts,
            rights: rights_of(&account.row),
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

impl From<HoldAccount> for HeldBody {
    fn from(hold: HoldAccount) -> Self {
        Self {
            hold: hold.opened.id.to_string(),
            quantity: hold.quantity,
            purpose: hold.opened.purpose,
            owner: hold.owner.to_string(),
            device: hold.device,
            seconds_left: hold.remaining_ms.div_ceil(1_000),
        }
    }
}

impl From<DebtAccount> for DebtBody {
    fn from(debt: DebtAccount) -> Self {
        let repaid = debt.repaid.into_iter().map(|repaid| RepaymentBody {
            quantity: repaid.quantity,
            step: repaid.step.into(),
        });
        Self {
            made: debt.made,
            owed: debt.owed,
            repaid: repaid.collect(),
            step: debt.step.into(),
        }
    }
}

impl From<Reach> for ReachBody {
    fn from(reach: Reach) -> Self {
        Self {
            node: reach.node.to_string(),
            complete_through: (reach.through_ms > 0).then(|| instant(reach.through_ms)),
            pending: reach.pending,
            set_apart: reach.set_apart,
        }
    }
}

fn some(amount: Amount) -> Option<Quantity> {
    Some(quantity(amount)).filter(|some| *some != Quantity::ZERO)
}
