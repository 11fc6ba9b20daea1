//! The engine: takes what happens, has the shelves concerned do their work, keeps their calendar.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::book::{Book, Desk};
use super::config::{RightsConfig, Surplus};
use super::inputs::{Figures, Input, Place};
use super::message::{RightsMessage, ShelfKey};
use super::needs::Need;
use super::outputs::Output;
use super::traffic::Traffic;
use crate::domain::escrow::{Amount, ReplicaId};

/// How many shelves are looked at for one that can be forgotten, where memory is full.
const EVICTION_LOOKS: usize = 64;

/// The engine of one replica.
#[derive(Debug)]
pub struct RightsEngine {
    pub(super) config: RightsConfig,
    pub(super) peers: Vec<(ReplicaId, Place)>,
    /// Boxed, because each is taken out while it works.
    pub(super) books: BTreeMap<ShelfKey, Box<Book>>,
    pub(super) needs: BTreeMap<u64, Need>,
    pub(super) outputs: VecDeque<Output>,
    /// Shelves whose work is not done yet.
    pub(super) touched: BTreeSet<ShelfKey>,
    pub(super) stamp: u64,
    calendar: BTreeSet<(u64, ShelfKey)>,
    traffic: Traffic,
    next_request: u64,
    /// Where the search for something to forget goes on.
    evict_from: Option<ShelfKey>,
}

impl RightsEngine {
    /// An engine that knows nothing. `first_request` is where its requests are numbered from: a random number, so that
    /// those of an engine that was lost are not taken for its own.
    #[must_use]
    pub fn new(config: RightsConfig, first_request: u64) -> Self {
        Self {
            traffic: Traffic::new(config.messages_per_second_max),
            config,
            peers: Vec::new(),
            books: BTreeMap::new(),
            needs: BTreeMap::new(),
            outputs: VecDeque::new(),
            touched: BTreeSet::new(),
            stamp: 0,
            calendar: BTreeSet::new(),
            next_request: first_request,
            evict_from: None,
        }
    }

    /// Takes one input at `now_ms` (monotonic milliseconds). Drain [`poll`](Self::poll) afterwards.
    pub fn handle(&mut self, now_ms: u64, input: Input) {
        match input {
            Input::Connected { peer, place } => self.on_connected(now_ms, peer, place),
            Input::Disconnected { peer } => self.on_disconnected(&peer),
            Input::Received { from, message } => self.on_message(now_ms, &from, message),
            Input::Found { shelf, figures } => {
                // Where rights are at home they lie for anybody.
                if self.config.surplus != Surplus::Keep && !figures.rights.is_zero() {
                    self.on_demand(now_ms, shelf.clone(), figures.rights);
                }
                self.on_row(shelf, figures);
            }
            Input::Row { shelf, figures } => self.on_row(shelf, figures),
            Input::Demand { shelf, amount } => self.on_demand(now_ms, shelf, amount),
            Input::Wanted { need, lines } => self.on_wanted(now_ms, need, lines),
            Input::Closed { need } => self.close(need),
            Input::Known { shelf, figures, rights } => {
                self.change(shelf.clone(), |book| {
                    book.known = rights.into_iter().map(|(of, amount)| (of, amount.parts())).collect();
                });
                self.note_row(shelf, figures);
            }
            Input::Granted {
                to,
                shelf,
                request,
                total,
                figures,
            } => {
                if self.open(&shelf) {
                    let is_child = self.peers.iter().all(|(id, place)| *id != to || *place == Place::Child);
                    self.change(shelf.clone(), |book| {
                        book.on_granted(now_ms, &to, request, total, is_child)
                    });
                    self.note_row(shelf, figures);
                }
            }
            Input::NotGiven {
                to,
                shelf,
                request,
                figures,
            } => {
                self.change(shelf.clone(), |book| book.on_not_given(&to, request));
                self.note_row(shelf, figures);
            }
            Input::Accepted {
                from,
                shelf,
                request,
                figures,
            } => {
                if self.open(&shelf) {
                    let stock_retry_ms = self.config.stock_retry_ms;
                    self.change(shelf.clone(), |book| {
                        book.on_accepted(now_ms, &from, request, figures, stock_retry_ms)
                    });
                    self.note_row(shelf, figures);
                }
            }
            Input::TakenOver { by, shelf, total } => self.change(shelf, |book| book.on_taken_over(&by, total)),
            Input::Timeout => self.on_timeout(now_ms),
        }
        self.work(now_ms);
    }

    /// The next thing to do, until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When, in the caller's milliseconds, [`Input::Timeout`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.calendar.first().map(|(due_ms, _)| *due_ms)
    }

    /// How many shelves are remembered.
    #[must_use]
    pub fn shelves(&self) -> usize {
        self.books.len()
    }

    fn on_connected(&mut self, now_ms: u64, peer: ReplicaId, place: Place) {
        self.on_disconnected(&peer);
        for book in self.books.values_mut() {
            book.on_connected(now_ms, &peer);
        }
        // A parent stands first: it is asked first.
        match place {
            Place::Parent => self.peers.insert(0, (peer, place)),
            Place::Child => self.peers.push((peer, place)),
        }
    }

    fn on_disconnected(&mut self, peer: &ReplicaId) {
        self.peers.retain(|(id, _)| id != peer);
        for book in self.books.values_mut() {
            book.on_disconnected(peer);
        }
        self.touched.extend(self.books.keys().cloned());
    }

    fn on_message(&mut self, now_ms: u64, from: &ReplicaId, message: RightsMessage) {
        let connected = self.peers.iter().any(|(id, _)| id == from);
        match message {
            RightsMessage::Request(request) => {
                if connected && self.open(&request.shelf) {
                    self.stamp += 1;
                    let stamp = self.stamp;
                    let key = request.shelf.clone();
                    self.change(key, |book| book.on_request(now_ms, from, &request, stamp));
                }
            }
            RightsMessage::Nothing(answer) => {
                let config = self.config.clone();
                self.change(answer.shelf, |book| book.on_nothing(now_ms, from, answer.id, &config));
            }
        }
    }

    fn on_row(&mut self, shelf: ShelfKey, figures: Figures) {
        // A shelf where there is nothing to do needs no memory.
        let is_kept = !self.config.terms(&shelf.sku).floor.is_zero();
        let matters = is_kept || !figures.owed.is_zero() || !figures.rights.is_zero();
        if self.books.contains_key(&shelf) || matters && self.open(&shelf) {
            self.note_row(shelf, figures);
        }
    }

    fn on_demand(&mut self, now_ms: u64, shelf: ShelfKey, amount: Amount) {
        if self.open(&shelf) {
            let half_life_ms = self.config.terms(&shelf.sku).stock.half_life_ms;
            self.change(shelf, |book| book.demand.note(now_ms, amount.parts(), half_life_ms));
        }
    }

    fn on_timeout(&mut self, now_ms: u64) {
        while let Some((due_ms, key)) = self.calendar.first().cloned()
            && due_ms <= now_ms
        {
            self.calendar.remove(&(due_ms, key.clone()));
            if let Some(book) = self.books.get_mut(&key) {
                book.due_ms = None;
            }
            self.touched.insert(key);
        }
    }

    /// Changes what is remembered of a shelf, where anything is.
    pub(super) fn change(&mut self, key: ShelfKey, change: impl FnOnce(&mut Book)) {
        if let Some(book) = self.books.get_mut(&key) {
            change(book);
            self.touched.insert(key);
        }
    }

    fn note_row(&mut self, key: ShelfKey, figures: Figures) {
        let debt_retry_ms = self.config.debt_retry_ms;
        self.change(key, |book| {
            // New debt is asked for at once, and whatever helped against the old lets it be asked for soon.
            if figures.owed != book.figures.owed {
                book.round_pause_ms = debt_retry_ms;
                if figures.owed > book.figures.owed {
                    book.round_after_ms = 0;
                }
            }
            book.risen = book.risen.saturating_add(book.rises(figures));
            book.figures = figures;
            book.is_read = true;
        });
    }

    /// Remembers a shelf, where there is room.
    pub(super) fn open(&mut self, key: &ShelfKey) -> bool {
        if self.books.contains_key(key) {
            return true;
        }
        if self.books.len() >= self.config.shelves_max && !self.evict() {
            return false;
        }
        self.books.insert(key.clone(), Box::default());
        true
    }

    /// Forgets a shelf that nobody waits for.
    fn evict(&mut self) -> bool {
        let from = self.evict_from.take();
        let after = from
            .as_ref()
            .map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let seen = self.books.range((after, std::ops::Bound::Unbounded));
        let mut seen = seen.chain(&self.books).take(EVICTION_LOOKS);
        let found = seen.find(|(_, book)| book.is_quiet()).map(|(key, _)| key.clone());
        self.evict_from.clone_from(&found);
        found.is_some_and(|key| {
            self.forget(&key);
            true
        })
    }

    fn forget(&mut self, key: &ShelfKey) {
        if let Some(due_ms) = self.books.remove(key).and_then(|book| book.due_ms) {
            self.calendar.remove(&(due_ms, key.clone()));
        }
    }

    /// Has every shelf that something happened to do its work.
    fn work(&mut self, now_ms: u64) {
        while let Some(key) = self.touched.pop_first() {
            self.ready_needs(&key);
            let Some(mut book) = self.books.remove(&key) else {
                continue;
            };
            let desk = &mut Desk {
                now_ms,
                key: &key,
                config: &self.config,
                terms: self.config.terms(&key.sku),
                peers: &self.peers,
                traffic: &mut self.traffic,
                outputs: &mut self.outputs,
                stamp: &mut self.stamp,
                next_request: &mut self.next_request,
            };
            let refused = book.work(desk);
            let due_ms = book.next_due(desk);
            let idle = book.is_idle(now_ms, desk.config, desk.terms);
            if let Some(old_ms) = book.due_ms.take() {
                self.calendar.remove(&(old_ms, key.clone()));
            }
            if !idle {
                book.due_ms = Some(due_ms);
                self.calendar.insert((due_ms, key.clone()));
                self.books.insert(key, book);
            }
            for need in refused {
                self.refuse(need);
            }
        }
    }

    /// What is remembered to be available for a line; nothing where debt goes first.
    pub(super) fn covers(&self, key: &ShelfKey, wanted: Amount) -> bool {
        self.books
            .get(key)
            .is_some_and(|book| book.figures.owed.is_zero() && book.available() >= wanted.parts())
    }
}
