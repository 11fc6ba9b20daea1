//! A disk that was set back or copied: the node goes on under a new incarnation, and what headquarters may not have is
//! recorded anew, each record with its old place.

use finalmarket::domain::fact::{Entry, Fact, OpenedReason, Rehomed};
use finalmarket::domain::journal::{Hash, Head};
use finalmarket::operations::{load_batch, reincarnate, save_ack, streams, verify};
use finalmarket::store::StorageError;
use finalmarket::sync::wire::{Batch, Slot};

use crate::shop::{Shop, command, incarnation_seed, node};

fn head(shop: &mut Shop) -> Head {
    shop.write(|tx, _| tx.head()).unwrap()
}

fn branch(shop: &mut Shop, of: Head, common: u64, seed: u64) -> Head {
    let now = shop.now();
    let seed = incarnation_seed(seed);
    shop.core
        .run(|tx| reincarnate(tx, now, of.incarnation, common, OpenedReason::Copied, &seed))
        .unwrap()
}

/// The copies in an incarnation, as headquarters reads them.
fn copies(shop: &Shop, of: Head) -> Vec<Rehomed> {
    let packed = shop
        .core
        .read(|snapshot| load_batch(snapshot, &node().node, of.incarnation, 1, 1_000, 1 << 20))
        .unwrap()
        .unwrap();
    let slots = Batch::open(&packed.batch.sealed).unwrap().slots().unwrap();
    slots
        .iter()
        .filter_map(|slot| match slot {
            Slot::Record(record) => match Entry::decode(record).unwrap().fact {
                Fact::Rehomed(copy) => Some(copy),
                _ => None,
            },
            Slot::Withheld { .. } => None,
        })
        .collect()
}

fn hash_at(shop: &Shop, of: Head, seq: u64) -> Hash {
    let hash: Result<_, StorageError> = shop.core.read(|snapshot| snapshot.hash_at(of.incarnation, seq));
    hash.unwrap().unwrap()
}

#[test]
fn records_behind_the_common_one_are_copied_and_counted_once() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    for counter in 1..=4 {
        shop.sell(&till, &command(counter)).unwrap();
    }
    let old = head(&mut shop);
    let new = branch(&mut shop, old, 3, 5);
    assert_ne!(new.incarnation, old.incarnation);
    assert_eq!(new.seq, 3, "the opening and two copies");
    let made = copies(&shop, new);
    assert_eq!(made.iter().map(|copy| copy.seq).collect::<Vec<_>>(), [4, 5]);
    assert!(made.iter().all(|copy| copy.incarnation == old.incarnation));
    assert_eq!(made[1].hash, old.hash);
    assert!(matches!(Entry::decode(&made[0].record).unwrap().fact, Fact::Sale(_)));
    assert_eq!(branch(&mut shop, old, 3, 6), new, "a second time changes nothing");

    assert_eq!(shop.stock("1001"), -4000);
    assert!(shop.sell(&till, &command(4)).unwrap().repeated);
    let next = shop.sell(&till, &command(5)).unwrap().sale.receipt;
    assert_eq!(next.number, 1, "a new receipt series");
    let (streams, _) = shop.core.read(streams).unwrap();
    let heads: Vec<_> = streams.iter().map(|stream| stream.head.head).collect();
    let common = Head {
        seq: 3,
        hash: hash_at(&shop, old, 3),
        ..old
    };
    assert_eq!(heads[0], common, "of the old one no more is offered than is common");
    assert_eq!((heads.len(), heads[1].incarnation), (2, new.incarnation));
    assert!(
        shop.core
            .read(|snapshot| verify(snapshot, |_, _| {}))
            .unwrap()
            .is_clean()
    );
}

#[test]
fn a_copy_of_a_copy_keeps_its_first_place() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    shop.sell(&till, &command(1)).unwrap();
    let first = head(&mut shop);
    let second = branch(&mut shop, first, 0, 5);
    assert_eq!(second.seq, 2, "what opened the first incarnation is not copied");
    shop.sell(&till, &command(2)).unwrap();
    let second = head(&mut shop);
    let third = branch(&mut shop, second, 0, 6);
    let places: Vec<_> = copies(&shop, third)
        .iter()
        .map(|copy| (copy.incarnation, copy.seq))
        .collect();
    assert_eq!(places, [(first.incarnation, 2), (second.incarnation, 3)]);
    assert!(
        shop.core
            .read(|snapshot| verify(snapshot, |_, _| {}))
            .unwrap()
            .is_clean()
    );
}

#[test]
fn an_earlier_incarnation_is_copied_into_the_present_one() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    shop.sell(&till, &command(1)).unwrap();
    shop.sell(&till, &command(2)).unwrap();
    let first = head(&mut shop);
    let now = shop.now();
    let seed = incarnation_seed(8);
    let second = shop
        .write(|tx, _| tx.open_incarnation(now, &seed, OpenedReason::Restored))
        .unwrap();
    let acked = Head {
        seq: 2,
        hash: hash_at(&shop, first, 2),
        ..first
    };
    shop.core.run(|tx| save_ack(tx, acked)).unwrap();
    let after = branch(&mut shop, first, 2, 9);
    assert_eq!((after.incarnation, after.seq), (second.incarnation, 2));
    assert_eq!(copies(&shop, after)[0].seq, 3);
    let (streams, _) = shop.core.read(streams).unwrap();
    assert_eq!(streams[0].head.head, acked);
}

/// Headquarters that was set back, and lost what both branches have in common, asks for it again.
#[test]
fn the_common_part_of_a_branch_that_was_left_is_still_offered() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    for counter in 1..=4 {
        shop.sell(&till, &command(counter)).unwrap();
    }
    let old = head(&mut shop);
    branch(&mut shop, old, 3, 5);
    let load = |shop: &Shop, from| {
        shop.core
            .read(|snapshot| load_batch(snapshot, &node().node, old.incarnation, from, 100, 1 << 20))
            .unwrap()
            .map(|packed| (packed.batch.first, packed.batch.count, packed.batch.after))
    };
    assert_eq!(load(&shop, 1), Some((1, 3, hash_at(&shop, old, 3))));
    assert_eq!(load(&shop, 4), None, "what is behind goes up as copies");
}

#[test]
fn a_branch_that_is_left_again_with_less_in_common_keeps_what_lies_between() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    for counter in 1..=4 {
        shop.sell(&till, &command(counter)).unwrap();
    }
    let old = head(&mut shop);
    let new = branch(&mut shop, old, 4, 5);
    assert_eq!(copies(&shop, new).iter().map(|copy| copy.seq).collect::<Vec<_>>(), [5]);
    let after = branch(&mut shop, old, 2, 6);
    assert_eq!(after.incarnation, new.incarnation);
    assert_eq!(
        copies(&shop, after).iter().map(|copy| copy.seq).collect::<Vec<_>>(),
        [5, 3, 4]
    );
    let (streams, _) = shop.core.read(streams).unwrap();
    assert_eq!(streams[0].head.head.seq, 2);
    assert_eq!(branch(&mut shop, old, 4, 7), after, "more in common changes nothing");
    assert!(
        shop.core
            .read(|snapshot| verify(snapshot, |_, _| {}))
            .unwrap()
            .is_clean()
    );
}
