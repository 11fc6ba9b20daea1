//! What is done to a cart, one small step at a time.

use super::{Cart, CartLine, CartLineId, CartName};
use crate::domain::ids::{CustomerRef, Sku};
use crate::domain::money::Price;
use crate::domain::quantity::Quantity;
use crate::domain::sale::{ByHand, Discount, LINES_MAX};

/// One step. Steps on different lines give the same cart in any order, and so do changes of quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CartEdit {
    /// A new line.
    Add {
        /// Its identity.
        line: CartLineId,
        /// What is to be sold.
        sku: Sku,
        /// How much of it.
        quantity: Quantity,
    },
    /// So much more, or less, of a line; a line of which nothing is left goes.
    Change {
        /// The line.
        line: CartLineId,
        /// More, or less where it is negative.
        by: Quantity,
    },
    /// Another quantity, whatever it was: a weight that was taken again.
    SetQuantity {
        /// The line.
        line: CartLineId,
        /// How much of it.
        quantity: Quantity,
    },
    /// A line goes.
    Remove {
        /// The line.
        line: CartLineId,
    },
    /// A price of one unit by hand; none for the item's own again.
    SetPrice {
        /// The line.
        line: CartLineId,
        /// The price, and who set it.
        price: Option<(Price, ByHand)>,
    },
    /// A discount on a line; none for no discount.
    SetDiscount {
        /// The line.
        line: CartLineId,
        /// The discount, and who gave it.
        discount: Option<(Discount, ByHand)>,
    },
    /// A discount on the whole basket; none for no discount.
    SetBasketDiscount(Option<(Discount, ByHand)>),
    /// Who buys.
    SetCustomer(Option<CustomerRef>),
    /// What staff call it.
    SetName(Option<CartName>),
}

/// Why a step cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditRefusal {
    /// The cart has no such line, or no longer.
    #[error("the cart has no line {0}: another till may have removed it")]
    NoSuchLine(CartLineId),
    /// The cart has such a line already.
    #[error("the cart has a line {0} already")]
    LineExists(CartLineId),
    /// A quantity of 0 or less, or over [`Quantity::LINE_MAX`].
    #[error("a line's quantity is over 0 and at most {max}, and it is {0}", max = Quantity::LINE_MAX)]
    Quantity(Quantity),
    /// Over [`LINES_MAX`] lines.
    #[error("a cart has at most {LINES_MAX} lines")]
    TooManyLines,
}

impl EditRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchLine(_) => "no-such-cart-line",
            Self::LineExists(_) => "cart-line-exists",
            Self::Quantity(_) => "cart-quantity",
            Self::TooManyLines => "too-many-lines",
        }
    }
}

impl Cart {
    /// Takes one step.
    ///
    /// # Errors
    /// An [`EditRefusal`]; the cart is as it was then.
    pub fn apply(&mut self, edit: CartEdit) -> Result<(), EditRefusal> {
        match edit {
            CartEdit::Add { line, sku, quantity } => return self.add(line, sku, quantity),
            CartEdit::Change { line, by } => {
                let found = self.line(&line)?;
                let quantity = found.quantity.checked_add(by).unwrap_or(Quantity::ZERO);
                if quantity <= Quantity::ZERO && by < Quantity::ZERO {
                    self.lines.retain(|kept| kept.id != line);
                } else {
                    found.quantity = checked(quantity)?;
                }
            }
            CartEdit::SetQuantity { line, quantity } => self.line(&line)?.quantity = checked(quantity)?,
            CartEdit::Remove { line } => {
                self.line(&line)?;
                self.lines.retain(|kept| kept.id != line);
            }
            CartEdit::SetPrice { line, price } => self.line(&line)?.price = price,
            CartEdit::SetDiscount { line, discount } => self.line(&line)?.discount = discount,
            CartEdit::SetBasketDiscount(discount) => self.discount = discount,
            CartEdit::SetCustomer(customer) => self.customer = customer,
            CartEdit::SetName(name) => self.name = name,
        }
        Ok(())
    }

    fn add(&mut self, id: CartLineId, sku: Sku, quantity: Quantity) -> Result<(), EditRefusal> {
        if self.lines.iter().any(|line| line.id == id) {
            return Err(EditRefusal::LineExists(id));
        }
        if self.lines.len() >= LINES_MAX {
            return Err(EditRefusal::TooManyLines);
        }
        let quantity = checked(quantity)?;
        let (price, discount) = (None, None);
        self.lines.push(CartLine {
            id,
            sku,
            quantity,
            price,
            discount,
        });
        Ok(())
    }

    fn line(&mut self, id: &CartLineId) -> Result<&mut CartLine, EditRefusal> {
        let found = self.lines.iter_mut().find(|line| line.id == *id);
        found.ok_or_else(|| EditRefusal::NoSuchLine(id.clone()))
    }
}

fn checked(quantity: Quantity) -> Result<Quantity, EditRefusal> {
    if quantity > Quantity::ZERO && quantity <= Quantity::LINE_MAX {
        Ok(quantity)
    } else {
        Err(EditRefusal::Quantity(quantity))
    }
}
