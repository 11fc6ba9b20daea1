//! What headquarters tells one site: entries of the site's own feed, versioned and compacted by key like every feed.
//!
//! Promises: an entry is on disk with what it tells of, and reaches its site however long that is away; only nodes of the
//! site get it. What is over goes from the feed after a week, with the next news of its kind.

use super::feeds;
use super::headquarters::Headquarters;
use super::storage::{StorageError, Writing};
use crate::domain::ids::{NodeId, SiteId};
use crate::domain::stock::{Pickup, SiteKey, SiteNews, Transfer, is_site_feed, site_feed};
use crate::sync::wire::FeedEntry;

/// For how long a feed speaks of what is over, in milliseconds: a week.
const TOLD_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// How many are forgotten at once.
const FORGET_STEP: u32 = 50;

impl Headquarters {
    /// Whether a node may follow a feed: a site's is for the nodes of that site alone.
    pub(super) fn may_follow(&self, node: &NodeId, feed: &str) -> Result<bool, StorageError> {
        if !is_site_feed(feed) {
            return Ok(true);
        }
        let known = self.database.read(|reading| reading.node(node))?;
        Ok(known.is_some_and(|known| site_feed(&known.site) == feed))
    }
}

/// Keeps a pickup and tells its site of it.
pub(super) fn tell_pickup(writing: &Writing<'_>, pickup: &Pickup, now_ms: u64) -> Result<(), StorageError> {
    let site = &pickup.ordered.site;
    writing.save_pickup(pickup, now_ms)?;
    tell(writing, site, &SiteNews::Pickup(Box::new(pickup.clone())))?;
    for old in writing.pickups_to_forget(site, now_ms.saturating_sub(TOLD_MS), FORGET_STEP)? {
        let id = old.ordered.id;
        forget(writing, site, SiteKey::Pickup(id))?;
        writing.pickup_untold(id)?;
    }
    Ok(())
}

/// Keeps a transfer and tells its sites of it.
pub(super) fn tell_transfer(writing: &Writing<'_>, transfer: &Transfer, now_ms: u64) -> Result<(), StorageError> {
    writing.save_transfer(transfer, now_ms)?;
    for site in [transfer.from(), transfer.to()].into_iter().flatten() {
        tell(writing, site, &SiteNews::Transfer(Box::new(transfer.clone())))?;
    }
    for old in writing.transfers_to_forget(now_ms.saturating_sub(TOLD_MS), FORGET_STEP)? {
        for site in [old.from(), old.to()].into_iter().flatten() {
            forget(writing, site, SiteKey::Transfer(old.id))?;
        }
        writing.transfer_untold(old.id)?;
    }
    Ok(())
}

fn tell(writing: &Writing<'_>, site: &SiteId, news: &SiteNews) -> Result<(), StorageError> {
    let body = news
        .to_json()
        .map_err(|error| StorageError::Failed(error.to_string()))?;
    let entry = FeedEntry {
        key: news.key().key(),
        body: Some(body),
    };
    feeds::put(writing, &site_feed(site), &[entry]).map(drop)
}

fn forget(writing: &Writing<'_>, site: &SiteId, key: SiteKey) -> Result<(), StorageError> {
    let entry = FeedEntry {
        key: key.key(),
        body: None,
    };
    feeds::put(writing, &site_feed(site), &[entry]).map(drop)
}
