//! A paired till that sells one kind of goods and expects to be answered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{Connection, Reply, Request};
use crate::node_process::DEADLINE;

/// Goods at 3.99.
pub const SKU: &str = "1001";

pub struct Till {
    connection: Connection,
    pub token: String,
    pub series: String,
}

impl Till {
    /// Brings the goods and pairs as the till of a register, by the operator's token.
    pub fn pair(address: SocketAddr, operator: &str, register: &str) -> Self {
        let mut connection = Connection::open(address).expect("a node");
        let mut post = |path: &str, body: Value, status: u16| {
            let (key, body) = (format!("{path}-{register}"), body.to_string());
            let reply = connection
                .ask(Request::post(path, &key, &body).by(operator))
                .expect("an answer");
            reply.ok(status)
        };
        let item = json!({"sku": SKU, "gtin": null, "name": "Chocolate", "department": "", "brand": "", "size": "",
            "price": "3.99", "tax_class": "standard"});
        post("/v1/products/import", json!({"items": [item]}), 200);
        let wish = json!({"role": "till", "name": format!("Till {register}"), "register": register});
        let offered = post("/v1/pairing-codes", wish, 201);
        let paired = post("/v1/pair", json!({"code": offered["code"]}), 201);
        let text = |name: &str| paired[name].as_str().expect(name).to_owned();
        Self {
            token: text("token"),
            series: text("series"),
            connection,
        }
    }

    /// The same till at the node's new address.
    pub fn at(self, address: SocketAddr) -> Self {
        let connection = Connection::open(address).expect("a node");
        Self { connection, ..self }
    }

    /// Asks for its sale with that count: one piece, ten in cash.
    pub fn sell(&mut self, counter: u64) -> Reply {
        let (key, body) = (format!("sale-{counter}"), sale(counter));
        self.ask(Request::post("/v1/sales", &key, &body))
    }

    /// The receipt's number of a sale that is made.
    #[track_caller]
    pub fn sold(&mut self, counter: u64) -> u64 {
        number(&self.sell(counter).ok(201))
    }

    #[track_caller]
    pub fn get(&mut self, path: &str) -> Value {
        self.ask(Request::get(path)).ok(200)
    }

    /// How much there is of the goods.
    pub fn stock(&mut self) -> String {
        let stock = self.get(&format!("/v1/stock/{SKU}"));
        stock["quantity"].as_str().expect("a quantity").to_owned()
    }

    /// Where the link stands, once it stands as the test expects.
    #[track_caller]
    pub fn sync_when(&mut self, expected: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + DEADLINE;
        loop {
            let sync = self.get("/v1/sync");
            if expected(&sync) {
                return sync;
            }
            assert!(Instant::now() < until, "it stays so: {sync}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ask(&mut self, request: Request<'_>) -> Reply {
        self.connection.ask(request.by(&self.token)).expect("an answer")
    }
}

/// The body of a sale of one piece.
pub fn sale(counter: u64) -> String {
    let line = json!({"sku": SKU, "quantity": "1"});
    let cash = json!({"kind": "cash", "amount": "10.00"});
    json!({"counter": counter, "lines": [line], "tenders": [cash]}).to_string()
}

/// The receipt's number in its series.
pub fn number(sale: &Value) -> u64 {
    let receipt = sale["receipt"].as_str().unwrap_or_default();
    let number = receipt.rsplit('-').next().and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no receipt: {sale}"))
}
