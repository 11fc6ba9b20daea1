//! Goods that come in: without them a demo that runs for an hour would sell what is not there.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::store::Store;
use crate::cli::Failure;
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;

/// How often somebody looks at the shelves.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Less than this is little: 15 units.
const LITTLE: Quantity = Quantity::from_thousandths(15_000);
/// So much comes in: 60 units.
const CRATE: Quantity = Quantity::from_thousandths(60_000);
/// The demo's catalog fits on one page.
const PAGE: u32 = 500;

#[derive(Debug, Deserialize)]
struct Shelves {
    stock: Vec<Shelf>,
}

#[derive(Debug, Deserialize)]
struct Shelf {
    sku: Sku,
    quantity: Quantity,
}

/// Fills the shelves of a store until `stop` is true.
pub(super) async fn fill(store: Store, run: String, mut stop: watch::Receiver<bool>) {
    for number in 1_u64.. {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        // The next look makes up for one that failed.
        if let Err(failure) = deliver(&store, &run, number).await {
            tracing::warn!(site = %store.site, failure, "a delivery was not taken in");
        }
    }
}

async fn deliver(store: &Store, run: &str, number: u64) -> Result<(), Failure> {
    let shelves: Shelves = store.client.get(&format!("/v1/stock?limit={PAGE}")).await?;
    let empty = shelves.stock.iter().filter(|shelf| shelf.quantity < LITTLE);
    let lines: Vec<Value> = empty.map(|shelf| json!({"sku": shelf.sku, "change": CRATE})).collect();
    if lines.is_empty() {
        return Ok(());
    }
    let body = json!({"kind": "receipt", "reference": format!("delivery {number}"), "lines": lines});
    let key = format!("demo-{run}-delivery-{number}");
    let _: Value = store.client.post("/v1/stock/movements", &key, &body).await?.read()?;
    Ok(())
}
