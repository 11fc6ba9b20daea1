//! Doing what an engine wants done with documents: pure functions of one state of the disk.

mod pack;
mod repair;
mod sync_point;
mod take;

use std::collections::{BTreeMap, BTreeSet};

use super::archive::{Archive, Keep, Kept, Saved};
use super::routes::{Link, Neighbour};
use super::work::{Done, Work};
use crate::domain::escrow::ReplicaId;
use crate::domain::ids::{SiteId, Sku};
use crate::sync::shelves::{Document, DocumentError, DocumentId, Heads};
use crate::sync::wire::{Holds, Offer, Standing, StandingGroup};

/// What is added to a document is folded into its whole form once it has so many pieces,
const PIECES_MAX: usize = 32;
/// or so many bytes, and more than the whole form has.
const ADDED_BYTES_MIN: usize = 8 << 10;

/// What came of a work.
#[derive(Debug, Clone, PartialEq)]
pub struct Performed {
    /// What is to be written, in one transaction. `done` must not be told before that is committed.
    pub keep: Vec<Keep>,
    /// What to tell the engine.
    pub done: Done,
}

/// Why a work is not done.
#[derive(Debug, thiserror::Error)]
pub enum PerformError<E> {
    /// The disk cannot be read.
    #[error(transparent)]
    Archive(#[from] E),
    /// A document of our own, or one that was here in order before, cannot be used.
    #[error("the document {} of {} for {}: {error}", .id.bucket, .id.writer, .id.site)]
    Document {
        /// Which.
        id: Box<DocumentId>,
        /// Why.
        error: Box<DocumentError>,
    },
}

impl<E> PerformError<E> {
    fn of(id: &DocumentId, error: DocumentError) -> Self {
        Self::Document {
            id: Box::new(id.clone()),
            error: Box::new(error),
        }
    }
}

/// Does a work against one state of the disk.
///
/// # Errors
/// Where the disk cannot be read, or what is on it is no document. The work can be tried again.
pub fn perform<A: Archive>(archive: &A, work: Work) -> Result<Performed, PerformError<A::Error>> {
    match work {
        Work::SyncPoint => sync_point::write(archive),
        Work::Survey { link, session } => Ok(survey(archive, &link, session)?),
        Work::Compare {
            neighbour,
            session,
            offer,
        } => Ok(compare(archive, neighbour, session, &offer)?),
        Work::Pack {
            neighbour,
            session,
            wanted,
            bytes_max,
            parcels_max,
        } => Ok(Performed {
            keep: Vec::new(),
            done: pack::pack(archive, neighbour, session, wanted, bytes_max, parcels_max)?,
        }),
        Work::Take {
            link,
            session,
            number,
            sealed,
        } => Ok(take::take(archive, &link, session, number, &sealed)?),
        Work::Repair {
            link,
            session,
            id,
            state,
            message,
        } => Ok(repair::step(archive, &link, session, id, state, message.as_deref())?),
        Work::SaveAcked { neighbour, acked } => Ok(Performed {
            keep: vec![Keep::Acked { neighbour, acked }],
            done: Done::Noted,
        }),
        Work::MergeWaiting => Ok(merge_waiting(archive)?),
    }
}

/// What goes over a link, and what the neighbour is believed to have of it.
fn survey<A: Archive>(archive: &A, link: &Link, session: u64) -> Result<Performed, A::Error> {
    let site = match link {
        Link::Parent => None,
        Link::Child(child) => Some(&child.site),
    };
    let neighbour = link.neighbour();
    let mut acked: BTreeMap<_, _> = archive.acked(&neighbour)?.into_iter().collect();
    let carried = |kept: &Kept| link.carries(&kept.id, kept.source.as_ref());
    let documents = archive.documents(site)?.into_iter().filter(carried).map(|kept| {
        let acked = acked.remove(&kept.id).unwrap_or_default();
        (kept.id, kept.heads, acked)
    });
    Ok(Performed {
        keep: Vec::new(),
        done: Done::Surveyed {
            documents: documents.collect(),
            neighbour,
            session,
        },
    })
}

/// By site and writer, where documents stand: bucket, generation and standing.
type Standings = BTreeMap<(SiteId, ReplicaId), Vec<(u32, u32, Standing)>>;

/// Where documents that are offered stand otherwise than the neighbour believes, and what it does not know that it has
/// sent once.
fn compare<A: Archive>(archive: &A, neighbour: Neighbour, session: u64, offer: &Offer) -> Result<Performed, A::Error> {
    let mut here: BTreeMap<DocumentId, Kept> = BTreeMap::new();
    for kept in archive.documents(None)? {
        here.insert(kept.id.clone(), kept);
    }
    let mut standings = Standings::new();
    let mut offered = BTreeSet::new();
    for group in &offer.groups {
        for &(bucket, generation, believed) in &group.documents {
            let id = DocumentId {
                site: group.site.clone(),
                writer: group.writer.clone(),
                bucket,
                generation,
            };
            let standing = match here.get(&id) {
                Some(kept) if kept.heads.short() == believed => None,
                Some(kept) => Some(Standing::Holds(kept.heads.to_bytes())),
                None => match archive
                    .generations(&id)?
                    .into_iter()
                    .max()
                    .filter(|newer| *newer > generation && !id.is_kept())
                {
                    Some(newer) => Some(Standing::Newer(newer)),
                    None => (Heads::default().short() != believed).then(|| Standing::Holds(Vec::new())),
                },
            };
            if let Some(standing) = standing {
                let documents = standings.entry((id.site.clone(), id.writer.clone())).or_default();
                documents.push((bucket, generation, standing));
            }
            offered.insert(id);
        }
    }
    if offer.complete {
        let lost = here
            .into_values()
            .filter(|kept| kept.source.as_ref() == Some(&neighbour) && !offered.contains(&kept.id));
        for Kept { id, heads, .. } in lost {
            let documents = standings.entry((id.site, id.writer)).or_default();
            documents.push((id.bucket, id.generation, Standing::Holds(heads.to_bytes())));
        }
    }
    let groups = standings.into_iter().map(|((site, writer), documents)| StandingGroup {
        site,
        writer,
        documents,
    });
    let holds = Holds {
        groups: groups.collect(),
    };
    Ok(Performed {
        keep: Vec::new(),
        done: Done::Compared {
            neighbour,
            session,
            holds,
        },
    })
}

/// Merges rows whose writers' journals have come.
fn merge_waiting<A: Archive>(archive: &A) -> Result<Performed, PerformError<A::Error>> {
    let mut keep = Vec::new();
    for id in archive.waiting()? {
        let Some(loaded) = archive.document(&id)? else { continue };
        let through = loaded.document.through();
        let waits = match &loaded.source {
            Some(source) => archive
                .journal_of(source, &id.writer)?
                .is_some_and(|journal| journal < through),
            None => false,
        };
        if !waits {
            keep.push(rows(&loaded.document, None));
            keep.push(Keep::Waited(id));
        }
    }
    Ok(Performed {
        keep,
        done: Done::Merged,
    })
}

/// A document's rows, to be merged; only those of some items where they are named.
fn rows(document: &Document, only: Option<&[Sku]>) -> Keep {
    let named = |sku: &&Sku| only.is_none_or(|only| only.contains(sku));
    let rows = document.rows().filter(|(sku, _)| named(sku));
    Keep::Rows {
        site: document.id().site.clone(),
        writer: document.id().writer.clone(),
        through: document.through(),
        kept: document.id().is_kept(),
        rows: rows.map(|(sku, row)| (sku.clone(), row.clone())).collect(),
    }
}

/// How a document that had `before` is kept on: whole from time to time, else what was added.
fn saved(document: &mut Document, before: &Heads, (whole, added, pieces): (usize, usize, usize)) -> Saved {
    let more: Vec<u8> = document.changes_since(before).concat();
    let outgrown = added + more.len() > whole.max(ADDED_BYTES_MIN) || pieces >= PIECES_MAX;
    if whole == 0 || outgrown {
        Saved::Whole(document.save())
    } else {
        Saved::Added(more)
    }
}
