//! Needs of the own customers: all their lines or none, and an end for each.

use super::book::{Book, Desk, NeedLine};
use super::engine::RightsEngine;
use super::message::ShelfKey;
use super::outputs::{Output, Resolution};
use crate::domain::escrow::Amount;

/// A hold or an order that waits.
#[derive(Debug, Clone)]
pub(super) struct Need {
    lines: Vec<(ShelfKey, Amount)>,
    ready: bool,
}

impl RightsEngine {
    pub(super) fn on_wanted(&mut self, now_ms: u64, need: u64, lines: Vec<(ShelfKey, Amount)>) {
        self.close(need);
        if lines.is_empty() || !lines.iter().all(|(key, _)| self.open(key)) {
            self.outputs.push_back(Output::Resolved {
                need,
                resolution: Resolution::Refused,
            });
            return;
        }
        self.stamp += 1;
        let (stamp, until_ms) = (self.stamp, now_ms + self.config.wait_ms);
        for (key, wanted) in &lines {
            let line = NeedLine {
                need,
                wanted: wanted.parts(),
                stamp,
                until_ms,
                ready: false,
            };
            self.change(key.clone(), |book| book.needs.push(line));
        }
        self.needs.insert(need, Need { lines, ready: false });
    }

    /// Forgets a need.
    pub(super) fn close(&mut self, need: u64) {
        for (key, _) in self.needs.remove(&need).into_iter().flat_map(|need| need.lines) {
            self.change(key, |book| book.needs.retain(|line| line.need != need));
        }
    }

    pub(super) fn refuse(&mut self, need: u64) {
        if self.needs.contains_key(&need) {
            self.close(need);
            self.outputs.push_back(Output::Resolved {
                need,
                resolution: Resolution::Refused,
            });
        }
    }

    /// Sets rights aside for those needs on a shelf that are covered in every line, the oldest first.
    pub(super) fn ready_needs(&mut self, key: &ShelfKey) {
        let Some(book) = self.books.get(key) else { return };
        let waiting: Vec<u64> = book
            .needs
            .iter()
            .filter(|line| !line.ready)
            .map(|line| line.need)
            .collect();
        for id in waiting {
            let Some(need) = self.needs.get(&id) else { continue };
            let covered = |(key, wanted): &(ShelfKey, Amount)| self.covers(key, *wanted);
            if need.ready || !need.lines.iter().all(covered) {
                continue;
            }
            let keys: Vec<ShelfKey> = need.lines.iter().map(|(key, _)| key.clone()).collect();
            for key in keys {
                self.change(key, |book| {
                    let lines = book.needs.iter_mut().filter(|line| line.need == id);
                    lines.for_each(|line| line.ready = true);
                });
            }
            if let Some(need) = self.needs.get_mut(&id) {
                need.ready = true;
            }
            self.outputs.push_back(Output::Resolved {
                need: id,
                resolution: Resolution::Ready,
            });
        }
    }
}

impl Book {
    /// Needs that have waited long enough, or that nobody is left to be asked for.
    pub(super) fn hopeless_needs(&self, desk: &Desk<'_>) -> Vec<u64> {
        // Nothing was said for want of room: then there is somebody left.
        let short = |line: &&NeedLine| !self.figures.owed.is_zero() || self.available() < line.wanted;
        let hopeless =
            |line: &&NeedLine| desk.now_ms >= line.until_ms || short(line) && self.nobody_left(desk, line.stamp, None);
        let waiting = self.needs.iter().filter(|line| !line.ready);
        waiting.filter(hopeless).map(|line| line.need).collect()
    }
}
