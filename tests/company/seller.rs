//! A till that remembers what it sold and how it asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::http::{Reply, Request};
use crate::node_process::Reached;
use crate::till::{SKU, Till};

/// What was sold: each sale by its identity, with its total in cents.
pub type Sold = BTreeMap<(String, u64), i64>;

/// What one piece costs.
pub const CENTS_EACH: i64 = 399;

pub struct Seller {
    pub till: Till,
    /// The body of its last sale, and how many there were.
    last: (u64, String),
    sold: Sold,
}

impl Seller {
    /// Pairs with a node as the till of a register.
    pub fn pair(node: &Reached, register: &str) -> Self {
        Self {
            till: Till::pair(node.address, &node.token, register),
            last: (0, String::new()),
            sold: Sold::new(),
        }
    }

    /// Asks at that address from now on.
    pub fn goes_to(&mut self, address: SocketAddr) {
        self.till.goes_to(address);
    }

    /// Makes so many sales, each heard "ok" for. It says itself when it made them, as a till does.
    #[track_caller]
    pub fn sells(&mut self, sales: u64) {
        for _ in 0..sales {
            let counter = self.last.0 + 1;
            // Their totals differ, so that one sale cannot stand in for another.
            let line = json!({"sku": SKU, "quantity": counter.to_string()});
            let card = json!({"kind": "card", "amount": decimal(price(counter))});
            let at = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
            let body = json!({"counter": counter, "at": at, "lines": [line], "tenders": [card]});
            self.last = (counter, body.to_string());
            let reply = self.asks();
            assert!(!reply.replayed(), "{reply:?}");
            let sale = reply.ok(201);
            assert_eq!(cents(&sale["totals"]["total"]), price(counter), "{sale}");
            self.sold.insert((self.till.series.clone(), counter), price(counter));
        }
    }

    /// Repeats its last sale as it was, to whatever node it asks now.
    #[track_caller]
    pub fn repeats_last(&mut self) -> Reply {
        let reply = self.asks();
        reply.ok(201);
        reply
    }

    fn asks(&mut self) -> Reply {
        let (counter, body) = &self.last;
        self.till
            .ask(Request::post("/v1/sales", &format!("sale-{counter}"), body))
    }
}

/// What all of these have sold.
pub fn sold(sellers: &[&Seller]) -> Sold {
    sellers.iter().flat_map(|seller| seller.sold.clone()).collect()
}

/// A whole number in quotes.
#[track_caller]
pub fn number(text: &Value) -> i64 {
    let number = text.as_str().and_then(|text| text.parse().ok());
    number.unwrap_or_else(|| panic!("not a number: {text}"))
}

/// An amount's cents.
#[track_caller]
pub fn cents(amount: &Value) -> i64 {
    let text = amount.as_str().unwrap_or_else(|| panic!("not an amount: {amount}"));
    text.replace('.', "")
        .parse()
        .unwrap_or_else(|_| panic!("not an amount: {text}"))
}

/// So many pieces.
fn price(pieces: u64) -> i64 {
    CENTS_EACH * i64::try_from(pieces).expect("a small number")
}

fn decimal(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
