//! A till that sells by itself, over the same HTTP as any other: it pairs with a code, and asks with one key until it
//! hears an answer.

use std::sync::Arc;
use std::time::Duration;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::customer::{Customer, Payment, Pick, next_customer};
use super::dice::Dice;
use crate::cli::Failure;
use crate::cli::client::Client;
use crate::domain::catalog::Item;
use crate::domain::money::decimal_text;
use crate::domain::quantity::Quantity;

/// How long a till goes on asking a node that does not answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// The most things in a basket.
const LINES_MAX: usize = 8;
/// Of so many customers in 100 one brings something back.
const REFUND_PERCENT: usize = 6;

/// What a device is paired as.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role {
    Till,
    Kiosk,
}

/// A device that sells.
#[derive(Debug)]
pub(super) struct Till {
    client: Client,
    /// What makes its keys unlike those of any other run.
    key: String,
    counter: u64,
    catalog: Arc<[Item]>,
    dice: Dice,
    /// What somebody may bring back.
    latest: Option<Sold>,
}

/// A document that the node has recorded.
#[derive(Debug, Clone)]
pub(super) struct Done {
    /// What was paid, or paid back.
    pub(super) total: Decimal,
    pub(super) is_refund: bool,
}

/// A sale as the node answers.
#[derive(Debug, Clone, Deserialize)]
struct Sold {
    receipt: String,
    lines: Vec<SoldLine>,
    totals: Totals,
}

#[derive(Debug, Clone, Deserialize)]
struct SoldLine {
    line: usize,
    quantity: Quantity,
    #[serde(deserialize_with = "decimal_text")]
    amount: Decimal,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Totals {
    #[serde(deserialize_with = "decimal_text")]
    total: Decimal,
}

#[derive(Debug, Deserialize)]
struct Refunded {
    totals: Totals,
}

impl Till {
    /// Pairs a new device with the node of `manager`: a code from the node, brought back by the device.
    pub(super) async fn pair(
        manager: &Client,
        run: &str,
        role: Role,
        register: &str,
        catalog: Arc<[Item]>,
        dice: Dice,
    ) -> Result<Self, Failure> {
        let (role, name) = match role {
            Role::Till => ("till", format!("Till {register}")),
            Role::Kiosk => ("kiosk", format!("Kiosk {register}")),
        };
        let key = format!("demo-{run}-{register}");
        let wish = json!({"role": role, "register": register, "name": name});
        let code: Value = manager
            .post("/v1/pairing-codes", &format!("{key}-code"), &wish)
            .await?
            .read()?;
        let device = manager.with_token(String::new());
        let paired: Value = device
            .post("/v1/pair", &format!("{key}-pair"), &json!({"code": code["code"]}))
            .await?
            .read()?;
        let token = paired["token"].as_str().ok_or("the node gave no token")?;
        Ok(Self {
            client: manager.with_token(token.into()),
            key,
            counter: 0,
            catalog,
            dice,
            latest: None,
        })
    }

    /// The dice, for the time between customers.
    pub(super) fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    /// Serves whoever comes next.
    pub(super) async fn serve(&mut self) -> Result<Done, Failure> {
        if self.dice.chance(REFUND_PERCENT)
            && let Some(sold) = self.latest.take()
        {
            return self.take_back(&sold).await;
        }
        let customer = next_customer(&mut self.dice, &self.catalog, LINES_MAX);
        self.sell(&customer).await
    }

    /// A customer at a kiosk: looks for something as one types, and buys it, or goes.
    pub(super) async fn browse(&mut self) -> Result<Option<Done>, Failure> {
        let mut customer = next_customer(&mut self.dice, &self.catalog, 2);
        // A kiosk has no drawer and nobody who marks goods down.
        customer.payment = Payment::Card;
        for pick in &mut customer.picks {
            pick.percent_off = None;
            let Some(item) = self.catalog.get(pick.item) else {
                continue;
            };
            for typed in [2, 4] {
                let start: String = item.name.as_str().chars().take(typed).collect();
                let _: Value = self
                    .client
                    .get(&format!("/v1/products?limit=8&search={}", encoded(&start)))
                    .await?;
            }
            let _: Value = self.client.get(&format!("/v1/stock/{}", item.sku)).await?;
        }
        if self.dice.chance(40) {
            return Ok(None);
        }
        self.sell(&customer).await.map(Some)
    }

    async fn sell(&mut self, customer: &Customer) -> Result<Done, Failure> {
        let mut total = Decimal::ZERO;
        let mut lines = Vec::with_capacity(customer.picks.len());
        for pick in &customer.picks {
            let Some(item) = self.catalog.get(pick.item) else {
                continue;
            };
            total += amount(pick, item);
            let mut line = json!({"gtin": item.gtin, "quantity": pick.quantity});
            if let Some(percent) = pick.percent_off {
                line["discount"] = json!({"percent": percent.to_string()});
            }
            lines.push(line);
        }
        let given = match customer.payment {
            Payment::Card => total,
            Payment::Cash => next_note(total),
        };
        self.counter += 1;
        let body = json!({
            "counter": self.counter,
            "lines": lines,
            "tenders": [{"kind": customer.payment.name(), "amount": given.to_string()}],
        });
        let sold: Sold = self.ask("/v1/sales", &body).await?;
        let done = Done {
            total: sold.totals.total,
            is_refund: false,
        };
        self.latest = Some(sold);
        Ok(done)
    }

    /// Takes the last line of a sale back, against its receipt.
    async fn take_back(&mut self, sold: &Sold) -> Result<Done, Failure> {
        let line = sold.lines.last().ok_or("a sale without lines")?;
        self.counter += 1;
        let body = json!({
            "counter": self.counter,
            "of": {"receipt": sold.receipt},
            "reason": "not as expected",
            "lines": [{"line": line.line, "quantity": line.quantity}],
            "tenders": [{"kind": "cash", "amount": line.amount.to_string()}],
        });
        let refunded: Refunded = self.ask("/v1/refunds", &body).await?;
        Ok(Done {
            total: refunded.totals.total,
            is_refund: true,
        })
    }

    /// Asks with one key until there is an answer: what was recorded once is answered the same again.
    async fn ask<T: serde::de::DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        let key = format!("{}-{}", self.key, self.counter);
        let asked = Instant::now();
        let mut wait = Duration::from_millis(50);
        loop {
            let failed = match self.client.post(path, &key, body).await {
                Ok(answer) if !answer.status.is_server_error() && answer.status.as_u16() != 429 => {
                    return answer.read();
                }
                Ok(answer) => answer.problem().into(),
                Err(failure) => failure,
            };
            if asked.elapsed() > PATIENCE {
                return Err(failed);
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(2));
        }
    }
}

/// What a line costs, as the till's own display shows it. The node computes for itself.
fn amount(pick: &Pick, item: &Item) -> Decimal {
    let cents = |amount: Decimal| amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    let gross = cents(pick.quantity.to_decimal() * item.price.to_decimal());
    let off = pick.percent_off.map_or(Decimal::ZERO, |percent| {
        cents(gross * Decimal::new(i64::from(percent), 2))
    });
    gross - off
}

/// The smallest handful of notes and coins that covers it.
fn next_note(total: Decimal) -> Decimal {
    let notes = [1, 2, 5, 10, 20, 50, 100].map(Decimal::from);
    let hundreds = (total / Decimal::ONE_HUNDRED).ceil() * Decimal::ONE_HUNDRED;
    notes.into_iter().find(|note| *note >= total).unwrap_or(hundreds)
}

/// Text in a query.
fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes()
        .map(|byte| {
            if plain(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::goods::catalog;

    #[test]
    fn a_line_costs_what_the_node_will_say() {
        let catalog = catalog().unwrap();
        let apples = catalog.iter().find(|item| item.sku.as_str() == "11010").unwrap();
        let pick = |thousandths, percent_off| Pick {
            item: 0,
            quantity: Quantity::from_thousandths(thousandths),
            percent_off,
        };
        assert_eq!(amount(&pick(1_000, None), apples), "2.79".parse().unwrap());
        assert_eq!(amount(&pick(635, None), apples), "1.77".parse().unwrap());
        assert_eq!(amount(&pick(635, Some(10)), apples), "1.59".parse().unwrap());
    }

    #[test]
    fn cash_covers_the_total() {
        for (total, given) in [
            ("0.69", "1"),
            ("7.20", "10"),
            ("10", "10"),
            ("99.99", "100"),
            ("120.01", "200"),
        ] {
            assert_eq!(next_note(total.parse().unwrap()), given.parse().unwrap());
        }
    }

    #[test]
    fn a_query_keeps_its_letters() {
        assert_eq!(encoded("Öl, 1 l"), "%C3%96l%2C%201%20l");
    }
}
