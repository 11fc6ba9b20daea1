//! A disk in memory, and a world of replicas whose links lose, repeat and reorder what goes over them.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;

use super::*;
use crate::domain::escrow::{Amount, ReplicaId, Row};
use crate::domain::ids::{Incarnation, NodeId, SiteId, Sku};
use crate::sync::shelves::{Document, DocumentId, Heads};
use crate::sync::wire::{Down, ShelfMessage, Up};

pub(super) fn replica(node: &str, counter: u32) -> ReplicaId {
    let random = node.bytes().fold(u64::from(counter), |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    ReplicaId {
        node: node.parse().unwrap(),
        incarnation: Incarnation { counter, random },
    }
}

pub(super) fn sku(n: usize) -> Sku {
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
pub(super) struct Disk {
    pub(super) replica: ReplicaId,
    documents: BTreeMap<DocumentId, Stored>,
    acked: BTreeMap<Neighbour, BTreeMap<DocumentId, Heads>>,
    buckets: BTreeMap<(SiteId, Sku), u32>,
    pub(super) rows: BTreeMap<(SiteId, Sku), Row>,
    touched: BTreeMap<(SiteId, Sku), i64>,
    mark: i64,
    pub(super) journal: u64,
    /// How far the journals of others are here.
    pub(super) journals: BTreeMap<ReplicaId, u64>,
    pub(super) others: BTreeMap<(SiteId, ReplicaId, Sku), Row>,
}

impl Disk {
    pub(super) fn new(replica: ReplicaId) -> Self {
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
    pub(super) fn trade(&mut self, site: &SiteId, sku: &Sku, n: u64) {
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
    pub(super) fn reincarnate(&mut self) {
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
    pub(super) fn view(&self, site: &SiteId) -> BTreeMap<(ReplicaId, Sku), Row> {
        let others = self.others.iter().filter(|((of, ..), _)| of == site);
        let others = others.map(|((_, replica, sku), row)| ((replica.clone(), sku.clone()), row.clone()));
        let own = self.rows.iter().filter(|((of, _), _)| of == site);
        let own = own.map(|((_, sku), row)| ((self.replica.clone(), sku.clone()), row.clone()));
        others.chain(own).collect()
    }

    pub(super) fn documents(&self) -> usize {
        self.documents.len()
    }

    pub(super) fn generation_max(&self) -> u32 {
        self.documents.keys().map(|id| id.generation).max().unwrap_or_default()
    }

    /// Writes what a work came to, all of it or nothing.
    pub(super) fn commit(&mut self, keep: Vec<Keep>) {
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
                Keep::Buckets { site, bucket, skus } => {
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
        })
    }

    fn bucket(&self, site: &SiteId, sku: &Sku) -> Result<Option<u32>, Infallible> {
        Ok(self.buckets.get(&(site.clone(), sku.clone())).copied())
    }
}

/// A message on its way.
#[derive(Debug, Clone)]
pub(super) struct OnItsWay {
    pub(super) from: usize,
    pub(super) to: usize,
    session: u64,
    pub(super) message: ShelfMessage,
}

/// A replica that runs.
pub(super) struct Member {
    pub(super) disk: Disk,
    carrier: Carrier,
    works: VecDeque<Work>,
    parent: Option<usize>,
    site: SiteId,
    pub(super) reports: Vec<String>,
}

/// Replicas in a tree. The first is the root.
pub(super) struct World {
    pub(super) members: Vec<Member>,
    pub(super) wire: Vec<OnItsWay>,
    pub(super) bytes: usize,
    now_ms: u64,
    sessions: u64,
    /// By child, the session of the link to its parent while it stands.
    links: BTreeMap<usize, u64>,
}

impl World {
    /// By replica its node, its site and its parent.
    pub(super) fn new(members: &[(&str, &str, Option<usize>)]) -> Self {
        let member = |(node, site, parent): &(&str, &str, Option<usize>)| Member {
            disk: Disk::new(replica(node, 1)),
            carrier: Carrier::new(CarrierLimits::default()),
            works: VecDeque::new(),
            parent: *parent,
            site: site.parse().unwrap(),
            reports: Vec::new(),
        };
        Self {
            members: members.iter().map(member).collect(),
            wire: Vec::new(),
            bytes: 0,
            now_ms: 0,
            sessions: 0,
            links: BTreeMap::new(),
        }
    }

    /// Cuts a child's link; what is on its way is lost.
    pub(super) fn cut(&mut self, child: usize) {
        let Some(parent) = self.members[child].parent else {
            return;
        };
        if let Some(session) = self.links.remove(&child) {
            let node = self.node(child);
            self.tell(
                parent,
                Input::Closed {
                    neighbour: Neighbour::Child(node),
                    session,
                },
            );
            self.tell(
                child,
                Input::Closed {
                    neighbour: Neighbour::Parent,
                    session,
                },
            );
            self.wire
                .retain(|way| (way.from, way.to) != (parent, child) && (way.from, way.to) != (child, parent));
        }
    }

    pub(super) fn mend(&mut self, child: usize) {
        let Some(parent) = self.members[child].parent else {
            return;
        };
        if self.links.contains_key(&child) {
            return;
        }
        self.sessions += 1;
        let session = self.sessions;
        self.links.insert(child, session);
        let link = Link::Child(Child {
            site: self.members[child].site.clone(),
            replica: self.members[child].disk.replica.clone(),
        });
        self.tell(parent, Input::Opened { link, session });
        self.tell(
            child,
            Input::Opened {
                link: Link::Parent,
                session,
            },
        );
    }

    fn node(&self, of: usize) -> NodeId {
        self.members[of].disk.replica.node.clone()
    }

    /// The process ends and starts again; with what it had on disk, or an earlier state of it.
    pub(super) fn restart(&mut self, of: usize, disk: Option<Disk>) {
        for child in 0..self.members.len() {
            if child == of || self.members[child].parent == Some(of) {
                self.cut(child);
            }
        }
        let member = &mut self.members[of];
        member.carrier = Carrier::new(CarrierLimits::default());
        member.works.clear();
        if let Some(disk) = disk {
            member.disk = disk;
        }
    }

    pub(super) fn trade(&mut self, of: usize, sku: &Sku, n: u64) {
        let site = self.members[of].site.clone();
        self.trade_at(of, &site, sku, n);
    }

    pub(super) fn trade_at(&mut self, of: usize, site: &SiteId, sku: &Sku, n: u64) {
        self.members[of].disk.trade(site, sku, n);
        self.tell(of, Input::Touched);
    }

    /// The journals of everybody below arrive at their parents, and above.
    pub(super) fn journals(&mut self, of: usize) {
        let mut known = self.members[of].disk.journals.clone();
        known.insert(self.members[of].disk.replica.clone(), self.members[of].disk.journal);
        if let Some(parent) = self.members[of].parent {
            for (replica, seq) in known {
                let known = self.members[parent].disk.journals.entry(replica).or_default();
                *known = seq.max(*known);
            }
            self.tell(parent, Input::JournalsGrew);
        }
    }

    pub(super) fn tell(&mut self, of: usize, input: Input) {
        self.members[of].carrier.handle(self.now_ms, input);
        while let Some(output) = self.members[of].carrier.poll() {
            match output {
                Output::Work(work) => self.members[of].works.push_back(work),
                Output::Report { reason, .. } => self.members[of].reports.push(reason),
                Output::Refused { sku, reason } => self.members[of].reports.push(format!("{sku}: {reason}")),
                Output::Send { to, session, message } => self.send(of, &to, session, message),
            }
        }
    }

    fn send(&mut self, from: usize, to: &Neighbour, session: u64, message: ShelfMessage) {
        let (to, bytes) = match to {
            Neighbour::Parent => {
                let message = message.clone();
                let up = Up::Shelves { session, message };
                (self.members[from].parent.unwrap(), up.encode().len())
            }
            Neighbour::Child(node) => {
                let message = message.clone();
                let down = Down::Shelves { session, message };
                let child = (0..self.members.len()).find(|of| self.node(*of) == *node).unwrap();
                (child, down.encode().len())
            }
        };
        assert!(bytes <= 64 << 10, "a message of {bytes} bytes");
        self.bytes += bytes;
        self.wire.push(OnItsWay {
            from,
            to,
            session,
            message,
        });
    }

    /// Delivers one message.
    pub(super) fn deliver(&mut self, at: usize) {
        let OnItsWay {
            from,
            to,
            session,
            message,
        } = self.wire.remove(at);
        let from = if self.members[to].parent == Some(from) {
            Neighbour::Parent
        } else {
            Neighbour::Child(self.node(from))
        };
        self.tell(to, Input::Received { from, session, message });
    }

    /// Does the next work of a replica. `committed` and `told` say how far it comes before the process ends.
    pub(super) fn work(&mut self, of: usize, committed: bool, told: bool) -> bool {
        let Some(work) = self.members[of].works.pop_front() else {
            return false;
        };
        let done = perform(&self.members[of].disk, work).unwrap();
        if committed {
            self.members[of].disk.commit(done.keep);
        }
        if committed && told {
            self.tell(of, Input::Done(done.done));
        }
        true
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        for of in 0..self.members.len() {
            self.tell(of, Input::Timeout);
        }
    }

    /// Delivers and works until nobody has anything to say. Time goes on only where somebody waits for it.
    pub(super) fn settle(&mut self) {
        for _ in 0..200_000 {
            let worked = (0..self.members.len()).any(|of| self.work(of, true, true));
            if worked {
                continue;
            }
            if !self.wire.is_empty() {
                self.deliver(0);
                continue;
            }
            let deadlines = self.members.iter().filter_map(|member| member.carrier.deadline_ms());
            match deadlines.min() {
                None => return,
                Some(due_ms) => self.pass(due_ms.saturating_sub(self.now_ms).max(1)),
            }
        }
        panic!("they talk without end: {:?}", self.wire.first());
    }

    /// What it costs on all links, in both directions, until everybody knows of some work of a replica.
    pub(super) fn cost(&mut self, of: usize, work: impl FnOnce(&mut Self)) -> usize {
        let before = self.bytes;
        work(self);
        self.journals(of);
        self.settle();
        self.bytes - before
    }

    /// What everybody who has a site's documents knows of it is the same.
    pub(super) fn check(&self, site: &str) {
        let site: SiteId = site.parse().unwrap();
        let mut views = self
            .members
            .iter()
            .filter(|member| member.parent.is_none() || member.site == site);
        let first = views.next().unwrap().disk.view(&site);
        for member in views {
            let view = member.disk.view(&site);
            for (key, row) in &first {
                assert_eq!(Some(row), view.get(key), "{key:?} at {}", member.disk.replica);
            }
            assert_eq!(view.len(), first.len(), "{}", member.disk.replica);
        }
    }
}
