//! Apply what headquarters tells this site: an entry of the site's own feed.

use super::pickups::{hear_pickup, pickup_gone};
use super::transfers::{hear_transfer, transfer_gone};
use crate::domain::stock::{SiteKey, SiteNews};
use crate::store::{Now, StorageError, WriteTransaction};
use crate::sync::wire::FeedEntry;

/// Applies an entry. The inner error is the entry's, for people.
pub(super) fn apply_site_entry(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    entry: &FeedEntry,
) -> Result<Result<(), String>, StorageError> {
    let Some(key) = SiteKey::of(&entry.key) else {
        return Ok(Err("this version knows nothing of that kind".into()));
    };
    let Some(body) = &entry.body else {
        return match key {
            SiteKey::Pickup(id) => pickup_gone(tx, now, id).map(Ok),
            SiteKey::Transfer(id) => transfer_gone(tx, id).map(Ok),
        };
    };
    match SiteNews::from_json(key, body) {
        Ok(SiteNews::Pickup(pickup)) => hear_pickup(tx, now, *pickup),
        Ok(SiteNews::Transfer(transfer)) => hear_transfer(tx, now, &transfer),
        Err(reason) => Ok(Err(reason)),
    }
}
