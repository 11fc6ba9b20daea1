//! Documents of shelves, what neighbours have of them, and the answers that their carriage asks for.
//!
//! A row of another replica is merged into the table of shelves from its documents. Those of this node's own incarnations
//! never are: they follow from the journal on this disk.

use rusqlite::Row as SqlRow;

use super::keys::{count, row_count, unsigned};
use super::shelves::{ReplicaIx, Rows};
use super::snapshot::{parsed, unreadable};
use super::{Position, Snapshot, StorageError, WriteTransaction};
use crate::domain::escrow::{ReplicaId, Row};
use crate::domain::ids::{Incarnation, SiteId, Sku};
use crate::domain::stock::Place;
use crate::sync::carriage::{Archive, Keep, Kept, KeptRows, Link, Loaded, Neighbour, Saved, Touched};
use crate::sync::shelves::{Document, DocumentId, Heads};

const KEPT: &str = "SELECT document.site, replica.node, replica.counter, replica.random, document.bucket, \
    document.generation, document.source, document.heads, document.ix \
    FROM shelf_document document JOIN replica ON replica.ix = document.writer";

impl Archive for Snapshot<'_> {
    type Error = StorageError;

    fn own_replica(&self) -> Result<ReplicaId, StorageError> {
        let identity = self.identity()?;
        let newest = self.incarnations()?.pop();
        match (identity, newest) {
            (Some(identity), Some(newest)) => Ok(ReplicaId {
                node: identity.node,
                incarnation: newest.incarnation,
            }),
            _ => Err(StorageError::Inconsistent("no incarnation is open".into())),
        }
    }

    fn document(&self, id: &DocumentId) -> Result<Option<Loaded>, StorageError> {
        let Some(ix) = self.document_ix(id)? else {
            return Ok(None);
        };
        let sql = "SELECT whole, waits, source FROM shelf_document WHERE ix = ?1";
        let found = self.one(sql, (ix,), |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?, source(row, 2)?))
        })?;
        let Some((mut bytes, waits, source)) = found else {
            return Ok(None);
        };
        let sql = "SELECT added FROM shelf_document_piece WHERE document = ?1 ORDER BY number";
        let pieces: Vec<Vec<u8>> = self.all(sql, (ix,), |row| row.get(0))?;
        let whole_bytes = bytes.len();
        bytes.extend(pieces.iter().flatten());
        let document = Document::load(id.clone(), &bytes)
            .map_err(|error| StorageError::Inconsistent(format!("a document of {}: {error}", id.writer)))?;
        Ok(Some(Loaded {
            document,
            source,
            waits,
            whole_bytes,
            added_bytes: bytes.len() - whole_bytes,
            pieces: pieces.len(),
        }))
    }

    fn documents(&self, site: Option<&SiteId>) -> Result<Vec<Kept>, StorageError> {
        let sql = format!("{KEPT} WHERE ?1 = '' OR document.site = ?1 ORDER BY document.ix");
        self.all(&sql, (site.map_or("", SiteId::as_str),), kept)
    }

    fn generations(&self, id: &DocumentId) -> Result<Vec<u32>, StorageError> {
        let Some(writer) = self.replica_ix(&id.writer)? else {
            return Ok(Vec::new());
        };
        let sql = "SELECT generation FROM shelf_document WHERE site = ?1 AND writer = ?2 AND bucket = ?3 \
            ORDER BY generation";
        self.all(sql, (id.site.as_str(), writer.0, id.bucket), |row| row.get(0))
    }

    fn waiting(&self) -> Result<Vec<DocumentId>, StorageError> {
        let sql = format!("{KEPT} WHERE document.waits = 1 ORDER BY document.ix");
        self.all(&sql, (), |row| kept(row).map(|kept| kept.id))
    }

    fn acked(&self, neighbour: &Neighbour) -> Result<Vec<(DocumentId, Heads)>, StorageError> {
        let sql = "SELECT document.site, replica.node, replica.counter, replica.random, document.bucket, \
            document.generation, document.source, acked.heads, document.ix \
            FROM shelf_document_acked acked JOIN shelf_document document ON document.ix = acked.document \
            JOIN replica ON replica.ix = document.writer WHERE acked.neighbour = ?1";
        self.all(sql, (name(neighbour),), |row| {
            kept(row).map(|kept| (kept.id, kept.heads))
        })
    }

    fn journal_of(&self, source: &Neighbour, writer: &ReplicaId) -> Result<Option<u64>, StorageError> {
        match source {
            // What the parent passes on has waited there.
            Neighbour::Parent => Ok(None),
            Neighbour::Child(_) => {
                let origin = self.relay_origin(&writer.node, writer.incarnation)?;
                Ok(Some(origin.map_or(0, |origin| origin.acked.seq)))
            }
        }
    }

    fn unwelcome(&self, link: &Link, id: &DocumentId) -> Result<Option<String>, StorageError> {
        let site = self.identity()?.map(|identity| identity.site);
        if site.as_ref() != Some(&id.site) {
            return Ok(Some(format!("{} is another site than this node's", id.site)));
        }
        Ok(match link {
            Link::Child(child) if child.replica.node != id.writer.node => {
                Some(format!("{} brings no documents of {}", child.replica.node, id.writer))
            }
            _ => None,
        })
    }

    fn touched(&self) -> Result<Touched, StorageError> {
        let own = self.own_replica()?;
        let (Some(ix), Some(newest), Some(identity)) =
            (self.replica_ix(&own)?, self.incarnations()?.pop(), self.identity()?)
        else {
            return Ok(Touched::default());
        };
        let marked = self.sync_point()?;
        let named = |rows: Vec<(Sku, Row)>| {
            let site = &identity.site;
            rows.into_iter().map(|(sku, row)| (site.clone(), sku, row)).collect()
        };
        let rows = named(self.rows_touched(Place::Sellable, ix, marked)?);
        // What this node writes for kiosks that it has retired is moved by its own records too.
        let mut kept = Vec::new();
        for retired in self.retired_here()? {
            let rows = named(self.rows_touched(Place::Sellable, retired.ix, marked)?);
            kept.push(KeptRows {
                writer: retired.replica,
                through: retired.seq,
                rows,
            });
        }
        Ok(Touched {
            mark: newest.position(newest.head.seq).get(),
            through: newest.head.seq,
            rows,
            kept,
        })
    }

    fn bucket(&self, writer: &ReplicaId, _: &SiteId, sku: &Sku) -> Result<Option<u32>, StorageError> {
        let Some(writer) = self.replica_ix(writer)? else {
            return Ok(None);
        };
        let sql = "SELECT bucket FROM shelf_bucket WHERE writer = ?1 AND sku = ?2";
        self.one(sql, (writer.0, sku.as_str()), |row| row.get(0))
    }

    fn is_retired(&self, writer: &ReplicaId) -> Result<bool, StorageError> {
        Ok(self.retired(writer)?.is_some())
    }
}

impl Snapshot<'_> {
    /// The position of the last record whose rows are in this incarnation's documents; before all where there is none.
    pub(crate) fn sync_point(&self) -> Result<Position, StorageError> {
        let own = Archive::own_replica(self)?;
        let Some(ix) = self.replica_ix(&own)? else {
            return Ok(Position(-1));
        };
        let sql = "SELECT position FROM shelf_mark WHERE writer = ?1";
        let marked: Option<i64> = self.one(sql, (ix.0,), |row| row.get(0))?;
        Ok(Position(marked.unwrap_or(-1)))
    }

    fn document_ix(&self, id: &DocumentId) -> Result<Option<i64>, StorageError> {
        let Some(writer) = self.replica_ix(&id.writer)? else {
            return Ok(None);
        };
        let sql = "SELECT ix FROM shelf_document WHERE site = ?1 AND writer = ?2 AND bucket = ?3 AND generation = ?4";
        let key = (id.site.as_str(), writer.0, id.bucket, id.generation);
        self.one(sql, key, |row| row.get(0))
    }
}

impl WriteTransaction<'_> {
    /// Writes what a work on documents came to.
    ///
    /// # Errors
    /// Where the store fails.
    pub fn keep_documents(&mut self, keep: &[Keep]) -> Result<(), StorageError> {
        for keep in keep {
            match keep {
                Keep::Document {
                    id,
                    source,
                    heads,
                    through,
                    waits,
                    saved,
                } => self.save_document(id, source.as_ref(), heads, (*through, *waits), saved)?,
                Keep::Forget(id) => self.forget_document(id)?,
                Keep::Waited(id) => {
                    if let Some(ix) = self.document_ix(id)? {
                        self.write("UPDATE shelf_document SET waits = 0 WHERE ix = ?1", (ix,))?;
                    }
                }
                Keep::Rows {
                    writer,
                    through,
                    kept: true,
                    rows,
                    ..
                } => self.take_kept_rows(writer, *through, rows)?,
                Keep::Rows {
                    writer, through, rows, ..
                } => self.merge_rows(writer, *through, rows)?,
                Keep::Acked { neighbour, acked } => self.save_document_acked(neighbour, acked)?,
                Keep::Buckets {
                    writer, bucket, skus, ..
                } => self.save_buckets(writer, *bucket, skus)?,
                Keep::Untouched(mark) => {
                    let own = self.own_replica()?;
                    let sql = "INSERT INTO shelf_mark (writer, position) VALUES (?1, ?2) \
                        ON CONFLICT (writer) DO UPDATE SET position = excluded.position";
                    self.write(sql, (own.0, mark))?;
                }
            }
        }
        Ok(())
    }

    fn save_document(
        &mut self,
        id: &DocumentId,
        source: Option<&Neighbour>,
        heads: &Heads,
        (through, waits): (u64, bool),
        saved: &Saved,
    ) -> Result<(), StorageError> {
        let ix = match self.document_ix(id)? {
            Some(ix) => {
                let sql = "UPDATE shelf_document SET heads = ?2, through = ?3, waits = ?4 WHERE ix = ?1";
                self.write(sql, (ix, heads.to_bytes().concat(), row_count(through), waits))?;
                ix
            }
            None => {
                let writer = self.known_replica(&id.writer)?;
                let sql = "INSERT INTO shelf_document \
                    (site, writer, bucket, generation, source, heads, through, waits, whole) \
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, x'')";
                self.write(
                    sql,
                    (
                        id.site.as_str(),
                        writer.0,
                        id.bucket,
                        id.generation,
                        source.map(name),
                        heads.to_bytes().concat(),
                        row_count(through),
                        waits,
                    ),
                )?;
                self.inserted()
            }
        };
        match saved {
            Saved::Whole(bytes) => {
                self.write("UPDATE shelf_document SET whole = ?2 WHERE ix = ?1", (ix, bytes))?;
                self.write("DELETE FROM shelf_document_piece WHERE document = ?1", (ix,))?;
            }
            Saved::Added(bytes) => {
                let sql = "INSERT INTO shelf_document_piece (document, number, added) \
                    SELECT ?1, coalesce(max(number), 0) + 1, ?2 FROM shelf_document_piece WHERE document = ?1";
                self.write(sql, (ix, bytes))?;
            }
        }
        Ok(())
    }

    fn forget_document(&mut self, id: &DocumentId) -> Result<(), StorageError> {
        if let Some(ix) = self.document_ix(id)? {
            self.write("DELETE FROM shelf_document_piece WHERE document = ?1", (ix,))?;
            self.write("DELETE FROM shelf_document_acked WHERE document = ?1", (ix,))?;
            self.write("DELETE FROM shelf_document WHERE ix = ?1", (ix,))?;
        }
        Ok(())
    }

    /// Merges what a document says of its writer's rows. A kiosk's rows are folded from its journal, which is ahead of its
    /// documents; where some of that journal was lost here, the document gives back what was in it.
    fn merge_rows(&mut self, writer: &ReplicaId, through: u64, rows: &[(Sku, Row)]) -> Result<(), StorageError> {
        if self.retired(writer)?.is_some() || *writer == Archive::own_replica(&**self)? {
            return Ok(());
        }
        // Of an earlier life of this node only what this disk has lost of it: the rest follows from the journal here.
        if writer.node == self.known_identity()?.node
            && let Some(life) = self.incarnation(writer.incarnation)?
            && through <= life.head.seq
        {
            return Ok(());
        }
        let replica: ReplicaIx = self.known_replica(writer)?;
        let folded = self.relay_origin(&writer.node, writer.incarnation)?.is_some();
        for (sku, row) in rows {
            if folded {
                let seq = self.kiosk_row_seq(Place::Sellable, sku, replica)?;
                let known = self.shelf_row(Rows::Now, Place::Sellable, sku, replica)?;
                if through >= seq && known.as_ref() != Some(row) {
                    self.put_kiosk_row((Place::Sellable, sku, replica), row, through)?;
                }
                continue;
            }
            let known = self.shelf_row(Rows::Now, Place::Sellable, sku, replica)?;
            let mut merged = known.clone().unwrap_or_default();
            merged.merge(row);
            if known.as_ref() != Some(&merged) {
                // Its journal may come yet, and begin before what the document contains: a kiosk's at a promoted standby.
                let contains = if merged == *row { through } else { 0 };
                self.put_kiosk_row((Place::Sellable, sku, replica), &merged, contains)?;
            }
        }
        Ok(())
    }

    /// Rows of a retired replica, as its parent writes them: they take the place of what the replica itself had said.
    fn take_kept_rows(&mut self, writer: &ReplicaId, through: u64, rows: &[(Sku, Row)]) -> Result<(), StorageError> {
        let replica = self.known_replica(writer)?;
        if self.retired(writer)?.is_some_and(|retired| retired.position.is_some()) {
            // This node writes them itself.
            return Ok(());
        }
        self.put_retired(replica, through, None)?;
        for (sku, row) in rows {
            let mut row = row.clone();
            if self.is_closed(Place::Sellable, sku, replica)?
                && let Some(known) = self.shelf_row(Rows::Now, Place::Sellable, sku, replica)?
            {
                row.merge(&known);
            }
            self.put_closed_row((Place::Sellable, sku, replica), &row)?;
        }
        Ok(())
    }

    fn save_document_acked(
        &mut self,
        neighbour: &Neighbour,
        acked: &[(DocumentId, Heads)],
    ) -> Result<(), StorageError> {
        for (id, heads) in acked {
            // One that is not here any more needs no cursor.
            if let Some(ix) = self.document_ix(id)? {
                let sql = "INSERT INTO shelf_document_acked (document, neighbour, heads) VALUES (?1, ?2, ?3) \
                    ON CONFLICT (document, neighbour) DO UPDATE SET heads = excluded.heads";
                self.write(sql, (ix, name(neighbour), heads.to_bytes().concat()))?;
            }
        }
        Ok(())
    }

    fn save_buckets(&mut self, writer: &ReplicaId, bucket: u32, skus: &[Sku]) -> Result<(), StorageError> {
        let own = self.known_replica(writer)?;
        for sku in skus {
            let sql = "INSERT INTO shelf_bucket (writer, sku, bucket) VALUES (?1, ?2, ?3) \
                ON CONFLICT (writer, sku) DO UPDATE SET bucket = excluded.bucket";
            self.write(sql, (own.0, sku.as_str(), bucket))?;
        }
        Ok(())
    }
}

/// A neighbour as rows name it.
fn name(neighbour: &Neighbour) -> &str {
    match neighbour {
        Neighbour::Parent => "",
        Neighbour::Child(node) => node.as_str(),
    }
}

/// A row of [`KEPT`].
fn kept(row: &SqlRow<'_>) -> rusqlite::Result<Kept> {
    let short = |column: usize| u32::try_from(count(row.get(column)?)).map_err(|error| unreadable(column, error));
    Ok(Kept {
        id: DocumentId {
            site: parsed(row, 0)?,
            writer: ReplicaId {
                node: parsed(row, 1)?,
                incarnation: Incarnation {
                    counter: row.get(2)?,
                    random: unsigned(row.get(3)?),
                },
            },
            bucket: short(4)?,
            generation: short(5)?,
        },
        source: source(row, 6)?,
        heads: heads(row, 7)?,
    })
}

fn source(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Option<Neighbour>> {
    match row.get_ref(column)?.as_str_or_null()? {
        None => Ok(None),
        Some("") => Ok(Some(Neighbour::Parent)),
        Some(_) => parsed(row, column).map(|node| Some(Neighbour::Child(node))),
    }
}

fn heads(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Heads> {
    let (whole, rest) = row.get_ref(column)?.as_blob()?.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(unreadable(column, "heads have 32 bytes each"));
    }
    Ok(whole.iter().copied().collect())
}
