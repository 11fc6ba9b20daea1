//! The standby's side of the conversation: a parent's engine over the copy.

use std::sync::Arc;

use crate::domain::ids::NodeId;
use crate::lan::LinkHandle;
use crate::node::clock::MachineClock;
use crate::operations::standby::{FollowError, follow_batch, introduce_followed, keep_rows, read_followed};
use crate::store::{COPY_VERSION, Failure, Snapshot, StorageError, Store};
use crate::sync::hub::{HubEngine, HubLimits, Input, Output};
use crate::sync::wire::{CopyHead, FromStandby, StandbyHere, ToStandby, Up};

/// A conversation with the node that is followed.
pub(super) struct Follow {
    node: NodeId,
    clock: MachineClock,
    link: LinkHandle,
    /// The connection's session.
    session: u64,
    engine: HubEngine,
}

/// What a message of the followed node comes to.
pub(super) enum Word {
    /// Nothing that anybody else needs to know.
    Nothing,
    /// The copy has the journal up to this record.
    Has(u64),
    /// A new copy is to be taken.
    TakeCopy,
}

impl Follow {
    pub(super) fn new(node: NodeId, clock: MachineClock, link: LinkHandle) -> Self {
        Self {
            node,
            clock,
            link,
            session: 0,
            engine: HubEngine::new(HubLimits::default()),
        }
    }

    /// Says what this standby is. The error is for people.
    pub(super) async fn introduce(
        &mut self,
        session: u64,
        store: Option<&Arc<Store>>,
        public_key: [u8; 32],
        address: &str,
    ) -> Result<(), String> {
        self.session = session;
        self.engine = HubEngine::new(HubLimits::default());
        let copy = match store {
            None => None,
            Some(store) => Some(store.readers.run(copy_head).await.map_err(|error| error.to_string())?),
        };
        self.send(&FromStandby::Here(StandbyHere {
            schema: COPY_VERSION,
            public_key,
            address: address.to_owned(),
            copy,
        }))
        .await;
        Ok(())
    }

    /// Takes a message. The error ends the conversation, and is for people.
    pub(super) async fn take(&mut self, payload: &[u8], store: Option<&Arc<Store>>) -> Result<Word, String> {
        let message = ToStandby::decode(payload).map_err(|error| error.to_string())?;
        let up = match message {
            ToStandby::Alive => return Ok(Word::Nothing),
            ToStandby::TakeBase { reason } => {
                tracing::info!(reason, "a new copy is taken");
                return Ok(Word::TakeCopy);
            }
            ToStandby::Refused { reason } => return Err(reason),
            ToStandby::Rows(page) => {
                let store = store.ok_or("rows came before the copy")?;
                let kept = store.writer.run(move |tx| keep_rows(tx, &page)).await;
                kept.map_err(told)?;
                return Ok(Word::Nothing);
            }
            ToStandby::Engine(up) => Up::decode(&up).map_err(|error| error.to_string())?,
        };
        let store = store.ok_or("records came before the copy")?;
        let mut inputs = vec![Input::Received {
            node: self.node.clone(),
            message: up,
        }];
        let mut word = Word::Nothing;
        while let Some(input) = inputs.pop() {
            self.engine.handle(self.clock.monotonic_ms(), input);
            while let Some(output) = self.engine.poll() {
                match output {
                    Output::Send { message, .. } => self.send(&FromStandby::Engine(message.encode())).await,
                    Output::Introduce { node, hello } => {
                        let session = hello.session;
                        let read = move |snapshot: &Snapshot<'_>| {
                            Ok::<_, StorageError>((introduce_followed(snapshot, &hello), head_seq(snapshot)?))
                        };
                        let (result, seq) = store.readers.run(read).await.map_err(|error| error.to_string())?;
                        word = Word::Has(seq);
                        inputs.push(Input::Introduced {
                            node,
                            session,
                            result: result.map_err(told)?,
                        });
                    }
                    Output::Ingest { node, session, sealed } => {
                        let read = move |snapshot: &Snapshot<'_>| read_followed(snapshot, &sealed);
                        let read = store.readers.run(read).await.map_err(|error| error.to_string())?;
                        let outcome = match read {
                            Err(outcome) => outcome,
                            Ok(readable) => {
                                let through = readable.batch.header.last();
                                let work =
                                    move |tx: &mut crate::store::WriteTransaction<'_>| follow_batch(tx, &readable);
                                let outcome = store.writer.run(work).await.map_err(told)?;
                                word = Word::Has(through);
                                outcome
                            }
                        };
                        inputs.push(Input::Ingested { node, session, outcome });
                    }
                    // It was told that this standby follows no feeds.
                    Output::LoadPage { .. } => {}
                }
            }
        }
        Ok(word)
    }

    /// Hangs up.
    pub(super) async fn stop(self) {
        self.link.stop().await;
    }

    async fn send(&self, message: &FromStandby) {
        // Success says no more than that it is on its way; the other one notices what did not arrive.
        drop(self.link.send(self.session, message.encode()).await);
    }
}

fn copy_head(snapshot: &Snapshot<'_>) -> Result<CopyHead, StorageError> {
    let newest = snapshot.incarnations()?.pop();
    let newest = newest.ok_or_else(|| StorageError::Inconsistent("no incarnation is open".into()))?;
    let following = snapshot.following()?;
    Ok(CopyHead {
        head: newest.head,
        change: following.map(|following| following.change).unwrap_or_default(),
    })
}

fn head_seq(snapshot: &Snapshot<'_>) -> Result<u64, StorageError> {
    copy_head(snapshot).map(|copy| copy.head.seq)
}

fn told(failure: Failure<FollowError>) -> String {
    match failure {
        Failure::Refused(error) => error.to_string(),
        Failure::Storage(error) => error.to_string(),
    }
}
