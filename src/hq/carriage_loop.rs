//! The loop between headquarters' disk and the engine that carries documents of shelves to its nodes.
//!
//! It never waits for the link: what finds no room there is lost, and repeated by the engine. Works on documents are done
//! one at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::headquarters::Headquarters;
use crate::domain::escrow::ReplicaId;
use crate::domain::ids::{NodeId, SiteId};
use crate::sync::carriage::{Carrier, CarrierLimits, Child, Input, Link, Neighbour, Output};
use crate::sync::wire::{Down, ShelfMessage};

/// How many inputs may wait for the engine, and how many messages for the link.
const WAITING_MAX: usize = 1_024;

/// What the loop is made of.
pub(super) struct CarriageLoop {
    headquarters: Arc<Headquarters>,
    inputs: mpsc::Receiver<Input>,
    down: mpsc::Sender<(NodeId, Down)>,
}

/// The loop's end at the link.
pub(super) struct CarriageEnd {
    inputs: mpsc::Sender<Input>,
    /// What is to be sent.
    pub outgoing: mpsc::Receiver<(NodeId, Down)>,
}

impl CarriageLoop {
    /// A loop, and its end.
    pub(super) fn new(headquarters: &Arc<Headquarters>) -> (Self, CarriageEnd) {
        let (inputs, taken) = mpsc::channel(WAITING_MAX);
        let (down, outgoing) = mpsc::channel(WAITING_MAX);
        let carriage = Self {
            headquarters: Arc::clone(headquarters),
            inputs: taken,
            down,
        };
        (carriage, CarriageEnd { inputs, outgoing })
    }

    /// Runs until `stop` is true.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let started = Instant::now();
        let now_ms = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut carrier = Carrier::new(CarrierLimits::default());
        let (done, mut has_done) = mpsc::channel(1);
        let (mut works, mut busy) = (VecDeque::new(), false);
        loop {
            let wake = carrier
                .deadline_ms()
                .map(|at_ms| tokio::time::Instant::from(started + Duration::from_millis(at_ms)));
            let input = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                Some(input) = has_done.recv() => {
                    busy = false;
                    input
                }
                Some(input) = self.inputs.recv() => input,
                () = self.headquarters.own_rows.notified() => Input::Touched,
                () = sleep_until(wake) => Input::Timeout,
            };
            carrier.handle(now_ms(), input);
            while let Some(output) = carrier.poll() {
                match output {
                    Output::Work(work) => works.push_back(work),
                    other => self.act(other),
                }
            }
            if !busy && let Some(work) = works.pop_front() {
                busy = true;
                let (headquarters, done) = (Arc::clone(&self.headquarters), done.clone());
                tokio::task::spawn_blocking(move || {
                    let again = work.clone();
                    let input = match headquarters.carry(work) {
                        Ok(done) => Input::Done(done),
                        Err(error) => {
                            tracing::error!(%error, "a work on documents of shelves failed; trying again");
                            Input::Failed(again)
                        }
                    };
                    // Only a loop that has ended does not listen.
                    let _ = done.blocking_send(input);
                });
            }
        }
    }

    fn act(&self, output: Output) {
        match output {
            // The loop's own.
            Output::Work(_) => {}
            Output::Send { to, session, message } => {
                // Headquarters has no parent. What the link does not take now the engine repeats.
                if let Neighbour::Child(node) = to {
                    let _ = self.down.try_send((node, Down::Shelves { session, message }));
                }
            }
            Output::Report { neighbour, id, reason } => match id {
                Some(id) => {
                    tracing::warn!(?neighbour, site = %id.site, writer = %id.writer, bucket = id.bucket, reason,
                    "a document of shelves stays behind; the others go on")
                }
                None => tracing::warn!(?neighbour, reason, "a parcel of shelves cannot be read"),
            },
            Output::Refused { sku, reason } => {
                tracing::error!(%sku, reason, "a row of headquarters' own is in no document; the others are");
            }
        }
    }
}

/// Tells the loop of nodes that can be reached, and of ledgers that grew. What is lost where too much waits is said
/// again: by the engines, and at each introduction.
#[derive(Debug, Clone)]
pub(super) struct Teller(mpsc::Sender<Input>);

impl Teller {
    /// A node that is known is there.
    pub(super) fn opened(&self, site: SiteId, replica: ReplicaId, session: u64) {
        let link = Link::Child(Child { site, replica });
        let _ = self.0.try_send(Input::Opened { link, session });
    }

    /// Records are in the ledger: rows that waited for them may be counted.
    pub(super) fn journals_grew(&self) {
        let _ = self.0.try_send(Input::JournalsGrew);
    }
}

impl CarriageEnd {
    /// One who tells.
    pub(super) fn teller(&self) -> Teller {
        Teller(self.inputs.clone())
    }

    /// A node says something.
    pub(super) fn received(&self, node: NodeId, session: u64, message: ShelfMessage) {
        let from = Neighbour::Child(node);
        let _ = self.inputs.try_send(Input::Received { from, session, message });
    }

    /// A node has left.
    pub(super) fn closed(&self, node: NodeId, session: u64) {
        let neighbour = Neighbour::Child(node);
        let _ = self.inputs.try_send(Input::Closed { neighbour, session });
    }
}

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
