//! A standby: a second disk on the store's LAN that follows this one and takes its place when it is gone.
//!
//! What is followed is the journal, checked like any parent checks it, and beside it the few rows that no record gives.
//! Everything that follows from the records is made while they come, by the machinery of `repair`, so that a promotion
//! takes as long at a large shop as at a small one: it opens an incarnation and does nothing else.

mod admit;
mod follow;
mod promote;
mod succeeded;

pub use admit::{Admitted, admit_standby};
pub use follow::{FollowError, follow_batch, introduce_followed, keep_rows, read_followed};
pub use promote::{PromoteRefusal, Promoted, promote};
pub use succeeded::{SuccessionError, note_succeeded, successor_of};
