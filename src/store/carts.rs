//! Carts, and the requests that changed them.

use rusqlite::Row;

use super::clock::Now;
use super::idempotency::{Fingerprint, IdempotencyKey};
use super::keys::{DeviceIx, SeriesIx, count, row_count};
use super::snapshot::{parsed, unreadable};
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::cart::{Cart, CartId, CartState};

/// A cart with where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CartRow {
    /// Its identity.
    pub id: CartId,
    /// How often it was changed.
    pub version: u64,
    /// What has become of it.
    pub state: CartState,
    /// The device that began it.
    pub opened_by: DeviceIx,
    /// The device that took it up last.
    pub held_by: DeviceIx,
    /// What is in it.
    pub cart: Cart,
    /// When it changed last, milliseconds since 1970.
    pub changed_ms: u64,
    /// The sale that paid it.
    pub sale: Option<(SeriesIx, u64)>,
}

/// How long a cart is kept that is over, in milliseconds: a till that was cut off in the middle may still ask.
const OVER_KEPT_MS: u64 = 3 * 24 * 3_600_000;
/// How long one that nobody touches is kept.
const IDLE_KEPT_MS: u64 = 30 * 24 * 3_600_000;

const COLUMNS: &str = "SELECT id, version, state, opened_by, held_by, content, changed_ms, series, counter FROM cart";

impl Snapshot<'_> {
    /// A cart.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn cart(&self, id: &CartId) -> Result<Option<CartRow>, StorageError> {
        self.one(&format!("{COLUMNS} WHERE id = ?1"), (id.as_str(),), cart)
    }

    /// Carts that are open or parked, the one that changed last first; at most `limit`.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn live_carts(&self, limit: u32) -> Result<Vec<CartRow>, StorageError> {
        let sql = format!("{COLUMNS} WHERE state < 2 ORDER BY changed_ms DESC, id LIMIT ?1");
        self.all(&sql, (limit,), cart)
    }

    /// What a device asked of a cart under a key.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn cart_request(
        &self,
        cart: &CartId,
        device: DeviceIx,
        key: &IdempotencyKey,
    ) -> Result<Option<Fingerprint>, StorageError> {
        let sql = "SELECT fingerprint FROM cart_request WHERE cart = ?1 AND device = ?2 AND key = ?3";
        self.one(sql, (cart.as_str(), device.0, key.as_str()), |row| {
            row.get(0).map(Fingerprint)
        })
    }
}

impl WriteTransaction<'_> {
    /// Keeps a cart as it is now.
    pub(crate) fn put_cart(&mut self, row: &CartRow) -> Result<(), StorageError> {
        // Writing to a growing vector does not fail for these types.
        let content = postcard::to_allocvec(&row.cart).unwrap_or_default();
        let sql = "INSERT OR REPLACE INTO cart (id, version, state, opened_by, held_by, content, changed_ms, series, \
            counter) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let state = match row.state {
            CartState::Open => 0,
            CartState::Parked => 1,
            CartState::Paid => 2,
            CartState::Void => 3,
        };
        let sale = row.sale.map(|(series, counter)| (series.0, row_count(counter)));
        self.write(
            sql,
            (
                row.id.as_str(),
                row_count(row.version),
                state,
                row.opened_by.0,
                row.held_by.0,
                content,
                row_count(row.changed_ms),
                sale.map(|(series, _)| series),
                sale.map(|(_, counter)| counter),
            ),
        )?;
        Ok(())
    }

    /// Remembers a request that changed a cart.
    pub(crate) fn keep_cart_request(
        &mut self,
        cart: &CartId,
        device: DeviceIx,
        key: &IdempotencyKey,
        fingerprint: Fingerprint,
    ) -> Result<(), StorageError> {
        let sql = "INSERT INTO cart_request (cart, device, key, fingerprint) VALUES (?1, ?2, ?3, ?4)";
        self.write(sql, (cart.as_str(), device.0, key.as_str(), fingerprint.0))?;
        Ok(())
    }

    /// Lets carts go that were over long ago, or that nobody has touched for a month; at most `limit`.
    pub(crate) fn forget_old_carts(&mut self, now: Now, limit: u32) -> Result<(), StorageError> {
        let before = |kept_ms: u64| row_count(now.unix_ms.saturating_sub(kept_ms));
        let sql = format!("{COLUMNS} WHERE state >= 2 AND changed_ms < ?1 OR state < 2 AND changed_ms < ?2 LIMIT ?3");
        for row in self.all(&sql, (before(OVER_KEPT_MS), before(IDLE_KEPT_MS), limit), cart)? {
            self.write("DELETE FROM cart_request WHERE cart = ?1", (row.id.as_str(),))?;
            self.write("DELETE FROM cart WHERE id = ?1", (row.id.as_str(),))?;
        }
        Ok(())
    }
}

fn cart(row: &Row<'_>) -> rusqlite::Result<CartRow> {
    let content = row.get_ref(5)?.as_blob()?;
    let series: Option<i64> = row.get(7)?;
    let counter: Option<i64> = row.get(8)?;
    Ok(CartRow {
        id: parsed(row, 0)?,
        version: count(row.get(1)?),
        state: match row.get::<_, i64>(2)? {
            0 => CartState::Open,
            1 => CartState::Parked,
            2 => CartState::Paid,
            3 => CartState::Void,
            other => return Err(unreadable(2, format!("no state of a cart is {other}"))),
        },
        opened_by: DeviceIx(row.get(3)?),
        held_by: DeviceIx(row.get(4)?),
        cart: postcard::from_bytes(content).map_err(|error| unreadable(5, error.to_string()))?,
        changed_ms: count(row.get(6)?),
        sale: series.map(SeriesIx).zip(counter.map(count)),
    })
}
