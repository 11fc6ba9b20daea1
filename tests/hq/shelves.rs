//! Shelves' documents at headquarters: they wait for the ledger, count as their origins do, and its own go down.

use finalmarket::domain::escrow::{Amount, Grant, ReplicaId, Row};
use finalmarket::domain::fact::{Fact, OpenedReason};
use finalmarket::domain::ids::{SiteId, Sku};
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::stock::{GrantLine, Granted};
use finalmarket::hq::Headquarters;
use finalmarket::sync::carriage::{Child, Done, Link, Neighbour, PackedParcel, Work};
use finalmarket::sync::shelves::{Document, DocumentId, Heads, Parcel};
use finalmarket::sync::wire::{Standing, StreamState};

use super::journal::Journal;
use super::{ingest, open};

fn site() -> SiteId {
    "store-1".parse().unwrap()
}

fn sku() -> Sku {
    "1001".parse().unwrap()
}

fn replica(journal: &Journal) -> ReplicaId {
    ReplicaId {
        node: journal.node.clone(),
        incarnation: journal.incarnation,
    }
}

fn link(journal: &Journal) -> Link {
    Link::Child(Child {
        site: site(),
        replica: replica(journal),
    })
}

/// A row that has received and sold so many units.
fn row(added: u64, removed: u64) -> Row {
    let mut row = Row::default();
    row.add(Amount::new(added * 1_000).unwrap()).unwrap();
    row.take(Amount::new(removed * 1_000).unwrap()).unwrap();
    row
}

/// A node's document with one row, as a parcel of its own.
fn parcel(journal: &Journal, of_site: &str, row: &Row, through: u64) -> Vec<u8> {
    let id = DocumentId {
        site: of_site.parse().unwrap(),
        writer: replica(journal),
        bucket: 0,
        generation: 0,
    };
    let mut document = Document::create(id.clone()).unwrap();
    document.write([(&sku(), row)], through).unwrap();
    let changes = document.changes_since(&Heads::default());
    let parcel = Parcel {
        site: id.site,
        writer: id.writer,
        documents: vec![(0, 0, changes)],
    };
    parcel.seal().unwrap()
}

/// What headquarters answers for the one document of a parcel.
fn take(hq: &Headquarters, journal: &Journal, sealed: Vec<u8>) -> Standing {
    let work = Work::Take {
        link: link(journal),
        session: 1,
        number: 1,
        sealed,
    };
    let Done::Taken { group, .. } = hq.carry(work).unwrap() else {
        panic!("an answer to a parcel");
    };
    group.unwrap().documents.remove(0).2
}

fn on_hand(hq: &Headquarters) -> Quantity {
    hq.site_shelf(&site(), &sku()).unwrap().on_hand
}

fn units(units: i64) -> Quantity {
    Quantity::from_units(units).unwrap()
}

#[test]
fn rows_count_once_the_ledger_has_what_they_contain() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = Journal::open("store-1");
    journal.sell(1);
    ingest(&hq, vec![journal.batch(1, 1)]);
    assert!(matches!(
        take(&hq, &journal, parcel(&journal, "store-1", &row(10, 4), 2)),
        Standing::Holds(_)
    ));
    hq.carry(Work::MergeWaiting).unwrap();
    assert_eq!(on_hand(&hq), units(0), "record 2 is not here");
    ingest(&hq, vec![journal.batch(2, 2)]);
    // It waits on disk.
    drop(hq);
    let hq = open(folder.path());
    hq.carry(Work::MergeWaiting).unwrap();
    assert_eq!(on_hand(&hq), units(6));
    let shelf = &hq.site_shelves(&site(), None, 10).unwrap()[0];
    let known = &shelf.replicas[0];
    assert_eq!((known.through, known.journal, known.row.clone()), (2, 2, row(10, 4)));
    // A repeat changes nothing.
    take(&hq, &journal, parcel(&journal, "store-1", &row(10, 4), 2));
    assert_eq!(on_hand(&hq), units(6));
}

#[test]
fn rows_of_a_life_that_is_set_apart_are_shown_and_not_counted() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let journal = Journal::open("store-1");
    let second = Journal::reopen("store-1", 2, OpenedReason::Restored, Some(journal.head()));
    ingest(&hq, vec![journal.batch(1, 1), second.batch(1, 1)]);
    take(&hq, &journal, parcel(&journal, "store-1", &row(10, 4), 1));
    take(&hq, &second, parcel(&second, "store-1", &row(5, 0), 1));
    let shelf = hq.site_shelf(&site(), &sku()).unwrap();
    assert_eq!(shelf.on_hand, units(6));
    let states: Vec<_> = shelf.replicas.iter().map(|row| row.state).collect();
    assert_eq!(states, [StreamState::Counted, StreamState::SetApart]);
}

#[test]
fn a_node_brings_its_own_documents_of_its_own_site_only() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let (journal, other) = (Journal::open("store-1"), Journal::open("store-2"));
    ingest(&hq, vec![journal.batch(1, 1), other.batch(1, 1)]);
    let refused = |sealed| matches!(take(&hq, &journal, sealed), Standing::Refused(_));
    assert!(refused(parcel(&journal, "store-2", &row(1, 0), 1)), "another site's");
    assert!(refused(parcel(&other, "store-1", &row(1, 0), 1)), "another site's node");
    assert!(
        refused(parcel(&Journal::open("nobody"), "store-1", &row(1, 0), 1)),
        "nobody's"
    );
    assert!(!refused(parcel(&journal, "store-1", &row(1, 0), 1)));
}

#[test]
fn headquarters_own_rows_go_down_to_their_site_and_are_acknowledged_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = Journal::open("store-1");
    // The store hands rights to three on; headquarters takes them over.
    let three = Amount::new(3_000).unwrap();
    journal.record(Fact::Granted(Granted {
        to: hq.replica().unwrap(),
        site: site(),
        request: None,
        lines: vec![GrantLine {
            sku: sku(),
            grant: Grant {
                before: Amount::ZERO,
                after: three,
            },
        }],
        hold: None,
    }));
    ingest(&hq, vec![journal.batch(1, 2)]);
    hq.project().unwrap();
    let Done::Written { changed, .. } = hq.carry(Work::SyncPoint).unwrap() else {
        panic!("a sync point");
    };
    let id = changed[0].id.clone();
    let Done::Written { changed, .. } = hq.carry(Work::SyncPoint).unwrap() else {
        panic!("a sync point");
    };
    assert!(changed.is_empty(), "nothing was touched since");
    let survey = |hq: &Headquarters, link| {
        let Done::Surveyed { documents, .. } = hq.carry(Work::Survey { link, session: 1 }).unwrap() else {
            panic!("a survey");
        };
        documents
    };
    let elsewhere = Link::Child(Child {
        site: "store-2".parse().unwrap(),
        replica: replica(&Journal::open("store-2")),
    });
    assert!(survey(&hq, elsewhere).is_empty());
    let documents = survey(&hq, link(&journal));
    assert_eq!(documents[0].0, id);
    assert!(documents[0].2.is_empty(), "nothing is acknowledged");
    let neighbour = Neighbour::Child(journal.node.clone());
    let pack = Work::Pack {
        neighbour: neighbour.clone(),
        session: 1,
        wanted: vec![(id.clone(), Heads::default())],
        bytes_max: 60 << 10,
        parcels_max: 4,
    };
    let Done::Packed { parcels, .. } = hq.carry(pack).unwrap() else {
        panic!("parcels");
    };
    let [PackedParcel { sealed, documents }] = &parcels[..] else {
        panic!("one parcel");
    };
    let mut read = Document::unheard(id.clone());
    read.apply(&Parcel::open(sealed).unwrap().documents[0].2).unwrap();
    assert_eq!(read.rows().next().unwrap().1.accepted(&replica(&journal)), three);
    let shelf = hq.site_shelf(&site(), &sku()).unwrap();
    assert_eq!(shelf.replicas[0].row.accepted(&replica(&journal)), three);
    let acked = vec![(id.clone(), documents[0].1.clone())];
    hq.carry(Work::SaveAcked { neighbour, acked }).unwrap();
    drop(hq);
    let hq = open(folder.path());
    let documents = survey(&hq, link(&journal));
    assert_eq!(documents[0].1, documents[0].2);
}
