//! `sku,gtin,name,department,brand,size,price` and, where the file has it, `tax_class`.

use std::io::Read;

use super::table::{HeaderError, RowError, Table};
use crate::domain::catalog::Item;
use crate::domain::tax::TaxClass;

/// A catalog that is being read.
pub struct Catalog<R> {
    table: Table<R>,
    tax_class: TaxClass,
}

impl<R: Read> Catalog<R> {
    /// Reads the first line. `tax_class` is that of items whose row names none.
    ///
    /// # Errors
    /// Where `sku`, `name` or `price` is not a column.
    pub fn open(source: R, tax_class: TaxClass) -> Result<Self, HeaderError> {
        Ok(Self {
            table: Table::open(source, &["sku", "name", "price"])?,
            tax_class,
        })
    }
}

impl<R: Read> Iterator for Catalog<R> {
    type Item = Result<Item, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.table.next_row()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error)),
        };
        let item = || {
            Ok(Item {
                sku: row.parse("sku")?,
                gtin: row.parse_if_any("gtin")?,
                name: row.parse("name")?,
                department: row.parse("department")?,
                brand: row.parse("brand")?,
                size: row.parse("size")?,
                price: row.parse("price")?,
                tax_class: row.parse_if_any("tax_class")?.unwrap_or_else(|| self.tax_class.clone()),
            })
        };
        Some(item())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Result<Item, RowError>> {
        Catalog::open(text.as_bytes(), "standard".parse().unwrap())
            .unwrap()
            .collect()
    }

    #[test]
    fn columns_are_found_by_name_and_bad_rows_are_told() {
        let rows = read(
            "price,name,sku,gtin\n1.58,\"BEANS, BAKED\",818980,2000008189804\nfree,TEA,7,\n2.00,TEA,8,2000008189805\n3.00,TEA\n",
        );
        let item = rows[0].as_ref().unwrap();
        assert_eq!((item.sku.as_str(), item.name.as_str()), ("818980", "BEANS, BAKED"));
        assert_eq!(item.tax_class.as_str(), "standard");
        let error = |at: usize| rows[at].as_ref().unwrap_err().to_string();
        assert_eq!(error(1), "line 3, column 1 (price): \"free\" is not a decimal number");
        assert_eq!(
            error(2),
            "line 4, column 4 (gtin): the check digit of 2000008189805 should be 4"
        );
        assert_eq!(error(3), "line 5: the row has 2 values and the first line 4");
    }

    #[test]
    fn a_missing_column_is_named() {
        let error = Catalog::open("sku,name\n".as_bytes(), "standard".parse().unwrap())
            .err()
            .unwrap();
        assert_eq!(
            error.to_string(),
            "the first line does not name [\"price\"]; it names [\"sku\", \"name\"]"
        );
    }

    #[test]
    fn text_that_is_not_utf_8_spoils_one_row() {
        let rows: Vec<_> = Catalog::open(&b"sku,name,price\n1,\xff,1\n2,b,2\n"[..], "standard".parse().unwrap())
            .unwrap()
            .collect();
        assert!(rows[0].is_err());
        assert_eq!(rows[1].as_ref().unwrap().sku.as_str(), "2");
    }
}
