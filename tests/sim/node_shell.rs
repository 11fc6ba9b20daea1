//! A machine: a node's process around its engine, with its writer, its readers and its link.
//!
//! The writer commits groups; what is in a group is answered after its commit. Reads see what is committed when they
//! run, and their answers come later, as in a real process with several threads.

use std::rc::Rc;

use finalmarket::domain::fact::OpenedReason;
use finalmarket::domain::ids::NodeId;
use finalmarket::sync::node::{Input, NodeEngine, NodeLimits, Output};
use finalmarket::sync::wire::{Batch, Down, HubState, Up};

use super::events::{Event, Read};
use super::model::BranchId;
use super::network::Packet;
use super::node_disk::{Clocks, Death, End, NodeDisk, Write, Written};
use super::planted::Planted;
use super::promise::Checked;
use super::requests::Request;
use super::trace;
use super::world::World;

/// What all clocks that are right show at the beginning, in milliseconds since 1970.
pub const START_MS: u64 = 1_700_000_000_000;

/// A machine.
#[derive(Debug)]
pub struct Machine {
    /// For the trace.
    pub name: String,
    /// The node that its disk says it is.
    pub node: NodeId,
    /// The disk.
    pub disk: Box<dyn NodeDisk>,
    /// The disk's history.
    pub branch: BranchId,
    /// The engine, while the process runs.
    pub engine: Option<NodeEngine>,
    /// Counts its processes.
    pub life: u64,
    /// How far its wall clock is off.
    pub clock_off_ms: i64,
    /// The next start opens an incarnation.
    opens: Option<OpenedReason>,
    /// What waits for the next group.
    pub writer: Vec<Job>,
    /// The group that is being committed.
    pub committing: Option<Vec<Job>>,
    timer_ms: Option<u64>,
    /// Planted: the disk as it would be after the commit under way.
    pub ahead: Option<Box<dyn NodeDisk>>,
}

/// Something to be written, and who waits for it.
#[derive(Debug, Clone)]
pub struct Job {
    /// What.
    pub write: Write,
    /// The till that asked, and what.
    pub till: Option<(usize, Rc<Request>)>,
}

impl Machine {
    /// A machine that does not run yet.
    pub fn new(
        name: String,
        node: NodeId,
        disk: Box<dyn NodeDisk>,
        branch: BranchId,
        opens: Option<OpenedReason>,
    ) -> Self {
        Self {
            name,
            node,
            disk,
            branch,
            engine: None,
            life: 0,
            clock_off_ms: 0,
            opens,
            writer: Vec::new(),
            committing: None,
            timer_ms: None,
            ahead: None,
        }
    }

    /// Puts another disk in; the next start opens an incarnation if there is a reason.
    pub fn put_disk(&mut self, disk: Box<dyn NodeDisk>, branch: BranchId, opens: Option<OpenedReason>) {
        self.disk = disk;
        self.branch = branch;
        self.opens = opens;
    }
}

impl World {
    /// A machine starts.
    pub fn node_boots(&mut self, machine: usize) -> Checked {
        let clocks = self.clocks(machine);
        let next = self.new_life();
        if self.machines[machine].engine.is_some() {
            return Ok(());
        }
        let power_goes_after = self.cut_at_start();
        let state = &mut self.machines[machine];
        let opens = state.opens.take();
        if !state.disk.start(opens, &next, clocks, power_goes_after)? {
            let name = state.name.clone();
            self.note(|| format!("{name} does not get started"));
            let at_ms = self.now_ms + self.rng.between(300, 10_000);
            self.schedule(at_ms, Event::NodeBoot(machine));
            return Ok(());
        }
        let limits = NodeLimits {
            in_flight_max: self.options.in_flight_max,
            batch_records_max: self.options.batch_records_max,
            batch_bytes_max: 3_000,
            refresh_ms: self.options.refresh_ms,
            ..NodeLimits::default()
        };
        let site = state.disk.site().clone();
        state.engine = Some(NodeEngine::new(site, "simulated".to_owned(), limits));
        state.life += 1;
        state.timer_ms = None;
        let name = state.name.clone();
        self.note(|| format!("{name} starts"));
        self.take_note_of_records(machine);
        self.check_disk(machine)?;
        self.machines[machine].disk.verify()?;
        let at_ms = self.now_ms + self.rng.between(10, 1_000);
        self.schedule(at_ms, Event::Connect(machine + 1));
        Ok(())
    }

    /// A machine's process dies; with `power` the disk loses what was not synced.
    pub fn node_dies(&mut self, machine: usize, power: bool) {
        let clocks = self.clocks(machine);
        let death = self.death(power);
        let state = &mut self.machines[machine];
        if state.engine.take().is_none() {
            return;
        }
        let group = state.committing.take().unwrap_or_default();
        let writes: Vec<Write> = group.iter().map(|job| job.write.clone()).collect();
        let answers = state.disk.dies(&writes, clocks, death);
        state.writer.clear();
        state.ahead = None;
        state.life += 1;
        let name = state.name.clone();
        self.note(|| format!("{name} dies with {} writes under way: {death:?}", group.len()));
        // What it still answered is on its way.
        for (job, answer) in group.into_iter().zip(answers) {
            if let (Some((till, request)), Some(Written::Answered(answer))) = (job.till, answer) {
                self.answer_till(machine, till, request, answer);
            }
        }
        self.take_note_of_records(machine);
        self.drop_client(machine + 1);
    }

    /// A read runs.
    pub fn node_reads(&mut self, machine: usize, life: u64, read: &Read) {
        let at_ms = self.now_ms + self.rng.between(0, self.options.commit_ms_max);
        let state = &self.machines[machine];
        if state.life != life {
            return;
        }
        let disk = state.ahead.as_deref().unwrap_or(&*state.disk);
        let fails = self.rng.chance(self.options.read_failure);
        let input = match read {
            _ if fails => Input::StorageFailed,
            Read::Streams => {
                let (streams, feeds) = disk.streams();
                Input::Streams { streams, feeds }
            }
            Read::Batch {
                incarnation,
                from,
                records_max,
                bytes_max,
            } => match disk.batch(*incarnation, *from, *records_max, *bytes_max) {
                Some(batch) => Input::BatchLoaded(batch),
                None => Input::StorageFailed,
            },
        };
        self.schedule(at_ms, Event::NodeInput(machine, life, Box::new(input)));
    }

    /// A machine's engine hears something.
    pub fn node_hears(&mut self, machine: usize, life: u64, input: Input) -> Checked {
        if self.machines[machine].life != life {
            return Ok(());
        }
        let name = self.machines[machine].name.clone();
        self.note(|| format!("{name} <- {}", trace::node_input(&input)));
        if let Some(engine) = &mut self.machines[machine].engine {
            engine.handle(self.now_ms, input);
        }
        while let Some(output) = self.machines[machine].engine.as_mut().and_then(NodeEngine::poll) {
            self.note(|| format!("{name} -> {}", trace::node_output(&output)));
            self.node_does(machine, output)?;
        }
        let deadline_ms = self.machines[machine].engine.as_ref().and_then(NodeEngine::deadline);
        let state = &mut self.machines[machine];
        if let Some((at_ms, _reason)) = deadline_ms
            && state.timer_ms != Some(at_ms)
        {
            state.timer_ms = Some(at_ms);
            let at_ms = at_ms.max(self.now_ms + 1);
            self.schedule(at_ms, Event::NodeTimer(machine, life));
        }
        Ok(())
    }

    /// A timer rings; too early or in vain does no harm.
    pub fn node_wakes(&mut self, machine: usize, life: u64) -> Checked {
        let due = self.machines[machine].engine.as_ref().and_then(NodeEngine::deadline);
        if self.machines[machine].life == life && due.is_some_and(|(at_ms, _)| at_ms <= self.now_ms) {
            self.machines[machine].timer_ms = None;
            self.node_hears(machine, life, Input::Timeout)?;
        }
        Ok(())
    }

    /// The link stands.
    pub fn node_connects(&mut self, machine: usize, session: u64) -> Checked {
        let life = self.machines[machine].life;
        self.node_hears(machine, life, Input::Connected { session })
    }

    /// The link is gone.
    pub fn node_disconnected(&mut self, machine: usize) -> Checked {
        let life = self.machines[machine].life;
        self.node_hears(machine, life, Input::Disconnected)
    }

    /// Headquarters' retained state.
    pub fn node_hears_hub(&mut self, machine: usize, state: HubState) -> Checked {
        let life = self.machines[machine].life;
        self.node_hears(machine, life, Input::Hub(state))
    }

    /// A message from headquarters.
    pub fn node_receives(&mut self, machine: usize, message: Down) -> Checked {
        let life = self.machines[machine].life;
        self.node_hears(machine, life, Input::Received(message))
    }

    /// What a machine's clocks show.
    pub fn clocks(&self, machine: usize) -> Clocks {
        let off_ms = self.machines[machine].clock_off_ms;
        Clocks {
            wall_ms: (START_MS + self.now_ms).saturating_add_signed(off_ms),
            now_ms: self.now_ms,
        }
    }

    /// How a process ends: in the middle of whatever it was writing.
    pub fn death(&mut self, power: bool) -> Death {
        let reached_disk = self.rng.chance(500);
        let choice = self.rng.next();
        let mut death = Death {
            end: if power { End::PowerCut } else { End::Killed },
            operations: u64::from(reached_disk),
            choice,
        };
        if let Some(full) = self.options.full {
            death.operations = self.rng.below(full.operations_max);
            if !power && self.rng.chance(full.orderly) {
                death.end = End::Stopped;
            }
        }
        death
    }

    /// Whether a process dies in the middle of the group that it is committing.
    pub fn falls_in_group(&mut self) -> bool {
        let full = self.options.full.filter(|_| self.trouble);
        full.is_some_and(|full| self.rng.chance(full.falls_in_group))
    }

    /// After how many writes and syncs the power goes again while something starts, if it does.
    pub fn cut_at_start(&mut self) -> Option<u64> {
        let full = self.options.full.filter(|_| self.trouble)?;
        let goes = self.rng.chance(full.cut_at_start);
        goes.then(|| self.rng.between(1, 4 * full.operations_max))
    }

    fn node_does(&mut self, machine: usize, output: Output) -> Checked {
        let read_ms = self.now_ms + self.rng.between(0, self.options.commit_ms_max);
        let life = self.machines[machine].life;
        match output {
            Output::Send(message) => self.node_sends(machine, &message),
            Output::LoadStreams => self.schedule(read_ms, Event::NodeRead(machine, life, Read::Streams)),
            Output::LoadBatch {
                incarnation,
                from,
                records_max,
                bytes_max,
            } => {
                let read = Read::Batch {
                    incarnation,
                    from,
                    records_max,
                    bytes_max,
                };
                self.schedule(read_ms, Event::NodeRead(machine, life, read));
            }
            Output::SaveAck(head) => {
                self.check_believed(machine, head)?;
                self.enqueue(machine, Write::SaveAck(head), None)?;
            }
            Output::SetAside {
                incarnation,
                seq,
                reason,
            } => {
                let write = Write::SetAside {
                    incarnation,
                    seq,
                    reason,
                };
                self.enqueue(machine, write, None)?;
            }
            Output::Rehome {
                incarnation,
                common,
                set_back,
            } => {
                let next = self.new_life();
                let write = Write::Rehome {
                    incarnation,
                    common,
                    set_back,
                    next,
                };
                self.enqueue(machine, write, None)?;
            }
            Output::ApplyFeed(page) => self.enqueue(machine, Write::ApplyFeed(page), None)?,
            other @ (Output::SaveTopAck(_) | Output::GiveBack { .. }) => {
                unreachable!("no node is another's parent here: {other:?}")
            }
        }
        Ok(())
    }

    fn node_sends(&mut self, machine: usize, message: &Up) {
        let bytes: Rc<[u8]> = message.encode().into();
        let life = self.machines[machine].life;
        if let Up::Batch { sealed, .. } = message
            && sealed.len() > self.options.packet_bytes_max
            && let Ok(batch) = Batch::open(sealed)
        {
            let input = Input::TooLarge {
                incarnation: batch.header.incarnation,
                first: batch.header.first,
                count: batch.header.count,
            };
            self.schedule(self.now_ms, Event::NodeInput(machine, life, Box::new(input)));
            return;
        }
        let node = self.machines[machine].node.clone();
        self.publish(machine + 1, Packet::Up(node, bytes));
    }

    /// Planted: a node that takes the broker's word for headquarters'.
    pub fn take_brokers_word(&mut self, client: usize, packet: &Packet) {
        let (Some(Planted::PubackIsAck), Packet::Up(_, bytes)) = (self.planted, packet) else {
            return;
        };
        let Ok(Up::Batch { session, sealed }) = Up::decode(bytes) else {
            return;
        };
        if let (Ok(batch), Some(machine)) = (Batch::open(&sealed), client.checked_sub(1)) {
            let acked = finalmarket::domain::journal::Head {
                incarnation: batch.header.incarnation,
                seq: batch.header.last(),
                hash: batch.header.after,
            };
            let message = Down::Ack(finalmarket::sync::wire::Ack { session, acked });
            let life = self.machines[machine].life;
            let input = Box::new(Input::Received(message));
            self.schedule(self.now_ms, Event::NodeInput(machine, life, input));
        }
    }
}
