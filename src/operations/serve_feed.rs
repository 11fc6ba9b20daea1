//! Serve a feed: a store's catalog and prices for its kiosks, from what the store sells by itself, also where
//! headquarters is away.

use serde::Serialize;

use crate::domain::money::Price;
use crate::store::{Served, Snapshot, StorageError};
use crate::sync::feed_pages::{self, History};
use crate::sync::wire::{FeedCursor, FeedEntry, FeedPage};

/// The most keys that one page is made of.
const KEYS_MAX: u32 = 2_000;

/// The body of an entry of the price feed; its key is the SKU.
#[derive(Serialize)]
struct PriceBody {
    price: Price,
}

/// The next page of a feed behind what a kiosk has, at most `bytes_max` bytes as a message; none where it has everything.
/// Its versions are this node's own. The page's `session` is left 0 for whoever sends it.
///
/// # Errors
/// Where it cannot be read.
pub fn serve_feed(
    snapshot: &Snapshot<'_>,
    cursor: &FeedCursor,
    bytes_max: u32,
) -> Result<Option<FeedPage>, StorageError> {
    let served = snapshot.served_history(&cursor.feed)?;
    let history = History::new(served.version, served.runs);
    let gathered_max = feed_pages::gathered_max(bytes_max);
    let (mut entries, mut bytes) = (Vec::new(), 0);
    for (version, key) in snapshot.served_keys(&cursor.feed, history.page_begins_behind(cursor), KEYS_MAX)? {
        let unwritable = |error: serde_json::Error| StorageError::Other(error.to_string());
        let body = match snapshot.served(&cursor.feed, &key)? {
            Served::Item(item) => Some(serde_json::to_string(&item).map_err(unwritable)?),
            Served::Price(price) => Some(serde_json::to_string(&PriceBody { price }).map_err(unwritable)?),
            Served::Gone => None,
        };
        bytes += key.len() + body.as_ref().map_or(0, String::len);
        entries.push((version, FeedEntry { key, body }));
        if bytes >= gathered_max {
            break;
        }
    }
    Ok(history.page(cursor, entries, bytes_max))
}
