//! How the documents of shelves travel between neighbours of the tree: headquarters and a store, a store and its kiosks.
//! Both ends of a link run the same engine. Pure: no disk, no socket, no clock, no randomness of its own.
//!
//! Promises: after any loss, repetition, reordering or crash all who are to have a document come to the same rows, as
//! soon as messages get through; nothing is sent or acknowledged that is not committed; bytes grow with the items that
//! were touched, not with what was done to them; a document that cannot be taken costs the others nothing. Must never:
//! send a document back to where it came from, take a change from anybody but the writer, or let a reader count rows
//! before it has the writer's journal up to them.
//!
//! The [`Carrier`] decides what is sent and when, and knows documents by name and heads only. What it wants done with
//! their content is a [`Work`], done by [`perform`] on a reading of the disk: that gives what is to be written, in one
//! transaction ([`Keep`]), and what to tell the engine once that is committed ([`Done`]). Works are done one at a time,
//! in order; the same functions serve a node, headquarters and the tests.
//!
//! A document's way: rows are touched; at a *sync point* their net state is put into the replica's own documents; each
//! neighbour that a document goes to ([`Link::carries`]) gets the changes since the heads that it has acknowledged, in
//! [parcels](super::shelves::Parcel); it commits them and answers with its heads. Where changes build on others that
//! are not there, it says so, and the sender goes back to what the reader has; where neither knows the other's heads,
//! Automerge's sync protocol finds out. When a link opens, the sender offers what it carries with short forms of the
//! heads that it believes acknowledged, and hears where it is wrong: so a neighbour that was set back gets what it lost.

mod archive;
mod carrier;
mod link;
mod pace;
mod perform;
#[cfg(test)]
mod properties;
mod routes;
#[cfg(test)]
mod testing;
mod work;

pub use archive::{Archive, Keep, Kept, KeptRows, Loaded, Saved, Touched};
pub use carrier::{Carrier, Input, Output};
pub use link::CarrierLimits;
pub use perform::{PerformError, Performed, perform};
pub use routes::{Child, Link, Neighbour};
pub use work::{Changed, Done, PackedParcel, Passed, Work};
