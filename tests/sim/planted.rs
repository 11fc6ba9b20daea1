//! Faults that are planted on purpose. Each breaks a promise, and a simulator that does not notice proves nothing.

use std::fmt;
use std::str::FromStr;

use super::promise::Promise;

macro_rules! planted {
    ($($(#[$doc:meta])* $fault:ident, $name:literal, $promises:expr;)*) => {
        /// A fault that is planted on purpose.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Planted { $($(#[$doc])* $fault,)* }

        impl Planted {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$fault,)*];

            /// Those that can be planted in the full level: the others are faults of what only the pure one models.
            pub const FULL: &[Self] = &[
                Self::SynchronousOff,
                Self::ReplyBeforeCommit,
                Self::EarlyAcknowledgement,
                Self::ReusedIncarnation,
                Self::PubackIsAck,
                Self::PruneUnacknowledged,
                Self::BadRecordBlocks,
            ];

            /// Its name on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)* }
            }

            /// Which promises it breaks: any of them may be noticed first.
            pub const fn breaks(self) -> &'static [Promise] {
                match self { $(Self::$fault => &$promises,)* }
            }
        }
    };
}

planted! {
    /// A node's disk loses what it said was committed when the power goes.
    SynchronousOff, "synchronous-off", [Promise::NothingLost];
    /// A till hears "ok" before the commit.
    ReplyBeforeCommit, "reply-before-commit", [Promise::NothingLost];
    /// Headquarters acknowledges before its commit.
    EarlyAcknowledgement, "early-acknowledgement", [Promise::ExactlyOnce];
    /// A restore keeps the incarnation, and headquarters compares no hashes.
    ReusedIncarnation, "reused-incarnation", [Promise::ExactlyOnce, Promise::Explains];
    /// A node takes the broker's word for headquarters'.
    PubackIsAck, "puback-is-ack", [Promise::ExactlyOnce];
    /// Headquarters counts a sale again that a till repeated to another branch.
    NoDedupeOfRepeats, "no-dedupe-of-repeats", [Promise::ExactlyOnce];
    /// Headquarters counts a re-recorded record although it has the original.
    RehomedCountsTwice, "rehomed-counts-twice", [Promise::ExactlyOnce];
    /// A node forgets which requests it has answered.
    ForgottenAnswers, "forgotten-answers", [Promise::ExactlyOnce, Promise::Explains];
    /// Headquarters counts a set-apart incarnation before anybody settled it.
    SetApartCounts, "set-apart-counts", [Promise::Explains];
    /// A node prunes without asking how far headquarters is.
    PruneUnacknowledged, "prune-unacknowledged", [Promise::ExactlyOnce];
    /// One record that headquarters cannot read stops all behind it.
    BadRecordBlocks, "bad-record-blocks", [Promise::NothingBlocks];
    /// A node reads its journal before the commit and sends what may never be on its disk.
    SendsUncommitted, "sends-uncommitted", [Promise::Explains];
}

impl fmt::Display for Planted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Planted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|fault| fault.name() == text)
            .ok_or_else(|| {
                let names: Vec<_> = Self::ALL.iter().map(|fault| fault.name()).collect();
                format!("no planted fault is called {text:?}; there are {}", names.join(", "))
            })
    }
}
