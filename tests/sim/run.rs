//! One run: trouble, then peace, then a day without trouble, and what must hold at the end of each.
//!
//! Safety is checked after each step (`checks`). Here is liveness: once nothing fails any more, everybody is online
//! within a bounded time, everything is at headquarters, nothing more is said, and what was said follows from what was
//! new.

use std::collections::BTreeSet;

use finalmarket::domain::ids::{Incarnation, NodeId};
use finalmarket::sync::node::{LinkState, NodeEngine, WakeReason};
use finalmarket::sync::wire::StreamState;

use super::calamities::FEEDS;
use super::events::Event;
use super::hub_disk::Work;
use super::ledger::Place;
use super::options::Options;
use super::planted::Planted;
use super::promise::{Checked, Promise, Violation};
use super::requests::DocId;
use super::world::World;

/// Within so much simulated time everything must be at rest once the trouble is over, and what is pending then must have
/// gone up one by one.
const PEACE_MS_MAX: u64 = 600_000;
/// Bytes that a node may say beyond what its records need: introductions, batches under way when a connection broke.
const BYTES_BASE: u64 = 60_000;
/// Bytes for each record that was not at headquarters when peace began.
const BYTES_PER_RECORD: u64 = 1_600;
/// Bytes that a record made in peace may cost where each travels alone.
const BYTES_PER_RECORD_IN_PEACE: u64 = 900;

/// What a run was like.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Events handled.
    pub steps: u64,
    /// Documents that tills heard "ok" for.
    pub documents: u64,
    /// Records that disks wrote.
    pub records: u64,
}

/// A run that broke a promise.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The promise and how it showed.
    pub violation: Violation,
    /// At which step.
    pub step: u64,
    /// When, in simulated milliseconds.
    pub at_ms: u64,
}

/// Runs a seed. The trace is empty unless asked for.
pub fn run(options: Options, planted: Option<Planted>, trace: bool) -> (Result<Summary, Failure>, Vec<String>) {
    let mut world = World::new(options, planted, trace);
    let result = world.live().map_err(|violation| Failure {
        violation,
        step: world.steps,
        at_ms: world.now_ms,
    });
    (result, world.take_trace())
}

impl World {
    fn live(&mut self) -> Result<Summary, Violation> {
        let trouble_ms = self.options.trouble_ms;
        while self.step(trouble_ms)? {}
        self.now_ms = self.now_ms.max(trouble_ms);
        let (bytes, pending) = (self.network.bytes_up, self.pending());
        let written = self.watch.records;
        self.heal();
        self.tills_close_after(0);
        self.rest("after the trouble")?;
        let records = pending + self.watch.records - written;
        self.check_bytes(
            bytes,
            BYTES_BASE * self.machines.len() as u64 + BYTES_PER_RECORD * records,
        )?;
        self.settle_everything()?;
        self.check_all_there()?;

        let (bytes, written) = (self.network.bytes_up, self.watch.records);
        self.tills_close_after(3);
        for feed in FEEDS {
            self.publishes(feed);
        }
        self.rest("after a day without trouble")?;
        let records = self.watch.records - written;
        self.check_bytes(
            bytes,
            6_000 * self.machines.len() as u64 + BYTES_PER_RECORD_IN_PEACE * records,
        )?;
        // Copies that were alike until now have become branches.
        self.settle_everything()?;
        self.check_all_there()?;
        self.hub.disk.verify()?;
        Ok(Summary {
            steps: self.steps,
            documents: self.hub.disk.counted().len() as u64,
            records: self.watch.records,
        })
    }

    /// Goes on until nothing is left to happen.
    fn rest(&mut self, when: &str) -> Checked {
        let one_ms = 2 * (self.options.delay_ms.1 + self.options.commit_ms_max);
        let until_ms = self.now_ms + PEACE_MS_MAX + self.pending() * one_ms;
        // A headquarters that has forgotten a session goes on with its feeds when the node introduces itself again.
        let refreshed_ms = self.now_ms + self.options.refresh_ms + 20_000;
        while !(self.now_ms >= refreshed_ms && self.is_at_rest()) && self.step(until_ms)? {
            // Tills look at their clocks for ever; that keeps nobody awake.
            if self.tills.iter().all(|till| !till.is_busy()) {
                self.cancel(|event| !matches!(event, Event::Till(_)));
            }
        }
        for machine in &self.machines {
            let Some(engine) = &machine.engine else {
                return Err(Violation::of(
                    Promise::NothingBlocks,
                    format!("{} does not run {when}", machine.name),
                ));
            };
            if engine.link_state() != LinkState::Online {
                let what = format!("{} is {:?} {when}", machine.name, engine.link_state());
                return Err(Violation::of(Promise::NothingBlocks, what));
            }
            if let Some((at_ms, reason)) = engine.deadline().filter(|(_, reason)| *reason != WakeReason::Refresh) {
                let what = format!("{} still waits {when}, until {at_ms} ms: {reason:?}", machine.name);
                return Err(Violation::of(Promise::NothingBlocks, what));
            }
            let pending = machine.disk.pending();
            if pending > 0 {
                let what = format!("{} still has {pending} records {when}", machine.name);
                return Err(Violation::of(Promise::NothingBlocks, what));
            }
        }
        let hub_waits = self
            .hub
            .engine
            .as_ref()
            .is_none_or(|engine| engine.deadline_ms().is_some());
        if hub_waits || !self.hub.is_idle() {
            return Err(Violation::of(
                Promise::Cost,
                format!("headquarters is not at rest {when}"),
            ));
        }
        Ok(())
    }

    /// Whether nothing is left to happen but that a node shows that it is there.
    fn is_at_rest(&self) -> bool {
        let awake = |machine: &super::node_shell::Machine| {
            let deadline = machine.engine.as_ref().and_then(NodeEngine::deadline);
            deadline.is_none_or(|(_, reason)| reason != WakeReason::Refresh)
        };
        let hub_waits = self
            .hub
            .engine
            .as_ref()
            .is_none_or(|engine| engine.deadline_ms().is_some());
        let only_timers = self.only(|event| matches!(event, Event::NodeTimer(..) | Event::HubTimer(_)));
        only_timers && !hub_waits && !self.machines.iter().any(awake)
    }

    /// An operator settles every incarnation that is set apart and repairs every record that was set aside.
    fn settle_everything(&mut self) -> Checked {
        loop {
            self.settles();
            let set_aside: Vec<_> = self.hub.disk.set_aside().cloned().collect();
            for of in &set_aside {
                let ledger = self.hub.disk.ledger();
                let withheld = ledger.is_withheld(of);
                let places = ledger.places_of_same(of);
                let holds = |machine: &super::node_shell::Machine| {
                    let mut places = places.iter();
                    places.find_map(|(incarnation, seq, hash)| machine.disk.repair(*incarnation, *seq, *hash, withheld))
                };
                match self.machines.iter().find_map(holds) {
                    Some(record) => {
                        self.note(|| format!("an operator repairs {of}"));
                        self.hub_works(Work::Correct(of.clone(), record));
                    }
                    // Its disk is gone; it is listed, and nobody can say any more what it was.
                    None => self.note(|| format!("nobody has {of} any more")),
                }
            }
            self.rest("after an operator has settled everything")?;
            let left = self.hub.disk.set_aside().cloned().collect::<Vec<_>>();
            if self.hub.disk.set_apart().is_empty() && (left.is_empty() || left == set_aside) {
                return Ok(());
            }
        }
    }

    /// P2, P4: everything that any disk holds, and everything that a till heard of a disk that still exists, is
    /// counted at headquarters. What headquarters lost by its own restore and what an operator excluded is excepted.
    fn check_all_there(&self) -> Checked {
        let excepted = self.excepted();
        let counted = self.hub.disk.counted();
        for machine in &self.machines {
            machine.disk.verify()?;
            let heard = self.model.heard_on(machine.branch);
            for doc in heard.into_iter().chain(&machine.disk.documents()) {
                if !counted.contains_key(doc) && !excepted.contains(doc) {
                    let what = format!(
                        "{doc} is on the disk of {} and not counted at headquarters",
                        machine.name
                    );
                    return Err(Violation::of(Promise::ExactlyOnce, what));
                }
            }
            for feed in FEEDS {
                let (version, entries) = self.hub.disk.feed(feed);
                let (has, holds) = machine.disk.feed(feed);
                // A headquarters that has nothing of a feed says nothing of it.
                if version == 0 {
                    continue;
                }
                let differs = |(key, body): &(&String, &Option<String>)| {
                    holds.as_ref().is_some_and(|holds| holds.get(*key) != Some(body))
                };
                let missing = entries.iter().find(differs);
                if has != version || missing.is_some() {
                    let what = format!("{} has {feed} {has} of {version}; {missing:?}", machine.name);
                    return Err(Violation::of(Promise::ExactlyOnce, what));
                }
            }
        }
        Ok(())
    }

    fn excepted(&self) -> BTreeSet<DocId> {
        let mut excepted = BTreeSet::new();
        let mut except = |node: &NodeId, incarnation: Incarnation, seq: u64| {
            excepted.extend(self.watch.docs_at(node, incarnation, seq).cloned());
        };
        for (node, incarnation, stream) in self.hub.disk.ledger().streams() {
            for (seq, (place, _)) in stream.behind(0) {
                if *place == Place::Hole || stream.state == StreamState::Excluded {
                    except(node, incarnation, seq);
                }
            }
        }
        excepted
    }

    fn pending(&self) -> u64 {
        // After a restore of headquarters nodes send again what they had been told was there.
        let all: u64 = self.machines.iter().map(|machine| machine.disk.records_kept()).sum();
        let pending: u64 = self.machines.iter().map(|machine| machine.disk.pending()).sum();
        if self.watch.set_backs > 0 { all } else { pending }
    }

    fn check_bytes(&self, before: u64, allowed: u64) -> Checked {
        let said = self.network.bytes_up - before;
        if said > allowed {
            return Err(Violation::of(
                Promise::Cost,
                format!("{said} bytes were sent where {allowed} are allowed"),
            ));
        }
        Ok(())
    }
}
