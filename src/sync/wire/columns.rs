//! A batch's records as columns: equal things side by side, so that a general compressor finds them.
//!
//! A sale that this version knows is taken apart into [`SaleColumns`]; anything else travels as its bytes. A record is
//! taken apart only where putting it together again gives the very same bytes, so that this is a change of form and
//! never of content.

use serde::{Deserialize, Serialize};

use super::Slot;
use super::sale_columns::{SaleColumns, SaleReader, SaleWriter};
use crate::domain::fact::{Entry, Fact};
use crate::domain::journal::Hash;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Columns {
    /// What each slot is, in order.
    shapes: Vec<u8>,
    /// Records as they are.
    raw: Vec<Vec<u8>>,
    /// Records that the node withholds.
    withheld: Vec<(Hash, String)>,
    /// Sales, taken apart.
    sales: SaleColumns,
}

const RAW: u8 = 0;
const WITHHELD: u8 = 1;
const SALE: u8 = 2;

/// Lays slots out as columns.
pub fn pack(slots: &[Slot]) -> Vec<u8> {
    let mut columns = Columns::default();
    let mut sales = SaleWriter::default();
    for slot in slots {
        match slot {
            Slot::Withheld { after, reason } => {
                columns.shapes.push(WITHHELD);
                columns.withheld.push((*after, reason.clone()));
            }
            Slot::Record(record) => match Entry::decode(record) {
                Ok(entry) if entry.encode() == *record && push_sale(&mut sales, &entry) => {
                    columns.shapes.push(SALE);
                }
                _ => {
                    columns.shapes.push(RAW);
                    columns.raw.push(record.clone());
                }
            },
        }
    }
    columns.sales = sales.finish();
    // Writing to a growing vector does not fail for these types.
    postcard::to_allocvec(&columns).unwrap_or_default()
}

fn push_sale(sales: &mut SaleWriter, entry: &Entry) -> bool {
    match &entry.fact {
        Fact::Sale(sale) => sales.push(entry.recorded, sale),
        _ => false,
    }
}

/// Reads what [`pack`] wrote.
///
/// # Errors
/// Says in words what is wrong with the columns.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Slot>, String> {
    let columns: Columns = postcard::from_bytes(bytes).map_err(|error| error.to_string())?;
    let (mut raw, mut withheld) = (columns.raw.into_iter(), columns.withheld.into_iter());
    let mut sales = SaleReader::new(columns.sales);
    columns
        .shapes
        .iter()
        .map(|shape| match *shape {
            RAW => raw
                .next()
                .map(Slot::Record)
                .ok_or_else(|| "the column of raw records is too short".to_owned()),
            WITHHELD => withheld
                .next()
                .map(|(after, reason)| Slot::Withheld { after, reason })
                .ok_or_else(|| "the column of withheld records is too short".to_owned()),
            SALE => sales
                .next_sale()
                .map(|(recorded, sale)| {
                    Slot::Record(
                        Entry {
                            recorded,
                            fact: Fact::Sale(sale),
                        }
                        .encode(),
                    )
                })
                .map_err(|column| format!("the column {column} of sales is too short or wrong")),
            shape => Err(format!("the shape {shape} is not known to this version")),
        })
        .collect()
}
