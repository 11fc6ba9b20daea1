//! A node that follows another one on the store's LAN, until it is promoted.
//!
//! Promises: what it acknowledges is on its disk; it sells nothing, and says so to whoever asks; it takes the place of the
//! other one only when a manager says so, or where that is configured when the other one has been silent for so long.

mod copy;
mod follow;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use self::follow::{Follow, Word};
use super::clock::{MachineClock, sleep_until};
use super::config::NodeConfig;
use super::operator::Operator;
use super::randomness;
use super::standby_key::StandbyKey;
use super::start_error::StartError;
use crate::http::{AsideApi, AsideView, PromoteAsk, ServeLimits, aside_router};
use crate::lan::{self, Door, LinkEvent, ParentAddress, ParentConfig, read_token, token_path};
use crate::operations::standby::{Promoted, promote};
use crate::store::{Device, Devices, DiskState, Failure, Store, TokenHash, disk_state};

/// How many wishes to promote it may wait.
const WISHES_MAX: usize = 4;
/// How long it waits before it connects again where something went wrong.
const PAUSE: Duration = Duration::from_secs(1);

/// How this part of the process ended.
pub(super) enum StandbyEnd {
    /// It was promoted: the node starts over the same disk.
    Promoted,
    /// The process is to stop.
    Stopped,
}

/// Follows until it is promoted or `stop` is true.
pub(super) async fn run(
    config: &NodeConfig,
    of: &ParentAddress,
    stop: watch::Receiver<bool>,
) -> Result<StandbyEnd, StartError> {
    let broken = |error: std::io::Error| StartError::Broken(error.to_string());
    std::fs::create_dir_all(&config.data).map_err(|source| StartError::Folder {
        folder: config.data.display().to_string(),
        source,
    })?;
    let token = read_token(&config.data).map_err(|source| StartError::NotPaired {
        parent: of.to_string(),
        file: token_path(&config.data).display().to_string(),
        source,
    })?;
    let follows = matches!(disk_state(&config.data), Ok(DiskState::Follows(_)));
    if !follows {
        // A key that was used before, or that nobody has admitted.
        StandbyKey::forget(&config.data).map_err(broken)?;
    }
    let key = StandbyKey::of(&config.data).map_err(broken)?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| StartError::Listen {
            address: config.listen,
            source,
        })?;
    let clock = MachineClock::start();
    let store = match follows {
        true => Some(copy::open(config, clock).await?),
        false => None,
    };
    let listens = listener.local_addr().map_err(broken)?;
    let (operator, token_hash) = {
        let token = randomness::token();
        (Operator::at(listens, token.clone()), TokenHash::of(&token))
    };
    operator.write(&config.data)?;
    let (view, shown) = watch::channel(AsideView {
        primary: of.to_string(),
        ..AsideView::default()
    });
    let (promote, asks) = mpsc::channel(WISHES_MAX);
    let api = AsideApi {
        node: config.node.to_string(),
        view: shown,
        promote: Some(promote),
    };
    let (close, closed) = watch::channel(false);
    let serving = tokio::spawn(crate::http::serve(
        listener,
        aside_router(api),
        ServeLimits::default(),
        closed,
    ));
    tracing::info!(node = %config.node, url = operator.url, primary = %of, "this node is a standby and sells nothing");
    let mut standby = Standby {
        config,
        clock,
        address: config.own_address(listens),
        link: ParentConfig {
            door: Door::Standby,
            folder: config.data.clone(),
            address: of.clone(),
            token,
            org: config.org.clone(),
            node: config.node.clone(),
            site: config.site.clone(),
        },
        key,
        operator: token_hash,
        view,
        store,
        heard: None,
    };
    standby.show();
    let ended = standby.follow(asks, stop).await;
    close.send_replace(true);
    if let Err(error) = serving.await {
        tracing::error!(%error, "the standby's API ended by a defect");
    }
    let Standby { store, .. } = standby;
    copy::close(store).await;
    if matches!(ended, StandbyEnd::Promoted) {
        // A second use would be another incarnation under one key.
        StandbyKey::forget(&config.data).map_err(broken)?;
    }
    Ok(ended)
}

struct Standby<'c> {
    config: &'c NodeConfig,
    clock: MachineClock,
    /// Where this node answers.
    address: String,
    link: ParentConfig,
    key: StandbyKey,
    operator: TokenHash,
    view: watch::Sender<AsideView>,
    /// The copy, once there is one.
    store: Option<Arc<Store>>,
    /// When the followed node was last heard, where it was in this run.
    heard: Option<Instant>,
}

/// What is to be done after a conversation.
enum Next {
    Again,
    TakeCopy,
    End(StandbyEnd),
}

impl Standby<'_> {
    async fn follow(&mut self, mut asks: mpsc::Receiver<PromoteAsk>, mut stop: watch::Receiver<bool>) -> StandbyEnd {
        loop {
            let next = self.converse(&mut asks, &mut stop).await;
            let taken = match next {
                Next::End(end) => return end,
                Next::Again => Ok(()),
                Next::TakeCopy => {
                    copy::close(self.store.take()).await;
                    tokio::select! {
                        () = told(&mut stop) => return StandbyEnd::Stopped,
                        taken = copy::take(self.config, &self.link, self.clock) => taken.map(|store| self.store = Some(store)),
                    }
                }
            };
            self.show();
            match taken {
                Ok(()) if matches!(next, Next::TakeCopy) => continue,
                Ok(()) => {}
                Err(reason) => {
                    tracing::warn!(reason, "no copy could be taken; it is tried again");
                    self.trouble(Some(reason));
                    // The copy that was there before, where there was one.
                    if let Ok(DiskState::Follows(_)) = disk_state(&self.config.data) {
                        self.store = copy::open(self.config, self.clock).await.ok();
                        self.show();
                    }
                }
            }
            tokio::select! {
                () = told(&mut stop) => return StandbyEnd::Stopped,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// One conversation with the node that is followed: until it goes wrong, a copy is to be taken, or this is over.
    async fn converse(&mut self, asks: &mut mpsc::Receiver<PromoteAsk>, stop: &mut watch::Receiver<bool>) -> Next {
        let (handle, mut events) = lan::spawn(self.link.clone(), randomness::number);
        let mut follow = Follow::new(self.config.node.clone(), self.clock, handle);
        let next = loop {
            tokio::select! {
                () = told(stop) => break Next::End(StandbyEnd::Stopped),
                Some(PromoteAsk(answer)) = asks.recv() => {
                    let promoted = self.promote().await;
                    let done = promoted.is_ok();
                    // Whoever asked may have gone.
                    let _ = answer.send(promoted);
                    if done {
                        break Next::End(StandbyEnd::Promoted);
                    }
                }
                () = sleep_until(self.silent_at()) => {
                    tracing::error!(primary = %self.link.address, "the node that is followed has been silent for too long");
                    match self.promote().await {
                        Ok(_) => break Next::End(StandbyEnd::Promoted),
                        Err(reason) => {
                            tracing::error!(reason, "it cannot be succeeded");
                            // Once: a person has to look.
                            self.heard = None;
                        }
                    }
                }
                event = events.recv() => match event {
                    None => break Next::Again,
                    Some(LinkEvent::Connected(session)) => {
                        if let Err(reason) = follow.introduce(session, self.store.as_ref(), self.key.public(), &self.address).await {
                            self.trouble(Some(reason));
                            break Next::Again;
                        }
                    }
                    Some(LinkEvent::Disconnected(reason)) => self.trouble(Some(reason)),
                    Some(LinkEvent::Message(payload)) => {
                        match follow.take(&payload, self.store.as_ref()).await {
                            Ok(Word::Nothing) => self.heard = self.heard.map(|_| Instant::now()),
                            Ok(Word::Has(seq)) => {
                                self.heard = Some(Instant::now());
                                self.has(seq);
                            }
                            Ok(Word::TakeCopy) => break Next::TakeCopy,
                            Err(reason) => {
                                tracing::error!(reason, "this standby does not follow");
                                self.trouble(Some(reason));
                                break Next::Again;
                            }
                        }
                    }
                }
            }
        };
        follow.stop().await;
        next
    }

    /// When the silence of the node that is followed has lasted long enough, where that is configured and this standby
    /// has followed it since its own start: after a power cut of both, the slower one is not succeeded.
    fn silent_at(&self) -> Option<Instant> {
        let after = Duration::from_secs(u64::from(self.config.standby.promote_after_s?.get()));
        self.heard.map(|heard| heard + after)
    }

    async fn promote(&self) -> Result<Promoted, String> {
        let store = self.store.as_ref().ok_or("this standby has no copy yet")?;
        let (now, seed) = (self.clock.now(), self.key.seed());
        let promoted = store.writer.run(move |tx| promote(tx, now, &seed)).await;
        let promoted = promoted.map_err(|failure| match failure {
            Failure::Refused(refusal) => refusal.to_string(),
            Failure::Storage(error) => error.to_string(),
        })?;
        tracing::warn!(incarnation = %promoted.head.incarnation, succeeds = %promoted.succeeds.incarnation,
            has_seq = promoted.succeeds.seq, "promoted: this node takes the place of the one that it followed");
        Ok(promoted)
    }

    /// Shows how it stands, and lets the managers of the copy in.
    fn show(&self) {
        let devices = self
            .store
            .as_ref()
            .map_or_else(Devices::default, |store| store.devices.clone());
        devices.admit(Device::operator(self.operator));
        self.view.send_modify(|view| view.devices = devices);
        if let Some(store) = &self.store {
            self.has(store.opening.head.seq);
        }
    }

    fn has(&self, seq: u64) {
        self.view.send_modify(|view| {
            view.has_seq = view.has_seq.max(seq);
            view.trouble = None;
        });
    }

    fn trouble(&self, trouble: Option<String>) {
        self.view.send_modify(|view| view.trouble = trouble);
    }
}

/// Returns when the process is to stop, or nobody could say so any more.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
