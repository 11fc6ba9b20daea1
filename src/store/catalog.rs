//! Items: what people read of them, and apart from it what a sale needs.

use rusqlite::Row;

use super::changes::Change;
use super::feeds::{CATALOG_FEED, PRICES_FEED};
use super::served::Served;
use super::snapshot::{parsed, unreadable};
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::catalog::{Gtin, Item};
use crate::domain::ids::Sku;
use crate::domain::money::Price;
use crate::domain::tax::TaxClass;

/// What a sale needs of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// The price of one unit: the price feed's where it has one, else the catalog's.
    pub price: Price,
    /// The class that its tax follows.
    pub tax_class: TaxClass,
}

/// An item with the price that it sells at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The item as the catalog has it.
    pub item: Item,
    /// The price that it sells at: the price feed's where it has one, else the catalog's.
    pub selling_price: Price,
}

/// How many items' prices the writer remembers: what most shops sell in a week, in about 2 MB.
const PRICES_KEPT_MAX: usize = 16_384;

pub(super) const LISTED: &str = "SELECT item.sku, gtin, gtin_digits, name, department, brand, size, list, tax_class, \
    coalesce(override, list) FROM item JOIN price ON price.sku = item.sku";

impl Snapshot<'_> {
    /// What a sale needs of an item; none where the catalog does not have it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn priced(&self, sku: &Sku) -> Result<Option<Priced>, StorageError> {
        let sql = "SELECT coalesce(override, list), tax_class FROM price WHERE sku = ?1 AND list IS NOT NULL";
        self.one(sql, (sku.as_str(),), |row| {
            Ok(Priced {
                price: price(row, 0)?,
                tax_class: parsed(row, 1)?,
            })
        })
    }

    /// An item by its SKU.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn item(&self, sku: &Sku) -> Result<Option<Listed>, StorageError> {
        self.one(&format!("{LISTED} WHERE item.sku = ?1"), (sku.as_str(),), listed)
    }

    /// The SKUs that carry a bar code's number; more than one where two items were given the same.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn skus_by_gtin(&self, gtin: Gtin) -> Result<Vec<Sku>, StorageError> {
        let sql = "SELECT sku FROM item WHERE gtin = ?1 ORDER BY ix LIMIT 10";
        self.all(sql, (gtin_number(gtin),), |row| parsed(row, 0))
    }

    /// Items in the order of their SKUs, after `after`; at most `limit`.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn items_page(&self, after: Option<&Sku>, limit: u32) -> Result<Vec<Listed>, StorageError> {
        let sql = format!("{LISTED} WHERE item.sku > ?1 ORDER BY item.sku LIMIT ?2");
        self.all(&sql, (after.map_or("", Sku::as_str), limit), listed)
    }

    /// How many items the catalog has.
    ///
    /// # Errors
    /// Where they cannot be counted.
    pub fn items_count(&self) -> Result<u64, StorageError> {
        let count = self.one("SELECT count(*) FROM item", (), |row| row.get(0))?;
        Ok(super::keys::count(count.unwrap_or_default()))
    }
}

impl WriteTransaction<'_> {
    /// What a sale needs of an item, from memory where it was sold before; none where the catalog does not have it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn priced(&mut self, sku: &Sku) -> Result<Option<Priced>, StorageError> {
        if let Some(known) = self.state.prices.get(sku) {
            return Ok(Some(known.clone()));
        }
        let read = Snapshot::priced(self, sku)?;
        if let Some(priced) = &read {
            if self.state.prices.len() >= PRICES_KEPT_MAX {
                self.state.prices.clear();
            }
            self.state.prices.insert(sku.clone(), priced.clone());
        }
        Ok(read)
    }

    /// Adds an item or replaces the one with its SKU.
    pub(crate) fn put_item(&mut self, item: &Item) -> Result<(), StorageError> {
        if self.item(&item.sku)?.map(|listed| listed.item).as_ref() != Some(item) {
            self.serve(CATALOG_FEED, &item.sku)?;
        }
        let sql = "SELECT ix, name, brand, department, size FROM item WHERE sku = ?1";
        let known = self.one(sql, (item.sku.as_str(),), |row| {
            let same = [
                (1, &item.name),
                (2, &item.brand),
                (3, &item.department),
                (4, &item.size),
            ]
            .into_iter()
            .try_fold(true, |same, (column, text)| {
                Ok::<_, rusqlite::Error>(same && row.get_ref(column)?.as_str()? == text.as_str())
            })?;
            Ok((row.get::<_, i64>(0)?, same))
        })?;
        let gtin = item.gtin.map(|gtin| (gtin_number(gtin), gtin.to_string().len() as i64));
        let texts = (
            item.sku.as_str(),
            gtin.map(|(number, _)| number),
            gtin.map(|(_, digits)| digits),
            item.name.as_str(),
            item.department.as_str(),
            item.brand.as_str(),
            item.size.as_str(),
        );
        self.write(
            "INSERT INTO item (sku, gtin, gtin_digits, name, department, brand, size) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (sku) DO UPDATE SET gtin = excluded.gtin, \
             gtin_digits = excluded.gtin_digits, name = excluded.name, department = excluded.department, \
             brand = excluded.brand, size = excluded.size",
            texts,
        )?;
        match known {
            Some((_, true)) => {}
            Some((ix, false)) => {
                self.write("DELETE FROM item_words WHERE rowid = ?1", (ix,))?;
                self.put_words(ix, item)?;
            }
            None => {
                let ix = self.inserted();
                self.put_words(ix, item)?;
            }
        }
        self.state.prices.clear();
        self.write(
            "INSERT INTO price (sku, list, tax_class) VALUES (?1, ?2, ?3) \
             ON CONFLICT (sku) DO UPDATE SET list = excluded.list, tax_class = excluded.tax_class",
            (
                item.sku.as_str(),
                super::keys::row_count(item.price.packed()),
                item.tax_class.as_str(),
            ),
        )?;
        Ok(())
    }

    /// Takes an item out of the catalog. Its stock and its price feed's price stay.
    pub(crate) fn remove_item(&mut self, sku: &Sku) -> Result<(), StorageError> {
        if self.item(sku)?.is_some() {
            self.serve(CATALOG_FEED, sku)?;
        }
        let sql = "DELETE FROM item_words WHERE rowid = (SELECT ix FROM item WHERE sku = ?1)";
        self.write(sql, (sku.as_str(),))?;
        self.write("DELETE FROM item WHERE sku = ?1", (sku.as_str(),))?;
        self.state.prices.clear();
        let sql = "UPDATE price SET list = NULL, tax_class = NULL WHERE sku = ?1";
        self.write(sql, (sku.as_str(),))?;
        Ok(())
    }

    /// Sets or ends the price feed's price of an item, which the catalog need not know yet.
    pub(crate) fn put_override(&mut self, sku: &Sku, price: Option<Price>) -> Result<(), StorageError> {
        let now = price.map_or(Served::Gone, Served::Price);
        if self.served(PRICES_FEED, sku.as_str())? != now {
            self.serve(PRICES_FEED, sku)?;
        }
        self.state.prices.clear();
        self.write(
            "INSERT INTO price (sku, override) VALUES (?1, ?2) \
             ON CONFLICT (sku) DO UPDATE SET override = excluded.override",
            (sku.as_str(), price.map(|price| super::keys::row_count(price.packed()))),
        )?;
        Ok(())
    }

    /// Tells that the catalog changed, once for many items.
    pub(crate) fn catalog_changed(&mut self) {
        self.changed(Change::Catalog);
    }

    fn put_words(&mut self, ix: i64, item: &Item) -> Result<(), StorageError> {
        self.write(
            "INSERT INTO item_words (rowid, name, brand, department, size) VALUES (?1, ?2, ?3, ?4, ?5)",
            (
                ix,
                item.name.as_str(),
                item.brand.as_str(),
                item.department.as_str(),
                item.size.as_str(),
            ),
        )?;
        Ok(())
    }
}

fn gtin_number(gtin: Gtin) -> i64 {
    super::keys::row_count(gtin.number())
}

fn price(row: &Row<'_>, column: usize) -> rusqlite::Result<Price> {
    let packed = super::keys::count(row.get(column)?);
    Price::from_packed(packed).map_err(|error| unreadable(column, error))
}

pub(super) fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let gtin = match (row.get::<_, Option<i64>>(1)?, row.get::<_, Option<u8>>(2)?) {
        (Some(number), Some(digits)) => {
            let text = format!("{number:0width$}", width = usize::from(digits));
            Some(
                text.parse()
                    .map_err(|error: crate::domain::catalog::GtinError| unreadable(1, error))?,
            )
        }
        _ => None,
    };
    let item = Item {
        sku: parsed(row, 0)?,
        gtin,
        name: parsed(row, 3)?,
        department: parsed(row, 4)?,
        brand: parsed(row, 5)?,
        size: parsed(row, 6)?,
        price: price(row, 7)?,
        tax_class: parsed(row, 8)?,
    };
    Ok(Listed {
        item,
        selling_price: price(row, 9)?,
    })
}
