//! Facts: what has happened, in the form in which it is kept and sent. Immutable once recorded.
//!
//! A record is `kind` (varint), `recorded` (varint, a hybrid clock's stamp) and the fact's body in postcard's format,
//! as `docs/wire.md` describes it for other languages. A changed body is a new kind, never a changed meaning of an
//! old one. A reader keeps what it does not know as bytes and never drops it.

use serde::{Deserialize, Serialize};

use super::ids::{Incarnation, NodeId, SiteId};
use super::journal::{Hash, Head, RecordId};
use super::sale::{Refund, Sale};
use super::stock::{
    Accepted, CountSettled, Granted, HoldEnded, HoldExtended, HoldOpened, LatePosted, Movement, MovementId,
    PickupOrdered, PickupStep, Retired, RightsReleased, StockWork, ThresholdSet, TransferCalledOff, TransferDispatched,
    TransferReceived, TransferRequested,
};
use super::time::Hlc;

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The first record of every incarnation.
    Opened(Opened),
    /// A finished sale.
    Sale(Sale),
    /// Goods brought back against a receipt.
    Refund(Refund),
    /// Goods in, opening stock or a correction.
    Movement(Movement),
    /// A record of another branch of this node's journal, kept under the present incarnation.
    Rehomed(Rehomed),
    /// What a record that was set aside should have said. Headquarters writes it.
    Correction(Correction),
    /// What is to be done with an incarnation that was set apart. Headquarters writes it.
    Settlement(Settlement),
    /// Goods were promised to somebody.
    HoldOpened(HoldOpened),
    /// A promise lasts longer.
    HoldExtended(HoldExtended),
    /// A promise ended.
    HoldEnded(HoldEnded),
    /// Rights were handed on to another replica.
    Granted(Granted),
    /// Rights of another replica were taken over.
    Accepted(Accepted),
    /// From how much left an item counts as low.
    ThresholdSet(ThresholdSet),
    /// Goods in, losses, corrections, moves between places and counts, with who and why.
    StockWork(StockWork),
    /// A count is provisional no more.
    CountSettled(CountSettled),
    /// An online channel ordered goods for pickup. Headquarters writes it.
    PickupOrdered(PickupOrdered),
    /// Something was decided of a pickup.
    PickupStep(PickupStep),
    /// Goods are wanted from another site.
    TransferRequested(TransferRequested),
    /// They are not wanted any more, or do not come.
    TransferCalledOff(TransferCalledOff),
    /// Goods left for another site.
    TransferDispatched(TransferDispatched),
    /// Goods of another site arrived.
    TransferReceived(TransferReceived),
    /// A replica was retired by its parent's operator.
    Retired(Retired),
    /// What a retired replica did behind its head stands on its parent's row.
    LatePosted(LatePosted),
    /// What a retired replica left may be promised again.
    RightsReleased(RightsReleased),
    /// A standby may succeed this node.
    StandbyAdmitted(StandbyAdmitted),
    /// A standby may not succeed this node any more.
    StandbyDismissed(StandbyDismissed),
}

/// The first record of an incarnation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The node.
    pub node: NodeId,
    /// Its site.
    pub site: SiteId,
    /// The incarnation that opens.
    pub incarnation: Incarnation,
    /// Why.
    pub reason: OpenedReason,
    /// Where the incarnation before it stood on this disk; none for the first.
    pub predecessor: Option<Head>,
    /// The Ed25519 key that signs its batches.
    pub public_key: [u8; 32],
}

/// Why an incarnation opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenedReason {
    /// The node is new.
    First,
    /// A person restored a backup.
    Restored,
    /// Headquarters has more of the last incarnation than the disk: it was set back behind our back.
    SetBack,
    /// Headquarters has other records under the same numbers: the disk was copied.
    Copied,
    /// The disk runs in another machine than the one that it was written in.
    Moved,
    /// The parent's operator has retired the one before it.
    Retired,
    /// A standby took the place of a node that is gone.
    Promoted,
}

/// A standby that may succeed this node, by the key that its incarnation will sign with. It stands in the node's own
/// journal, so that whoever reads the journal knows a lawful successor from a copied disk without asking a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandbyAdmitted {
    /// What people call the standby.
    pub name: String,
    /// The Ed25519 key of the incarnation that it opens when it is promoted.
    pub public_key: [u8; 32],
}

/// A standby that was admitted and may not succeed this node any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandbyDismissed {
    /// The key that was admitted.
    pub public_key: [u8; 32],
}

/// A record that was written under an incarnation which turned out to have two branches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehomed {
    /// The incarnation that it was written under.
    pub incarnation: Incarnation,
    /// Its number there.
    pub seq: u64,
    /// The chain's hash after it there: whoever has the same record at the same place knows it by this.
    pub hash: Hash,
    /// The record as it was.
    pub record: Vec<u8>,
}

/// The repair of one record that could not be read or applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// The record that was set aside.
    pub of: RecordId,
    /// What takes its place; a whole record.
    pub replacement: Vec<u8>,
    /// Why, in words.
    pub reason: String,
    /// Who decided it.
    pub by: String,
}

/// An operator's decision about an incarnation that was set apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// The node.
    pub node: NodeId,
    /// The incarnation.
    pub incarnation: Incarnation,
    /// What is to be done.
    pub decision: SettlementDecision,
    /// Why, in words.
    pub reason: String,
    /// Who decided it.
    pub by: String,
}

/// What is to be done with an incarnation that was set apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettlementDecision {
    /// It is a real branch: count what it sold, each sale once.
    Count,
    /// It is not (a test on a copied disk): keep its facts, count none.
    Exclude,
}

/// A fact with the time at which it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The recording node's clock.
    pub recorded: Hlc,
    /// The fact.
    pub fact: Fact,
}

/// Why bytes are not a record that this version understands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A kind that a newer version wrote. It is kept and read after an upgrade.
    #[error("kind {kind} is not known to this version")]
    UnknownKind {
        /// The kind's number.
        kind: u32,
    },
    /// Not a record, or a body that does not fit its kind.
    #[error("not a readable record of kind {kind}: {reason}")]
    Malformed {
        /// The kind's number; 0 where not even that can be read.
        kind: u32,
        /// What the decoder said.
        reason: String,
    },
}

mod kind {
    pub const OPENED: u32 = 1;
    pub const SALE: u32 = 2;
    pub const REFUND: u32 = 3;
    pub const MOVEMENT: u32 = 4;
    pub const REHOMED: u32 = 5;
    pub const CORRECTION: u32 = 6;
    pub const SETTLEMENT: u32 = 7;
    /// A movement's identity, then what a movement without one has.
    pub const MOVEMENT_WITH_ID: u32 = 8;
    pub const HOLD_OPENED: u32 = 9;
    pub const HOLD_EXTENDED: u32 = 10;
    pub const HOLD_ENDED: u32 = 11;
    pub const GRANTED: u32 = 12;
    pub const ACCEPTED: u32 = 13;
    pub const THRESHOLD_SET: u32 = 20;
    pub const STOCK_WORK: u32 = 21;
    pub const COUNT_SETTLED: u32 = 40;
    pub const PICKUP_ORDERED: u32 = 22;
    pub const PICKUP_STEP: u32 = 23;
    pub const TRANSFER_REQUESTED: u32 = 24;
    pub const TRANSFER_CALLED_OFF: u32 = 25;
    pub const TRANSFER_DISPATCHED: u32 = 26;
    pub const TRANSFER_RECEIVED: u32 = 27;
    pub const RETIRED: u32 = 30;
    pub const LATE_POSTED: u32 = 31;
    pub const RIGHTS_RELEASED: u32 = 32;
    pub const STANDBY_ADMITTED: u32 = 35;
    pub const STANDBY_DISMISSED: u32 = 36;
}

impl Entry {
    /// The record's bytes: the same entry always gives the same bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let recorded = self.recorded;
        match &self.fact {
            Fact::Opened(body) => encode(kind::OPENED, recorded, body),
            Fact::Sale(body) => encode(kind::SALE, recorded, body),
            Fact::Refund(body) => encode(kind::REFUND, recorded, body),
            Fact::Movement(body) => match body.id {
                None => encode(kind::MOVEMENT, recorded, body),
                Some(id) => encode(kind::MOVEMENT_WITH_ID, recorded, &(id, body)),
            },
            Fact::Rehomed(body) => encode(kind::REHOMED, recorded, body),
            Fact::Correction(body) => encode(kind::CORRECTION, recorded, body),
            Fact::Settlement(body) => encode(kind::SETTLEMENT, recorded, body),
            Fact::HoldOpened(body) => encode(kind::HOLD_OPENED, recorded, body),
            Fact::HoldExtended(body) => encode(kind::HOLD_EXTENDED, recorded, body),
            Fact::HoldEnded(body) => encode(kind::HOLD_ENDED, recorded, body),
            Fact::Granted(body) => encode(kind::GRANTED, recorded, body),
            Fact::Accepted(body) => encode(kind::ACCEPTED, recorded, body),
            Fact::ThresholdSet(body) => encode(kind::THRESHOLD_SET, recorded, body),
            Fact::StockWork(body) => encode(kind::STOCK_WORK, recorded, body),
            Fact::CountSettled(body) => encode(kind::COUNT_SETTLED, recorded, body),
            Fact::PickupOrdered(body) => encode(kind::PICKUP_ORDERED, recorded, body),
            Fact::PickupStep(body) => encode(kind::PICKUP_STEP, recorded, body),
            Fact::TransferRequested(body) => encode(kind::TRANSFER_REQUESTED, recorded, body),
            Fact::TransferCalledOff(body) => encode(kind::TRANSFER_CALLED_OFF, recorded, body),
            Fact::TransferDispatched(body) => encode(kind::TRANSFER_DISPATCHED, recorded, body),
            Fact::TransferReceived(body) => encode(kind::TRANSFER_RECEIVED, recorded, body),
            Fact::Retired(body) => encode(kind::RETIRED, recorded, body),
            Fact::LatePosted(body) => encode(kind::LATE_POSTED, recorded, body),
            Fact::RightsReleased(body) => encode(kind::RIGHTS_RELEASED, recorded, body),
            Fact::StandbyAdmitted(body) => encode(kind::STANDBY_ADMITTED, recorded, body),
            Fact::StandbyDismissed(body) => encode(kind::STANDBY_DISMISSED, recorded, body),
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`RecordError::UnknownKind`] for a kind of a newer version, [`RecordError::Malformed`] for anything else that
    /// is not the one encoding of an entry.
    pub fn decode(record: &[u8]) -> Result<Self, RecordError> {
        let malformed = |kind| {
            move |error: postcard::Error| RecordError::Malformed {
                kind,
                reason: error.to_string(),
            }
        };
        let (kind, rest) = postcard::take_from_bytes::<u32>(record).map_err(malformed(0))?;
        let (recorded, body) = postcard::take_from_bytes::<Hlc>(rest).map_err(malformed(kind))?;
        let fact = match kind {
            kind::OPENED => Fact::Opened(whole(kind, body)?),
            kind::SALE => Fact::Sale(whole(kind, body)?),
            kind::REFUND => Fact::Refund(whole(kind, body)?),
            kind::MOVEMENT => Fact::Movement(whole(kind, body)?),
            kind::MOVEMENT_WITH_ID => {
                let (id, movement): (MovementId, Movement) = whole(kind, body)?;
                let id = Some(id);
                Fact::Movement(Movement { id, ..movement })
            }
            kind::REHOMED => Fact::Rehomed(whole(kind, body)?),
            kind::CORRECTION => Fact::Correction(whole(kind, body)?),
            kind::SETTLEMENT => Fact::Settlement(whole(kind, body)?),
            kind::HOLD_OPENED => Fact::HoldOpened(whole(kind, body)?),
            kind::HOLD_EXTENDED => Fact::HoldExtended(whole(kind, body)?),
            kind::HOLD_ENDED => Fact::HoldEnded(whole(kind, body)?),
            kind::GRANTED => Fact::Granted(whole(kind, body)?),
            kind::ACCEPTED => Fact::Accepted(whole(kind, body)?),
            kind::THRESHOLD_SET => Fact::ThresholdSet(whole(kind, body)?),
            kind::STOCK_WORK => Fact::StockWork(whole(kind, body)?),
            kind::COUNT_SETTLED => Fact::CountSettled(whole(kind, body)?),
            kind::PICKUP_ORDERED => Fact::PickupOrdered(whole(kind, body)?),
            kind::PICKUP_STEP => Fact::PickupStep(whole(kind, body)?),
            kind::TRANSFER_REQUESTED => Fact::TransferRequested(whole(kind, body)?),
            kind::TRANSFER_CALLED_OFF => Fact::TransferCalledOff(whole(kind, body)?),
            kind::TRANSFER_DISPATCHED => Fact::TransferDispatched(whole(kind, body)?),
            kind::TRANSFER_RECEIVED => Fact::TransferReceived(whole(kind, body)?),
            kind::RETIRED => Fact::Retired(whole(kind, body)?),
            kind::LATE_POSTED => Fact::LatePosted(whole(kind, body)?),
            kind::RIGHTS_RELEASED => Fact::RightsReleased(whole(kind, body)?),
            kind::STANDBY_ADMITTED => Fact::StandbyAdmitted(whole(kind, body)?),
            kind::STANDBY_DISMISSED => Fact::StandbyDismissed(whole(kind, body)?),
            kind => return Err(RecordError::UnknownKind { kind }),
        };
        Ok(Self { recorded, fact })
    }
}

fn encode<T: Serialize>(kind: u32, recorded: Hlc, body: &T) -> Vec<u8> {
    // Writing to a growing vector fails only where a type refuses to be written, and these types do not.
    postcard::to_allocvec(&(kind, recorded, body)).unwrap_or_default()
}

fn whole<'a, T: Deserialize<'a>>(kind: u32, body: &'a [u8]) -> Result<T, RecordError> {
    match postcard::take_from_bytes(body) {
        Ok((fact, [])) => Ok(fact),
        Ok((_, rest)) => Err(RecordError::Malformed {
            kind,
            reason: format!("{} bytes too many", rest.len()),
        }),
        Err(error) => Err(RecordError::Malformed {
            kind,
            reason: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests;
