//! Carts: shared by tills, edited at once, paid once.

use finalmarket::store::{Rights, Role};
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::node::{As, Node};

async fn edit(till: &Client, cart: &str, key: &str, steps: Value) -> Reply {
    let path = format!("/v1/carts/{cart}");
    till.post(&path, key, &json!({"steps": steps, "staff": "anna"})).await
}

async fn pay(till: &Client, cart: &str, counter: u64, total: &str) -> Reply {
    let body = json!({"counter": counter, "total": total, "tenders": [{"kind": "cash", "amount": "100.00"}]});
    till.post(&format!("/v1/carts/{cart}/checkout"), &format!("pay-{counter}"), &body)
        .await
}

fn add(line: &str, quantity: &str) -> Value {
    json!({"add": {"line": line, "sku": "1001", "quantity": quantity}})
}

#[tokio::test]
async fn a_cart_is_begun_changed_parked_taken_up_elsewhere_and_paid() {
    let node = Node::start().await;
    let (first, second) = (node.till("1").await, node.till("2").await);
    let begun = edit(
        &first,
        "c-1",
        "k-1",
        json!([add("a", "2"), {"add": {"line": "b", "sku": "1002", "quantity": "0.5"}}]),
    );
    let begun = begun.await.ok(200);
    assert_eq!((&begun["total"], &begun["version"]), (&json!("14.23"), &json!(1)));
    let steps = json!([
        {"discount": {"line": "a", "discount": {"percent": "10"}, "reason": "scratched"}},
        {"discount": {"discount": {"amount": "1.00"}}},
        {"name": {"name": "Blue coat"}},
        {"park": {}},
    ]);
    let parked = edit(&first, "c-1", "k-2", steps).await.ok(200);
    assert_eq!(
        (&parked["state"], &parked["total"]),
        (&json!("parked"), &json!("12.43"))
    );
    let node = node.restart().await;
    let (first, second) = (first.at(node.address), second.at(node.address));
    let waiting = second.get("/v1/carts").await.ok(200);
    assert_eq!(waiting["carts"][0]["name"], "Blue coat");
    let taken = edit(
        &second,
        "c-1",
        "k-1",
        json!([{"take": {}}, {"change": {"line": "a", "by": "-1"}}]),
    )
    .await
    .ok(200);
    assert_eq!(
        (&taken["state"], &taken["lines"][0]["quantity"]),
        (&json!("open"), &json!("1"))
    );

    let told = taken["total"].as_str().unwrap();
    let changed = pay(&first, "c-1", 1, "12.43").await.problem(409, "cart-total-changed");
    assert_eq!(changed["total"], told);
    let sale = pay(&second, "c-1", 1, told).await.ok(201);
    assert_eq!(&sale["totals"]["total"], told);
    assert_eq!(
        pay(&second, "c-1", 1, told).await.header("idempotency-replayed"),
        "true"
    );
    let paid = pay(&first, "c-1", 1, told).await.problem(409, "cart-paid");
    assert_eq!(
        paid["sale"],
        format!("{}:1", second.series()).replace("-1-1", "-1-1"),
        "{paid}"
    );
    assert_eq!(first.get("/v1/carts").await.ok(200)["carts"], json!([]));
    edit(&first, "c-1", "k-9", json!([add("z", "1")]))
        .await
        .problem(409, "cart-paid");
    let receipt = sale["receipt"].as_str().unwrap();
    let text = second.get(&format!("/v1/receipts/{receipt}.txt")).await.text;
    assert!(
        text.contains("Discount (scratched)") && text.contains("Basket discount"),
        "{text}"
    );
}

/// Twenty tills add to one parked cart at once, each several lines and one to everybody's; then all want to be paid.
#[tokio::test]
async fn twenty_tills_edit_one_cart_at_once_and_one_is_paid() {
    let node = Node::start().await;
    let mut tills = Vec::new();
    for register in REGISTERS {
        tills.push(node.till(register).await);
    }
    edit(&tills[0], "shared", "begin", json!([add("all", "1"), {"park": {}}]))
        .await
        .ok(200);
    let edits = tills.iter().enumerate().map(|(number, till)| async move {
        for at in 0..5 {
            let steps = json!([add(&format!("t{number}-{at}"), "1"), {"change": {"line": "all", "by": "1"}}]);
            let key = format!("k-{number}-{at}");
            edit(till, "shared", &key, steps.clone()).await.ok(200);
            // A client that did not hear the answer asks again.
            let again = edit(till, "shared", &key, steps).await;
            assert_eq!(again.header("idempotency-replayed"), "true");
        }
    });
    futures_util::future::join_all(edits).await;
    let cart = tills[7].get("/v1/carts/shared").await.ok(200);
    let lines = cart["lines"].as_array().unwrap();
    assert_eq!(
        (lines.len(), &lines[0]["quantity"]),
        (101, &json!("101")),
        "every line and every change is there"
    );
    let total = cart["total"].as_str().unwrap();
    assert_eq!(total, "801.99", "201 bars at 3.99");

    let payments = tills.iter().map(|till| async move {
        let body = json!({"counter": 1, "total": total, "tenders": [{"kind": "card", "amount": total}]});
        till.post("/v1/carts/shared/checkout", "pay", &body).await
    });
    let replies = futures_util::future::join_all(payments).await;
    let paid: Vec<_> = replies.iter().filter(|reply| reply.status == 201).collect();
    assert_eq!(paid.len(), 1, "one checkout wins");
    for lost in replies.iter().filter(|reply| reply.status != 201) {
        let sale = paid[0].json();
        let named = format!("{}:{}", sale["series"].as_str().unwrap(), sale["counter"]);
        assert_eq!(lost.problem(409, "cart-paid")["sale"], named);
    }
    let stock = tills[0].get("/v1/stock/1001").await.ok(200);
    assert_eq!(stock["quantity"], "-201");
}

const REGISTERS: [&str; 20] = [
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20",
];

#[tokio::test]
async fn refusals_say_which_step_and_leave_the_cart_as_it_was() {
    let node = Node::start().await;
    let (till, kiosk) = (
        node.till("1").await,
        node.device(As::role(Role::Kiosk, Some("k"))).await,
    );
    let before = edit(&till, "c-1", "k-1", json!([add("a", "1")])).await.ok(200);
    let nine = json!({"line": "a", "unit_price": "9.00", "reason": "torn"});
    for (number, (steps, status, code)) in [
        (json!([add("b", "1"), add("a", "1")]), 422, "cart-line-exists"),
        (
            json!([add("b", "1"), {"remove": {"line": "z"}}]),
            422,
            "no-such-cart-line",
        ),
        (json!([add("b", "0")]), 422, "cart-quantity"),
        (
            json!([{"add": {"line": "b", "sku": "9999", "quantity": "1"}}]),
            422,
            "unknown-sku",
        ),
        (
            json!([{"add": {"line": "b", "gtin": "614141999996", "quantity": "1"}}]),
            422,
            "unknown-gtin",
        ),
        (json!([{"add": {"line": "b", "quantity": "1"}}]), 422, "invalid-field"),
        (
            json!([{"discount": {"line": "a", "discount": {"amount": "4.00"}}}]),
            422,
            "line-discount-out-of-range",
        ),
        (
            json!([{"discount": {"discount": {"amount": "0.001"}}}]),
            422,
            "discount-amount",
        ),
        (json!([{"price": nine}]), 403, "price-not-allowed"),
        (json!(vec![json!({"take": {}}); 101]), 422, "too-many-steps"),
    ]
    .into_iter()
    .enumerate()
    {
        edit(&till, "c-1", &format!("r-{number}"), steps)
            .await
            .problem(status, code);
        assert_eq!(till.get("/v1/carts/c-1").await.ok(200), before, "{code}");
    }
    edit(&till, "c-1", "k-1", json!([add("b", "1")]))
        .await
        .problem(409, "idempotency-key-reused");
    edit(&kiosk, "c-1", "k-1", json!([add("b", "1")]))
        .await
        .problem(403, "cart-of-another");
    kiosk.get("/v1/carts/c-1").await.problem(404, "cart-not-found");
    pay(&kiosk, "c-1", 1, "3.99").await.problem(403, "cart-of-another");
    edit(
        &kiosk,
        "own",
        "k-1",
        json!([add("a", "1"), {"discount": {"discount": {"percent": "50"}}}]),
    )
    .await
    .problem(403, "discount-not-allowed");
    edit(&kiosk, "own", "k-2", json!([add("a", "1")])).await.ok(200);
    assert_eq!(
        kiosk.get("/v1/carts").await.ok(200)["carts"].as_array().unwrap().len(),
        1
    );
    pay(&till, "nowhere", 1, "1.00").await.problem(404, "cart-not-found");
    edit(&till, "c-2", "v-1", json!([add("a", "1"), {"void": {}}]))
        .await
        .ok(200);
    pay(&till, "c-2", 1, "3.99").await.problem(409, "cart-void");
    pay(&till, "c-1", 1, "3.9900001")
        .await
        .problem(409, "cart-total-changed");
    till.sell(1).await.ok(201);
    pay(&till, "c-1", 1, "3.99").await.problem(409, "id-used");
    edit(&till, "empty", "e-1", json!([])).await.ok(200);
    pay(&till, "empty", 2, "0.00").await.problem(422, "no-lines");
}

#[tokio::test]
async fn a_price_by_hand_is_kept_with_the_sale() {
    let node = Node::start().await;
    let rights = Rights {
        state_prices: true,
        ..Rights::default()
    };
    let till = node
        .device(As {
            rights,
            ..As::role(Role::Till, Some("1"))
        })
        .await;
    let price = json!({"price": {"line": "a", "unit_price": "2.50", "reason": "dented tin"}});
    let cart = edit(&till, "c", "k", json!([add("a", "2"), price])).await.ok(200);
    assert_eq!(
        (&cart["total"], &cart["lines"][0]["list_price"]),
        (&json!("5.00"), &json!("3.99"))
    );
    let sale = pay(&till, "c", 1, "5.00").await.ok(201);
    let receipt = sale["receipt"].as_str().unwrap();
    let text = till.get(&format!("/v1/receipts/{receipt}.txt")).await.text;
    assert!(text.contains("  Instead of 3.99 (dented tin)\n"), "{text}");
}
