//! A node that headquarters' operator retires: what it left, what it still did, and the life that follows it.

use finalmarket::domain::escrow::{Amount, Grant, ReplicaId, Row};
use finalmarket::domain::fact::{Fact, OpenedReason};
use finalmarket::domain::ids::{Incarnation, SiteId, Sku};
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::stock::{
    GrantLine, Granted, Movement, MovementId, MovementKind, MovementLine, NodeMark, StockWork, WorkKind, WorkLine,
};
use finalmarket::hq::{Headquarters, Projection, RetireAsk, RetireError};
use finalmarket::sync::wire::StreamState;

use super::journal::{Journal, sale};
use super::{NOW_MS, ingest, open};

fn site() -> SiteId {
    "store-1".parse().unwrap()
}

fn sku() -> Sku {
    "1000".parse().unwrap()
}

fn amount(units: u64) -> Amount {
    Amount::new(units * 1_000).unwrap()
}

fn units(units: i64) -> Quantity {
    Quantity::from_units(units).unwrap()
}

fn moved(change: &str) -> Fact {
    Fact::Movement(Movement {
        id: None,
        kind: MovementKind::Adjustment,
        reference: None,
        lines: vec![MovementLine {
            sku: sku(),
            change: change.parse().unwrap(),
        }],
    })
}

fn granted(to: &ReplicaId, before: u64, after: u64) -> Fact {
    let grant = Grant {
        before: amount(before),
        after: amount(after),
    };
    Fact::Granted(Granted {
        to: to.clone(),
        site: site(),
        request: None,
        lines: vec![GrantLine { sku: sku(), grant }],
        hold: None,
    })
}

fn ask(reason: &str) -> RetireAsk {
    RetireAsk {
        node: "store-1".parse().unwrap(),
        incarnation: None,
        by: "operator".into(),
        reason: reason.into(),
    }
}

/// On hand, owed, unpromised.
fn shelf(hq: &Headquarters) -> (Quantity, Quantity, Quantity) {
    let shelf = hq.site_shelf(&site(), &sku()).unwrap();
    (shelf.on_hand, shelf.owed, shelf.unpromised)
}

/// What a row has brought to its shelf, in thousandths.
fn goods(row: &Row) -> i128 {
    i128::from(row.registers().added.parts()) - i128::from(row.registers().removed.parts())
}

fn states(hq: &Headquarters) -> Vec<StreamState> {
    let nodes = hq.nodes().unwrap();
    let store = nodes.iter().find(|node| node.node.as_str() == "store-1").unwrap();
    store.incarnations.iter().map(|life| life.state).collect()
}

#[test]
fn what_a_retired_node_left_is_promised_by_nobody_and_what_it_did_late_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = Journal::open("store-1");
    journal.record(moved("10"));
    let own = hq.replica().unwrap();
    journal.record(granted(&own, 0, 2));
    ingest(&hq, vec![journal.batch(1, 3)]);
    let unknown = hq.retire(
        RetireAsk {
            node: "store-7".parse().unwrap(),
            ..ask("r")
        },
        NOW_MS,
    );
    assert_eq!(unknown, Err(RetireError::UnknownNode("store-7".parse().unwrap())));
    assert_eq!(hq.retire(ask(""), NOW_MS), Err(RetireError::Words("the reason")));

    let look = hq.retire(ask("it burned"), NOW_MS).unwrap();
    assert_eq!((look.seq, look.hash), (3, journal.head_at(3).hash));
    assert_eq!((look.lines.len(), look.lines[0].unpromised), (1, amount(8)));
    assert_eq!(shelf(&hq), (units(10), units(0), units(8)));
    assert_eq!(
        hq.own_row(&site(), &sku()).unwrap().rights(),
        2_000,
        "what it had given before"
    );
    assert!(matches!(
        hq.retire(ask("again"), NOW_MS),
        Err(RetireError::Already { seq: 3, .. })
    ));

    // Behind the head: a sale of four, rights to its kiosk, rights to headquarters that it had not any more, a loss.
    let kiosk = ReplicaId {
        node: "kiosk-1".parse().unwrap(),
        incarnation: Incarnation { counter: 1, random: 5 },
    };
    journal.record(Fact::Sale(sale("k", 500, "2024-03-01", 4)));
    journal.record(granted(&kiosk, 0, 1));
    journal.record(granted(&own, 2, 4));
    journal.record(moved("-7"));
    ingest(&hq, vec![journal.batch(4, 7)]);
    hq.project().unwrap();
    // What it left covered four, one and three of the seven; two more were headquarters' own, and two are owed.
    assert_eq!(shelf(&hq), (units(-1), units(2), units(0)));
    let row = hq.own_row(&site(), &sku()).unwrap();
    let replica = look.replica;
    assert_eq!((row.accepted(&replica), row.given(&replica)), (amount(10), amount(1)));
    // The same records met again, in a batch and by figures that are made anew.
    ingest(&hq, vec![journal.batch(4, 7)]);
    hq.rebuild(Projection::Stock).unwrap();
    assert_eq!(hq.own_row(&site(), &sku()).unwrap(), row);
    assert_eq!(super::stock(&hq), -1_000 - 8_000, "the sale's other two items too");
}

#[test]
fn rights_that_come_to_a_retired_node_join_what_it_left_and_are_released() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = Journal::open("store-1");
    journal.record(moved("3"));
    ingest(&hq, vec![journal.batch(1, 2)]);
    let replica = hq.retire(ask("it burned"), NOW_MS).unwrap().replica;
    // Another node of the site, which had not heard of it.
    let mut other = Journal::open("store-2");
    other.record(granted(&replica, 0, 2));
    ingest(&hq, vec![other.batch(1, 2)]);
    hq.project().unwrap();
    assert_eq!(shelf(&hq).2, units(5));
    hq.rebuild(Projection::Stock).unwrap();
    assert_eq!(shelf(&hq).2, units(5), "once");

    let released = hq.release_left(ask("counted by hand"), Vec::new(), NOW_MS).unwrap();
    assert_eq!(released, [(sku(), amount(5))]);
    assert_eq!(shelf(&hq).2, units(0));
    assert_eq!(hq.own_row(&site(), &sku()).unwrap().rights(), 5_000);
    assert_eq!(hq.release_left(ask("again"), Vec::new(), NOW_MS).unwrap(), []);
}

#[test]
fn the_life_that_follows_a_retired_one_counts_and_a_second_copy_waits_for_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = Journal::open("store-1");
    journal.record(moved("3"));
    ingest(&hq, vec![journal.batch(1, 2)]);
    let awaited = |hq: &Headquarters| hq.nodes().unwrap()[0].is_awaited();
    assert!(awaited(&hq));
    hq.retire(ask("it burned"), NOW_MS).unwrap();
    assert!(!awaited(&hq), "its silence is no news");
    let next = |counter| Journal::reopen("store-1", counter, OpenedReason::Retired, Some(journal.head()));
    let (first, second) = (next(2), next(3));
    ingest(&hq, vec![first.batch(1, 1)]);
    assert!(awaited(&hq), "it has gone on");
    ingest(&hq, vec![second.batch(1, 1)]);
    assert_eq!(
        states(&hq),
        [StreamState::Counted, StreamState::Counted, StreamState::SetApart]
    );
    // One that says so, and whose predecessor nobody has retired.
    let mut other = Journal::open("store-2");
    other.record(moved("3"));
    let liar = Journal::reopen("store-2", 2, OpenedReason::Retired, Some(other.head()));
    ingest(&hq, vec![other.batch(1, 2), liar.batch(1, 1)]);
    let nodes = hq.nodes().unwrap();
    assert_eq!(nodes[1].incarnations[1].state, StreamState::SetApart);
}

#[test]
fn a_late_sale_that_its_till_has_repeated_to_the_successor_leaves_the_shelf_once() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = Journal::open("store-1");
    journal.record(moved("10"));
    ingest(&hq, vec![journal.batch(1, 2)]);
    let head = journal.head();
    hq.retire(ask("it burned"), NOW_MS).unwrap();
    journal.record(Fact::Sale(sale("k", 500, "2024-03-01", 4)));
    // Its disk was found. The late record comes first, then what its till repeated to the successor.
    ingest(&hq, vec![journal.batch(3, 3)]);
    hq.project().unwrap();
    let row = hq.own_row(&site(), &sku()).unwrap();
    assert_eq!(goods(&row), -4_000);
    let mut next = Journal::reopen("store-1", 2, OpenedReason::Retired, Some(head));
    next.record(Fact::Sale(sale("k", 500, "2024-03-01", 4)));
    ingest(&hq, vec![next.batch(1, 2)]);
    hq.project().unwrap();
    // The successor's row has the sale; headquarters has it no more.
    assert_eq!(goods(&hq.own_row(&site(), &sku()).unwrap()), 0);
    assert_eq!(
        super::stock(&hq),
        10_000 - 3 * 4_000,
        "counted once, with its three items"
    );
    ingest(&hq, vec![next.batch(1, 2)]);
    hq.rebuild(Projection::Stock).unwrap();
    assert_eq!(goods(&hq.own_row(&site(), &sku()).unwrap()), 0);

    // The other way round nothing is posted at all.
    next.record(Fact::Sale(sale("k", 1000, "2024-03-01", 1)));
    ingest(&hq, vec![next.batch(3, 3)]);
    journal.record(Fact::Sale(sale("k", 1000, "2024-03-01", 1)));
    ingest(&hq, vec![journal.batch(4, 4)]);
    hq.project().unwrap();
    assert_eq!(goods(&hq.own_row(&site(), &sku()).unwrap()), 0);
}

#[test]
fn a_count_frees_what_a_retired_node_left_and_what_it_had_done_before_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = Journal::open("store-1");
    journal.record(moved("10"));
    ingest(&hq, vec![journal.batch(1, 2)]);
    let head = journal.head();
    let replica = hq.retire(ask("it burned"), NOW_MS).unwrap().replica;
    // The successor counts: of ten it knows of, six stand there.
    let mut next = Journal::reopen("store-1", 2, OpenedReason::Retired, Some(head));
    let life = NodeMark {
        replica: replica.clone(),
        mark: Some(5),
        had: 2,
    };
    next.record(Fact::StockWork(StockWork {
        id: MovementId::of(b"till", "count"),
        site: site(),
        kind: WorkKind::Count {
            mark: 1,
            others: vec![life],
        },
        device: "till 1".into(),
        staff: None,
        note: None,
        lines: vec![WorkLine {
            sku: sku(),
            quantity: "-4".parse().unwrap(),
            cost: None,
            counted: Some(units(6)),
        }],
    }));
    ingest(&hq, vec![next.batch(1, 2)]);
    hq.project().unwrap();
    assert_eq!(shelf(&hq).2, units(0), "somebody has seen what is there");
    assert_eq!(hq.own_row(&site(), &sku()).unwrap().rights(), 10_000);
    // What it had sold before comes: four that the count did not find.
    journal.record(Fact::Sale(sale("k", 500, "2024-03-01", 3)));
    journal.record(moved("-1"));
    // And one that it sold afterwards, behind the mark.
    journal.record(moved("2"));
    journal.record(moved("-1"));
    ingest(&hq, vec![journal.batch(3, 6)]);
    hq.project().unwrap();
    let row = hq.own_row(&site(), &sku()).unwrap();
    assert_eq!((goods(&row), row.owed()), (-1_000, Amount::ZERO));
    let figure = |hq: &Headquarters| {
        let lines = hq.stock(Some(&site()), None, 10).unwrap();
        lines.into_iter().find(|line| line.sku == sku()).unwrap().quantity
    };
    assert_eq!(figure(&hq), units(5), "six, less what was sold since");
    ingest(&hq, vec![journal.batch(3, 6)]);
    hq.rebuild(Projection::Stock).unwrap();
    assert_eq!((figure(&hq), hq.own_row(&site(), &sku()).unwrap()), (units(5), row));
}

#[test]
fn what_is_kept_of_what_retired_nodes_left_is_checked_against_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let file = finalmarket::hq::database_path(folder.path());
    let hq = super::open_file(&file);
    let mut journal = Journal::open("store-1");
    journal.record(moved("10"));
    ingest(&hq, vec![journal.batch(1, 2)]);
    hq.retire(ask("it burned"), NOW_MS).unwrap();
    journal.record(moved("-3"));
    ingest(&hq, vec![journal.batch(3, 3)]);
    hq.project().unwrap();
    let differs = || {
        let found = finalmarket::hq::verify(folder.path()).unwrap().differences;
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    drop(hq);
    assert_eq!(differs(), Vec::<String>::new());
    let database = rusqlite::Connection::open(&file).unwrap();
    database.execute("UPDATE unpromised SET amount = 9000", ()).unwrap();
    drop(database);
    let found = differs();
    assert!(
        found.len() == 1 && found[0].contains("nobody may promise is 9, and 7 by"),
        "{found:?}"
    );
}
