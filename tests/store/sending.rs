//! What goes up: sealed batches that continue the chain, acknowledgements, records that are withheld.

use finalmarket::domain::ids::Incarnation;
use finalmarket::domain::journal::{Hash, Head};
use finalmarket::operations::{AckRefusal, Packed, load_batch, save_ack, set_record_aside, streams};
use finalmarket::store::{Failure, StorageError};
use finalmarket::sync::wire::{Batch, Slot};
use rusqlite::Connection;

use crate::shop::{Shop, command, node};

const BYTES_MAX: u32 = 64 << 10;

/// A shop with `sales` sales; its journal has one record more.
fn shop(sales: u64) -> (Shop, Incarnation) {
    let mut shop = Shop::new();
    let till = shop.till("1");
    for counter in 1..=sales {
        shop.sell(&till, &command(counter)).unwrap();
    }
    let head = shop.write(|tx, _| tx.head()).unwrap();
    assert_eq!(head.seq, sales + 1);
    (shop, head.incarnation)
}

fn load(shop: &Shop, incarnation: Incarnation, from: u64, records_max: u32, bytes_max: u32) -> Option<Packed> {
    shop.core
        .read(|snapshot| load_batch(snapshot, &node().node, incarnation, from, records_max, bytes_max))
        .unwrap()
}

/// Opens a batch as headquarters would.
fn open(shop: &Shop, packed: &Packed) -> Vec<Slot> {
    let batch = Batch::open(&packed.batch.sealed).unwrap();
    let row = shop
        .core
        .read(|snapshot| snapshot.incarnation(packed.batch.incarnation));
    batch.verify(&row.unwrap().unwrap().key.verifying_key()).unwrap();
    assert_eq!(
        (batch.header.first, batch.header.count),
        (packed.batch.first, packed.batch.count)
    );
    assert_eq!(
        (batch.header.before, batch.header.after),
        (packed.batch.before, packed.batch.after)
    );
    batch.slots().unwrap()
}

#[test]
fn batches_continue_the_chain_and_stay_within_their_bounds() {
    let (shop, incarnation) = shop(60);
    let mut hash = Hash::genesis(&node().node, incarnation);
    let mut next = 1;
    while let Some(packed) = load(&shop, incarnation, next, 25, 700) {
        assert_eq!(packed.batch.before, hash);
        assert!(packed.batch.sealed.len() <= 700 && packed.batch.count <= 25);
        let slots = open(&shop, &packed);
        assert!(slots.iter().all(|slot| matches!(slot, Slot::Record(_))));
        hash = slots.iter().fold(hash, |hash, slot| slot.chain(hash));
        assert_eq!(packed.batch.after, hash);
        assert_eq!(packed.damaged, []);
        next += u64::from(packed.batch.count);
    }
    assert_eq!(next, 62);
    let (streams, _) = shop.core.read(streams).unwrap();
    assert_eq!((streams[0].head.head.seq, streams[0].head.head.hash), (61, hash));
    assert_eq!(streams[0].acked.seq, 0);
    // One record alone may be larger than was asked for.
    assert_eq!(load(&shop, incarnation, 2, 25, 1).unwrap().batch.count, 1);
}

#[test]
fn a_damaged_record_is_withheld_and_the_rest_goes_on() {
    let (shop, incarnation) = shop(5);
    let raw = Connection::open(shop.directory.path().join("node.db")).unwrap();
    let damage = "UPDATE journal SET record = x'02ff' WHERE position = 3";
    raw.execute_batch(&format!("{damage}; DELETE FROM journal WHERE position = 5"))
        .unwrap();
    let mut shop = shop;
    let packed = load(&shop, incarnation, 1, 100, BYTES_MAX).unwrap();
    let slots = open(&shop, &packed);
    let withheld: Vec<usize> = (0..slots.len())
        .filter(|at| matches!(slots[*at], Slot::Withheld { .. }))
        .collect();
    // The row behind the missing one cannot be checked: nobody knows the hash before it.
    assert_eq!(withheld, [2, 4, 5]);
    let head = shop
        .core
        .read(|snapshot| snapshot.incarnation(incarnation))
        .unwrap()
        .unwrap()
        .head;
    assert_eq!((packed.batch.count, packed.batch.after), (6, head.hash));
    let seqs: Vec<u64> = packed.damaged.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, [3, 5, 6]);
    for (seq, reason) in &packed.damaged {
        let now = shop.now();
        shop.core
            .run(|tx| set_record_aside(tx, now, incarnation, *seq, reason))
            .unwrap();
    }
    assert_eq!(shop.core.read(|snapshot| snapshot.set_asides_count()), Ok(3));
    let again = load(&shop, incarnation, 1, 100, BYTES_MAX).unwrap();
    assert_eq!((again.batch.sealed, again.damaged), (packed.batch.sealed, vec![]));
}

#[test]
fn a_record_that_headquarters_cannot_take_is_withheld_from_then_on() {
    let (mut shop, incarnation) = shop(3);
    let now = shop.now();
    shop.core
        .run(|tx| set_record_aside(tx, now, incarnation, 2, "headquarters cannot read it"))
        .unwrap();
    let packed = load(&shop, incarnation, 1, 100, BYTES_MAX).unwrap();
    let slots = open(&shop, &packed);
    assert!(matches!(&slots[1], Slot::Withheld { reason, .. } if reason == "headquarters cannot read it"));
    assert!(matches!(slots[2], Slot::Record(_)));
    let kept = shop.core.read(|snapshot| snapshot.set_asides(10)).unwrap();
    assert_eq!((kept[0].source.as_str(), kept[0].reference.as_str()), ("journal", "2"));
    assert!(!kept[0].bytes.is_empty());
}

#[test]
fn an_acknowledgement_is_kept_and_may_be_lowered() {
    let (mut shop, incarnation) = shop(5);
    let hash = |shop: &Shop, seq| {
        shop.core
            .read(|snapshot| snapshot.hash_at(incarnation, seq))
            .unwrap()
            .unwrap()
    };
    let acked = |shop: &Shop| shop.core.read(streams).unwrap().0[0].acked.seq;
    for seq in [4, 2] {
        let head = Head {
            incarnation,
            seq,
            hash: hash(&shop, seq),
        };
        shop.core.run(|tx| save_ack(tx, head)).unwrap();
        assert_eq!(acked(&shop), seq);
    }
    let wrong = Head {
        incarnation,
        seq: 3,
        hash: Hash([1; 32]),
    };
    let refused = shop.core.run(|tx| save_ack(tx, wrong)).unwrap_err();
    assert_eq!(refused, Failure::Refused(AckRefusal::OtherBranch(wrong)));
    let stranger = Head {
        incarnation: Incarnation { counter: 9, random: 9 },
        ..wrong
    };
    assert!(shop.core.run(|tx| save_ack(tx, stranger)).is_err());
    let (shop, _) = shop.reopen(2);
    assert_eq!(acked(&shop), 2);
}

#[test]
fn what_is_not_there_is_not_loaded() {
    let (shop, incarnation) = shop(1);
    for from in [0, 3, u64::MAX] {
        assert_eq!(load(&shop, incarnation, from, 10, BYTES_MAX), None, "{from}");
    }
    assert_eq!(
        load(&shop, Incarnation { counter: 9, random: 9 }, 1, 10, BYTES_MAX),
        None
    );
    let unknown = shop.core.read(|snapshot| snapshot.hash_at(incarnation, u64::MAX));
    assert_eq!(unknown, Ok::<_, StorageError>(None));
}
