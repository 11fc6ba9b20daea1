//! Replicas in a tree, and links that a test can cut.

use std::collections::{BTreeMap, VecDeque};

use super::disk::{Disk, replica};
use crate::domain::ids::{NodeId, SiteId, Sku};
use crate::sync::carriage::{Carrier, CarrierLimits, Child, Input, Link, Neighbour, Output, Work, perform};
use crate::sync::wire::{Down, ShelfMessage, Up};

/// A message on its way.
#[derive(Debug, Clone)]
pub(in crate::sync::carriage) struct OnItsWay {
    pub(in crate::sync::carriage) from: usize,
    pub(in crate::sync::carriage) to: usize,
    session: u64,
    pub(in crate::sync::carriage) message: ShelfMessage,
}

/// A replica that runs.
pub(in crate::sync::carriage) struct Member {
    pub(in crate::sync::carriage) disk: Disk,
    carrier: Carrier,
    works: VecDeque<Work>,
    parent: Option<usize>,
    site: SiteId,
    pub(in crate::sync::carriage) reports: Vec<String>,
}

/// Replicas in a tree. The first is the root.
pub(in crate::sync::carriage) struct World {
    pub(in crate::sync::carriage) members: Vec<Member>,
    pub(in crate::sync::carriage) wire: Vec<OnItsWay>,
    pub(in crate::sync::carriage) bytes: usize,
    now_ms: u64,
    sessions: u64,
    /// By child, the session of the link to its parent while it stands.
    links: BTreeMap<usize, u64>,
}

impl World {
    /// By replica its node, its site and its parent.
    pub(in crate::sync::carriage) fn new(members: &[(&str, &str, Option<usize>)]) -> Self {
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
    pub(in crate::sync::carriage) fn cut(&mut self, child: usize) {
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

    pub(in crate::sync::carriage) fn mend(&mut self, child: usize) {
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
    pub(in crate::sync::carriage) fn restart(&mut self, of: usize, disk: Option<Disk>) {
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

    pub(in crate::sync::carriage) fn trade(&mut self, of: usize, sku: &Sku, n: u64) {
        let site = self.members[of].site.clone();
        self.trade_at(of, &site, sku, n);
    }

    pub(in crate::sync::carriage) fn trade_at(&mut self, of: usize, site: &SiteId, sku: &Sku, n: u64) {
        self.members[of].disk.trade(site, sku, n);
        self.tell(of, Input::Touched);
    }

    /// The journals of everybody below arrive at their parents, and above.
    pub(in crate::sync::carriage) fn journals(&mut self, of: usize) {
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

    pub(in crate::sync::carriage) fn tell(&mut self, of: usize, input: Input) {
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
    pub(in crate::sync::carriage) fn deliver(&mut self, at: usize) {
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
    pub(in crate::sync::carriage) fn work(&mut self, of: usize, committed: bool, told: bool) -> bool {
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

    pub(in crate::sync::carriage) fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        for of in 0..self.members.len() {
            self.tell(of, Input::Timeout);
        }
    }

    /// Delivers and works until nobody has anything to say. Time goes on only where somebody waits for it.
    pub(in crate::sync::carriage) fn settle(&mut self) {
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
    pub(in crate::sync::carriage) fn cost(&mut self, of: usize, work: impl FnOnce(&mut Self)) -> usize {
        let before = self.bytes;
        work(self);
        self.journals(of);
        self.settle();
        self.bytes - before
    }

    /// What everybody who has a site's documents knows of it is the same.
    pub(in crate::sync::carriage) fn check(&self, site: &str) {
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
