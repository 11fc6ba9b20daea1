//! A disk in memory.

use std::collections::BTreeMap;
use std::convert::Infallible;

use crate::domain::escrow::{Amount, ReplicaId, Row};
use crate::domain::ids::{Incarnation, SiteId, Sku};
use crate::sync::carriage::{Archive, Keep, Kept, Link, Loaded, Neighbour, Saved, Touched};
use crate::sync::shelves::{Document, DocumentId, Heads};

pub(in crate::sync::carriage) fn replica(node: &str, counter: u32) -> ReplicaId {
    let random = node.bytes().fold(u64::from(counter), |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    ReplicaId {
        node: node.parse().unwrap(),
        incarnation: Incarnation { counter, random },
    }
}

pub(in crate::sync::carriage) fn sku(n: usize) -> Sku {
    format!("{}", 800_000 + n * 37).parse().unwrap()
}

#[derive(Debug, Clone)]
struct Stored {
    source: Option<Neighbour>,
    heads: Heads,
    through: u64,
    waits: bool,
    whole: Vec<u8>,
    added: Vec<Vec<u8>>,
}

/// What a replica has on disk.
#[derive(Debug, Clone)]
pub(in crate::sync::carriage) struct Disk {
    pub(in crate::sync::carriage) replica: ReplicaId,
    documents: BTreeMap<DocumentId, Stored>,
    acked: BTreeMap<Neighbour, BTreeMap<DocumentId, Heads>>,
    buckets: BTreeMap<(SiteId, Sku), u32>,
    pub(in crate::sync::carriage) rows: BTreeMap<(SiteId, Sku), Row>,
    touched: BTreeMap<(SiteId, Sku), i64>,
    mark: i64,
    pub(in crate::sync::carriage) journal: u64,
    /// How far the journals of others are here.
    pub(in crate::sync::carriage) journals: BTreeMap<ReplicaId, u64>,
    pub(in crate::sync::carriage) others: BTreeMap<(SiteId, ReplicaId, Sku), Row>,
}

impl Disk {
    pub(in crate::sync::carriage) fn new(replica: ReplicaId) -> Self {
        Self {
            replica,
            documents: BTreeMap::new(),
            acked: BTreeMap::new(),
            buckets: BTreeMap::new(),
            rows: BTreeMap::new(),
            touched: BTreeMap::new(),
            mark: 0,
            journal: 0,
            journals: BTreeMap::new(),
            others: BTreeMap::new(),
        }
    }

    /// A fact: `n` more came in and as many went out.
    pub(in crate::sync::carriage) fn trade(&mut self, site: &SiteId, sku: &Sku, n: u64) {
        let key = (site.clone(), sku.clone());
        let row = self.rows.entry(key.clone()).or_default();
        let amount = Amount::new(1_000 * n).unwrap();
        row.add(amount).unwrap();
        row.take(amount).unwrap();
        self.journal += 1;
        self.mark += 1;
        self.touched.insert(key, self.mark);
    }

    /// Begins anew after it was set back: another incarnation, with rows of its own. Of the one before it there is what
    /// was in its documents; they must not be written any more, for they may have gone on elsewhere.
    pub(in crate::sync::carriage) fn reincarnate(&mut self) {
        let counter = self.replica.incarnation.counter + 1;
        let new = replica(self.replica.node.as_str(), counter);
        let old = std::mem::replace(&mut self.replica, new);
        self.rows.clear();
        let of_old: Vec<DocumentId> = self.documents.keys().filter(|id| id.writer == old).cloned().collect();
        for id in of_old {
            let Ok(Some(loaded)) = self.document(&id) else { continue };
            for (sku, row) in loaded.document.rows() {
                let key = (id.site.clone(), old.clone(), sku.clone());
                self.others.entry(key).or_default().merge(row);
            }
        }
        self.buckets.clear();
        self.touched.clear();
        self.journal = 0;
    }

    /// What is known of a site: by replica and item, with its own rows.
    pub(in crate::sync::carriage) fn view(&self, site: &SiteId) -> BTreeMap<(ReplicaId, Sku), Row> {
        let others = self.others.iter().filter(|((of, ..), _)| of == site);
        let others = others.map(|((_, replica, sku), row)| ((replica.clone(), sku.clone()), row.clone()));
        let own = self.rows.iter().filter(|((of, _), _)| of == site);
        let own = own.map(|((_, sku), row)| ((self.replica.clone(), sku.clone()), row.clone()));
        others.chain(own).collect()
    }

    pub(in crate::sync::carriage) fn documents(&self) -> usize {
        self.documents.len()
    }

    pub(in crate::sync::carriage) fn generation_max(&self) -> u32 {
        self.documents.keys().map(|id| id.generation).max().unwrap_or_default()
    }

    /// Writes what a work came to, all of it or nothing.
    pub(in crate::sync::carriage) fn commit(&mut self, keep: Vec<Keep>) {
        for keep in keep {
            match keep {
                Keep::Document {
                    id,
                    source,
                    heads,
                    through,
                    waits,
                    saved,
                } => {
                    let stored = self.documents.entry(id).or_insert(Stored {
                        source: source.clone(),
                        heads: Heads::default(),
                        through,
                        waits,
                        whole: Vec::new(),
                        added: Vec::new(),
                    });
                    (stored.heads, stored.through, stored.waits) = (heads, through, waits);
                    match saved {
                        Saved::Whole(bytes) => (stored.whole, stored.added) = (bytes, Vec::new()),
                        Saved::Added(bytes) => stored.added.push(bytes),
                    }
                }
                Keep::Forget(id) => {
                    self.documents.remove(&id);
                    self.acked.values_mut().for_each(|acked| {
                        acked.remove(&id);
                    });
                }
                Keep::Waited(id) => self.documents.get_mut(&id).unwrap().waits = false,
                Keep::Rows {
                    site,
                    writer,
                    through,
                    kept: _,
                    rows,
                } => {
                    let journal = self.journals.get(&writer).copied().unwrap_or_default();
                    assert!(
                        through <= journal || !self.journals.contains_key(&writer),
                        "rows through {through} with the journal up to {journal}"
                    );
                    for (sku, row) in rows {
                        let key = (site.clone(), writer.clone(), sku);
                        self.others.entry(key).or_default().merge(&row);
                    }
                }
                Keep::Acked { neighbour, acked } => {
                    self.acked.entry(neighbour).or_default().extend(acked);
                }
                Keep::Buckets { site, bucket, skus, .. } => {
                    self.buckets
                        .extend(skus.into_iter().map(|sku| ((site.clone(), sku), bucket)));
                }
                Keep::Untouched(mark) => self.touched.retain(|_, touched| *touched > mark),
            }
        }
    }
}

impl Archive for Disk {
    type Error = Infallible;

    fn own_replica(&self) -> Result<ReplicaId, Infallible> {
        Ok(self.replica.clone())
    }

    fn document(&self, id: &DocumentId) -> Result<Option<Loaded>, Infallible> {
        Ok(self.documents.get(id).map(|stored| {
            let added = stored.added.concat();
            let bytes = [stored.whole.as_slice(), &added].concat();
            let mut document = Document::load(id.clone(), &bytes).unwrap();
            assert_eq!(document.heads(), stored.heads);
            assert_eq!(document.through(), stored.through);
            Loaded {
                document,
                source: stored.source.clone(),
                waits: stored.waits,
                whole_bytes: stored.whole.len(),
                added_bytes: added.len(),
                pieces: stored.added.len(),
            }
        }))
    }

    fn documents(&self, site: Option<&SiteId>) -> Result<Vec<Kept>, Infallible> {
        let of_site = self
            .documents
            .iter()
            .filter(|(id, _)| site.is_none_or(|site| id.site == *site));
        let kept = of_site.map(|(id, stored)| Kept {
            id: id.clone(),
            source: stored.source.clone(),
            heads: stored.heads.clone(),
        });
        Ok(kept.collect())
    }

    fn generations(&self, id: &DocumentId) -> Result<Vec<u32>, Infallible> {
        let same =
            |other: &&DocumentId| (&other.site, &other.writer, other.bucket) == (&id.site, &id.writer, id.bucket);
        Ok(self.documents.keys().filter(same).map(|id| id.generation).collect())
    }

    fn waiting(&self) -> Result<Vec<DocumentId>, Infallible> {
        let waiting = self.documents.iter().filter(|(_, stored)| stored.waits);
        Ok(waiting.map(|(id, _)| id.clone()).collect())
    }

    fn acked(&self, neighbour: &Neighbour) -> Result<Vec<(DocumentId, Heads)>, Infallible> {
        let acked = self.acked.get(neighbour).into_iter().flatten();
        Ok(acked.map(|(id, heads)| (id.clone(), heads.clone())).collect())
    }

    fn journal_of(&self, source: &Neighbour, writer: &ReplicaId) -> Result<Option<u64>, Infallible> {
        let waits = *source != Neighbour::Parent && writer.node != self.replica.node;
        Ok(waits.then(|| self.journals.get(writer).copied().unwrap_or_default()))
    }

    fn unwelcome(&self, _: &Link, _: &DocumentId) -> Result<Option<String>, Infallible> {
        Ok(None)
    }

    fn touched(&self) -> Result<Touched, Infallible> {
        let rows = self
            .touched
            .keys()
            .map(|key| (key.0.clone(), key.1.clone(), self.rows[key].clone()));
        Ok(Touched {
            mark: self.mark,
            through: self.journal,
            rows: rows.collect(),
            kept: Vec::new(),
        })
    }

    fn bucket(&self, _: &ReplicaId, site: &SiteId, sku: &Sku) -> Result<Option<u32>, Infallible> {
        Ok(self.buckets.get(&(site.clone(), sku.clone())).copied())
    }

    fn is_retired(&self, _: &ReplicaId) -> Result<bool, Infallible> {
        Ok(false)
    }
}
