//! A sync point: the net state of touched rows goes into this replica's own documents.

use std::collections::BTreeMap;

use super::{PerformError, Performed, saved};
use crate::domain::escrow::{ReplicaId, Row};
use crate::domain::ids::{SiteId, Sku};
use crate::sync::carriage::archive::{Archive, Keep, KeptRows, Touched};
use crate::sync::carriage::work::{Changed, Done};
use crate::sync::shelves::{Document, DocumentError, DocumentId, Heads, SKUS_MAX};

/// About so many bytes of rows go into one change, so that one always fits into a parcel.
const CHANGE_BYTES_MAX: usize = 16 << 10;

/// Puts what was touched into documents.
pub(super) fn write<A: Archive>(archive: &A) -> Result<Performed, PerformError<A::Error>> {
    let Touched {
        mark,
        through,
        rows,
        kept,
    } = archive.touched()?;
    let mut written = Written::default();
    if rows.is_empty() && kept.iter().all(|kept| kept.rows.is_empty()) {
        return Ok(written.performed(None));
    }
    let own = archive.own_replica()?;
    put_all(archive, &mut written, (&own, None), rows, through)?;
    for KeptRows { writer, through, rows } in kept {
        let generation = DocumentId::kept_by(&own);
        put_all(archive, &mut written, (&writer, Some(generation)), rows, through)?;
    }
    Ok(written.performed(Some(mark)))
}

/// Puts the rows of one writer into its documents: of its newest generation, or of one that is named.
fn put_all<A: Archive>(
    archive: &A,
    written: &mut Written,
    (writer, named): (&ReplicaId, Option<u32>),
    rows: Vec<(SiteId, Sku, Row)>,
    through: u64,
) -> Result<(), PerformError<A::Error>> {
    let mut sites: BTreeMap<SiteId, Vec<(Sku, Row)>> = BTreeMap::new();
    for (site, sku, row) in rows {
        sites.entry(site).or_default().push((sku, row));
    }
    for (site, rows) in sites {
        let mut own = Own::read(archive, &site, (writer, named))?;
        for (bucket, rows) in own.by_bucket(archive, rows, &mut written.keep)? {
            let generation = own.newest.get(&bucket).copied();
            let id = DocumentId {
                site: site.clone(),
                writer: writer.clone(),
                bucket,
                generation: generation.or(named).unwrap_or_default(),
            };
            written.put(archive, &id, &rows, through).map_err(|error| match error {
                PutError::Archive(error) => PerformError::Archive(error),
                PutError::Document(error) => PerformError::of(&id, error),
            })?;
        }
    }
    Ok(())
}

/// Rows by the bucket that they are in.
type ByBucket = BTreeMap<u32, Vec<(Sku, Row)>>;

/// The documents of one site that are written here for one replica: this one, or one that it has retired.
struct Own {
    writer: ReplicaId,
    site: SiteId,
    /// By bucket the newest generation.
    newest: BTreeMap<u32, u32>,
    /// How many items the last bucket has.
    last_skus: usize,
}

impl Own {
    fn read<A: Archive>(
        archive: &A,
        site: &SiteId,
        (writer, named): (&ReplicaId, Option<u32>),
    ) -> Result<Self, A::Error> {
        let mut newest = BTreeMap::new();
        for kept in archive.documents(Some(site))? {
            let generation = kept.id.generation;
            if kept.id.writer == *writer && named.map_or(!kept.id.is_kept(), |named| named == generation) {
                let generation = newest.entry(kept.id.bucket).or_insert(kept.id.generation);
                *generation = kept.id.generation.max(*generation);
            }
        }
        let last = newest.last_key_value().map(|(bucket, generation)| DocumentId {
            site: site.clone(),
            writer: writer.clone(),
            bucket: *bucket,
            generation: *generation,
        });
        let last_skus = match last {
            None => SKUS_MAX,
            Some(id) => archive
                .document(&id)?
                .map_or(SKUS_MAX, |loaded| SKUS_MAX - loaded.document.room()),
        };
        Ok(Self {
            writer: writer.clone(),
            site: site.clone(),
            newest,
            last_skus,
        })
    }

    /// The rows by the bucket that each item is in. New items go into the last one while it has room.
    fn by_bucket<A: Archive>(
        &mut self,
        archive: &A,
        rows: Vec<(Sku, Row)>,
        keep: &mut Vec<Keep>,
    ) -> Result<ByBucket, A::Error> {
        let mut buckets = ByBucket::new();
        let mut placed: BTreeMap<u32, Vec<Sku>> = BTreeMap::new();
        let mut last = self.newest.last_key_value().map(|(bucket, _)| *bucket);
        for (sku, row) in rows {
            let bucket = match archive.bucket(&self.writer, &self.site, &sku)? {
                Some(bucket) => bucket,
                None => {
                    let bucket = match last {
                        Some(bucket) if self.last_skus < SKUS_MAX => bucket,
                        Some(bucket) => bucket.saturating_add(1),
                        None => 0,
                    };
                    if last != Some(bucket) {
                        (last, self.last_skus) = (Some(bucket), 0);
                    }
                    self.last_skus += 1;
                    placed.entry(bucket).or_default().push(sku.clone());
                    bucket
                }
            };
            buckets.entry(bucket).or_default().push((sku, row));
        }
        keep.extend(placed.into_iter().map(|(bucket, skus)| Keep::Buckets {
            writer: self.writer.clone(),
            site: self.site.clone(),
            bucket,
            skus,
        }));
        Ok(buckets)
    }
}

enum PutError<E> {
    Archive(E),
    Document(DocumentError),
}

impl<E> From<DocumentError> for PutError<E> {
    fn from(error: DocumentError) -> Self {
        Self::Document(error)
    }
}

/// What a sync point has come to.
#[derive(Default)]
struct Written {
    keep: Vec<Keep>,
    changed: Vec<Changed>,
    gone: Vec<DocumentId>,
    refused: Vec<(Sku, String)>,
}

impl Written {
    /// Puts rows into one document, and starts it anew where its history has become too much.
    fn put<A: Archive>(
        &mut self,
        archive: &A,
        id: &DocumentId,
        rows: &[(Sku, Row)],
        through: u64,
    ) -> Result<(), PutError<A::Error>> {
        let loaded = archive.document(id).map_err(PutError::Archive)?;
        let sizes = loaded.as_ref().map_or((0, 0, 0), |loaded| {
            (loaded.whole_bytes, loaded.added_bytes, loaded.pieces)
        });
        let mut document = match loaded {
            Some(loaded) => loaded.document,
            None => Document::create(id.clone())?,
        };
        let before = if sizes.0 == 0 {
            Heads::default()
        } else {
            document.heads()
        };
        let mut changed = sizes.0 == 0;
        let mut rest = rows;
        while !rest.is_empty() {
            let (some, others) = rest.split_at(one_change(rest));
            rest = others;
            changed |= self.write(&mut document, some, through);
        }
        if !changed {
            return Ok(());
        }
        // What is written for a retired replica ends; it is never begun anew.
        if let Some(fresh) = if id.is_kept() { None } else { document.rolled()? } {
            self.keep.push(Keep::Forget(id.clone()));
            self.gone.push(id.clone());
            self.keep(fresh, &Heads::default(), (0, 0, 0));
        } else {
            self.keep(document, &before, sizes);
        }
        Ok(())
    }

    /// Writes some rows as one change; one by one where one of them cannot be written, so that it alone stays behind.
    fn write(&mut self, document: &mut Document, rows: &[(Sku, Row)], through: u64) -> bool {
        let all = rows.iter().map(|(sku, row)| (sku, row));
        match document.write(all, through) {
            Ok(changed) => changed,
            Err(error) if rows.len() < 2 => {
                self.refused
                    .extend(rows.iter().map(|(sku, _)| (sku.clone(), error.to_string())));
                false
            }
            Err(_) => {
                let mut changed = false;
                for one in rows {
                    changed |= self.write(document, std::slice::from_ref(one), through);
                }
                changed
            }
        }
    }

    fn keep(&mut self, mut document: Document, before: &Heads, sizes: (usize, usize, usize)) {
        let (id, heads) = (document.id().clone(), document.heads());
        self.keep.push(Keep::Document {
            id: id.clone(),
            source: None,
            heads: heads.clone(),
            through: document.through(),
            waits: false,
            saved: saved(&mut document, before, sizes),
        });
        self.changed.push(Changed {
            id,
            heads,
            source: None,
        });
    }

    fn performed(mut self, mark: Option<i64>) -> Performed {
        self.keep.extend(mark.map(Keep::Untouched));
        Performed {
            keep: self.keep,
            done: Done::Written {
                changed: self.changed,
                gone: self.gone,
                refused: self.refused,
            },
        }
    }
}

/// How many of the rows go into one change: at least one.
fn one_change(rows: &[(Sku, Row)]) -> usize {
    let mut bytes = 0;
    let fits = rows.iter().take_while(|(sku, row)| {
        let registers = row.registers();
        bytes += sku.as_str().len() + 70 + 60 * (registers.given.len() + registers.accepted.len());
        bytes <= CHANGE_BYTES_MAX
    });
    fits.count().max(1)
}
