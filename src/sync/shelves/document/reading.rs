//! Reading a document that came from elsewhere: everything that it says is checked before any of it is used.

use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{AutoCommit, Change, ObjId, ObjType, ROOT, ReadDoc as _, Value};

use super::{Document, DocumentError, DocumentId, PEERS_MAX, SKUS_MAX};
use crate::domain::escrow::ReplicaId;
use crate::domain::ids::Sku;
use crate::sync::shelves::packed;

impl Document {
    /// Refuses changes that are not all the writer's.
    pub(super) fn refuse_foreign(&self, changes: &[Change]) -> Result<(), DocumentError> {
        let writer = self.id.actor();
        let foreign = changes
            .iter()
            .flat_map(|change| change.actors())
            .find(|actor| **actor != writer);
        match foreign {
            Some(actor) => Err(DocumentError::Foreign {
                found: actor.to_hex_string(),
                writer: self.id.writer.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Reads what the document says, all of it, and refuses it where any part is not what a writer makes.
    pub(super) fn read(&mut self) -> Result<(), DocumentError> {
        let inner = &self.inner;
        let DocumentId {
            site,
            writer,
            bucket,
            generation,
        } = &self.id;
        let names = [
            ("site", site.to_string()),
            ("node", writer.node.to_string()),
            ("incarnation", writer.incarnation.to_string()),
        ];
        for (key, expected) in names {
            if text(inner, ROOT, key)? != expected {
                return Err(DocumentError::OtherDocument(key));
            }
        }
        for (key, expected) in [("bucket", *bucket), ("generation", *generation)] {
            if number(inner, key)? != u64::from(expected) {
                return Err(DocumentError::OtherDocument(key));
            }
        }
        let through = number(inner, "through")?;
        let peers = entries(inner, "peers", PEERS_MAX, "replicas", |value| {
            let (node, incarnation) = value.as_str()?.split_once('/')?;
            let (node, incarnation) = (node.parse().ok()?, incarnation.parse().ok()?);
            Some(ReplicaId { node, incarnation })
        })?;
        let skus = entries(inner, "skus", SKUS_MAX, "items", |value| {
            value.as_str()?.parse::<Sku>().ok()
        })?;
        let packed = entries(inner, "rows", SKUS_MAX, "items", |value| {
            value.as_bytes().map(<[u8]>::to_vec)
        })?;
        if packed.len() != skus.len() {
            return Err(DocumentError::Malformed("rows"));
        }
        let mut rows = Vec::with_capacity(skus.len());
        for (sku, bytes) in skus.iter().zip(&packed) {
            let row = packed::unpack(bytes, &peers).map_err(|error| DocumentError::Packed {
                sku: sku.clone(),
                error,
            })?;
            row.check().map_err(|error| DocumentError::Broken {
                sku: sku.clone(),
                error,
            })?;
            rows.push(row);
        }
        (self.peers, self.skus, self.rows, self.through) = (peers, skus, rows, through);
        Ok(())
    }
}

/// Reads a change, and holds it to the checksum that it carries: Automerge itself does not, and applies what it says.
pub(super) fn read_change(bytes: &[u8]) -> Result<Change, DocumentError> {
    let change = unpanicked(|| Change::from_bytes(bytes.to_vec()))??;
    // A chunk is four bytes of magic, four of checksum, which are the first of its hash, and the rest.
    match bytes.get(4..8) {
        Some(checksum) if *checksum == change.hash().0[..4] => Ok(change),
        _ => Err(DocumentError::Damaged),
    }
}

/// Calls into Automerge with bytes from elsewhere. It asserts what it believes of a change whose checksum is right; a
/// writer with a fault must not take its readers down.
pub(super) fn unpanicked<T>(call: impl FnOnce() -> T) -> Result<T, DocumentError> {
    // What the call was about to change is dropped by the caller.
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| DocumentError::Damaged)
}

pub(super) fn list(inner: &AutoCommit, key: &'static str) -> Result<ObjId, DocumentError> {
    match inner.get(ROOT, key)? {
        Some((Value::Object(ObjType::List), id)) => Ok(id),
        _ => Err(DocumentError::Malformed(key)),
    }
}

/// A list's entries, each read by `read`.
fn entries<T>(
    inner: &AutoCommit,
    key: &'static str,
    max: usize,
    what: &'static str,
    read: impl Fn(&Value<'_>) -> Option<T>,
) -> Result<Vec<T>, DocumentError> {
    let list = list(inner, key)?;
    if inner.length(&list) > max {
        return Err(DocumentError::TooMany(what));
    }
    let values = inner.list_range(&list, ..);
    values
        .map(|entry| read(&entry.value.into()).ok_or(DocumentError::Malformed(key)))
        .collect()
}

fn text(inner: &AutoCommit, object: ObjId, key: &'static str) -> Result<String, DocumentError> {
    match inner.get(object, key)? {
        Some((value, _)) => value.as_str().map(str::to_owned).ok_or(DocumentError::Malformed(key)),
        None => Err(DocumentError::Malformed(key)),
    }
}

fn number(inner: &AutoCommit, key: &'static str) -> Result<u64, DocumentError> {
    match inner.get(ROOT, key)? {
        // Other languages write small numbers as signed ones.
        Some((value, _)) => value
            .as_u64()
            .or_else(|| u64::try_from(value.as_i64()?).ok())
            .ok_or(DocumentError::Malformed(key)),
        None => Err(DocumentError::Malformed(key)),
    }
}
