//! The promises of the design, by number, and how a run says that one of them was broken.

use std::fmt;

/// What the project promises. Each check names the one that it guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// P1: nothing acknowledged is lost.
    NothingLost,
    /// P2: exactly once.
    ExactlyOnce,
    /// P4: everything explains itself; branches are found, set apart and kept.
    Explains,
    /// P5: nothing blocks the queue; a finished sale is never rejected.
    NothingBlocks,
    /// P6: full days without a link: only lawful refusals.
    SellsAlone,
    /// P7: honest figures.
    HonestFigures,
    /// P8: cost follows what is new, not the past; the engines go quiet.
    Cost,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingLost => "P1 nothing acknowledged is lost",
            Self::ExactlyOnce => "P2 exactly once",
            Self::Explains => "P4 everything explains itself",
            Self::NothingBlocks => "P5 nothing blocks the queue",
            Self::SellsAlone => "P6 full days without a link",
            Self::HonestFigures => "P7 honest figures",
            Self::Cost => "P8 cost follows what is new",
        })
    }
}

/// A promise that was broken, and how it showed.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// What was found.
    pub what: String,
}

impl Violation {
    /// `promise` was broken: `what` was found.
    pub fn of(promise: Promise, what: impl Into<String>) -> Self {
        Self {
            promise,
            what: what.into(),
        }
    }
}

/// The result of a step or a check.
pub type Checked = Result<(), Violation>;
