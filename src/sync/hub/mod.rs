//! The parent's side of the link.
//!
//! Promises: nothing is acknowledged that the caller has not committed; answers carry the session of the node that
//! asked; a node that is silent or sends nonsense costs the others nothing. What a batch means against the ledger is
//! decided where the ledger is, in one transaction; this engine keeps the conversation.

mod damage;
mod inputs;
mod outputs;

use std::collections::{BTreeMap, HashMap, VecDeque};

use self::damage::Damage;
pub use self::inputs::{Input, Introduction, Outcome};
pub use self::outputs::Output;
use super::wire::{Ack, Down, FeedCursor, FeedPage, Fenced, Refused, Resend, Up, Welcome};
use crate::domain::ids::NodeId;

/// What bounds a parent's sending.
#[derive(Debug, Clone)]
pub struct HubLimits {
    /// The most bytes that a node may put into a batch.
    pub batch_bytes_max: u32,
    /// The most bytes of a feed's page.
    pub page_bytes_max: u32,
    /// How long a node may take to put a page on its disk before it is sent again, in milliseconds; doubled each time.
    pub page_timeout_ms: u64,
    /// How often a page is sent before its session is taken for dead. A node that is there after all introduces itself
    /// again before long.
    pub page_tries_max: u32,
    /// How often in a row a batch may come damaged before its node is asked for it in smaller parts.
    pub damaged_tries_max: u32,
}

impl Default for HubLimits {
    fn default() -> Self {
        Self {
            batch_bytes_max: 64 << 10,
            page_bytes_max: 8 << 10,
            page_timeout_ms: 15_000,
            page_tries_max: 3,
            damaged_tries_max: 5,
        }
    }
}

/// A page under way to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PageState {
    /// The node has all that was there when it was last looked.
    Idle,
    /// Being read.
    Loading,
    /// Sent; again at `due_ms` where the node says nothing.
    Sent { due_ms: u64 },
}

#[derive(Debug)]
struct FeedProgress {
    version: u64,
    epoch: u64,
    page: PageState,
    /// How often the present page was sent in vain.
    tries: u32,
    /// Something was published while a page was under way.
    more: bool,
}

/// A session of a node. Two copies of one disk are two sessions of one node.
#[derive(Debug, Default)]
struct Session {
    /// Counts introductions: the session with the least was heard of longest ago.
    introduced: u64,
    feeds: BTreeMap<String, FeedProgress>,
}

/// The parent's engine, for all of its nodes.
#[derive(Debug)]
pub struct HubEngine {
    limits: HubLimits,
    wire: u8,
    sessions: HashMap<(NodeId, u64), Session>,
    introductions: u64,
    damage: Damage,
    outputs: VecDeque<Output>,
}

/// How many sessions of one node are kept. Beyond that the one that was introduced longest ago is forgotten: it is dead,
/// or introduces itself again.
const SESSIONS_OF_NODE_MAX: usize = 8;

impl HubEngine {
    /// An engine that knows nobody yet.
    #[must_use]
    pub fn new(limits: HubLimits) -> Self {
        Self {
            limits,
            wire: super::wire::WIRE_VERSION,
            sessions: HashMap::new(),
            introductions: 0,
            damage: Damage::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input at `now_ms` (monotonic milliseconds). Drain [`poll`](Self::poll) afterwards.
    pub fn handle(&mut self, now_ms: u64, input: Input) {
        match input {
            Input::Received { node, message } => self.on_message(node, message),
            Input::Gone { node, session } => {
                self.sessions.remove(&(node, session));
            }
            Input::Introduced { node, session, result } => self.on_introduced(node, session, result),
            Input::Ingested { node, session, outcome } => self.on_ingested(node, session, outcome),
            Input::PageLoaded {
                node,
                session,
                feed,
                page,
            } => self.on_page(now_ms, node, session, &feed, page),
            Input::Published { feed } => {
                let mut sessions: Vec<_> = self.sessions.keys().cloned().collect();
                sessions.sort();
                for (node, session) in sessions {
                    self.offer(&node, session, &feed);
                }
            }
            Input::Timeout => self.on_timeout(now_ms),
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is due: a page that a node has not answered for.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<u64> {
        let feeds = self.sessions.values().flat_map(|session| session.feeds.values());
        feeds
            .filter_map(|feed| match feed.page {
                PageState::Sent { due_ms } => Some(due_ms),
                _ => None,
            })
            .min()
    }

    /// How many sessions are open.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    fn on_message(&mut self, node: NodeId, message: Up) {
        match message {
            Up::Hello(hello) => {
                self.open_session(&node, hello.session, &hello.feeds);
                self.outputs.push_back(Output::Introduce { node, hello });
            }
            Up::Batch { session, sealed } => self.outputs.push_back(Output::Ingest { node, session, sealed }),
            // Who relays for whom, and who is there, is the transport's and the ledger's business.
            Up::Relayed { .. } | Up::Children { .. } => {}
            // Rights are moved by an engine of their own.
            Up::Rights { .. } => {}
            Up::FeedApplied { session, cursor } => {
                let Some(open) = self.sessions.get_mut(&(node.clone(), session)) else {
                    return;
                };
                let Some(feed) = open.feeds.get_mut(&cursor.feed) else {
                    return;
                };
                feed.version = cursor.version;
                feed.epoch = cursor.epoch;
                feed.tries = 0;
                feed.page = PageState::Idle;
                self.offer(&node, session, &cursor.feed);
            }
            // The carrier's, which the caller asks first.
            Up::Shelves { .. } => {}
        }
    }

    /// Opens a session with the feeds that a node follows.
    fn open_session(&mut self, node: &NodeId, session: u64, feeds: &[FeedCursor]) {
        self.sessions.remove(&(node.clone(), session));
        let of_node = self.sessions.iter().filter(|((known, _), _)| known == node);
        if of_node.clone().count() >= SESSIONS_OF_NODE_MAX {
            let oldest = of_node.min_by_key(|(_, session)| session.introduced);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.sessions.remove(&oldest);
            }
        }
        self.introductions += 1;
        let feeds = feeds.iter().map(|cursor| {
            let progress = FeedProgress {
                version: cursor.version,
                epoch: cursor.epoch,
                page: PageState::Idle,
                tries: 0,
                more: false,
            };
            (cursor.feed.clone(), progress)
        });
        let opened = Session {
            introduced: self.introductions,
            feeds: feeds.collect(),
        };
        self.sessions.insert((node.clone(), session), opened);
    }

    fn on_introduced(&mut self, node: NodeId, session: u64, result: Introduction) {
        let message = match result {
            Introduction::Branched {
                acked,
                common,
                set_back,
            } => Down::Fenced(Fenced {
                session,
                acked,
                common,
                set_back,
            }),
            Introduction::Known(streams) => Down::Welcome(Welcome {
                session,
                wire: self.wire,
                batch_bytes_max: self.limits.batch_bytes_max,
                streams,
            }),
        };
        let welcome = matches!(message, Down::Welcome(_));
        self.outputs.push_back(Output::Send {
            node: node.clone(),
            message,
        });
        if welcome && let Some(open) = self.sessions.get(&(node.clone(), session)) {
            let feeds: Vec<String> = open.feeds.keys().cloned().collect();
            for feed in feeds {
                self.offer(&node, session, &feed);
            }
        }
    }

    fn on_ingested(&mut self, node: NodeId, session: u64, outcome: Outcome) {
        let message = match outcome {
            Outcome::Committed { acked } => {
                self.damage.is_over(&node, acked.incarnation);
                Down::Ack(Ack { session, acked })
            }
            Outcome::Gap { acked } => Down::Resend(Resend { session, acked }),
            Outcome::Branched { acked } => Down::Fenced(Fenced {
                session,
                acked,
                common: 0,
                set_back: false,
            }),
            Outcome::Unreadable {
                incarnation,
                first,
                count,
                reason,
            } => Down::Refused(Refused {
                session,
                incarnation,
                first,
                count,
                reason,
            }),
            Outcome::Damaged {
                acked: Some(acked),
                first,
                count,
                reason,
            } => {
                let blocks = first == acked.seq.saturating_add(1);
                if blocks && self.damage.tries(&node, &acked) >= self.limits.damaged_tries_max {
                    self.damage.is_over(&node, acked.incarnation);
                    let incarnation = acked.incarnation;
                    Down::Refused(Refused {
                        session,
                        incarnation,
                        first,
                        count,
                        reason,
                    })
                } else {
                    Down::Resend(Resend { session, acked })
                }
            }
            // Nothing can be said of a batch that names nobody: the node's own timer brings it again.
            Outcome::Damaged { acked: None, .. } | Outcome::Unwelcome { .. } => return,
        };
        self.outputs.push_back(Output::Send { node, message });
    }

    fn on_page(&mut self, now_ms: u64, node: NodeId, session: u64, feed: &str, page: Option<FeedPage>) {
        let Some(open) = self.sessions.get_mut(&(node.clone(), session)) else {
            return;
        };
        let Some(progress) = open.feeds.get_mut(feed) else {
            return;
        };
        match page {
            None => {
                progress.page = PageState::Idle;
                if std::mem::take(&mut progress.more) {
                    self.offer(&node, session, feed);
                }
            }
            Some(page) => {
                progress.page = PageState::Sent {
                    due_ms: now_ms + (self.limits.page_timeout_ms << progress.tries.min(10)),
                };
                let message = Down::FeedPage(FeedPage { session, ..page });
                self.outputs.push_back(Output::Send { node, message });
            }
        }
    }

    /// Reads the next page of a feed for a node, unless one is under way.
    fn offer(&mut self, node: &NodeId, session: u64, feed: &str) {
        let Some(open) = self.sessions.get_mut(&(node.clone(), session)) else {
            return;
        };
        let Some(progress) = open.feeds.get_mut(feed) else {
            return;
        };
        if progress.page != PageState::Idle {
            progress.more = true;
            return;
        }
        progress.page = PageState::Loading;
        progress.more = false;
        self.outputs.push_back(Output::LoadPage {
            node: node.clone(),
            session,
            feed: feed.to_owned(),
            after: progress.version,
            epoch: progress.epoch,
            bytes_max: self.limits.page_bytes_max,
        });
    }

    fn on_timeout(&mut self, now_ms: u64) {
        let (mut late, mut dead) = (Vec::new(), Vec::new());
        for ((node, session), open) in &mut self.sessions {
            for (feed, progress) in &mut open.feeds {
                if matches!(progress.page, PageState::Sent { due_ms } if now_ms >= due_ms) {
                    progress.page = PageState::Idle;
                    progress.tries += 1;
                    if progress.tries < self.limits.page_tries_max {
                        late.push((node.clone(), *session, feed.clone()));
                    } else {
                        dead.push((node.clone(), *session));
                    }
                }
            }
        }
        for session in dead {
            self.sessions.remove(&session);
        }
        // In an order that does not depend on the map's.
        late.sort();
        for (node, session, feed) in late {
            self.offer(&node, session, &feed);
        }
    }
}
