//! Carts: edited by any till, looked at with what they come to, and paid once.

mod checkout;
mod edit;
mod priced;

pub use checkout::{CheckoutCommand, CheckoutRefusal, checkout};
pub use edit::{CartRefusal, CartStep, EditCommand, edit_cart};
pub use priced::{PricedCart, priced_cart};
