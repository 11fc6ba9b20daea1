//! The world of one seed: machines, headquarters, broker, tills and the clock that all of it follows.
//!
//! One thread, one queue of events, one source of chance: a seed always gives the same run.

use finalmarket::domain::fact::OpenedReason;
use finalmarket::domain::ids::{NodeId, SiteId};
use finalmarket::domain::money::Currency;
use finalmarket::store::{Faults, NewNode};

use super::calamities::Calamity;
use super::checks::Watch;
use super::events::{Event, Schedule};
use super::hub_shell::Hub;
use super::model::Model;
use super::network::{Client, ClientId, Network, Packet};
use super::node_disk::modelled::ModelledDisk;
use super::node_disk::stored::StoredDisk;
use super::node_disk::{NewLife, NodeDisk};
use super::node_shell::Machine;
use super::options::Options;
use super::planted::Planted;
use super::promise::Checked;
use super::rng::Rng;
use super::tills::Till;

/// How many tills a node ever has: its own, and one for each copy of its disk.
const TILLS_MAX: usize = 12;

/// Everything there is.
pub struct World {
    /// What the seed stands for; once the trouble is over, without it.
    pub options: Options,
    /// The fault that is planted, if any.
    pub planted: Option<Planted>,
    /// The one source of chance.
    pub rng: Rng,
    /// Simulated milliseconds since the start.
    pub now_ms: u64,
    /// Events handled.
    pub steps: u64,
    /// Whether faults happen.
    pub trouble: bool,
    /// The machines, running or not.
    pub machines: Vec<Machine>,
    /// Headquarters.
    pub hub: Hub,
    /// The broker and the links.
    pub network: Network,
    /// The tills.
    pub tills: Vec<Till>,
    /// What the outside world knows.
    pub model: Model,
    /// What the checks remember.
    pub watch: Watch,
    schedule: Schedule,
    trace: Option<Vec<String>>,
}

impl World {
    /// A new world, with everybody about to start.
    pub fn new(options: Options, planted: Option<Planted>, trace: bool) -> Self {
        let mut world = Self {
            rng: Rng::new(options.seed, 2),
            planted,
            now_ms: 0,
            steps: 0,
            trouble: true,
            machines: Vec::new(),
            hub: Hub::new(planted, options.full.is_some()),
            network: Network::new(),
            tills: Vec::new(),
            model: Model::default(),
            watch: Watch::default(),
            schedule: Schedule::default(),
            trace: trace.then(Vec::new),
            options,
        };
        world.populate();
        world
    }

    /// Takes the next event, if it is due before `until_ms`. False where there is none.
    pub fn step(&mut self, until_ms: u64) -> Result<bool, super::promise::Violation> {
        if self.schedule.next_ms().is_none_or(|at_ms| at_ms > until_ms) {
            return Ok(false);
        }
        if let Some((at_ms, event)) = self.schedule.next() {
            self.now_ms = self.now_ms.max(at_ms);
            self.steps += 1;
            self.happen(event)?;
        }
        Ok(true)
    }

    /// Plans an event.
    pub fn schedule(&mut self, at_ms: u64, event: Event) {
        self.schedule.plan(at_ms, event);
    }

    /// Drops what is planned and not wanted any more.
    pub fn cancel(&mut self, wanted: impl Fn(&Event) -> bool) {
        self.schedule.retain(wanted);
    }

    /// Whether all that is planned is of a kind.
    pub fn only(&self, kind: impl Fn(&Event) -> bool) -> bool {
        self.schedule.all(kind)
    }

    /// Writes a line of the trace, if anybody reads it.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!(
                "{:>9.3} s {:>6}  {}",
                self.now_ms as f64 / 1000.0,
                self.steps,
                line()
            ));
        }
    }

    /// The trace so far.
    pub fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    /// Randomness for a new incarnation.
    pub fn new_life(&mut self) -> NewLife {
        NewLife {
            random: self.rng.next(),
            key: self.rng.bytes32(),
        }
    }

    /// Adds a machine with `disk` in it. It starts at `boot_ms`, with a new incarnation if there is a reason for one.
    pub fn add_machine(
        &mut self,
        node: NodeId,
        disk: Box<dyn NodeDisk>,
        branch: super::model::BranchId,
        reason: Option<OpenedReason>,
        boot_ms: u64,
    ) -> usize {
        let of_node = self.machines.iter().filter(|machine| machine.node == node).count();
        let letter = char::from(b'a' + (of_node % 26) as u8);
        self.machines
            .push(Machine::new(format!("{node}/{letter}"), node, disk, branch, reason));
        self.network.clients.push(Client::default());
        let machine = self.machines.len() - 1;
        self.schedule(boot_ms, Event::NodeBoot(machine));
        machine
    }

    /// Whether a client's process runs.
    pub fn is_running(&self, client: ClientId) -> bool {
        match client.checked_sub(1) {
            None => self.hub.engine.is_some(),
            Some(machine) => self.machines[machine].engine.is_some(),
        }
    }

    /// What the broker says of a client that it misses.
    pub fn will_of(&self, client: ClientId, session: u64) -> Packet {
        match client.checked_sub(1) {
            None => Packet::Hub(self.hub_state(false)),
            Some(machine) => Packet::Gone(self.machines[machine].node.clone(), session),
        }
    }

    fn populate(&mut self) {
        for number in 1..=self.options.nodes {
            let node: NodeId = format!("store-{number}").parse().expect("a node's name");
            let site: SiteId = format!("site-{number}").parse().expect("a site's name");
            let branch = self.model.new_branch();
            let disk = self.new_disk(&node, site);
            let boot_ms = self.rng.between(0, 3_000);
            let machine = self.add_machine(node, disk, branch, Some(OpenedReason::First), boot_ms);
            for till in 1..=self.options.tills_per_node {
                self.add_till(machine, || format!("SITE-{number}-T{till}"));
            }
        }
        let at_ms = self.rng.between(0, 3_000);
        self.schedule(at_ms, Event::HubBoot);
        for (calamity, mean_ms) in Calamity::all(&self.options.every_ms) {
            let at_ms = self.rng.between(1, mean_ms * 2);
            self.schedule(at_ms, Event::Calamity(calamity));
        }
    }

    /// An empty disk for a new node.
    fn new_disk(&mut self, node: &NodeId, site: SiteId) -> Box<dyn NodeDisk> {
        if self.options.full.is_none() {
            let synchronous = self.planted != Some(Planted::SynchronousOff);
            let forgets = self.planted == Some(Planted::ForgottenAnswers);
            return Box::new(ModelledDisk::new(node.clone(), site, synchronous, forgets));
        }
        let faults = Faults {
            synchronous_off: self.planted == Some(Planted::SynchronousOff),
            reply_before_commit: self.planted == Some(Planted::ReplyBeforeCommit),
        };
        let new = NewNode {
            org: "simulated".parse().expect("an organisation"),
            node: node.clone(),
            site,
            currency: Currency::EUR,
        };
        let first = self.new_life();
        Box::new(StoredDisk::new(new, TILLS_MAX, first, faults))
    }

    fn happen(&mut self, event: Event) -> Checked {
        match event {
            Event::Till(till) => self.till_acts(till),
            Event::Request {
                machine,
                till,
                request,
                garbage,
            } => self.node_is_asked(machine, till, request, garbage)?,
            Event::Reply {
                till,
                from,
                request,
                answer,
            } => self.till_hears(till, from, &request, answer)?,
            Event::NodeBoot(machine) => self.node_boots(machine)?,
            Event::NodeCommitted(machine, life) => self.node_committed(machine, life)?,
            Event::NodeRead(machine, life, read) => self.node_reads(machine, life, &read),
            Event::NodeInput(machine, life, input) => self.node_hears(machine, life, *input)?,
            Event::NodeTimer(machine, life) => self.node_wakes(machine, life)?,
            Event::HubBoot => self.hub_boots()?,
            Event::HubCommitted(life) => self.hub_committed(life)?,
            Event::HubInput(life, input) => self.hub_hears(life, *input),
            Event::HubTimer(life) => self.hub_wakes(life),
            Event::Connect(client) => self.connect(client)?,
            Event::ConnectionLost { client, connection } => self.connection_lost(client, connection)?,
            Event::BrokerNotices { client, connection } => self.broker_notices(client, connection),
            Event::BrokerBoot => self.network.broker_up = true,
            Event::AtBroker {
                client,
                connection,
                packet,
            } => self.at_broker(client, connection, packet),
            Event::AtClient {
                client,
                connection,
                packet,
            } => self.at_client(client, connection, packet)?,
            Event::Calamity(calamity) => self.befall(calamity)?,
            Event::Room(machine) => self.make_room(machine),
        }
        Ok(())
    }
}
