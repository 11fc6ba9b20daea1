//! Look-up: the items that a scanned code names.

use crate::domain::barcode::Named;
use crate::domain::ids::Sku;
use crate::store::{Listed, Snapshot, StorageError};

/// The items that a code names, most often one; none where the catalog has none.
///
/// A scale's label is looked for as its number with zeros for the weight or price, as catalogs keep it, then as the SKU
/// that its digits are, with and without the zeros in front.
///
/// # Errors
/// Where they cannot be read.
pub fn look_up(snapshot: &Snapshot<'_>, named: &Named) -> Result<Vec<Listed>, StorageError> {
    let skus = match named {
        Named::Gtin(gtin) => {
            let skus = snapshot.skus_by_gtin(*gtin)?;
            // A number without a name of its own in the catalog may be the SKU itself.
            if skus.is_empty() { sku(&gtin.to_string()) } else { skus }
        }
        Named::InStore { number, base } => {
            let skus = snapshot.skus_by_gtin(*base)?;
            if !skus.is_empty() {
                return items(snapshot, skus);
            }
            let found = items(snapshot, sku(number))?;
            if !found.is_empty() {
                return Ok(found);
            }
            sku(number.trim_start_matches('0'))
        }
        Named::Text(text) => sku(text),
    };
    items(snapshot, skus)
}

fn sku(text: &str) -> Vec<Sku> {
    text.parse().into_iter().collect()
}

fn items(snapshot: &Snapshot<'_>, skus: Vec<Sku>) -> Result<Vec<Listed>, StorageError> {
    skus.iter().filter_map(|sku| snapshot.item(sku).transpose()).collect()
}
