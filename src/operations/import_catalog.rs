//! Import a part of a catalog: adds items and replaces those with the same SKU.

use crate::domain::catalog::Item;
use crate::store::{StorageError, WriteTransaction};

/// Adds or replaces items. Repeating it changes nothing. Bring a large catalog in parts of a few hundred items: sales
/// wait while one is written.
///
/// # Errors
/// Why the store could not keep them; none is kept then.
pub fn import_catalog(tx: &mut WriteTransaction<'_>, items: &[Item]) -> Result<(), StorageError> {
    for item in items {
        tx.put_item(item)?;
    }
    if !items.is_empty() {
        tx.catalog_changed();
    }
    Ok(())
}
