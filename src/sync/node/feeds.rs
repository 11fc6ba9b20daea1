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
        let known = self.cursors.iter().find(|cursor| cursor.feed == page.feed);
        let cursor = known.cloned().unwrap_or(FeedCursor {
            feed: page.feed.clone(),
            version: 0,
            epoch: 0,
        });
        let continues = (page.after, page.after_epoch) == (cursor.version, cursor.epoch);
        if continues && (page.afresh || page.through > cursor.version) {
            self.applying.push(page.feed.clone());
            Step::Apply
        } else {
            Step::Tell(cursor)
        }
    }

    pub(super) fn on_applied(&mut self, cursor: FeedCursor) {
        self.applying.retain(|feed| *feed != cursor.feed);
        self.cursors.retain(|known| known.feed != cursor.feed);
        self.cursors.push(cursor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(version: u64, epoch: u64) -> FeedCursor {
        let feed = "catalog".into();
        FeedCursor { feed, version, epoch }
    }

    fn page((after, after_epoch): (u64, u64), (through, epoch): (u64, u64), afresh: bool) -> FeedPage {
        FeedPage {
            session: 1,
            feed: "catalog".into(),
            after,
            after_epoch,
            through,
            epoch,
            afresh,
            last: false,
            count: 0,
            entries: Vec::new(),
        }
    }

    #[test]
    fn a_page_is_taken_where_it_was_made_for_what_is_here() {
        let mut feeds = Feeds::new(vec![cursor(40, 7)]);
        assert_eq!(feeds.on_page(&page((40, 8), (50, 8), false)), Step::Tell(cursor(40, 7)));
        assert_eq!(feeds.on_page(&page((30, 7), (50, 7), false)), Step::Tell(cursor(40, 7)));
        assert_eq!(feeds.on_page(&page((40, 7), (50, 7), false)), Step::Apply);
        assert_eq!(feeds.on_page(&page((50, 7), (60, 7), false)), Step::Wait);
        feeds.on_applied(cursor(50, 7));
        assert_eq!(feeds.on_page(&page((40, 7), (50, 7), false)), Step::Tell(cursor(50, 7)));
    }

    #[test]
    fn a_page_that_begins_afresh_may_reach_less_far_and_comes_once() {
        let mut feeds = Feeds::new(vec![cursor(40, 7)]);
        let afresh = page((40, 7), (10, 9), true);
        assert_eq!(feeds.on_page(&page((40, 7), (10, 9), false)), Step::Tell(cursor(40, 7)));
        assert_eq!(feeds.on_page(&afresh), Step::Apply);
        feeds.on_applied(cursor(10, 9));
        assert_eq!(
            feeds.on_page(&afresh),
            Step::Tell(cursor(10, 9)),
            "the broker repeats it"
        );
        assert_eq!(feeds.on_page(&page((10, 9), (20, 9), false)), Step::Apply);
    }
}
