//! Taking a neighbour's parcel in, document by document: what cannot be taken stays behind alone.

use super::{PerformError, Performed, rows, saved};
use crate::domain::ids::Sku;
use crate::sync::carriage::archive::{Archive, Keep};
use crate::sync::carriage::routes::{Link, Neighbour};
use crate::sync::carriage::work::{Changed, Done};
use crate::sync::shelves::{Document, DocumentError, DocumentId, Heads, Parcel};
use crate::sync::wire::{Standing, StandingGroup};

/// Takes a parcel in.
pub(super) fn take<A: Archive>(
    archive: &A,
    link: &Link,
    session: u64,
    number: u64,
    sealed: &[u8],
) -> Result<Performed, PerformError<A::Error>> {
    let mut taking = Taking::new(link.neighbour());
    let mut refused = Vec::new();
    let group = match Parcel::open(sealed) {
        Err(error) => {
            refused.push((None, error.to_string()));
            None
        }
        Ok(parcel) => {
            let mut documents = Vec::with_capacity(parcel.documents.len());
            for (bucket, generation, changes) in &parcel.documents {
                let id = parcel.id(*bucket, *generation);
                let standing = match unwelcome(archive, link, &id)? {
                    Some(reason) => Standing::Refused(reason),
                    None => taking.apply(archive, &id, |document| document.apply(changes))?.0,
                };
                if let Standing::Refused(reason) = &standing {
                    refused.push((Some(id), reason.clone()));
                }
                documents.push((*bucket, *generation, standing));
            }
            Some(StandingGroup {
                site: parcel.site,
                writer: parcel.writer,
                documents,
            })
        }
    };
    Ok(Performed {
        keep: taking.keep,
        done: Done::Taken {
            neighbour: taking.source,
            session,
            number,
            group,
            changed: taking.changed,
            gone: taking.gone,
            refused,
        },
    })
}

/// Why a document is not taken from a neighbour, whatever it says.
pub(super) fn unwelcome<A: Archive>(archive: &A, link: &Link, id: &DocumentId) -> Result<Option<String>, A::Error> {
    if id.writer == archive.own_replica()? {
        return Ok(Some("only this replica itself writes its documents".into()));
    }
    if let Link::Child(child) = link
        && id.is_kept()
        && child.replica.node == id.writer.node
    {
        return Ok(Some("only its parent writes for a replica that is retired".into()));
    }
    archive.unwelcome(link, id)
}

/// What has been taken in of one message.
pub(super) struct Taking {
    source: Neighbour,
    pub(super) keep: Vec<Keep>,
    pub(super) changed: Vec<Changed>,
    pub(super) gone: Vec<DocumentId>,
}

impl Taking {
    pub(super) const fn new(source: Neighbour) -> Self {
        Self {
            source,
            keep: Vec::new(),
            changed: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// Has a document changed by `apply`, and says where it stands then. Gives the document too where it was taken.
    pub(super) fn apply<A: Archive>(
        &mut self,
        archive: &A,
        id: &DocumentId,
        apply: impl FnOnce(&mut Document) -> Result<Vec<Sku>, DocumentError>,
    ) -> Result<(Standing, Option<Document>), PerformError<A::Error>> {
        let loaded = archive.document(id)?;
        let generations = archive.generations(id)?;
        let newest = generations.iter().copied().max();
        // What a retired replica goes on writing itself its parent writes in its place; of several parents all count.
        let over = !id.is_kept() && archive.is_retired(&id.writer)?;
        if (loaded.is_none() || over)
            && !id.is_kept()
            && let Some(newest) = newest.filter(|newest| *newest > id.generation || over)
        {
            return Ok((Standing::Newer(newest.max(id.generation.saturating_add(1))), None));
        }
        if over {
            return Ok((Standing::Newer(id.generation.saturating_add(1)), None));
        }
        let sizes = loaded.as_ref().map_or((0, 0, 0), |loaded| {
            (loaded.whole_bytes, loaded.added_bytes, loaded.pieces)
        });
        let waited = loaded.as_ref().is_some_and(|loaded| loaded.waits);
        let mut document = loaded.map_or_else(|| Document::unheard(id.clone()), |loaded| loaded.document);
        let before = document.heads();
        match apply(&mut document) {
            Err(DocumentError::Missing) => Ok((Standing::Lacks(before.to_bytes()), None)),
            Err(error) => Ok((Standing::Refused(error.to_string()), None)),
            Ok(touched) => {
                let heads = document.heads();
                if heads != before {
                    let only = (!waited).then_some(touched);
                    self.keep(archive, &mut document, &before, sizes, only.as_deref())?;
                    self.replace_older(archive, &document, &generations)?;
                }
                Ok((Standing::Holds(heads.to_bytes()), Some(document)))
            }
        }
    }

    fn keep<A: Archive>(
        &mut self,
        archive: &A,
        document: &mut Document,
        before: &Heads,
        sizes: (usize, usize, usize),
        only: Option<&[Sku]>,
    ) -> Result<(), A::Error> {
        let (id, heads, through) = (document.id().clone(), document.heads(), document.through());
        let journal = archive.journal_of(&self.source, &id.writer)?;
        let waits = journal.is_some_and(|journal| journal < through);
        if !waits {
            self.keep.push(rows(document, only));
        }
        self.keep.push(Keep::Document {
            id: id.clone(),
            source: Some(self.source.clone()),
            heads: heads.clone(),
            through,
            waits,
            saved: saved(document, before, sizes),
        });
        self.changed.push(Changed {
            id,
            heads,
            source: Some(self.source.clone()),
        });
        Ok(())
    }

    /// Forgets older generations that say nothing more than this one.
    fn replace_older<A: Archive>(
        &mut self,
        archive: &A,
        document: &Document,
        generations: &[u32],
    ) -> Result<(), A::Error> {
        // A parent's document says nothing of the buckets of the retired replica's own.
        let written_alike = |older: &&u32| **older < document.id().generation && !document.id().is_kept();
        for &generation in generations.iter().filter(written_alike) {
            let older = DocumentId {
                generation,
                ..document.id().clone()
            };
            let covered = archive
                .document(&older)?
                .is_some_and(|loaded| document.covers(&loaded.document));
            if covered {
                self.keep.push(Keep::Forget(older.clone()));
                self.gone.push(older);
            }
        }
        Ok(())
    }
}
