//! Put a page of a feed on disk, with the feed's cursor in the same transaction.

use crate::domain::catalog::Item;
use crate::domain::ids::Sku;
use crate::domain::money::Price;
use crate::store::{CATALOG_FEED, Now, PRICES_FEED, StorageError, WriteTransaction};
use crate::sync::wire::{DECOMPRESSED_BYTES_MAX, FeedCursor, FeedEntry, FeedPage};

/// Applies a page and moves the cursor. An entry that cannot be read or applied is set aside, and so is a page that
/// cannot be read at all: what comes behind it goes on. Applying a page again changes nothing.
///
/// # Errors
/// Where it cannot be kept; nothing has changed then.
pub fn apply_feed_page(tx: &mut WriteTransaction<'_>, now: Now, page: &FeedPage) -> Result<FeedCursor, StorageError> {
    let have = tx.feed_version(&page.feed)?;
    if have == page.after && page.through > have {
        let source = format!("feed:{}", page.feed);
        match entries(page) {
            Ok(entries) => {
                for entry in entries {
                    if let Err(reason) = apply(tx, &page.feed, &entry)? {
                        let reference = format!("{}:{}", page.through, entry.key);
                        let bytes = entry.body.unwrap_or_default().into_bytes();
                        tx.set_aside(&source, &reference, &reason, &bytes, now)?;
                    }
                }
            }
            Err(reason) => tx.set_aside(&source, &page.through.to_string(), &reason, &page.entries, now)?,
        }
        tx.set_feed_version(&page.feed, page.through)?;
        tx.catalog_changed();
    }
    Ok(FeedCursor {
        feed: page.feed.clone(),
        version: tx.feed_version(&page.feed)?,
    })
}

fn entries(page: &FeedPage) -> Result<Vec<FeedEntry>, String> {
    let bytes = zstd::bulk::decompress(&page.entries, DECOMPRESSED_BYTES_MAX).map_err(|error| error.to_string())?;
    postcard::from_bytes(&bytes).map_err(|error| error.to_string())
}

/// A price of the price feed.
#[derive(serde::Deserialize)]
struct PriceBody {
    price: Price,
}

/// The inner error says, for people, why the entry cannot be applied.
fn apply(tx: &mut WriteTransaction<'_>, feed: &str, entry: &FeedEntry) -> Result<Result<(), String>, StorageError> {
    let sku: Sku = match entry.key.parse() {
        Ok(sku) => sku,
        Err(error) => return Ok(Err(format!("the key: {error}"))),
    };
    match (feed, &entry.body) {
        (CATALOG_FEED, None) => tx.remove_item(&sku)?,
        (CATALOG_FEED, Some(body)) => match serde_json::from_str::<Item>(body) {
            Ok(item) if item.sku == sku => tx.put_item(&item)?,
            Ok(item) => return Ok(Err(format!("the item's SKU is {}, its key {sku}", item.sku))),
            Err(error) => return Ok(Err(error.to_string())),
        },
        (PRICES_FEED, None) => tx.put_override(&sku, None)?,
        (PRICES_FEED, Some(body)) => match serde_json::from_str::<PriceBody>(body) {
            Ok(body) => tx.put_override(&sku, Some(body.price))?,
            Err(error) => return Ok(Err(error.to_string())),
        },
        _ => return Ok(Err(format!("the feed {feed:?} is not known to this version"))),
    }
    Ok(Ok(()))
}
