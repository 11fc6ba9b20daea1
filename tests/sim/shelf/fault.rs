//! What must hold on a shelf, by name, and faults planted to break it.

use std::fmt;
use std::str::FromStr;

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Reserved ≤ quantity + debt outstanding; without debt promises never exceed stock.
    Promises,
    /// Every right, used or not, has a unit behind it.
    Rights,
    /// Rights, reserved, owed and moved are what the model says.
    RowIsTruth,
    /// The book of holds is what was promised, and held − freed is their sum.
    OpenHolds,
    /// A hold ends once, by its owner.
    EndsOnce,
    /// A hold never ends by time before its time.
    Expiry,
    /// A row says nothing that no sequence of verbs leads to.
    RowIsSound,
    /// No register ever falls.
    NeverFalls,
    /// Nobody takes over what was not given.
    AcceptedIsGiven,
    /// What was sent to another site comes there once.
    ArrivesOnce,
    /// One writer writes a row.
    OneWriter,
    /// What is known of a row elsewhere, its writer has written.
    CopiesAreBehind,
    /// The row is the fold of the journal.
    RowIsFold,
    /// What the rows say is there, and what is.
    Quantity,
    /// A refusal has a lawful reason.
    LawfulRefusal,
    /// After healing all know the same within bounded time, nothing is under way, debt is settled where rights are.
    Heals,
    /// The engines go quiet.
    Quiet,
    /// What was acknowledged is on disk, whatever happened to its process. Of the full level.
    Durable,
    /// `verify` finds nothing. Of the full level.
    Verifies,
    /// The program does what it must. Of the full level.
    Works,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Promises => "P3 promises are covered",
            Self::Rights => "P3 every right has a unit behind it",
            Self::RowIsTruth => "P4 a row is what happened",
            Self::OpenHolds => "P4 held less freed is the open holds",
            Self::EndsOnce => "P3 a hold ends once, by its owner",
            Self::Expiry => "P3 a hold lasts its time",
            Self::RowIsSound => "P4 a row is sound",
            Self::NeverFalls => "P4 no register falls",
            Self::AcceptedIsGiven => "P3 what is accepted was given",
            Self::ArrivesOnce => "P2 a transfer arrives once",
            Self::OneWriter => "P4 one writer a row",
            Self::CopiesAreBehind => "P4 no copy is ahead of its row",
            Self::RowIsFold => "P4 a row is the fold of its journal",
            Self::Quantity => "P4 the rows say what is there",
            Self::LawfulRefusal => "P3 only lawful refusals",
            Self::Heals => "P2 all is equal and settled after healing",
            Self::Quiet => "P8 the engines go quiet",
            Self::Durable => "P1 what was acknowledged is there",
            Self::Verifies => "P4 verify is clean",
            Self::Works => "P5 nothing is in the way",
        })
    }
}

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident, $name:literal, $rules:expr;)*) => {
        /// A fault that is planted on purpose.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Fault { $($(#[$doc])* $fault,)* }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$fault,)*];

            /// Its name on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)* }
            }

            /// Which rules it breaks: any of them may be noticed first.
            pub const fn breaks(self) -> &'static [Rule] {
                match self { $(Self::$fault => &$rules,)* }
            }
        }
    };
}

faults! {
    /// Copies of rows are merged by adding what came, as a counter's increments would be.
    CounterIncrements, "counter-increments", [Rule::CopiesAreBehind];
    /// A restored or copied disk goes on under its old incarnation, with its old rights.
    IncarnationReused, "incarnation-reused", [Rule::OneWriter, Rule::RowIsTruth];
    /// A grant is sent, and used, before it is committed.
    GrantBeforeCommit, "grant-before-commit", [Rule::AcceptedIsGiven];
    /// A hold is ended again by whoever asks again.
    HoldEndedTwice, "hold-ended-twice", [Rule::EndsOnce];
    /// A released hold lowers `held` in place of raising `freed`.
    ReleaseLowersRegister, "release-lowers-register", [Rule::NeverFalls];
    /// Holds expire by the clock on the wall.
    ExpiryByWallClock, "expiry-by-wall-clock", [Rule::Expiry, Rule::Quiet];
    /// A retired node's rights are promised again before anybody knows what it has done with them.
    RetiredRightsReused, "retired-rights-reused", [Rule::Rights, Rule::Promises];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|fault| fault.name() == text);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|fault| fault.name()).collect();
            format!(
                "no fault of the shelf level is called {text:?}; there are {}",
                names.join(", ")
            )
        })
    }
}

/// A rule that was broken, and how it showed.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// What was found.
    pub what: String,
}
