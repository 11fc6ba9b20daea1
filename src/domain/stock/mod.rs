//! Stock: what moves it, what is promised of it, and what each fact does to a shelf.
//!
//! A *shelf* is one item at one place of one site. Each replica's row of it is the fold of that replica's own journal:
//! [`effects`] says what each fact does, and whoever keeps, checks or rebuilds rows applies nothing else.

mod account;
mod alert;
mod count;
mod effects;
mod hold;
mod movement;
mod particulars;
mod pickup;
mod place;
mod retirement;
mod retirement_fold;
mod rights;
mod site_feed;
mod status;
mod step;
mod transfer;
mod work;

pub use account::{
    Account, DebtAccount, EndedHold, GrantAccount, HoldAccount, JournalAccount, KindSum, Part, PlaceAccount, Reach,
    Repayment, ReplicaAccount, StatementHead, Step, debts, rights as rights_of, statement,
};
pub use alert::{AlertKind, CountFound, OpenDebts, Severity, Standing, Telling, beside, judge, telling};
pub use count::{CountSettled, NodeMark};
pub use effects::{Effect, Verb, effects, effects_of_copy, goods_moved, late_moves, left_from_hold};
pub use hold::{Hold, HoldEnd, HoldEnded, HoldExtended, HoldId, HoldLine, HoldOpened, HoldPurpose};
pub use movement::{Movement, MovementId, MovementKind, MovementLine};
pub use particulars::Particulars;
pub use pickup::{Pickup, PickupAct, PickupOrdered, PickupReason, PickupState, PickupStep, SITE_LINES_MAX};
pub use place::Place;
pub use retirement::{
    Closed, LateLine, LateMove, LatePosted, LeftLine, LookLine, ReleaseCause, Retired, RetirementLook, RightsReleased,
    close, says_something,
};
pub use retirement_fold::RetiredFold;
pub use rights::{Accepted, GrantLine, Granted, HandedHold};
pub use site_feed::{SiteKey, SiteNews, is_site_feed, site_feed};
pub use status::{LOW_STOCK, StockStatus, ThresholdSet, is_highly_reserved};
pub use step::{Growth, StepKind, quantity};
pub use transfer::{
    By, DifferenceReason, Leg, Transfer, TransferCalledOff, TransferDifference, TransferDispatched, TransferId,
    TransferReceived, TransferRequested, TransferState, Way, differences,
};
pub use work::{StockWork, WorkKind, WorkLine, WorkReason};
