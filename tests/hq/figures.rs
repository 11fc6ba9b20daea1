//! What is made of the ledger: totals, stock, what came again, what was set aside.

use finalmarket::domain::fact::{Fact, OpenedReason, Settlement, SettlementDecision};
use finalmarket::domain::money::Minor;
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::stock::{Movement, MovementId, MovementKind, MovementLine};
use finalmarket::hq::{Headquarters, Projection, SetAsideState, SettleError};
use finalmarket::sync::hub::Introduction;

use super::journal::{Journal, hello, id, sale};
use super::{NOW_MS, ingest, open, stock, total, totals_of};

fn settle(hq: &Headquarters, journal: &Journal, decision: SettlementDecision) -> Result<(), SettleError> {
    let settlement = Settlement {
        node: journal.node.clone(),
        incarnation: journal.incarnation,
        decision,
        reason: "the till's paper says so".into(),
        by: "operator".into(),
    };
    hq.settle(settlement, NOW_MS).map(|_| ())
}

/// Everything that the projections hold, as rows of text.
fn tables(folder: &std::path::Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(folder.join("hq.sqlite")).unwrap();
    let tables = [
        "sale",
        "sale_repeat",
        "daily_total",
        "movement",
        "stock",
        "set_aside",
        "rehomed",
        "projection",
        "projection_reach",
    ];
    let mut rows = Vec::new();
    for table in tables {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut found: Vec<String> = statement
            .query_map([], |row| {
                let values = (0..columns).map(|column| row.get::<_, rusqlite::types::Value>(column));
                Ok(format!("{table} {:?}", values.collect::<Result<Vec<_>, _>>()?))
            })
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        found.sort();
        rows.extend(found);
    }
    rows
}

#[test]
fn totals_and_stock_follow_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = Journal::open("store-1");
    journal.record(Fact::Movement(Movement {
        id: None,
        kind: MovementKind::Opening,
        reference: None,
        lines: vec![MovementLine {
            sku: "1007".parse().unwrap(),
            change: "10".parse().unwrap(),
        }],
    }));
    journal.sell(1);
    journal.record(Fact::Sale(sale("store-1", 2, "2017-01-02", 2)));
    ingest(&hq, journal.batches(2));
    hq.project().unwrap();
    let totals = hq.totals(&totals_of("2017-01-02", "2017-01-02")).unwrap();
    assert_eq!(totals.days.len(), 1);
    let second = totals.days[0].total;
    assert_eq!(
        (second.sales, second.total, second.tax, second.units.thousandths()),
        (1, Minor(1200), Minor(200), 6000)
    );
    assert_eq!(totals.complete[0].pending, 0);
    assert_eq!(totals.complete[0].through_ms, 1_700_000_000_003);
    let site = "store-1".parse().unwrap();
    let lines = hq.stock(Some(&site), None, 1).unwrap();
    assert_eq!(
        (lines[0].sku.as_str(), lines[0].quantity.to_string().as_str()),
        ("1007", "9")
    );
    let next = hq.stock(Some(&site), Some(&lines[0].cursor()), 1).unwrap();
    assert_eq!(next[0].sku.as_str(), "1014");
}

#[test]
fn a_stop_between_ledger_and_figures_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open("store-1");
    for round in 0..5 {
        let hq = open(folder.path());
        for counter in 1..=20 {
            journal.sell(round * 20 + counter);
        }
        let first = round * 20 + u64::from(round > 0) + 1;
        ingest(&hq, vec![journal.batch(first, journal.head().seq)]);
        // Every other time it stops before the figures follow.
        if round % 2 == 1 {
            hq.project().unwrap();
        }
    }
    let hq = open(folder.path());
    assert_eq!(hq.project().unwrap(), 1);
    assert_eq!(hq.project().unwrap(), 0);
    assert_eq!((total(&hq).sales, total(&hq).total), (100, Minor(60_000)));
    assert_eq!(stock(&hq), -300_000);
}

#[test]
fn figures_made_again_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut first = Journal::open("store-1");
    let mut other = Journal::open("store-2");
    for counter in 1..=30 {
        first.sell(counter);
        other.sell(counter);
    }
    first.bytes(b"\x02rubbish");
    // The same identity with another content, and a branch that is settled later.
    other.record(Fact::Sale(sale("store-1", 7, "2017-01-01", 9)));
    let mut restored = Journal::reopen("store-1", 2, OpenedReason::Restored, Some(first.head_at(10)));
    restored.sell(30);
    restored.record(Fact::Sale(sale("store-1", 8, "2017-01-01", 9)));
    restored.sell(31);
    ingest(&hq, other.batches(7));
    ingest(&hq, first.batches(5));
    ingest(&hq, restored.batches(2));
    hq.project().unwrap();
    settle(&hq, &restored, SettlementDecision::Count).unwrap();
    ingest(&hq, vec![Journal::open("store-3").batch(1, 1)]);
    hq.project().unwrap();
    assert_eq!(total(&hq).sales, 61);
    let before = tables(folder.path());
    assert!(before.iter().any(|row| row.starts_with("set_aside")));
    for projection in Projection::ALL {
        hq.rebuild(projection).unwrap();
        assert_eq!(tables(folder.path()), before, "{projection:?}");
    }
    hq.rebuild(Projection::Stock).unwrap();
    assert_eq!(tables(folder.path()), before);
}

#[test]
fn a_sale_that_a_till_repeats_to_a_restored_node_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = Journal::open("store-1");
    (1..=10).for_each(|counter| {
        journal.sell(counter);
    });
    ingest(&hq, journal.batches(100));
    // Restored to record 6; the till repeats its last sale, which the node has forgotten, and goes on.
    let mut restored = Journal::reopen("store-1", 2, OpenedReason::Restored, Some(journal.head_at(6)));
    let mut repeated = sale("store-1", 10, "2017-01-01", 1);
    repeated.receipt = "STORE-1-R1-BBBB-000001".parse().unwrap();
    restored.record(Fact::Sale(repeated));
    restored.sell(11);
    ingest(&hq, restored.batches(100));
    hq.project().unwrap();
    assert_eq!(total(&hq).sales, 10);
    let set_apart = hq.nodes().unwrap()[0].complete.set_apart;
    assert_eq!(set_apart, 3);
    settle(&hq, &restored, SettlementDecision::Count).unwrap();
    hq.project().unwrap();
    assert_eq!((total(&hq).sales, total(&hq).total), (11, Minor(6_600)));
    assert_eq!(stock(&hq), -33_000);
    let repeats = hq.repeats(false, 10).unwrap();
    assert_eq!((repeats.len(), &repeats[0].id), (1, &id("store-1", 10)));
    assert_eq!(
        (&repeats[0].record, &repeats[0].counted),
        (&restored.id(2), &journal.id(11))
    );
    assert_eq!(hq.repeats(true, 10).unwrap(), vec![]);
    // What goes on under the settled incarnation counts at once.
    restored.sell(12);
    ingest(&hq, vec![restored.batch(4, 4)]);
    hq.project().unwrap();
    assert_eq!(total(&hq).sales, 12);
    assert!(matches!(
        settle(&hq, &restored, SettlementDecision::Exclude),
        Err(SettleError::Counted { .. })
    ));
}

#[test]
fn an_excluded_incarnation_never_counts_unless_it_is_settled_anew() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = Journal::open("store-1");
    journal.sell(1);
    let mut copy = Journal::reopen("store-1", 2, OpenedReason::Moved, Some(journal.head()));
    copy.sell(2);
    ingest(&hq, vec![journal.batch(1, 2), copy.batch(1, 2)]);
    settle(&hq, &copy, SettlementDecision::Exclude).unwrap();
    copy.sell(3);
    ingest(&hq, vec![copy.batch(3, 3)]);
    hq.project().unwrap();
    assert_eq!(total(&hq).sales, 1);
    settle(&hq, &copy, SettlementDecision::Count).unwrap();
    hq.project().unwrap();
    assert_eq!(total(&hq).sales, 3);
}

#[test]
fn another_sale_under_a_taken_identity_is_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut first = Journal::open("store-1");
    first.sell(5);
    let mut second = Journal::open("store-2");
    second.record(Fact::Sale(sale("store-1", 5, "2017-01-01", 2)));
    ingest(&hq, vec![first.batch(1, 2), second.batch(1, 2)]);
    hq.project().unwrap();
    assert_eq!((total(&hq).sales, total(&hq).total), (1, Minor(600)));
    assert_eq!(stock(&hq), -3000);
    let conflicts = hq.repeats(true, 10).unwrap();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(
        (&conflicts[0].record, &conflicts[0].counted),
        (&second.id(2), &first.id(2))
    );
}

#[test]
fn of_two_branches_every_sale_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    // Both copies of the disk have records 1 to 6, of which 1 to 3 were acknowledged; then each goes on by itself.
    let mut original = Journal::open("store-1");
    (1..=5).for_each(|counter| {
        original.sell(counter);
    });
    let mut copy = original.clone();
    copy.session += 1;
    (6..=8).for_each(|counter| {
        original.sell(counter);
    });
    (101..=104).for_each(|counter| {
        copy.sell(counter);
    });
    ingest(&hq, original.batches(4));
    let introduced = hq.introduce(&copy.node, copy.hello(1), NOW_MS).unwrap();
    assert!(
        matches!(introduced, Introduction::Known(_)),
        "longer than here: found by its first batch"
    );
    assert!(matches!(
        ingest(&hq, vec![copy.batch(10, 10)])[0].0,
        finalmarket::sync::hub::Outcome::Branched { .. }
    ));
    let mut next = Journal::reopen("store-1", 2, OpenedReason::Copied, Some(copy.head()));
    for seq in 4..=10 {
        next.rehome(&copy, seq);
    }
    next.sell(105);
    hq.introduce(&next.node, hello(&[(&copy, 1), (&next, 1)]), NOW_MS)
        .unwrap();
    ingest(&hq, next.batches(3));
    settle(&hq, &next, SettlementDecision::Count).unwrap();
    hq.project().unwrap();
    assert_eq!(total(&hq).sales, 8 + 5);
    assert_eq!(stock(&hq), -13 * 3000);
    // The copy is copied once more before it is settled: what it took over is taken over again.
    let mut third = Journal::reopen("store-1", 3, OpenedReason::Copied, Some(next.head()));
    for seq in 2..=next.head().seq {
        third.rehome(&next, seq);
    }
    let mut unseen = next.clone();
    unseen.sell(106);
    third.rehome(&unseen, unseen.head().seq);
    ingest(&hq, third.batches(50));
    settle(&hq, &third, SettlementDecision::Count).unwrap();
    hq.project().unwrap();
    assert_eq!(total(&hq).sales, 14);
    let (_, entry) = hq.sale(&id("store-1", 106)).unwrap().unwrap();
    assert_eq!(entry.fact, Fact::Sale(sale("store-1", 106, "2017-01-01", 1)));
    assert_eq!(
        hq.repeats(false, 10).unwrap().len() + hq.repeats(true, 10).unwrap().len(),
        0
    );
}

#[test]
fn a_sum_that_does_not_fit_sets_its_sale_aside_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = Journal::open("store-1");
    journal.sell(1);
    let mut huge = sale("store-1", 2, "2017-01-01", 1);
    huge.totals.total = Minor(i64::MAX);
    let seq = journal.record(Fact::Sale(huge));
    journal.sell(3);
    ingest(&hq, journal.batches(10));
    hq.project().unwrap();
    assert_eq!((total(&hq).sales, stock(&hq)), (2, -6000));
    let found = hq.set_aside(None, None, 10).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].record, journal.id(seq));
    let by: Vec<_> = found[0]
        .by
        .iter()
        .map(|by| (by.projection.as_str(), by.state))
        .collect();
    assert_eq!(by, [("sales", SetAsideState::Open), ("stock", SetAsideState::Open)]);
}

#[test]
fn nodes_that_decide_for_headquarters_are_not_heard() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = Journal::open("store-1");
    journal.record(Fact::Settlement(Settlement {
        node: journal.node.clone(),
        incarnation: journal.incarnation,
        decision: SettlementDecision::Exclude,
        reason: "because".into(),
        by: "nobody".into(),
    }));
    journal.sell(1);
    ingest(&hq, journal.batches(10));
    hq.project().unwrap();
    assert_eq!(total(&hq).sales, 1);
    assert_eq!(hq.set_aside(None, None, 10).unwrap()[0].record, journal.id(2));
}

/// A delivery under an identity of its client.
fn delivery(key: &str, units: i64) -> Fact {
    Fact::Movement(Movement {
        id: Some(MovementId::of(b"the manager's tablet", key)),
        kind: MovementKind::Receipt,
        reference: None,
        lines: vec![MovementLine {
            sku: "1007".parse().unwrap(),
            change: Quantity::from_units(units).unwrap(),
        }],
    })
}

#[test]
fn a_delivery_that_is_repeated_to_a_restored_node_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = Journal::open("store-1");
    journal.record(delivery("dn-7", 10));
    journal.record(delivery("dn-8", 20));
    ingest(&hq, journal.batches(10));
    // Restored to before all of it; one delivery comes again, one with another content, one is new.
    let mut restored = Journal::reopen("store-1", 2, OpenedReason::Restored, Some(journal.head_at(1)));
    restored.record(delivery("dn-7", 10));
    let other = restored.record(delivery("dn-8", 25));
    restored.record(delivery("dn-9", 40));
    ingest(&hq, restored.batches(10));
    settle(&hq, &restored, SettlementDecision::Count).unwrap();
    hq.project().unwrap();
    assert_eq!(stock(&hq), 70_000);
    let aside = hq.set_aside(Some(SetAsideState::Open), None, 10).unwrap();
    assert_eq!((aside.len(), &aside[0].record), (1, &restored.id(other)));
    assert!(aside[0].by[0].reason.contains("same identity"));
    let before = tables(folder.path());
    hq.rebuild(Projection::Stock).unwrap();
    assert_eq!(tables(folder.path()), before);
}
