//! Documents of shelves, what nodes have of them, and the answers that their carriage asks for.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, Row as SqlRow};

use super::registers::replica;
use super::value::{damaged, number, parsed, parsed_if_any, unsigned};
use super::{Reading, StorageError, Writing};
use crate::domain::escrow::ReplicaId;
use crate::domain::ids::{NodeId, SiteId, Sku};
use crate::sync::carriage::{Archive, Keep, Kept, KeptRows, Link, Loaded, Neighbour, Saved, Touched};
use crate::sync::shelves::{Document, DocumentId, Heads};

const KEPT: &str = "document.id, document.site, replica.node, replica.counter, replica.random, document.bucket, \
    document.generation, document.source, document.heads \
    FROM shelf_document document JOIN replica ON replica.id = document.writer";

impl Archive for Reading<'_> {
    type Error = StorageError;

    fn own_replica(&self) -> Result<ReplicaId, StorageError> {
        let identity = self.identity()?;
        let identity = identity.ok_or_else(|| StorageError::Damaged("headquarters has no name".into()))?;
        Ok(ReplicaId {
            node: identity.node,
            incarnation: identity.incarnation,
        })
    }

    fn document(&self, id: &DocumentId) -> Result<Option<Loaded>, StorageError> {
        let Some((key, source)) = self.document_key(id)? else {
            return Ok(None);
        };
        let mut statement = self
            .connection
            .prepare_cached("SELECT whole, waits FROM shelf_document WHERE id = ?1")?;
        let (mut bytes, waits): (Vec<u8>, bool) = statement.query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut statement = self
            .connection
            .prepare_cached("SELECT added FROM shelf_document_piece WHERE document = ?1 ORDER BY number")?;
        let whole_bytes = bytes.len();
        let mut pieces = 0;
        let mut rows = statement.query([key])?;
        while let Some(row) = rows.next()? {
            bytes.extend_from_slice(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?);
            pieces += 1;
        }
        let document = Document::load(id.clone(), &bytes)
            .map_err(|error| StorageError::Damaged(format!("a document of {}: {error}", id.writer)))?;
        Ok(Some(Loaded {
            document,
            source,
            waits,
            whole_bytes,
            added_bytes: bytes.len() - whole_bytes,
            pieces,
        }))
    }

    fn documents(&self, site: Option<&SiteId>) -> Result<Vec<Kept>, StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {KEPT} WHERE ?1 = '' OR document.site = ?1 ORDER BY document.id"
        ))?;
        let found = statement.query_map([site.map_or("", SiteId::as_str)], kept)?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    fn generations(&self, id: &DocumentId) -> Result<Vec<u32>, StorageError> {
        let Some(writer) = self.replica_ix(&id.writer)? else {
            return Ok(Vec::new());
        };
        let mut statement = self.connection.prepare_cached(
            "SELECT generation FROM shelf_document WHERE site = ?1 AND writer = ?2 AND bucket = ?3 ORDER BY generation",
        )?;
        let found = statement.query_map((id.site.as_str(), writer.0, id.bucket), |row| row.get(0))?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    fn waiting(&self) -> Result<Vec<DocumentId>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {KEPT} WHERE document.waits = 1 ORDER BY document.id"))?;
        let found = statement.query_map([], |row| kept(row).map(|kept| kept.id))?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    fn acked(&self, neighbour: &Neighbour) -> Result<Vec<(DocumentId, Heads)>, StorageError> {
        let Neighbour::Child(node) = neighbour else {
            return Ok(Vec::new());
        };
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {KEPT} JOIN shelf_document_acked acked ON acked.document = document.id AND acked.node = ?1"
        ))?;
        let mut ids: BTreeMap<i64, DocumentId> = BTreeMap::new();
        let found = statement.query_map([node.as_str()], |row| Ok((row.get(0)?, kept(row)?.id)))?;
        for found in found {
            let (key, id) = found?;
            ids.insert(key, id);
        }
        let mut statement = self
            .connection
            .prepare_cached("SELECT document, heads FROM shelf_document_acked WHERE node = ?1")?;
        let found = statement.query_map([node.as_str()], |row| Ok((row.get(0)?, heads(row, 1)?)))?;
        let mut acked = Vec::with_capacity(ids.len());
        for found in found {
            let (key, heads): (i64, Heads) = found?;
            acked.extend(ids.remove(&key).map(|id| (id, heads)));
        }
        Ok(acked)
    }

    fn journal_of(&self, _: &Neighbour, writer: &ReplicaId) -> Result<Option<u64>, StorageError> {
        if writer.node == self.own_replica()?.node {
            return Ok(None);
        }
        let origin = self.origin(&writer.node, writer.incarnation)?;
        Ok(Some(origin.map_or(0, |origin| origin.acked.seq)))
    }

    fn unwelcome(&self, link: &Link, id: &DocumentId) -> Result<Option<String>, StorageError> {
        let Link::Child(child) = link else {
            return Ok(Some("headquarters has no parent".into()));
        };
        if id.site != child.site {
            return Ok(Some(format!(
                "{} is of {} and not of {}",
                child.replica.node, child.site, id.site
            )));
        }
        if id.writer.node == child.replica.node || id.writer.node == self.own_replica()?.node {
            return Ok(None);
        }
        // One that its store relays: headquarters has heard of it, by batches that it signed.
        let origin = self.origin(&id.writer.node, id.writer.incarnation)?;
        let known = origin.is_some_and(|origin| origin.site == id.site);
        Ok((!known).then(|| format!("{} is not known at {}", id.writer, id.site)))
    }

    fn touched(&self) -> Result<Touched, StorageError> {
        let own = self.own_replica()?;
        let origin = self.origin(&own.node, own.incarnation)?;
        let through = origin.map_or(0, |origin| origin.acked.seq);
        let mark = self.mark(&own)?;
        // What headquarters writes for nodes that it has retired is moved by its own records too.
        let mut kept = Vec::new();
        for retired in self.retired_here()? {
            let rows = self.kept_behind(&retired, mark)?;
            kept.push(KeptRows {
                writer: retired.replica,
                through: retired.seq,
                rows,
            });
        }
        Ok(Touched {
            mark: number(through)?,
            through,
            rows: self.own_rows_behind(mark)?,
            kept,
        })
    }

    fn is_retired(&self, writer: &ReplicaId) -> Result<bool, StorageError> {
        Ok(self.retired(writer)?.is_some())
    }

    fn bucket(&self, writer: &ReplicaId, site: &SiteId, sku: &Sku) -> Result<Option<u32>, StorageError> {
        let Some(writer) = self.replica_ix(writer)? else {
            return Ok(None);
        };
        let mut statement = self
            .connection
            .prepare_cached("SELECT bucket FROM shelf_bucket WHERE writer = ?1 AND site = ?2 AND sku = ?3")?;
        let key = (writer.0, site.as_str(), sku.as_str());
        Ok(statement.query_row(key, |row| row.get(0)).optional()?)
    }
}

impl Reading<'_> {
    /// The number of a document in this database, and where it came from.
    fn document_key(&self, id: &DocumentId) -> Result<Option<(i64, Option<Neighbour>)>, StorageError> {
        let Some(writer) = self.replica_ix(&id.writer)? else {
            return Ok(None);
        };
        let mut statement = self.connection.prepare_cached(
            "SELECT id, source FROM shelf_document WHERE site = ?1 AND writer = ?2 AND bucket = ?3 AND generation = ?4",
        )?;
        let key = (id.site.as_str(), writer.0, id.bucket, id.generation);
        Ok(statement
            .query_row(key, |row| Ok((row.get(0)?, source(row, 1)?)))
            .optional()?)
    }
}

impl Writing<'_> {
    /// Writes what a work on documents came to.
    pub(in crate::hq) fn keep_documents(&self, keep: &[Keep]) -> Result<(), StorageError> {
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
                    if let Some((key, _)) = self.document_key(id)? {
                        self.change("UPDATE shelf_document SET waits = 0 WHERE id = ?1", [key])?;
                    }
                }
                Keep::Rows {
                    site,
                    writer,
                    through,
                    kept: true,
                    rows,
                } => self.take_kept_registers(site, writer, *through, rows)?,
                Keep::Rows {
                    site,
                    writer,
                    through,
                    kept: false,
                    rows,
                } => self.merge_registers(site, writer, *through, rows)?,
                Keep::Acked { neighbour, acked } => self.save_acked(neighbour, acked)?,
                Keep::Buckets {
                    writer,
                    site,
                    bucket,
                    skus,
                } => self.save_buckets(writer, site, *bucket, skus)?,
                Keep::Untouched(mark) => self.save_mark(&Archive::own_replica(&**self)?, *mark)?,
            }
        }
        Ok(())
    }

    fn change(&self, sql: &str, values: impl rusqlite::Params) -> Result<(), StorageError> {
        self.connection.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    fn save_document(
        &self,
        id: &DocumentId,
        source: Option<&Neighbour>,
        heads: &Heads,
        (through, waits): (u64, bool),
        saved: &Saved,
    ) -> Result<(), StorageError> {
        let writer = self.known_replica(&id.writer)?;
        let key = match self.document_key(id)? {
            Some((key, _)) => {
                self.change(
                    "UPDATE shelf_document SET heads = ?2, through = ?3, waits = ?4 WHERE id = ?1",
                    (key, heads.to_bytes().concat(), number(through)?, waits),
                )?;
                key
            }
            None => {
                let source = source.and_then(|source| match source {
                    Neighbour::Child(node) => Some(node.as_str()),
                    Neighbour::Parent => None,
                });
                let mut statement = self.connection.prepare_cached(
                    "INSERT INTO shelf_document
                         (id, site, writer, bucket, generation, source, heads, through, waits, whole)
                     VALUES ((SELECT coalesce(max(id), 0) + 1 FROM shelf_document), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, x'')
                     RETURNING id",
                )?;
                statement.query_row(
                    (
                        id.site.as_str(),
                        writer.0,
                        id.bucket,
                        id.generation,
                        source,
                        heads.to_bytes().concat(),
                        number(through)?,
                        waits,
                    ),
                    |row| row.get(0),
                )?
            }
        };
        match saved {
            Saved::Whole(bytes) => {
                self.change("UPDATE shelf_document SET whole = ?2 WHERE id = ?1", (key, bytes))?;
                self.change("DELETE FROM shelf_document_piece WHERE document = ?1", [key])
            }
            Saved::Added(bytes) => self.change(
                "INSERT INTO shelf_document_piece (document, number, added)
                 SELECT ?1, coalesce(max(number), 0) + 1, ?2 FROM shelf_document_piece WHERE document = ?1",
                (key, bytes),
            ),
        }
    }

    fn forget_document(&self, id: &DocumentId) -> Result<(), StorageError> {
        let Some((key, _)) = self.document_key(id)? else {
            return Ok(());
        };
        self.change("DELETE FROM shelf_document_piece WHERE document = ?1", [key])?;
        self.change("DELETE FROM shelf_document_acked WHERE document = ?1", [key])?;
        self.change("DELETE FROM shelf_document WHERE id = ?1", [key])
    }

    fn save_acked(&self, neighbour: &Neighbour, acked: &[(DocumentId, Heads)]) -> Result<(), StorageError> {
        let Neighbour::Child(node) = neighbour else {
            return Ok(());
        };
        for (id, heads) in acked {
            // One that is not here any more needs no cursor.
            if let Some((key, _)) = self.document_key(id)? {
                self.change(
                    "INSERT INTO shelf_document_acked (document, node, heads) VALUES (?1, ?2, ?3)
                     ON CONFLICT (document, node) DO UPDATE SET heads = excluded.heads",
                    (key, node.as_str(), heads.to_bytes().concat()),
                )?;
            }
        }
        Ok(())
    }

    fn save_buckets(&self, writer: &ReplicaId, site: &SiteId, bucket: u32, skus: &[Sku]) -> Result<(), StorageError> {
        let own = self.known_replica(writer)?;
        for sku in skus {
            self.change(
                "INSERT INTO shelf_bucket (writer, site, sku, bucket) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (writer, site, sku) DO UPDATE SET bucket = excluded.bucket",
                (own.0, site.as_str(), sku.as_str(), bucket),
            )?;
        }
        Ok(())
    }
}

/// A row of [`KEPT`].
fn kept(row: &SqlRow<'_>) -> rusqlite::Result<Kept> {
    let short = |column: usize| {
        u32::try_from(unsigned(row, column)?).map_err(|error| damaged(column, rusqlite::types::Type::Integer, &error))
    };
    Ok(Kept {
        id: DocumentId {
            site: parsed(row, 1)?,
            writer: replica(row, 2)?,
            bucket: short(5)?,
            generation: short(6)?,
        },
        source: source(row, 7)?,
        heads: heads(row, 8)?,
    })
}

fn source(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Option<Neighbour>> {
    let node: Option<NodeId> = parsed_if_any(row, column)?;
    Ok(node.map(Neighbour::Child))
}

fn heads(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Heads> {
    let bytes = row.get_ref(column)?.as_blob()?;
    let (whole, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(damaged(column, rusqlite::types::Type::Blob, &"not 32 bytes each"));
    }
    Ok(whole.iter().copied().collect())
}
