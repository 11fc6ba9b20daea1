//! The documents of a market: written at sync points by each replica, sent over links in parcels as the product packs
//! them. Offers and answers between neighbours are not played, as nobody else's are.

use std::collections::{BTreeMap, BTreeSet};

use finalmarket::domain::escrow::{ReplicaId, Row};
use finalmarket::sync::rights::ShelfKey;
use finalmarket::sync::shelves::{Document, DocumentId, Heads, Parcel, SKUS_MAX};

use crate::Outcome;
use crate::market::parent;

/// A document, with what each replica has of it.
struct Paper {
    document: Document,
    heads: Heads,
    /// Its changes in their order, since this generation began.
    changes: Vec<Vec<u8>>,
    /// By replica how many of them it has.
    had: Vec<usize>,
}

/// All documents of a site.
pub struct Papers {
    ids: Vec<ReplicaId>,
    keys: Vec<ShelfKey>,
    /// By writer: in which of its documents an item is, and the documents.
    buckets: Vec<BTreeMap<usize, usize>>,
    papers: Vec<Vec<Paper>>,
    touched: Vec<BTreeSet<usize>>,
    written: u64,
    /// What went over links.
    pub bytes: u64,
    /// What headquarters makes of it: by writer and bucket.
    read: BTreeMap<(usize, usize), Document>,
}

impl Papers {
    pub fn new(ids: Vec<ReplicaId>, keys: &[ShelfKey]) -> Self {
        let replicas = ids.len();
        Self {
            ids,
            keys: keys.to_vec(),
            buckets: vec![BTreeMap::new(); replicas],
            papers: (0..replicas).map(|_| Vec::new()).collect(),
            touched: vec![BTreeSet::new(); replicas],
            written: 0,
            bytes: 0,
            read: BTreeMap::new(),
        }
    }

    /// A row has changed.
    pub fn touch(&mut self, writer: usize, item: usize) {
        self.touched[writer].insert(item);
    }

    /// Puts what was touched into the writer's documents, new items into the last one.
    pub fn write(&mut self, writer: usize, rows: &[Row]) -> Outcome<()> {
        let mut by_bucket: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for item in std::mem::take(&mut self.touched[writer]) {
            let next = self.buckets[writer].len() / SKUS_MAX;
            let bucket = *self.buckets[writer].entry(item).or_insert(next);
            by_bucket.entry(bucket).or_default().push(item);
        }
        for (bucket, items) in by_bucket {
            if bucket == self.papers[writer].len() {
                let paper = Paper::of(Document::create(self.id(writer, bucket)?)?, self.ids.len(), writer);
                self.papers[writer].push(paper);
            }
            self.written += 1;
            let rows = items.iter().map(|item| (&self.keys[*item].sku, &rows[*item]));
            let paper = &mut self.papers[writer][bucket];
            paper.document.write(rows, self.written)?;
            if let Some(rolled) = paper.document.rolled()? {
                *paper = Paper::of(rolled, self.ids.len(), writer);
            } else {
                paper.take_changes(writer);
            }
        }
        Ok(())
    }

    fn id(&self, writer: usize, bucket: usize) -> Outcome<DocumentId> {
        Ok(DocumentId {
            site: self.keys.first().ok_or("no items")?.site.clone(),
            writer: self.ids[writer].clone(),
            bucket: u32::try_from(bucket)?,
            generation: 0,
        })
    }

    /// Sends what `at` has and a neighbour has not, and on from there.
    pub fn spread(&mut self, at: usize, links_up: &[bool]) -> Outcome<()> {
        let mut todo = vec![at];
        while let Some(at) = todo.pop() {
            let neighbours =
                (0..self.ids.len()).filter(|other| parent(*other) == Some(at) || parent(at) == Some(*other));
            for other in neighbours {
                if links_up[at.max(other)] && self.send(at, other)? {
                    todo.push(other);
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, from: usize, to: usize) -> Outcome<bool> {
        let mut sent = false;
        for writer in 0..self.ids.len() {
            let mut documents = Vec::new();
            for (bucket, paper) in self.papers[writer].iter_mut().enumerate() {
                if paper.had[to] < paper.had[from] {
                    let changes = paper.changes[paper.had[to]..paper.had[from]].to_vec();
                    documents.push((u32::try_from(bucket)?, paper.document.id().generation, changes));
                    paper.had[to] = paper.had[from];
                }
            }
            if documents.is_empty() {
                continue;
            }
            sent = true;
            let parcel = Parcel {
                site: self.keys.first().ok_or("no items")?.site.clone(),
                writer: self.ids[writer].clone(),
                documents,
            };
            self.bytes += parcel.seal()?.len() as u64;
            if to == 0 {
                self.read_at_headquarters(writer, &parcel)?;
            }
        }
        Ok(sent)
    }

    /// Each reader does the same; one is enough to see that it can.
    fn read_at_headquarters(&mut self, writer: usize, parcel: &Parcel) -> Outcome<()> {
        for (bucket, generation, changes) in &parcel.documents {
            let id = parcel.id(*bucket, *generation);
            let there = self.read.entry((writer, *bucket as usize));
            let document = there.or_insert_with(|| Document::unheard(id.clone()));
            if document.id().generation < *generation {
                *document = Document::unheard(id);
            }
            document.apply(changes)?;
        }
        Ok(())
    }

    /// All documents that headquarters has, its own with them, saved: to be loaded by another process.
    pub fn saved(&mut self) -> Vec<(DocumentId, Vec<u8>)> {
        let own = self.papers[0].iter_mut().map(|paper| &mut paper.document);
        let all = own.chain(self.read.values_mut());
        all.map(|document| (document.id().clone(), document.save())).collect()
    }
}

impl Paper {
    fn of(document: Document, replicas: usize, writer: usize) -> Self {
        let mut paper = Self {
            document,
            heads: Heads::default(),
            changes: Vec::new(),
            had: vec![0; replicas],
        };
        paper.take_changes(writer);
        paper
    }

    fn take_changes(&mut self, writer: usize) {
        self.changes.extend(self.document.changes_since(&self.heads));
        self.heads = self.document.heads();
        self.had[writer] = self.changes.len();
    }
}
