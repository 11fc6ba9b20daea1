//! The parent's side of the link.
//!
//! Promises: nothing is acknowledged that the caller has not committed; answers carry the session of the node that
//! asked; a node that is silent or sends nonsense costs the others nothing. What a batch means against the ledger is
//! decided where the ledger is, in one transaction; this engine keeps the conversation.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::wire::{Ack, Down, FeedCursor, FeedPage, Fenced, Hello, Refused, Resend, StreamStatus, Up, Welcome};
use crate::domain::ids::{Incarnation, NodeId};
use crate::domain::journal::Head;

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
}

impl Default for HubLimits {
    fn default() -> Self {
        Self {
            batch_bytes_max: 64 << 10,
            page_bytes_max: 8 << 10,
            page_timeout_ms: 15_000,
            page_tries_max: 3,
        }
    }
}

/// What happens to the engine.
#[derive(Debug, Clone)]
pub enum Input {
    /// A message from a node, named by the transport.
    Received {
        /// The node.
        node: NodeId,
        /// What it says.
        message: Up,
    },
    /// The node has left, by its will or by its own word. Copies of its disk that are still there introduce themselves
    /// again when they notice that nobody answers.
    Gone {
        /// The node.
        node: NodeId,
        /// The session that ended.
        session: u64,
    },
    /// The answer to [`Output::Introduce`].
    Introduced {
        /// The node.
        node: NodeId,
        /// Its session.
        session: u64,
        /// What the ledger says.
        result: Introduction,
    },
    /// The answer to [`Output::Ingest`], after the commit.
    Ingested {
        /// The node that sent the batch.
        node: NodeId,
        /// The session in which it did.
        session: u64,
        /// What became of it.
        outcome: Outcome,
    },
    /// The answer to [`Output::LoadPage`]; nothing where the node has everything.
    PageLoaded {
        /// The node.
        node: NodeId,
        /// Its session.
        session: u64,
        /// The feed.
        feed: String,
        /// The page; its `session` is filled in by the engine.
        page: Option<FeedPage>,
    },
    /// A feed has a new version.
    Published {
        /// The feed.
        feed: String,
    },
    /// The deadline has passed.
    Timeout,
}

/// What the ledger says of a node that introduces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Introduction {
    /// What it has of each incarnation that the node named.
    Known(Vec<StreamStatus>),
    /// One of them has two branches, or the node was set back.
    Branched {
        /// What the ledger has of it.
        acked: Head,
        /// Up to here the ledger's chain is the node's, by what the node told; 0 for nothing.
        common: u64,
        /// True where the node's head is in the ledger, and not its last.
        set_back: bool,
    },
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the ledger, now or since earlier.
    Committed {
        /// What the ledger has.
        acked: Head,
    },
    /// Something is missing before it.
    Gap {
        /// What the ledger has.
        acked: Head,
    },
    /// It belongs to another branch of its incarnation.
    Branched {
        /// What the ledger has.
        acked: Head,
    },
    /// It cannot be read.
    Unreadable {
        /// The incarnation, as far as that can be read.
        incarnation: Option<Incarnation>,
        /// Its first record.
        first: u64,
        /// How many records it said it had.
        count: u32,
        /// Why.
        reason: String,
    },
}

/// What the engine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a message to a node. No answer.
    Send {
        /// The node.
        node: NodeId,
        /// What to say.
        message: Down,
    },
    /// Look a node up in the ledger; answer with [`Input::Introduced`].
    Introduce {
        /// The node.
        node: NodeId,
        /// What it said.
        hello: Hello,
    },
    /// Put a batch into the ledger; answer with [`Input::Ingested`] after the commit. Where storage fails there is no
    /// answer, and the node will offer it again.
    Ingest {
        /// The node that sent it, named by the transport.
        node: NodeId,
        /// The session.
        session: u64,
        /// The batch.
        sealed: Vec<u8>,
    },
    /// Read a feed's next page; answer with [`Input::PageLoaded`].
    LoadPage {
        /// The node.
        node: NodeId,
        /// Its session.
        session: u64,
        /// The feed.
        feed: String,
        /// Behind this version.
        after: u64,
        /// At most about so many bytes.
        bytes_max: u32,
    },
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
            Up::FeedApplied { session, cursor } => {
                let Some(open) = self.sessions.get_mut(&(node.clone(), session)) else {
                    return;
                };
                let Some(feed) = open.feeds.get_mut(&cursor.feed) else {
                    return;
                };
                feed.version = cursor.version;
                feed.tries = 0;
                feed.page = PageState::Idle;
                self.offer(&node, session, &cursor.feed);
            }
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
            Outcome::Committed { acked } => Down::Ack(Ack { session, acked }),
            Outcome::Gap { acked } => Down::Resend(Resend { session, acked }),
            Outcome::Branched { acked } => Down::Fenced(Fenced {
                session,
                acked,
                common: 0,
                set_back: false,
            }),
            Outcome::Unreadable {
                incarnation: Some(incarnation),
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
            // Not even its header can be read: nothing can be said about it, and the node's own timer brings it again.
            Outcome::Unreadable { incarnation: None, .. } => return,
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
