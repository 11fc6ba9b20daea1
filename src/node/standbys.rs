//! The node that is followed: one of the same engines as towards headquarters, for each standby.
//!
//! Promises: no sale ever waits for a standby, unless it is configured that answers do, and then for a bounded time; what
//! a standby sends is no cause to change anything here but what is known of that standby.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::clock::{MachineClock, sleep_until};
use super::randomness;
use crate::domain::ids::{NodeId, SiteId};
use crate::domain::journal::Head;
use crate::http::{ChildEvent, Committed, StandbyReport, StandbyStatus};
use crate::operations::standby::{Admitted, admit_standby};
use crate::operations::{self, Packed};
use crate::store::{AnswerGate, Device, Snapshot, StorageError, Store};
use crate::sync::node::{Input, NodeEngine, NodeLimits, Output};
use crate::sync::wire::{Down, FromStandby, HubState, RowsPage, ToStandby, WIRE_VERSION};

/// How often a standby hears that this node is there, so that it notices soon that it is not.
const ALIVE_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether an answer has waited for too long.
const GATE_EVERY: Duration = Duration::from_millis(20);
/// How many messages of one standby wait for the disk.
const INBOX_MAX: usize = 64;
/// How many words of what standbys have may wait.
const PROGRESS_MAX: usize = 256;

/// What the loop is made of.
pub(super) struct StandbyLoop {
    /// The node.
    pub node: NodeId,
    /// Its site.
    pub site: SiteId,
    /// Its disk.
    pub store: Arc<Store>,
    /// Its clocks.
    pub clock: MachineClock,
    /// Changes with every commit.
    pub commits: watch::Receiver<Committed>,
    /// What happens on the standbys' connections.
    pub events: mpsc::Receiver<ChildEvent>,
    /// Where answers wait for a standby, where they are to.
    pub gate: Option<AnswerGate>,
    /// What is known of standbys, for people.
    pub report: watch::Sender<StandbyReport>,
}

/// What becomes of one connection.
enum Progress {
    /// A standby follows.
    Follows {
        connection: u64,
        name: String,
        address: String,
    },
    /// It has the journal up to this position.
    Has { connection: u64, position: u64 },
    /// It is gone.
    Gone { connection: u64 },
}

/// A standby that follows now.
struct Follower {
    name: String,
    address: String,
    has: u64,
}

impl StandbyLoop {
    /// Runs until `stop` is true.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let (progress, mut made) = mpsc::channel(PROGRESS_MAX);
        let mut inboxes: BTreeMap<u64, mpsc::Sender<Vec<u8>>> = BTreeMap::new();
        let mut followers: BTreeMap<u64, Follower> = BTreeMap::new();
        let mut known: BTreeMap<String, StandbyStatus> = self.admitted().await;
        let mut look = tokio::time::interval(GATE_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.tell(&known);
            tokio::select! {
                () = told(&mut stop) => break,
                _ = look.tick(), if self.gate.is_some() => {
                    if self.gate.as_ref().is_some_and(AnswerGate::look_at_the_clock) {
                        tracing::error!("the standby does not keep up: sales are on this disk alone until it does");
                    }
                }
                event = self.events.recv() => match event {
                    Some(ChildEvent::Opened { connection, device, outbox, .. }) => {
                        let (inbox, messages) = mpsc::channel(INBOX_MAX);
                        inboxes.insert(connection, inbox);
                        let carrier = Carrier {
                            connection,
                            node: self.node.clone(),
                            site: self.site.clone(),
                            store: Arc::clone(&self.store),
                            clock: self.clock,
                            commits: self.commits.clone(),
                            device,
                            outbox,
                            progress: progress.clone(),
                        };
                        tokio::spawn(carrier.run(messages));
                    }
                    Some(ChildEvent::Message { connection, payload }) => {
                        // One that is full belongs to a standby that says more than it is asked for.
                        if inboxes.get(&connection).is_some_and(|inbox| inbox.try_send(payload).is_err()) {
                            inboxes.remove(&connection);
                        }
                    }
                    Some(ChildEvent::Closed { connection }) => drop(inboxes.remove(&connection)),
                    None => break,
                },
                Some(made) = made.recv() => self.note(made, &mut followers, &mut known),
            }
        }
        if let Some(gate) = &self.gate {
            // Whoever still waits is answered: this disk has it.
            let _ = gate.standby_is_gone();
        }
    }

    fn note(
        &self,
        progress: Progress,
        followers: &mut BTreeMap<u64, Follower>,
        known: &mut BTreeMap<String, StandbyStatus>,
    ) {
        match progress {
            Progress::Follows {
                connection,
                name,
                address,
            } => {
                tracing::info!(standby = name, address, "a standby follows");
                let has = known.get(&name).map_or(0, |known| known.has_seq);
                followers.insert(connection, Follower { name, address, has });
            }
            Progress::Has { connection, position } => {
                if let Some(follower) = followers.get_mut(&connection) {
                    follower.has = position;
                }
                let furthest = followers
                    .values()
                    .map(|follower| follower.has)
                    .max()
                    .unwrap_or_default();
                let furthest = i64::try_from(furthest).unwrap_or(i64::MAX);
                if self.gate.as_ref().is_some_and(|gate| gate.standby_has(furthest)) {
                    tracing::info!("a standby has caught up: sales are answered for once they are on two disks");
                }
            }
            Progress::Gone { connection } => {
                let Some(gone) = followers.remove(&connection) else {
                    return;
                };
                tracing::warn!(standby = gone.name, "a standby is gone");
                if followers.is_empty() && self.gate.as_ref().is_some_and(AnswerGate::standby_is_gone) {
                    tracing::error!("no standby is there: sales are on this disk alone until one is");
                }
            }
        }
        for status in known.values_mut() {
            status.connected = false;
        }
        for follower in followers.values() {
            let status = StandbyStatus {
                name: follower.name.clone(),
                address: follower.address.clone(),
                connected: true,
                has_seq: follower.has,
            };
            known.insert(follower.name.clone(), status);
        }
    }

    fn tell(&self, known: &BTreeMap<String, StandbyStatus>) {
        let now = StandbyReport {
            standbys: known.values().cloned().collect(),
            disks: self.gate.as_ref().map(AnswerGate::state),
        };
        self.report.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
    }

    async fn admitted(&self) -> BTreeMap<String, StandbyStatus> {
        let read = self.store.readers.run(|snapshot| snapshot.standbys()).await;
        let rows = read.unwrap_or_else(|error| {
            tracing::error!(%error, "the standbys that were admitted cannot be read");
            Vec::new()
        });
        let statuses = rows.into_iter().map(|row| {
            let status = StandbyStatus {
                name: row.name.clone(),
                address: row.address,
                connected: false,
                has_seq: 0,
            };
            (row.name, status)
        });
        statuses.collect()
    }
}

/// Carries the journal to one standby.
struct Carrier {
    connection: u64,
    node: NodeId,
    site: SiteId,
    store: Arc<Store>,
    clock: MachineClock,
    commits: watch::Receiver<Committed>,
    device: Arc<Device>,
    /// Dropping it hangs up.
    outbox: mpsc::Sender<Vec<u8>>,
    progress: mpsc::Sender<Progress>,
}

/// Why a conversation ends.
enum Ended {
    /// The standby went, or this node stops.
    Gone,
    /// Something is wrong, for people.
    Failed(String),
}

impl From<StorageError> for Ended {
    fn from(error: StorageError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A batch with the rows that it needs.
struct Loaded {
    rows: Vec<RowsPage>,
    packed: Option<Packed>,
}

impl Carrier {
    async fn run(self, messages: mpsc::Receiver<Vec<u8>>) {
        let (connection, progress, name) = (self.connection, self.progress.clone(), self.device.name.clone());
        if let Err(Ended::Failed(reason)) = self.carry(messages).await {
            tracing::warn!(
                standby = name,
                reason,
                "the conversation with a standby is ended; it comes again"
            );
        }
        // Only a node that stops does not listen.
        let _ = progress.send(Progress::Gone { connection }).await;
    }

    async fn carry(mut self, mut messages: mpsc::Receiver<Vec<u8>>) -> Result<(), Ended> {
        let mut change = self.admit(&mut messages).await?;
        let mut engine = NodeEngine::new(
            self.site.clone(),
            env!("CARGO_PKG_VERSION").to_owned(),
            NodeLimits::default(),
        );
        let session = randomness::number().max(1);
        let hub = HubState {
            online: true,
            run: session,
            wire: WIRE_VERSION,
        };
        let mut inputs = VecDeque::from([Input::Connected { session }, Input::Hub(hub)]);
        let mut alive = tokio::time::interval(ALIVE_EVERY);
        loop {
            while let Some(input) = inputs.pop_front() {
                engine.handle(self.clock.monotonic_ms(), input);
                while let Some(output) = engine.poll() {
                    inputs.extend(self.act(output, &mut change).await?);
                }
            }
            let wake = engine.deadline().map(|(at_ms, _)| self.clock.instant(at_ms));
            tokio::select! {
                message = messages.recv() => {
                    let message = message.ok_or(Ended::Gone)?;
                    match FromStandby::decode(&message).map_err(unreadable)? {
                        FromStandby::Engine(word) => {
                            let word = Down::decode(&word).map_err(unreadable)?;
                            if let Down::Welcome(welcome) = &word {
                                // Also where nothing is left to send, so that the engine has no news of it.
                                for status in &welcome.streams {
                                    self.has(status.acked).await?;
                                }
                            }
                            inputs.push_back(Input::Received(word));
                        }
                        FromStandby::Here(_) => return Err(Ended::Failed("it introduces itself twice".into())),
                    }
                }
                changed = self.commits.changed() => {
                    changed.map_err(|_| Ended::Gone)?;
                    self.commits.borrow_and_update();
                    let after = change;
                    let read = move |snapshot: &Snapshot<'_>| {
                        // What no record gives is told though no record follows.
                        let rows = match snapshot.last_followed_change()? > after {
                            true => rows_behind(snapshot, after)?,
                            false => Vec::new(),
                        };
                        Ok::<_, StorageError>((head(snapshot)?, rows))
                    };
                    let (head, rows) = self.store.readers.run(read).await?;
                    self.send_rows(rows, &mut change).await?;
                    inputs.push_back(Input::Appended(head));
                }
                _ = alive.tick() => self.send(&ToStandby::Alive).await?,
                () = sleep_until(wake) => inputs.push_back(Input::Timeout),
            }
        }
    }

    /// Hears who it is and takes it in. Gives the last change that it has of rows that no record gives.
    async fn admit(&self, messages: &mut mpsc::Receiver<Vec<u8>>) -> Result<u64, Ended> {
        let first = messages.recv().await.ok_or(Ended::Gone)?;
        let FromStandby::Here(here) = FromStandby::decode(&first).map_err(unreadable)? else {
            return Err(Ended::Failed("it does not introduce itself".into()));
        };
        let (device, address, now) = (Arc::clone(&self.device), here.address.clone(), self.clock.now());
        let admitted = self
            .store
            .writer
            .run(move |tx| admit_standby(tx, now, &device, &here))
            .await
            .map_err(|failure| Ended::Failed(failure.to_string()))?;
        match admitted {
            Admitted::Follow { change } => {
                let follows = Progress::Follows {
                    connection: self.connection,
                    name: self.device.name.clone(),
                    address,
                };
                self.progress.send(follows).await.map_err(|_| Ended::Gone)?;
                Ok(change)
            }
            Admitted::TakeBase { reason } => {
                tracing::info!(standby = self.device.name, reason, "a standby is to take a copy");
                self.send(&ToStandby::TakeBase { reason }).await?;
                Err(Ended::Gone)
            }
            Admitted::Refused { reason } => {
                self.send(&ToStandby::Refused { reason: reason.clone() }).await?;
                Err(Ended::Failed(reason))
            }
        }
    }

    async fn act(&self, output: Output, change: &mut u64) -> Result<Option<Input>, Ended> {
        match output {
            Output::Send(message) => {
                self.send(&ToStandby::Engine(message.encode())).await?;
                Ok(None)
            }
            Output::LoadStreams => {
                let (mut streams, _) = self.store.readers.run(operations::streams).await?;
                // A copy is of one incarnation; whoever begins another takes a new copy.
                let mut newest = streams
                    .pop()
                    .ok_or_else(|| Ended::Failed("no incarnation is open".into()))?;
                // What headquarters has acknowledged says nothing about a standby.
                newest.acked.seq = newest.head.earliest.saturating_sub(1);
                newest.acked.hash = newest.head.before_earliest;
                Ok(Some(Input::Streams {
                    streams: vec![newest],
                    feeds: Vec::new(),
                }))
            }
            Output::LoadBatch {
                incarnation,
                from,
                records_max,
                bytes_max,
            } => {
                let (node, after) = (self.node.clone(), *change);
                let load = move |snapshot: &Snapshot<'_>| {
                    let packed = operations::load_batch(snapshot, &node, incarnation, from, records_max, bytes_max)?;
                    let rows = rows_behind(snapshot, after)?;
                    Ok::<_, StorageError>(Loaded { rows, packed })
                };
                let Loaded { rows, packed } = self.store.readers.run(load).await?;
                // Of the same moment as the batch: a till's first sale needs its series.
                self.send_rows(rows, change).await?;
                let packed = packed.ok_or_else(|| Ended::Failed(format!("record {from} is not there")))?;
                Ok(Some(Input::BatchLoaded(packed.batch)))
            }
            Output::SaveAck(head) => {
                self.has(head).await?;
                Ok(None)
            }
            // A standby's word is no reason to leave a branch or to withhold a record.
            Output::Rehome { .. } => Err(Ended::Failed("it has another branch of this journal".into())),
            Output::SetAside { seq, reason, .. } => {
                Err(Ended::Failed(format!("it cannot take record {seq}: {reason}")))
            }
            Output::SaveTopAck(_) | Output::ApplyFeed(_) | Output::GiveBack { .. } => Ok(None),
        }
    }

    /// Tells that the standby has the journal up to here.
    async fn has(&self, head: Head) -> Result<(), Ended> {
        let at = move |snapshot: &Snapshot<'_>| {
            let row = snapshot.incarnation(head.incarnation)?;
            Ok::<_, StorageError>(row.map(|row| row.position(head.seq).get()))
        };
        let position = self.store.readers.run(at).await?.unwrap_or_default();
        let has = Progress::Has {
            connection: self.connection,
            position: u64::try_from(position).unwrap_or_default(),
        };
        self.progress.send(has).await.map_err(|_| Ended::Gone)
    }

    async fn send_rows(&self, pages: Vec<RowsPage>, change: &mut u64) -> Result<(), Ended> {
        for page in pages {
            *change = page.through;
            self.send(&ToStandby::Rows(page)).await?;
        }
        Ok(())
    }

    async fn send(&self, message: &ToStandby) -> Result<(), Ended> {
        self.outbox.send(message.encode()).await.map_err(|_| Ended::Gone)
    }
}

fn unreadable(error: impl std::fmt::Display) -> Ended {
    Ended::Failed(format!("a message of it cannot be read: {error}"))
}

fn rows_behind(snapshot: &Snapshot<'_>, mut after: u64) -> Result<Vec<RowsPage>, StorageError> {
    let mut pages = Vec::new();
    while let Some(page) = snapshot.followed_rows(after)? {
        after = page.through;
        pages.push(page);
    }
    Ok(pages)
}

/// Where the journal stands.
fn head(snapshot: &Snapshot<'_>) -> Result<Head, StorageError> {
    let newest = snapshot.incarnations()?.pop();
    newest
        .map(|row| row.head)
        .ok_or_else(|| StorageError::Inconsistent("no incarnation is open".into()))
}

/// Returns when the node is to stop, or nobody could say so any more.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
