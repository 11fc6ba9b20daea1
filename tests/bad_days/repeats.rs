//! Repeating any POST with its key gives the first answer: while the first is still running, and after a restart.
//!
//! The calls are those that the node's own description lists, so that a new one cannot be forgotten here.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::stock::{HoldId, HoldLine, Pickup, PickupOrdered};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::at_once::{at_once, first_of, is_the_first_again};
use crate::http::{Connection, Request};
use crate::node_process::{DEADLINE, NodeProcess, PROGRAM, node};
use crate::ports::free_port;
use crate::till::{SKU, Till, sale};

/// A request that writes. Its path is its key too.
struct Case {
    path: String,
    token: String,
    body: String,
}

#[test]
fn every_post_is_answered_as_it_was_first() {
    let folder = TempDir::new().unwrap();
    // With a broker, so that there is a link to cut.
    let mut command = node(folder.path());
    command.arg("--broker").arg(format!("127.0.0.1:{}", free_port()));
    let process = NodeProcess::spawn(&mut command);
    process.serves(folder.path());
    process.stop();
    headquarters_tells_of_pickups(folder.path());
    let process = NodeProcess::spawn(&mut command);
    let reached = process.serves(folder.path());
    let mut till = Till::pair(reached.address, &reached.token, "1");
    assert_eq!(till.sold(1), 1);
    kiosk_was_here(reached.address, &reached.token, &folder.path().join("kiosk"));
    let cases = cases(reached.address, &reached.token, &till);

    let mut answered = Vec::new();
    for case in cases {
        let request = Request::post(&case.path, &case.path, &case.body).by(&case.token);
        let first = first_of(&case.path, &at_once(&process, reached.address, request));
        answered.push((case, first));
    }
    let devices = till_and_devices(&mut till, reached.address, &reached.token);

    process.kill();
    let process = NodeProcess::spawn(&mut command);
    let restarted = process.serves(folder.path());
    let mut connection = Connection::open(restarted.address).unwrap();
    for (case, first) in &answered {
        let token = if case.token == reached.token {
            &restarted.token
        } else {
            &case.token
        };
        let again = connection
            .ask(Request::post(&case.path, &case.path, &case.body).by(token))
            .unwrap();
        is_the_first_again(&case.path, first, &again);
    }
    let mut till = till.at(restarted.address);
    assert_eq!(
        till_and_devices(&mut till, restarted.address, &restarted.token),
        devices,
        "nothing was done again"
    );
}

/// What begins the cart that is paid.
const PAID_CART: &str = r#"{"steps": [{"add": {"line": "l-1", "sku": "1001", "quantity": "2"}}]}"#;

/// One request for each POST that the node describes.
fn cases(address: SocketAddr, operator: &str, till: &Till) -> Vec<Case> {
    let mut connection = Connection::open(address).unwrap();
    let description = connection.ask(Request::get("/openapi.json")).unwrap().ok(200);
    let paths = description["paths"].as_object().unwrap();
    let posts = paths.iter().filter(|(_, methods)| methods.get("post").is_some());
    // For kiosks' own nodes, which have a store: `tests/kiosk` repeats it.
    let posts = posts.filter(|(path, _)| *path != "/v1/holds/{hold}/hand-over");
    let receipt = json!({"kind": "receipt", "lines": [{"sku": SKU, "change": "100"}]}).to_string();
    let request = Request::post("/v1/stock/movements", "goods", &receipt).by(&till.token);
    connection.ask(request).unwrap().ok(201);
    let cart = json!({"lines": [{"sku": SKU, "quantity": "2"}]});
    let wanted = cart.to_string();
    // So that there is an alert to be seen.
    let low = json!({"threshold": "1000"}).to_string();
    let path = format!("/v1/stock/{SKU}/threshold");
    let request = Request::post(&path, "low", &low).by(operator);
    connection.ask(request).unwrap().ok(200);
    let held = ["to-extend", "to-release"].map(|key| {
        let request = Request::post("/v1/holds", key, &wanted).by(&till.token);
        let hold = connection.ask(request).unwrap().ok(201);
        hold["id"].as_str().unwrap().to_owned()
    });
    let planned = json!({"to": "store-2", "lines": [{"sku": SKU, "quantity": "1"}]});
    let [called_off, sent] = ["to-call-off", "to-send"].map(|key| {
        let text = planned.to_string();
        let request = Request::post("/v1/transfers", key, &text).by(&till.token);
        let transfer = connection.ask(request).unwrap().ok(201);
        transfer["id"].as_str().unwrap().to_owned()
    });
    let mut case = |path: &String| {
        let (token, body) = match path.as_str() {
            "/v1/sales" => (&till.token, serde_json::from_str(&sale(2)).unwrap()),
            "/v1/carts/{cart}" => {
                let line = json!({"line": "l-1", "sku": SKU, "quantity": "1"});
                (&till.token, json!({"steps": [{"add": line}]}))
            }
            "/v1/carts/{cart}/checkout" => {
                let request = Request::post("/v1/carts/to-pay", "to-pay", PAID_CART).by(&till.token);
                let total = connection.ask(request).unwrap().ok(200)["total"].clone();
                let cash = json!({"kind": "cash", "amount": "100.00"});
                (&till.token, json!({"counter": 4, "total": total, "tenders": [cash]}))
            }
            "/v1/refunds" => {
                let back = json!({"line": 1, "quantity": "1"});
                let cash = json!({"kind": "cash", "amount": "3.99"});
                let of = json!({"series": till.series, "counter": 1});
                let body = json!({"counter": 3, "of": of, "lines": [back], "tenders": [cash]});
                (&till.token, body)
            }
            "/v1/stock/movements" => {
                let line = json!({"sku": SKU, "change": "12"});
                (&till.token, json!({"kind": "receipt", "lines": [line]}))
            }
            "/v1/products/import" => (&operator.to_owned(), json!({"items": []})),
            "/v1/pairing-codes" => (&operator.to_owned(), wish("2")),
            "/v1/pair" => {
                let body = wish("3").to_string();
                let offered = connection.ask(Request::post("/v1/pairing-codes", "other", &body).by(operator));
                (&operator.to_owned(), json!({"code": offered.unwrap().ok(201)["code"]}))
            }
            "/v1/holds" => (&till.token, cart.clone()),
            "/v1/holds/{hold}/extend" => (&till.token, json!({"seconds": 80_000})),
            "/v1/holds/{hold}/release" => (&till.token, json!({})),
            "/v1/stock/{sku}/threshold" => (&operator.to_owned(), json!({"threshold": "7"})),
            "/v1/alerts/{alert}/acknowledge" => (&till.token, json!({})),
            "/v1/stock/work" => {
                let work = json!({"kind": "loss", "reason": "stolen"});
                (
                    &till.token,
                    json!({"work": work, "lines": [{"sku": SKU, "quantity": "1"}]}),
                )
            }
            "/v1/stock/counts" => (&till.token, json!({})),
            "/v1/pickups/{pickup}/refuse" => (&till.token, json!({"reason": "not_there"})),
            "/v1/pickups/{pickup}/accept" | "/v1/pickups/{pickup}/ready" | "/v1/pickups/{pickup}/collect" => {
                (&till.token, json!({}))
            }
            "/v1/transfers" => (&till.token, planned.clone()),
            "/v1/transfers/{transfer}/call-off" => (&till.token, json!({})),
            "/v1/transfers/{transfer}/dispatch" | "/v1/transfers/{transfer}/receive" => {
                (&till.token, json!({"lines": [{"sku": SKU, "quantity": "1"}]}))
            }
            "/v1/link" => (&operator.to_owned(), json!({"cut": true})),
            "/v1/nodes/{node}/retire" | "/v1/nodes/{node}/release" => (&operator.to_owned(), json!({"reason": "r"})),
            other => panic!("a new call: {other}. What would a client send?"),
        };
        let alert = || {
            let mut connection = Connection::open(address).unwrap();
            let alerts = connection.ask(Request::get("/v1/alerts?cleared=true").by(&till.token));
            alerts.unwrap().ok(200)["alerts"][0]["id"].to_string()
        };
        let of = if path.ends_with("extend") { &held[0] } else { &held[1] };
        let pickup = PICKUPS.iter().find(|(what, _)| path.ends_with(what));
        let transfer = match path.rsplit('/').next() {
            Some("call-off") => called_off.as_str(),
            Some("dispatch") => sent.as_str(),
            // Against a paper.
            _ => "00000000000000aa",
        };
        Case {
            path: path
                .replace("{hold}", of)
                .replace(
                    "{cart}",
                    if path.ends_with("checkout") {
                        "to-pay"
                    } else {
                        "to-edit"
                    },
                )
                .replace(
                    "{pickup}",
                    &pickup.map_or_else(String::new, |(_, id)| HoldId(*id).to_string()),
                )
                .replace("{transfer}", transfer)
                .replace("{sku}", SKU)
                .replace("{alert}", &alert())
                .replace("{node}", "kiosk-1"),
            token: token.clone(),
            body: body.to_string(),
        }
    };
    let mut cases: Vec<Case> = posts.map(|(path, _)| case(path)).collect();
    // What a node left is released once it is retired.
    cases.sort_by_key(|case| case.path == "/v1/nodes/kiosk-1/release");
    cases
}

/// A kiosk's node has been here once.
fn kiosk_was_here(address: SocketAddr, operator: &str, folder: &Path) {
    let mut connection = Connection::open(address).unwrap();
    let mut post = |path: &str, body: Value| {
        let request = body.to_string();
        let reply = connection.ask(Request::post(path, &format!("kiosk{path}"), &request).by(operator));
        reply.unwrap().ok(201)
    };
    let offered = post("/v1/pairing-codes", json!({"role": "node", "name": "kiosk-1"}));
    let (parent, data) = (format!("http://{address}"), folder.display().to_string());
    let code = offered["code"].as_str().unwrap();
    let joined = Command::new(PROGRAM)
        .args(["join", "--data", &data, "--parent", &parent, "--code", code])
        .output();
    assert!(joined.unwrap().status.success());
    let mut command = Command::new(PROGRAM);
    command.args([
        "node",
        "--node",
        "kiosk-1",
        "--site",
        "store-1",
        "--listen",
        "127.0.0.1:0",
    ]);
    let kiosk = NodeProcess::spawn(command.args(["--data", &data, "--parent", &parent]));
    kiosk.serves(folder);
    let until = Instant::now() + DEADLINE;
    let known = |connection: &mut Connection| {
        let look = Request::get("/v1/nodes/kiosk-1/retire").by(operator);
        connection.ask(look).unwrap().status == 200
    };
    while !known(&mut connection) {
        assert!(Instant::now() < until, "the kiosk never came");
    }
    kiosk.kill();
}

/// A pickup for each thing that is decided of one.
const PICKUPS: [(&str, [u8; 8]); 4] = [
    ("accept", [1; 8]),
    ("ready", [2; 8]),
    ("collect", [3; 8]),
    ("refuse", [4; 8]),
];

/// Writes pickups on the disk of a node that does not run, as if headquarters had told of them.
fn headquarters_tells_of_pickups(folder: &Path) {
    let db = rusqlite::Connection::open(finalmarket::store::database_path(folder)).unwrap();
    for (_, id) in PICKUPS {
        let line = HoldLine {
            sku: SKU.parse().unwrap(),
            quantity: Quantity::ONE,
        };
        let ordered = PickupOrdered {
            id: HoldId(id),
            site: "store-1".parse().unwrap(),
            channel: "web".parse().unwrap(),
            customer: None,
            reference: None,
            paid: true,
            lines: vec![line],
            ordered_ms: 1,
        };
        let bytes = postcard::to_allocvec(&Pickup { ordered, last: None }).unwrap();
        let sql = "INSERT INTO pickup (id, over, pickup, changed_ms) VALUES (?1, 0, ?2, 1)";
        db.execute(sql, (id, bytes)).unwrap();
    }
}

fn wish(register: &str) -> Value {
    json!({"role": "till", "name": format!("Till {register}"), "register": register})
}

/// What shows whether something was done twice: stock, and how many devices there are.
fn till_and_devices(till: &mut Till, address: SocketAddr, operator: &str) -> (String, usize, Value) {
    let mut connection = Connection::open(address).unwrap();
    let devices = connection
        .ask(Request::get("/v1/devices").by(operator))
        .unwrap()
        .ok(200);
    let stock = till.get(&format!("/v1/stock/{SKU}"))["quantity"]
        .as_str()
        .unwrap()
        .to_owned();
    (
        stock,
        devices["devices"].as_array().unwrap().len(),
        till.get("/v1/sync")["journal_seq"].clone(),
    )
}
