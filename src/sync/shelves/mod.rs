//! How shelves travel: each writer's rows in Automerge documents, which only that writer changes.
//!
//! Promises: what a reader takes over from a document is exactly what its writer put there, whatever was lost, repeated
//! or reordered; a change by anybody but the writer is refused before it is merged; bytes grow with the items that were
//! touched, not with what was done to them. Must never: panic on bytes from elsewhere, or take a row from a document
//! that names another writer.
//!
//! One document holds up to [`SKUS_MAX`] items of one site, of one writer's incarnation and of one *generation*: Automerge
//! cannot forget, so a writer whose history outweighs its rows starts the document anew ([`Document::rolled`]). In a
//! document that several wrote, two branches of one cloned actor would stop everybody (`DuplicateSeqNumber`), and the
//! last writer would win where the maximum must.

mod document;
mod packed;
mod parcel;
#[cfg(test)]
mod properties;

pub use document::{Document, DocumentError, DocumentId, Heads, RepairState, SKUS_MAX};
pub use packed::PackedError;
pub use parcel::{Parcel, ParcelError};
#[cfg(test)]
pub(in crate::sync) use properties::foreign_change;
