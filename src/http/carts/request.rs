//! What a till asks of a cart.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::cart::{CartEdit, CartId, CartLineId, CartName};
use crate::domain::catalog::Gtin;
use crate::domain::ids::{ChannelId, CustomerRef, Sku, StaffId};
use crate::domain::money::{Currency, Minor, Money, Price};
use crate::domain::quantity::Quantity;
use crate::domain::sale::{ByHand, ByHandReason, Discount};
use crate::domain::time::LocalTime;
use crate::http::problem::{Problem, kind};
use crate::http::sales::{DiscountRequest, own_channel};
use crate::http::tenders::{StatedAmount, TenderRequest, stated_tenders};
use crate::operations::{CartStep, CheckoutCommand, EditCommand, ItemRef, StatedDiscount};
use crate::store::Role;

/// Changes of a cart, in order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct EditRequest {
    /// At most 100; all are taken or none.
    steps: Vec<StepRequest>,
    /// Who does it: a pseudonymous reference. Kept with prices and discounts by hand.
    #[schema(value_type = Option<String>)]
    staff: Option<StaffId>,
}

/// One change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StepRequest {
    /// A new line. It names its item by `sku` or by `gtin`.
    Add {
        /// The line's identity, made by the till.
        #[schema(value_type = String)]
        line: CartLineId,
        #[schema(value_type = Option<String>)]
        sku: Option<Sku>,
        #[schema(value_type = Option<String>)]
        gtin: Option<Gtin>,
        /// Over 0, with up to three places.
        #[schema(value_type = String, example = "1")]
        quantity: Quantity,
    },
    /// So much more of a line, or less; one of which nothing is left goes.
    Change {
        #[schema(value_type = String)]
        line: CartLineId,
        #[schema(value_type = String, example = "-1")]
        by: Quantity,
    },
    /// Another quantity, whatever it was.
    Quantity {
        #[schema(value_type = String)]
        line: CartLineId,
        #[schema(value_type = String, example = "0.385")]
        quantity: Quantity,
    },
    /// A line goes.
    Remove {
        #[schema(value_type = String)]
        line: CartLineId,
    },
    /// A price of one unit by hand; without `unit_price` the item's own again.
    Price {
        #[schema(value_type = String)]
        line: CartLineId,
        #[schema(value_type = Option<String>, example = "2.50")]
        unit_price: Option<Price>,
        /// Why, in words.
        #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
        reason: Option<ByHandReason>,
    },
    /// A discount on a line, or without `line` on the whole basket; without `discount` none any more.
    Discount {
        #[schema(value_type = Option<String>)]
        line: Option<CartLineId>,
        discount: Option<DiscountRequest>,
        /// Why, in words.
        #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
        reason: Option<ByHandReason>,
    },
    /// Who buys; without `customer` nobody in particular.
    Customer {
        #[schema(value_type = Option<String>)]
        customer: Option<CustomerRef>,
    },
    /// What staff call it; without `name` nothing.
    Name {
        #[schema(value_type = Option<String>, min_length = 1, max_length = 60)]
        name: Option<CartName>,
    },
    /// It waits for any till to take it up.
    Park {},
    /// This till takes it up.
    Take {},
    /// It is given up.
    Void {},
}

/// A cart to be paid.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct CheckoutRequest {
    /// The till's own count of its sales and refunds, as for `POST /v1/sales`.
    counter: u64,
    /// What the customer was told: the cart's `total`. Where it comes to another sum by now, nothing is sold.
    #[schema(value_type = String, example = "9.99")]
    total: StatedAmount,
    /// When it was made at the till; now where it is not given.
    #[schema(value_type = Option<String>)]
    at: Option<LocalTime>,
    /// The sales channel; the device's own where it is not given.
    #[schema(value_type = Option<String>)]
    channel: Option<ChannelId>,
    /// Who sold: a pseudonymous reference.
    #[schema(value_type = Option<String>)]
    staff: Option<StaffId>,
    /// For the staff, where the site takes tips.
    #[schema(value_type = Option<String>)]
    tip: Option<StatedAmount>,
    /// How it is paid; at most 20. In all at least what is to be paid; only cash gives change.
    tenders: Vec<TenderRequest>,
}

impl EditRequest {
    /// As operations know it.
    pub(super) fn into_command(self, cart: CartId, currency: Currency) -> Result<EditCommand, Problem> {
        let staff = self.staff;
        let steps = self.steps.into_iter().zip(0..).map(|(step, at)| {
            let by_hand = |reason| ByHand {
                reason,
                by: staff.clone(),
                approved_by: None,
            };
            step.into_step(by_hand, currency)
                .map_err(|(problem, place)| problem.at(format!("/steps/{at}{place}")))
        });
        let steps = steps.collect::<Result<_, _>>()?;
        Ok(EditCommand { cart, steps })
    }
}

impl StepRequest {
    fn into_step(
        self,
        by_hand: impl FnOnce(Option<ByHandReason>) -> ByHand,
        currency: Currency,
    ) -> Result<CartStep, (Problem, &'static str)> {
        Ok(CartStep::Edit(match self {
            Self::Park {} => return Ok(CartStep::Park),
            Self::Take {} => return Ok(CartStep::Take),
            Self::Void {} => return Ok(CartStep::Void),
            Self::Add {
                line,
                sku,
                gtin,
                quantity,
            } => {
                let item = match (sku, gtin) {
                    (Some(sku), None) => ItemRef::Sku(sku),
                    (None, Some(gtin)) => ItemRef::Gtin(gtin),
                    _ => {
                        let detail = "a line names its item by sku or by gtin, and by one of them only";
                        return Err((Problem::new(&kind::INVALID_FIELD, detail), "/add"));
                    }
                };
                return Ok(CartStep::Add { line, item, quantity });
            }
            Self::Change { line, by } => CartEdit::Change { line, by },
            Self::Quantity { line, quantity } => CartEdit::SetQuantity { line, quantity },
            Self::Remove { line } => CartEdit::Remove { line },
            Self::Price {
                line,
                unit_price,
                reason,
            } => CartEdit::SetPrice {
                line,
                price: unit_price.map(|price| (price, by_hand(reason))),
            },
            Self::Discount { line, discount, reason } => {
                let discount = discount.map(|discount| in_minor(discount, currency)).transpose()?;
                let discount = discount.map(|discount| (discount, by_hand(reason)));
                match line {
                    Some(line) => CartEdit::SetDiscount { line, discount },
                    None => CartEdit::SetBasketDiscount(discount),
                }
            }
            Self::Customer { customer } => CartEdit::SetCustomer(customer),
            Self::Name { name } => CartEdit::SetName(name),
        }))
    }
}

fn in_minor(stated: DiscountRequest, currency: Currency) -> Result<Discount, (Problem, &'static str)> {
    match stated.into_stated() {
        StatedDiscount::Percent(part) => Ok(Discount::Percent(part)),
        StatedDiscount::Amount(amount) => match Money::exact(amount, currency) {
            Ok(money) => Ok(Discount::Amount(Minor(money.minor()))),
            Err(error) => {
                let problem = Problem::new(&kind::DISCOUNT_AMOUNT, format!("the discount: {error}"));
                Err((problem, "/discount/discount"))
            }
        },
    }
}

impl CheckoutRequest {
    /// As operations know it.
    pub(super) fn into_command(self, cart: CartId, role: Role) -> Result<CheckoutCommand, Problem> {
        let StatedAmount(total) = self.total;
        Ok(CheckoutCommand {
            cart,
            counter: self.counter,
            total,
            at: self.at,
            channel: match self.channel {
                Some(channel) => channel,
                None => own_channel(role)?,
            },
            staff: self.staff,
            tip: self.tip.map(|StatedAmount(tip)| tip),
            tenders: stated_tenders(self.tenders),
        })
    }
}
