//! Records, there and back.

use super::*;
use crate::domain::escrow::ReplicaId;
use crate::domain::stock::{MovementKind, MovementLine, NodeMark, Place, WorkKind, WorkLine, WorkReason};

fn entry() -> Entry {
    let line = MovementLine {
        sku: "a-1".parse().unwrap(),
        change: "1.5".parse().unwrap(),
    };
    let movement = Movement {
        id: None,
        kind: MovementKind::Receipt,
        reference: Some("DN 7".into()),
        lines: vec![line],
    };
    Entry {
        recorded: Hlc(77),
        fact: Fact::Movement(movement),
    }
}

#[test]
fn a_record_reads_back() {
    assert_eq!(Entry::decode(&entry().encode()).unwrap(), entry());
}

#[test]
fn a_movement_s_identity_costs_its_eight_bytes_and_reads_back() {
    let Entry {
        recorded,
        fact: Fact::Movement(movement),
    } = entry()
    else {
        panic!("a movement")
    };
    let id = MovementId::of(b"the operator", "delivery-7");
    let fact = Fact::Movement(Movement {
        id: Some(id),
        ..movement
    });
    let with_id = Entry { recorded, fact };
    assert_eq!(Entry::decode(&with_id.encode()).unwrap(), with_id);
    assert_eq!(with_id.encode().len(), entry().encode().len() + 8);
    assert_ne!(MovementId::of(b"the operator", "delivery-8"), id);
    assert_ne!(MovementId::of(b"the operato", "rdelivery-7"), id);
}

#[test]
fn stock_work_and_thresholds_read_back() {
    let (site, sku) = ("store-1".parse().unwrap(), "a-1".parse().unwrap());
    let replica = ReplicaId {
        node: "kiosk-1".parse().unwrap(),
        incarnation: Incarnation { counter: 1, random: 5 },
    };
    let line = WorkLine {
        sku,
        quantity: "-1.5".parse().unwrap(),
        cost: Some("2.45".parse().unwrap()),
        counted: Some("8".parse().unwrap()),
    };
    let kinds = [
        WorkKind::GoodsIn {
            supplier: Some("ACME".into()),
            reference: None,
            currency: crate::domain::money::Currency::USD,
        },
        WorkKind::Move {
            reason: WorkReason::Damaged,
            from: Place::Sellable,
            to: Place::Damaged,
        },
        WorkKind::Count {
            mark: 77,
            others: vec![NodeMark {
                replica: replica.clone(),
                mark: None,
                had: 3,
            }],
        },
        WorkKind::CountLate {
            count: MovementId([9; 8]),
            of: RecordId {
                node: replica.node.clone(),
                incarnation: replica.incarnation,
                seq: 4,
            },
        },
    ];
    let facts = kinds.map(|kind| {
        Fact::StockWork(StockWork {
            id: MovementId([1, 2, 3, 4, 5, 6, 7, 8]),
            site: "store-1".parse().unwrap(),
            kind,
            device: "till 1".into(),
            staff: Some("ann".parse().unwrap()),
            note: None,
            lines: vec![line.clone()],
        })
    });
    let threshold = Fact::ThresholdSet(ThresholdSet {
        site,
        sku: line.sku.clone(),
        threshold: None,
        by: "manager".into(),
    });
    let settled = Fact::CountSettled(CountSettled {
        site: "store-1".parse().unwrap(),
        count: MovementId([9; 8]),
    });
    let admitted = Fact::StandbyAdmitted(StandbyAdmitted {
        name: "store-1 b".into(),
        public_key: [7; 32],
    });
    let dismissed = Fact::StandbyDismissed(StandbyDismissed { public_key: [7; 32] });
    for fact in facts.into_iter().chain([threshold, settled, admitted, dismissed]) {
        let entry = Entry {
            recorded: Hlc(77),
            fact,
        };
        assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
    }
}

#[test]
fn a_newer_kind_and_a_broken_record_are_told_apart() {
    let newer = postcard::to_allocvec(&(900u32, Hlc(1), "whatever")).unwrap();
    assert_eq!(Entry::decode(&newer), Err(RecordError::UnknownKind { kind: 900 }));
    let mut long = entry().encode();
    long.push(0);
    assert!(matches!(
        Entry::decode(&long),
        Err(RecordError::Malformed {
            kind: kind::MOVEMENT,
            ..
        })
    ));
    assert!(matches!(
        Entry::decode(&[]),
        Err(RecordError::Malformed { kind: 0, .. })
    ));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(0u8..20, 0..200)) {
        let _ = Entry::decode(&bytes);
    }
}
