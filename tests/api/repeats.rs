//! A request that is repeated with its key is done once and answered alike.

use serde_json::json;

use crate::client::chocolate;
use crate::node::Node;

#[tokio::test]
async fn a_repeat_gets_the_first_answer_to_the_byte() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let first = till.sell(1).await;
    let again = till.sell(1).await;
    assert_eq!((first.status, &first.text), (201, &again.text));
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
    let problem = till.post("/v1/sales", "sale-1", &chocolate(2, "1")).await;
    problem.problem(409, "idempotency-key-reused");
    let stock = till.get("/v1/stock/1001").await.ok(200);
    assert_eq!(stock["quantity"], "-1");
}

#[tokio::test]
async fn a_repeat_after_a_restart_gets_the_first_answer() {
    let node = Node::start().await;
    let (till, manager) = (node.till("1").await, node.manager().await);
    let code = json!({"role": "till", "name": "Till 2", "register": "2"});
    let first = till.sell(1).await.ok(201);
    let first_code = manager.post("/v1/pairing-codes", "c-1", &code).await.ok(201);
    let node = node.restart().await;
    let (mut till, mut manager) = (till, manager);
    till.address = node.address;
    manager.address = node.address;
    let again = till.sell(1).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.ok(201), first);
    let again = manager.post("/v1/pairing-codes", "c-1", &code).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.ok(201), first_code);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_make_one_sale() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let till = till.clone();
            tokio::spawn(async move { till.sell(1).await })
        })
        .collect();
    let (mut answers, mut first) = (Vec::new(), 0);
    for asked in asking {
        let reply = asked.await.unwrap();
        assert_eq!(reply.status, 201);
        first += usize::from(reply.header("idempotency-replayed").is_empty());
        answers.push(reply.text);
    }
    answers.dedup();
    assert_eq!((answers.len(), first), (1, 1));
    assert_eq!(till.get("/v1/stock/1001").await.ok(200)["quantity"], "-1");
}

#[tokio::test]
async fn keys_belong_to_their_device() {
    let node = Node::start().await;
    let (one, two) = (node.till("1").await, node.till("2").await);
    let first = one.sell(1).await.ok(201);
    let other = two.sell(1).await;
    assert_eq!(other.header("idempotency-replayed"), "");
    assert_ne!(other.ok(201)["series"], first["series"]);
}
