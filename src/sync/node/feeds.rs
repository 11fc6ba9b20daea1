//! Feeds on their way down: one page at a time for each feed, in order.

use super::super::wire::{FeedCursor, FeedPage};

#[derive(Debug, Default)]
pub(super) struct Feeds {
    cursors: Vec<FeedCursor>,
    /// Feeds whose page is being put on disk.
    applying: Vec<String>,
}

/// What is to be done with a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Put it on disk.
    Apply,
    /// It does not continue what is here: tell the parent how far this node is.
    Tell(FeedCursor),
    /// Another page of that feed is being put on disk; the parent will send this one again.
    Wait,
}

impl Feeds {
    pub(super) fn new(cursors: Vec<FeedCursor>) -> Self {
        Self {
            cursors,
            applying: Vec::new(),
        }
    }

    pub(super) fn on_page(&mut self, page: &FeedPage) -> Step {
        if self.applying.contains(&page.feed) {
            return Step::Wait;
        }
        let version = self
            .cursors
            .iter()
            .find(|cursor| cursor.feed == page.feed)
            .map_or(0, |cursor| cursor.version);
        if page.after == version && page.through > version {
            self.applying.push(page.feed.clone());
            Step::Apply
        } else {
            Step::Tell(FeedCursor {
                feed: page.feed.clone(),
                version,
            })
        }
    }

    pub(super) fn on_applied(&mut self, cursor: FeedCursor) {
        self.applying.retain(|feed| *feed != cursor.feed);
        self.cursors.retain(|known| known.feed != cursor.feed);
        self.cursors.push(cursor);
    }
}
