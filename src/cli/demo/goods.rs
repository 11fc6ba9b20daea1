//! What the demo's stores sell: a small grocer of our own making. Brands, items and numbers are invented; the numbers
//! in the bar codes are from the range that GS1 leaves to each company for its own use (they begin with 20).

use crate::cli::Failure;
use crate::domain::catalog::Item;
use crate::domain::tax::TaxClass;
use crate::import::{Catalog, StockFile, StockRow};

const CATALOG: &str = include_str!("catalog.csv");
const STOCK: &str = include_str!("stock.csv");

/// The catalog, cheapest first.
///
/// # Errors
/// Where the file that this program carries has a bad row.
pub(super) fn catalog() -> Result<Vec<Item>, Failure> {
    let class: TaxClass = "standard".parse()?;
    let mut items = Catalog::open(CATALOG.as_bytes(), class)?.collect::<Result<Vec<Item>, _>>()?;
    items.sort_by_key(|item| item.price);
    Ok(items)
}

/// What each site opens with.
///
/// # Errors
/// Where the file that this program carries has a bad row.
pub(super) fn opening_stock() -> Result<Vec<StockRow>, Failure> {
    Ok(StockFile::open(STOCK.as_bytes())?.collect::<Result<_, _>>()?)
}

/// Whether an item is put on the scale.
pub(super) fn is_weighed(item: &Item) -> bool {
    item.name.as_str().ends_with(", loose")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_item_has_a_bar_code_of_its_own_and_stands_in_both_stores() {
        let items = catalog().unwrap();
        assert!((60..=120).contains(&items.len()));
        let codes: BTreeSet<u64> = items.iter().map(|item| item.gtin.unwrap().number()).collect();
        let skus: BTreeSet<&str> = items.iter().map(|item| item.sku.as_str()).collect();
        assert_eq!((codes.len(), skus.len()), (items.len(), items.len()));
        for item in &items {
            let gtin = item.gtin.unwrap().to_string();
            assert!(gtin.len() == 13 && gtin.starts_with("20"), "{gtin}");
            assert!(
                !item.department.as_str().is_empty()
                    && !item.brand.as_str().is_empty()
                    && !item.size.as_str().is_empty()
            );
        }
        let stock = opening_stock().unwrap();
        for site in ["harbour", "hillside"] {
            let there: BTreeSet<&str> = stock
                .iter()
                .filter(|row| row.site.as_str() == site)
                .map(|row| row.sku.as_str())
                .collect();
            assert_eq!(there, skus, "{site}");
        }
    }

    #[test]
    fn some_goods_are_weighed_and_both_tax_classes_occur() {
        let items = catalog().unwrap();
        assert!(items.iter().any(is_weighed) && !items.iter().all(is_weighed));
        let classes: BTreeSet<&str> = items.iter().map(|item| item.tax_class.as_str()).collect();
        assert_eq!(classes, BTreeSet::from(["reduced", "standard"]));
    }
}
