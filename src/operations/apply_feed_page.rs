//! Apply a page of a feed from headquarters: its entries and how far the node is then, in one transaction.
//!
//! An entry that cannot be read is set aside, and the rest goes on.

use serde::Deserialize;

use super::apply_site_entry::apply_site_entry;
use crate::domain::catalog::Item;
use crate::domain::ids::Sku;
use crate::domain::money::Price;
use crate::domain::stock::site_feed;
use crate::store::{CATALOG_FEED, Failure, Now, PRICES_FEED, StorageError, WriteTransaction};
use crate::sync::wire::{FeedCursor, FeedEntry, FeedPage};

/// The most bytes that a page's entries may decompress to.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// Why a page is not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedRefusal {
    /// It does not begin where the node is.
    #[error("the page begins behind version {after} of {feed}, and this node has version {have}, or another epoch's")]
    Gap {
        /// The feed.
        feed: String,
        /// Where the page begins.
        after: u64,
        /// Where the node is.
        have: u64,
    },
    /// Its entries cannot be read at all.
    #[error("the page of {feed} cannot be read: {reason}")]
    Unreadable {
        /// The feed.
        feed: String,
        /// What is wrong.
        reason: String,
    },
    /// A feed that this version does not know.
    #[error("this version knows no feed {0:?}")]
    UnknownFeed(String),
}

/// The body of an entry of the price feed; its key is the SKU.
#[derive(Debug, Deserialize)]
struct PriceBody {
    price: Price,
}

/// Applies a page. Entries that are here already are simply written again. Where the whole feed is taken afresh,
/// because headquarters was set back, the old entries stay until the last page, and those that did not come again go
/// with it: no sale ever meets half a catalog. Gives how far the node has the feed.
///
/// # Errors
/// A [`FeedRefusal`], or why the store could not keep it.
pub fn apply_feed_page(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    page: &FeedPage,
) -> Result<FeedCursor, Failure<FeedRefusal>> {
    let feed = page.feed.clone();
    let kind = match page.feed.as_str() {
        CATALOG_FEED => Kind::Items,
        PRICES_FEED => Kind::Prices,
        other if other == site_feed(&tx.known_identity()?.site) => Kind::Site,
        _ => return Err(Failure::Refused(FeedRefusal::UnknownFeed(feed))),
    };
    let have = tx.feed_cursor(&feed)?;
    let through = FeedCursor {
        feed: feed.clone(),
        version: page.through,
        epoch: page.epoch,
    };
    if have == through {
        return Ok(have);
    }
    if (page.after, page.after_epoch) != (have.version, have.epoch) {
        let (after, have) = (page.after, have.version);
        return Err(Failure::Refused(FeedRefusal::Gap { feed, after, have }));
    }
    let entries = match entries(&page.entries) {
        Ok(entries) => entries,
        Err(reason) => return Err(Failure::Refused(FeedRefusal::Unreadable { feed, reason })),
    };
    if page.afresh {
        tx.begin_feed_afresh(&feed)?;
    }
    for entry in entries {
        tx.feed_key_came(&feed, &entry.key, entry.body.is_some())?;
        if let Err(reason) = apply(tx, now, kind, &entry)? {
            let reference = format!("{} {}", page.through, entry.key);
            let bytes = entry.body.as_deref().unwrap_or_default().as_bytes();
            tx.set_aside(&format!("feed:{feed}"), &reference, &reason, bytes, now)?;
        }
    }
    tx.set_feed_cursor(&through)?;
    if page.last {
        for key in tx.end_feed_afresh(&feed)? {
            // A key that was never understood has put nothing here that could go.
            let _ = apply(tx, now, kind, &FeedEntry { key, body: None })?;
        }
    }
    if kind != Kind::Site {
        tx.catalog_changed();
    }
    Ok(through)
}

/// What a feed is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Items.
    Items,
    /// Prices that override the catalog's.
    Prices,
    /// What headquarters tells this site alone.
    Site,
}

fn apply(tx: &mut WriteTransaction<'_>, now: Now, kind: Kind, entry: &FeedEntry) -> Applied {
    match kind {
        Kind::Items => apply_item(tx, entry),
        Kind::Prices => apply_price(tx, entry),
        Kind::Site => apply_site_entry(tx, now, entry),
    }
}

/// The inner error is the entry's, for people.
type Applied = Result<Result<(), String>, StorageError>;

fn apply_item(tx: &mut WriteTransaction<'_>, entry: &FeedEntry) -> Applied {
    let sku: Sku = match entry.key.parse() {
        Ok(sku) => sku,
        Err(error) => return Ok(Err(format!("the key is no SKU: {error}"))),
    };
    let Some(body) = &entry.body else {
        return tx.remove_item(&sku).map(Ok);
    };
    match serde_json::from_str::<Item>(body) {
        Ok(item) if item.sku == sku => tx.put_item(&item).map(Ok),
        Ok(item) => Ok(Err(format!("the key is not the item's SKU {}", item.sku))),
        Err(error) => Ok(Err(error.to_string())),
    }
}

fn apply_price(tx: &mut WriteTransaction<'_>, entry: &FeedEntry) -> Applied {
    let sku: Sku = match entry.key.parse() {
        Ok(sku) => sku,
        Err(error) => return Ok(Err(format!("the key is no SKU: {error}"))),
    };
    let price = match entry.body.as_deref().map(serde_json::from_str::<PriceBody>).transpose() {
        Ok(body) => body.map(|body| body.price),
        Err(error) => return Ok(Err(error.to_string())),
    };
    tx.put_override(&sku, price).map(Ok)
}

fn entries(packed: &[u8]) -> Result<Vec<FeedEntry>, String> {
    let bytes = zstd::bulk::decompress(packed, PAGE_BYTES_MAX).map_err(|error| error.to_string())?;
    postcard::from_bytes(&bytes).map_err(|error| error.to_string())
}
