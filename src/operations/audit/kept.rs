//! What this node has written down of the rows of a replica that it has retired.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::domain::escrow::{ReplicaId, Row};
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::Sku;
use crate::domain::stock::{LateMove, LatePosted};
use crate::store::{Position, RetiredRow, Snapshot, StorageError};
use crate::sync::carriage::{Archive, Kept};
use crate::sync::shelves::DocumentId;

/// The rows of a replica that was retired here, from what this node's present incarnation, `own`, has written down of
/// them: its documents as of the last sync point, and what its journal has posted since. An item that is in no document
/// yet is not among them.
///
/// # Errors
/// Where they cannot be read.
pub(in crate::operations) fn kept_rows(
    snapshot: &Snapshot<'_>,
    own: &ReplicaId,
    retired: &RetiredRow,
) -> Result<BTreeMap<Sku, Row>, StorageError> {
    let generation = DocumentId::kept_by(own);
    let is_of_it = |kept: &Kept| kept.id.writer == retired.replica && kept.id.generation == generation;
    let mut rows: BTreeMap<Sku, Row> = BTreeMap::new();
    for Kept { id, .. } in Archive::documents(snapshot, None)?.into_iter().filter(is_of_it) {
        if let Some(loaded) = Archive::document(snapshot, &id)? {
            rows.extend(loaded.document.rows().map(|(sku, row)| (sku.clone(), row.clone())));
        }
    }
    let (Some(newest), false) = (snapshot.incarnations()?.pop(), rows.is_empty()) else {
        return Ok(rows);
    };
    let written = Position::from_number(snapshot.sync_point()?.get().saturating_add(1));
    let first = newest.position(newest.earliest_seq).max(written);
    snapshot.walk_journal(first, newest.position(newest.head.seq), |found| {
        if let Ok(Fact::LatePosted(posted)) = Entry::decode(&found.record).map(|entry| entry.fact)
            && posted.of == retired.replica
        {
            go_on(&mut rows, own, &posted);
        }
        Ok::<_, StorageError>(ControlFlow::Continue(()))
    })?;
    Ok(rows)
}

/// Rights that it had handed on behind the head that it was retired at are all that moves its rows since.
fn go_on(rows: &mut BTreeMap<Sku, Row>, own: &ReplicaId, posted: &LatePosted) {
    for line in &posted.lines {
        if let LateMove::Gave { to, grant } = &line.moved
            && let Some(row) = rows.get_mut(&line.sku)
            && let Err(refusal) = row.give_late(own, to, grant.amount())
        {
            tracing::warn!(of = %posted.of, sku = %line.sku, %refusal, "a late record does not fit the row");
        }
    }
}
