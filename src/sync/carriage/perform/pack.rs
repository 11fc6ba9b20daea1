//! Packing changes into parcels.

use crate::sync::carriage::archive::Archive;
use crate::sync::carriage::routes::Neighbour;
use crate::sync::carriage::work::{Done, PackedParcel, Passed};
use crate::sync::shelves::{DocumentId, Heads, Parcel};

/// What a parcel takes beside its changes, at most.
const HEAD_BYTES_MAX: usize = 256;
/// What each change takes beside its bytes, at most.
const CHANGE_HEAD_BYTES_MAX: usize = 16;

/// Packs what a neighbour lacks of the documents wanted, as far as it fits. Documents that have no room in these
/// parcels are left for the next ones.
pub(super) fn pack<A: Archive>(
    archive: &A,
    neighbour: Neighbour,
    session: u64,
    mut wanted: Vec<(DocumentId, Heads)>,
    bytes_max: usize,
    parcels_max: usize,
) -> Result<Done, A::Error> {
    wanted.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut packing = Packing {
        bytes_max,
        parcels_max,
        open: None,
        parcels: Vec::new(),
        passed: Vec::new(),
    };
    for (id, theirs) in wanted {
        let Some(mut loaded) = archive.document(&id)? else {
            let newer = archive.generations(&id)?.iter().any(|newer| *newer > id.generation);
            let lost = !newer && !theirs.is_empty();
            packing
                .passed
                .push((id, if lost { Passed::Unknown } else { Passed::Gone }));
            continue;
        };
        let document = &mut loaded.document;
        if !document.knows(&theirs) {
            packing.passed.push((id, Passed::Unknown));
            continue;
        }
        let history = document.history_since(&theirs);
        if history.is_empty() {
            let heads = document.heads();
            packing.passed.push((id, Passed::Complete(heads)));
            continue;
        }
        if !packing.add(id, history) {
            break;
        }
    }
    packing.close();
    Ok(Done::Packed {
        neighbour,
        session,
        parcels: packing.parcels,
        passed: packing.passed,
    })
}

/// A parcel that is being filled.
struct Open {
    parcel: Parcel,
    bytes: usize,
    documents: Vec<(DocumentId, Heads, bool)>,
}

struct Packing {
    bytes_max: usize,
    parcels_max: usize,
    open: Option<Open>,
    parcels: Vec<PackedParcel>,
    passed: Vec<(DocumentId, Passed)>,
}

impl Packing {
    /// Adds a document's changes, oldest first, as many as there is room for; false once there is no more room at all.
    /// Sizes are those before compression, so that a sealed parcel never turns out too large.
    fn add(&mut self, id: DocumentId, history: Vec<(Heads, Vec<u8>)>) -> bool {
        let room = self.bytes_max.saturating_sub(HEAD_BYTES_MAX);
        let first = history.first().map_or(0, |(_, change)| cost(change));
        let fits = self.open.as_ref().is_some_and(|open| {
            open.parcel.site == id.site && open.parcel.writer == id.writer && open.bytes + first <= room
        });
        if !fits {
            self.close();
            if self.parcels.len() >= self.parcels_max {
                return false;
            }
        }
        let mut open = self.open.take().unwrap_or_else(|| Open {
            parcel: Parcel {
                site: id.site.clone(),
                writer: id.writer.clone(),
                documents: Vec::new(),
            },
            bytes: 0,
            documents: Vec::new(),
        });
        let (mut changes, mut reached, total) = (Vec::new(), None, history.len());
        for (heads, change) in history {
            // The first one goes in at any size: compressed it may yet fit.
            if !(open.bytes == 0 && changes.is_empty()) && open.bytes + cost(&change) > room {
                break;
            }
            open.bytes += cost(&change);
            changes.push(change);
            reached = Some(heads);
        }
        if let Some(heads) = reached {
            let whole = changes.len() == total;
            open.parcel.documents.push((id.bucket, id.generation, changes));
            open.documents.push((id, heads, whole));
        }
        self.open = Some(open);
        true
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        if open.documents.is_empty() {
            return;
        }
        match open.parcel.seal() {
            Ok(sealed) if sealed.len() <= self.bytes_max => self.parcels.push(PackedParcel {
                sealed,
                documents: open.documents,
            }),
            // Only a change that is alone in its parcel can be so large.
            other => {
                let bytes = other.map_or(open.bytes, |sealed| sealed.len());
                let passed = open.documents.into_iter().map(|(id, ..)| (id, Passed::TooLarge(bytes)));
                self.passed.extend(passed);
            }
        }
    }
}

const fn cost(change: &[u8]) -> usize {
    change.len() + CHANGE_HEAD_BYTES_MAX
}
