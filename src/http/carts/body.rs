//! Carts as the API answers with them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::cart::{CartId, CartLine, CartLineId, CartName, CartState};
use crate::domain::ids::{CustomerRef, Sku};
use crate::domain::money::{Minor, Price};
use crate::domain::quantity::Quantity;
use crate::domain::sale::SaleLine;
use crate::http::money::Amount;
use crate::http::sync::instant;
use crate::operations::{PricedCart, Settings};
use crate::store::CartRow;

/// Carts.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartsBody {
    pub(super) carts: Vec<CartBody>,
}

/// A cart with what it comes to. Amounts are decimals in the site's currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartBody {
    #[schema(value_type = String)]
    id: CartId,
    /// Counts its changes.
    version: u64,
    /// `open`, `parked`, `paid` or `void`.
    #[schema(value_type = String, example = "open")]
    state: CartState,
    /// What staff call it.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<CartName>,
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<CustomerRef>,
    lines: Vec<CartLineBody>,
    /// Quantity times price, over all lines.
    #[schema(value_type = String, example = "10.99")]
    gross: Amount,
    /// All discounts.
    #[schema(value_type = String, example = "1.00")]
    discount: Amount,
    /// The tax in the total.
    #[schema(value_type = String, example = "1.60")]
    tax: Amount,
    /// What is to be paid, tax and all: what a checkout names.
    #[schema(value_type = String, example = "9.99")]
    total: Amount,
    /// What is to be paid where all of it is paid in coins.
    #[schema(value_type = String, example = "10.00")]
    in_cash: Amount,
    /// When it changed last.
    #[schema(value_type = String, example = "2024-03-01T11:26:30Z")]
    changed_at: String,
    /// Why it cannot be paid as it is, where it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

/// One line of a cart.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartLineBody {
    /// Its identity.
    #[schema(value_type = String)]
    line: CartLineId,
    #[schema(value_type = String)]
    sku: Sku,
    /// What people call the item; its number where the catalog no longer has it.
    name: String,
    #[schema(value_type = String, example = "2")]
    quantity: Quantity,
    /// The price of one unit; left out where the cart cannot be priced.
    #[schema(value_type = Option<String>, example = "3.99")]
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_price: Option<Price>,
    /// The item's own price, where a person set another.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    list_price: Option<Price>,
    /// What is off the line, its share of the basket's discount with it.
    #[schema(value_type = String, example = "0.00")]
    discount: Amount,
    /// What is paid for it as priced.
    #[schema(value_type = String, example = "7.98")]
    amount: Amount,
}

impl CartBody {
    /// Of a cart that can be paid.
    pub(super) fn of(priced: &PricedCart, settings: &Settings) -> Self {
        let currency = settings.sale.currency;
        let totals = &priced.quote.totals;
        let tax = totals.taxes.iter().map(|sum| sum.tax.0).sum();
        let notes = &priced.price_notes;
        let lines = priced
            .row
            .cart
            .lines
            .iter()
            .zip(&priced.quote.lines)
            .zip(&priced.items)
            .zip(0..);
        let lines = lines.map(|(((line, quoted), item), at)| CartLineBody {
            name: item
                .as_ref()
                .map_or_else(|| line.sku.to_string(), |item| item.name.to_string()),
            list_price: notes.iter().find(|note| note.line == at).map(|note| note.list),
            ..CartLineBody::of(line, Some(quoted), settings)
        });
        Self {
            lines: lines.collect(),
            gross: Amount(totals.gross, currency),
            discount: Amount(totals.discount, currency),
            tax: Amount(Minor(tax), currency),
            total: Amount(totals.total, currency),
            in_cash: Amount(priced.in_cash, currency),
            trouble: None,
            ..Self::unpriced(&priced.row, settings, String::new())
        }
    }

    /// Of a cart that cannot be paid as it is.
    pub(super) fn unpriced(row: &CartRow, settings: &Settings, trouble: String) -> Self {
        let nothing = Amount(Minor(0), settings.sale.currency);
        let lines = row.cart.lines.iter().map(|line| CartLineBody::of(line, None, settings));
        Self {
            id: row.id.clone(),
            version: row.version,
            state: row.state,
            name: row.cart.name.clone(),
            customer: row.cart.customer.clone(),
            lines: lines.collect(),
            gross: nothing,
            discount: nothing,
            tax: nothing,
            total: nothing,
            in_cash: nothing,
            changed_at: instant(row.changed_ms),
            trouble: Some(trouble),
        }
    }
}

impl CartLineBody {
    fn of(line: &CartLine, quoted: Option<&SaleLine>, settings: &Settings) -> Self {
        let currency = settings.sale.currency;
        let off = quoted.and_then(|quoted| quoted.discount.checked_add(quoted.basket_discount));
        let amount = quoted.and_then(|quoted| quoted.amount(currency).ok());
        Self {
            line: line.id.clone(),
            sku: line.sku.clone(),
            name: line.sku.to_string(),
            quantity: line.quantity,
            unit_price: quoted.map(|quoted| quoted.unit_price),
            list_price: None,
            discount: Amount(off.unwrap_or_default(), currency),
            amount: Amount(amount.unwrap_or_default(), currency),
        }
    }
}
