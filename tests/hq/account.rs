//! Why a shelf is as it is, at headquarters: every unit, of every node of the site and of headquarters itself.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use finalmarket::domain::escrow::{Amount, Grant, ReplicaId, Row, Shelf};
use finalmarket::domain::fact::{Entry, Fact, OpenedReason, Settlement, SettlementDecision};
use finalmarket::domain::ids::Sku;
use finalmarket::domain::stock::{
    Accepted, GrantLine, Granted, HoldEnd, HoldEnded, HoldId, HoldLine, HoldOpened, HoldPurpose, Movement,
    MovementKind, MovementLine, Place, effects,
};
use finalmarket::sync::carriage::{Child, Done, Link, Work};
use finalmarket::sync::shelves::{Document, DocumentId, Heads, Parcel};
use finalmarket::sync::wire::Slot;
use serde_json::{Value, json};

use super::NOW_MS;
use super::api_caller::Api;
use super::ingest;
use super::journal::{Journal, sale};

pub const SKU: &str = "1000";

pub fn sku() -> Sku {
    SKU.parse().unwrap()
}

fn replica(journal: &Journal) -> ReplicaId {
    ReplicaId {
        node: journal.node.clone(),
        incarnation: journal.incarnation,
    }
}

/// The `n`th sale of one unit at a till of a node's.
fn sells(journal: &mut Journal, n: u64) {
    let mut sale = sale(journal.node.as_str(), n * 500, "2024-03-01", 1);
    sale.lines.truncate(1);
    journal.record(Fact::Sale(sale));
}

pub fn moves(journal: &mut Journal, kind: MovementKind, reference: &str, change: &str) {
    journal.record(Fact::Movement(Movement {
        id: None,
        kind,
        reference: Some(reference.into()),
        lines: vec![MovementLine {
            sku: sku(),
            change: change.parse().unwrap(),
        }],
    }));
}

fn line(quantity: &str) -> HoldLine {
    HoldLine {
        sku: sku(),
        quantity: quantity.parse().unwrap(),
    }
}

fn holds(journal: &mut Journal, id: u8, quantity: &str) {
    journal.record(Fact::HoldOpened(HoldOpened {
        id: HoldId([id; 8]),
        site: "store-1".parse().unwrap(),
        purpose: HoldPurpose::Pickup,
        channel: "phone".parse().unwrap(),
        customer: None,
        staff: Some("ann".parse().unwrap()),
        // Until 100 seconds after the clock of these tests.
        lifetime_ms: NOW_MS - 1_700_000_000_000 + 100_000,
        lines: vec![line(quantity)],
    }));
}

fn ends(journal: &mut Journal, id: u8, quantity: &str, end: HoldEnd) {
    journal.record(Fact::HoldEnded(HoldEnded {
        id: HoldId([id; 8]),
        site: "store-1".parse().unwrap(),
        end,
        lines: vec![line(quantity)],
    }));
}

fn handed(units: u64) -> Vec<GrantLine> {
    vec![GrantLine {
        sku: sku(),
        grant: Grant {
            before: Amount::ZERO,
            after: Amount::new(units * 1_000).unwrap(),
        },
    }]
}

fn grants(journal: &mut Journal, to: ReplicaId, units: u64) {
    journal.record(Fact::Granted(Granted {
        to,
        site: "store-1".parse().unwrap(),
        request: None,
        lines: handed(units),
        hold: None,
    }));
}

/// What a journal comes to on the shelf, as its node's document says.
pub fn row(journal: &Journal) -> Row {
    let mut row = Row::default();
    for slot in &journal.slots {
        let Slot::Record(record) = slot else { continue };
        let fact = Entry::decode(record).unwrap().fact;
        for effect in effects(&fact).iter().filter(|effect| effect.place == Place::Sellable) {
            effect.verb.apply(&mut row, &Shelf::default()).unwrap();
        }
    }
    row
}

pub fn brings_its_document(api: &Api, journal: &Journal) {
    // Begun anew each time: what a document said before is in its next generation too.
    let generation = journal.slots.len() as u32;
    let id = DocumentId {
        site: "store-1".parse().unwrap(),
        writer: replica(journal),
        bucket: 0,
        generation,
    };
    let mut document = Document::create(id.clone()).unwrap();
    document.write([(&sku(), &row(journal))], journal.head().seq).unwrap();
    let changes = document.changes_since(&Heads::default());
    let parcel = Parcel {
        site: id.site.clone(),
        writer: id.writer,
        documents: vec![(0, generation, changes)],
    };
    let link = Link::Child(Child {
        site: id.site,
        replica: replica(journal),
    });
    let work = Work::Take {
        link,
        session: 1,
        number: 1,
        sealed: parcel.seal().unwrap(),
    };
    assert!(matches!(api.hq.carry(work).unwrap(), Done::Taken { .. }));
    api.hq.carry(Work::MergeWaiting).unwrap();
}

/// A store and a kiosk of it, each with everything that happens to a shelf; headquarters holds a unit for a web order.
pub async fn busy() -> (Api, Journal, Journal) {
    let api = Api::new();
    let (mut store, mut kiosk) = (Journal::open("store-1"), Journal::open_at("kiosk-1", "store-1"));
    moves(&mut store, MovementKind::Opening, "stock.csv", "10");
    sells(&mut store, 1);
    holds(&mut store, 0xA1, "2");
    ends(&mut store, 0xA1, "2", HoldEnd::Released);
    holds(&mut store, 0xB2, "1");
    grants(&mut store, replica(&kiosk), 4);
    grants(&mut store, api.hq.replica().unwrap(), 2);
    kiosk.record(Fact::Accepted(Accepted {
        from: replica(&store),
        site: "store-1".parse().unwrap(),
        lines: handed(4),
        hold: None,
    }));
    sells(&mut kiosk, 1);
    holds(&mut kiosk, 0xC3, "2");
    holds(&mut kiosk, 0xD4, "1");
    sells(&mut kiosk, 2);
    sells(&mut kiosk, 3);
    let sold = "1".parse().unwrap();
    let end = HoldEnd::Sold {
        sale: super::journal::id("kiosk-1", 4),
        sold: vec![sold],
    };
    ends(&mut kiosk, 0xC3, "2", end);
    moves(&mut store, MovementKind::Adjustment, "broken", "-1");
    for journal in [&store, &kiosk] {
        ingest(&api.hq, journal.batches(3));
    }
    api.hq.project().unwrap();
    let hold = json!({"site": "store-1", "purpose": "pickup", "channel": "web", "customer": "c-1",
        "lines": [{"sku": SKU, "quantity": "1"}]});
    let (answer, _) = api.post_as("web-1", "/v1/holds", hold).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.json());
    api.hq.project().unwrap();
    brings_its_document(&api, &store);
    brings_its_document(&api, &kiosk);
    (api, store, kiosk)
}

/// The statement, without what is another one at every run: headquarters' own random number, and how long it has run.
async fn text(api: &Api) -> String {
    let path = format!("/v1/sites/store-1/stock/{SKU}/explain?format=text");
    let answer = api.call(Some(&api.token), &Method::GET, &path, None).await;
    assert_eq!(answer.status, StatusCode::OK);
    let text = String::from_utf8(answer.body).unwrap();
    let own = api.hq.replica().unwrap().to_string();
    let text = text
        .replace(&own, "hq/1-OWN")
        .replace("runs out in 899 s", "runs out in 900 s");
    let webs_hold = HoldId::of(b"operator", "web-1").to_string();
    text.replace(&webs_hold, "HOLD-OF-THE-WEB")
}

#[tokio::test]
async fn a_statement_of_headquarters_says_where_every_unit_of_a_site_went() {
    let (api, ..) = busy().await;
    insta::assert_snapshot!("statement", text(&api).await);
}

#[tokio::test]
async fn an_account_adds_up_and_is_made_again_from_the_ledger() {
    let (api, ..) = busy().await;
    let path = format!("/v1/sites/store-1/stock/{SKU}/explain");
    let account = api.get(&path).await;
    // Ten came in; one is broken; one was sold at the store, three at the kiosk in hand and one from a hold.
    assert_eq!(
        [
            &account["quantity"],
            &account["reserved"],
            &account["owed"],
            &account["under_way"]
        ],
        ["4", "3", "1", "0"]
    );
    let owners: BTreeMap<&str, &str> =
        account["holds"]
            .as_array()
            .unwrap()
            .iter()
            .fold(BTreeMap::new(), |mut of, hold| {
                of.insert(
                    hold["owner"].as_str().unwrap().split('/').next().unwrap(),
                    hold["quantity"].as_str().unwrap(),
                );
                of
            });
    assert_eq!(owners, [("hq", "1"), ("kiosk-1", "1"), ("store-1", "1")].into());
    let debt = &account["debts"][0];
    assert_eq!(
        (&debt["made"], &debt["owed"], &debt["node"]),
        (&json!("1"), &json!("0"), &json!("kiosk-1"))
    );
    assert_eq!(debt["repaid"][0]["quantity"], "1");
    let mut steps: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api
            .get(&format!("/v1/sites/store-1/stock/{SKU}/history?limit=4{cursor}"))
            .await;
        steps.extend(page["history"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(steps.len(), 17);
    assert_eq!(
        (&steps[0]["quantity_after"], &steps[0]["reserved_after"]),
        (&json!("4"), &json!("3"))
    );
    let opening = &steps[steps.len() - 1];
    assert_eq!(
        (&opening["kind"], &opening["document"]),
        (&json!("opening"), &json!("stock.csv"))
    );
    api.hq.rebuild(finalmarket::hq::Projection::Stock).unwrap();
    let again = api.get(&path).await;
    for part in ["places", "replicas", "grants", "debts"] {
        assert_eq!(again[part], account[part], "{part}");
    }
    let missing = "/v1/sites/store-1/stock/none/explain";
    let missing = api.call(Some(&api.token), &Method::GET, missing, None).await;
    assert_eq!(
        (missing.status, missing.problem().as_str()),
        (StatusCode::NOT_FOUND, "product-not-found")
    );
}

#[tokio::test]
async fn what_a_life_that_is_set_apart_did_is_told_and_in_no_sum_and_rights_are_not_copied() {
    let (api, store, _) = busy().await;
    let mut second = Journal::reopen("store-1", 2, OpenedReason::Copied, Some(store.head()));
    let mut branch = store.clone();
    sells(&mut branch, 9);
    let other = branch.slots.len() as u64;
    grants(&mut branch, api.hq.replica().unwrap(), 1);
    second.rehome(&branch, other);
    second.rehome(&branch, other + 1);
    ingest(&api.hq, second.batches(10));
    api.hq.project().unwrap();
    brings_its_document(&api, &second);
    let path = format!("/v1/sites/store-1/stock/{SKU}/explain");
    let account = api.get(&path).await;
    assert_eq!(account["quantity"], "4");
    let settlement = Settlement {
        node: second.node.clone(),
        incarnation: second.incarnation,
        decision: SettlementDecision::Count,
        reason: "it sold".into(),
        by: "operator".into(),
    };
    api.hq.settle(settlement, NOW_MS).unwrap();
    api.hq.project().unwrap();
    let account = api.get(&path).await;
    assert_eq!(
        account["places"][0]["journals"][2]["kinds"].as_array().unwrap().len(),
        6
    );
    // The copied sale took a unit; the copied grant gave headquarters nothing.
    let own = api.hq.own_row(&"store-1".parse().unwrap(), &sku()).unwrap();
    assert_eq!(own.accepted(&replica(&second)), Amount::ZERO);
}
