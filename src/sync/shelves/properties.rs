//! What holds for documents on any way, and what they cost.

use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, ROOT};
use proptest::collection::vec;
use proptest::prelude::*;

use super::document::{Document, DocumentError, DocumentId, Heads, SKUS_MAX};
use super::packed::{pack, unpack};
use super::parcel::Parcel;
use crate::domain::escrow::{Amount, Registers, ReplicaId, Row};
use crate::domain::ids::{Incarnation, Sku};

fn replica(n: u64) -> ReplicaId {
    ReplicaId {
        node: format!("node-{n}").parse().unwrap(),
        incarnation: Incarnation {
            counter: 1,
            random: 77 + n,
        },
    }
}

fn id(generation: u32) -> DocumentId {
    DocumentId {
        site: "store-1".parse().unwrap(),
        writer: replica(0),
        bucket: 3,
        generation,
    }
}

fn sku(n: usize) -> Sku {
    format!("sku-{n}").parse().unwrap()
}

fn amount(n: u64) -> Amount {
    Amount::new(n).unwrap()
}

/// A row that has sold `sold` of `added`.
fn row(added: u64, sold: u64) -> Row {
    let mut row = Row::default();
    row.add(amount(added)).unwrap();
    row.take(amount(sold)).unwrap();
    row
}

fn any_amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        Just(0),
        1u64..5_000,
        (1u64..2_000_000).prop_map(|n| n * 1_000),
        0..=Amount::MAX.parts()
    ]
    .prop_map(amount)
}

fn any_registers() -> impl Strategy<Value = Registers> {
    let entries = || {
        let entry = (1u64..6, any_amount());
        vec(entry, 0..4).prop_map(|entries| {
            let some = entries.into_iter().filter(|(_, amount)| !amount.is_zero());
            some.map(|(n, amount)| (replica(n), amount)).collect()
        })
    };
    let six = [(); 6].map(|()| any_amount());
    (six, entries(), entries()).prop_map(
        |([added, removed, held, freed, debt, repaid], given, accepted)| Registers {
            added,
            removed,
            held,
            freed,
            debt,
            repaid,
            given,
            accepted,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_row_packs_into_one_form_and_back(registers in any_registers()) {
        let row = Row::from(registers);
        let peers: Vec<_> = (0..6).map(replica).collect();
        let bytes = pack(&row, |of| peers.iter().position(|peer| peer == of).unwrap() as u64);
        prop_assert_eq!(unpack(&bytes, &peers), Ok(row));
    }

    #[test]
    fn bytes_that_read_as_a_row_are_its_one_form(bytes in vec(any::<u8>(), 0..24)) {
        let peers: Vec<_> = (0..3).map(replica).collect();
        if let Ok(row) = unpack(&bytes, &peers) {
            let again = pack(&row, |of| peers.iter().position(|peer| peer == of).unwrap() as u64);
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn a_reader_has_the_writers_rows_after_any_journey(
        sales in vec((0usize..12, 1u64..5_000, any::<bool>()), 1..40),
        deliveries in vec((0usize..50, 0usize..50), 0..60),
    ) {
        let mut writer = Document::create(id(0)).unwrap();
        let mut rows: Vec<Row> = (0..12).map(|n| row(100_000 * (n + 1), 0)).collect();
        let mut reader = Document::unheard(id(0));
        // Every batch that was ever cut from the document, against any heads that a reader might have claimed.
        let mut batches = vec![writer.changes_since(&Heads::default())];
        for (seq, (item, n, gives)) in sales.iter().enumerate() {
            if *gives {
                let _ = rows[*item].give(&replica(*n % 5 + 1), amount(*n));
            } else {
                rows[*item].take(amount(*n)).unwrap();
            }
            let heads = writer.heads();
            let item = sku(*item);
            let at: usize = item.as_str()[4..].parse().unwrap();
            prop_assert!(writer.write([(&item, &rows[at])], seq as u64 + 1).unwrap() || *gives);
            batches.push(writer.changes_since(&heads));
        }
        for (batch, _) in &deliveries {
            let before: Vec<_> = reader.rows().map(|(_, row)| row.clone()).collect();
            match reader.apply(&batches[batch % batches.len()]) {
                // It holds a past of the writer's: whatever it has is covered by what the writer has.
                Ok(_) => prop_assert!(reader.rows().count() >= before.len()),
                Err(DocumentError::Missing) => prop_assert_eq!(reader.rows().count(), before.len()),
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
        // Once it says what it has, it gets what it lacks.
        let lacking = writer.changes_since(&reader.heads());
        reader.apply(&lacking).unwrap();
        let all = |document: &Document| document.rows().map(|(sku, row)| (sku.clone(), row.clone())).collect::<Vec<_>>();
        prop_assert_eq!(all(&reader), all(&writer));
        prop_assert_eq!(reader.through(), writer.through());
        prop_assert_eq!(all(&Document::load(id(0), &reader.save()).unwrap()), all(&writer));
    }

    #[test]
    fn damaged_changes_are_refused_and_never_panic(
        at in 0usize..400, with in 1u8.., cut in 0usize..400,
    ) {
        let mut writer = Document::create(id(0)).unwrap();
        writer.write([(&sku(0), &row(5_000, 1_000)), (&sku(1), &row(7_000, 500))], 4).unwrap();
        let changes = writer.changes_since(&Heads::default());
        let mut flipped = changes.clone();
        let whole: usize = flipped.iter().map(Vec::len).sum();
        let (mut place, mut change) = (at % whole, 0);
        while place >= flipped[change].len() {
            place -= flipped[change].len();
            change += 1;
        }
        flipped[change][place] ^= with;
        let mut short = changes.clone();
        let last = short.last_mut().unwrap();
        last.truncate(cut % last.len());
        for damaged in [flipped, short] {
            let mut reader = Document::unheard(id(0));
            prop_assert!(reader.apply(&damaged).is_err());
            prop_assert_eq!(reader.rows().count(), 0);
            reader.apply(&changes).unwrap();
        }
    }
}

#[test]
fn only_the_writer_may_write() {
    let mut writer = Document::create(id(0)).unwrap();
    writer.write([(&sku(0), &row(5_000, 0))], 1).unwrap();
    let mut reader = Document::unheard(id(0));
    reader.apply(&writer.changes_since(&Heads::default())).unwrap();

    // Somebody who has the document changes it under a name of his own.
    let mut other = AutoCommit::load(&writer.save())
        .unwrap()
        .with_actor(ActorId::from(&[9u8; 16][..]));
    other.put(ROOT, "through", 99u64).unwrap();
    other.commit();
    let change = other.get_last_local_change().unwrap().raw_bytes().to_vec();
    assert!(matches!(reader.apply(&[change]), Err(DocumentError::Foreign { .. })));
    assert_eq!(reader.through(), 1);

    // And the writer itself cannot take back what it said.
    assert!(matches!(
        writer.write([(&sku(0), &row(4_000, 0))], 2),
        Err(DocumentError::Lowered(_))
    ));
    assert_eq!(writer.rows().next().unwrap().1, &row(5_000, 0));
    // Another generation is another document.
    let changes = writer.changes_since(&Heads::default());
    assert!(matches!(
        Document::unheard(id(1)).apply(&changes),
        Err(DocumentError::Foreign { .. })
    ));
}

#[test]
fn history_is_left_behind_once_it_outweighs_the_rows() {
    let mut writer = Document::create(id(0)).unwrap();
    let mut sold = 0;
    let rolled = loop {
        sold += 1;
        assert!(sold < 10_000, "a document that only ever grows");
        writer.write([(&sku(0), &row(20_000_000, sold))], sold).unwrap();
        if let Some(rolled) = writer.rolled().unwrap() {
            break rolled;
        }
    };
    let (mut old, mut new) = (writer, rolled);
    assert_eq!(new.id(), &id(1));
    assert!(new.rows().eq(old.rows()));
    assert_eq!(new.through(), old.through());
    assert!(new.save().len() * 4 < old.save().len());
    assert!(new.rolled().unwrap().is_none(), "a fresh one stays");
}

#[test]
fn a_full_document_takes_no_more_items_and_is_as_before() {
    let mut writer = Document::create(id(0)).unwrap();
    let rows: Vec<_> = (0..=SKUS_MAX).map(|n| (sku(n), row(1_000, 0))).collect();
    let all = || rows.iter().map(|(sku, row)| (sku, row));
    assert!(matches!(writer.write(all(), 1), Err(DocumentError::TooMany("items"))));
    assert_eq!((writer.rows().count(), writer.room()), (0, SKUS_MAX));
    assert!(writer.write(all().take(SKUS_MAX), 1).unwrap());
    assert!(!writer.write(all().take(SKUS_MAX), 2).unwrap(), "nothing differs");
}

/// A change by somebody who writes no document of ours.
pub(in crate::sync) fn foreign_change() -> Vec<u8> {
    let mut other = AutoCommit::new().with_actor(ActorId::from(&[9u8; 16][..]));
    other.put(ROOT, "through", 99u64).unwrap();
    other.commit();
    other.get_last_local_change().unwrap().raw_bytes().to_vec()
}

/// The cost that the design promises (P8): by items touched, not by sales. 500 of 10,000 items, spread over all buckets,
/// with item numbers as a real catalog has them.
#[test]
fn bytes_follow_the_items_touched_and_not_the_sales() {
    let per_item = [1u64, 10_000].map(|sales| {
        let mut documents: Vec<Document> = (0..40)
            .map(|bucket| Document::create(DocumentId { bucket, ..id(0) }).unwrap())
            .collect();
        let mut random = 7u64;
        let mut next = move || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            random >> 33
        };
        let items: Vec<(Sku, u64)> = (0..10_000)
            .map(|_| {
                (
                    format!("{}", 800_000 + next() % 15_000_000).parse().unwrap(),
                    1_000 * (20_000 + next() % 200),
                )
            })
            .collect();
        let mut documents_items: Vec<std::collections::BTreeMap<Sku, Row>> = vec![Default::default(); 40];
        for (at, (sku, added)) in items.iter().enumerate() {
            documents_items[at / 250].insert(sku.clone(), row(*added, 0));
        }
        for (document, items) in documents.iter_mut().zip(&documents_items) {
            document.write(items, 1).unwrap();
        }
        let heads: Vec<Heads> = documents.iter_mut().map(Document::heads).collect();
        let mut touched = 0;
        for (document, items) in documents.iter_mut().zip(&mut documents_items) {
            let every = items.len() / 12;
            let mut changed = Vec::new();
            for (sku, row) in items.iter_mut().step_by(every) {
                let sold = (0..sales).map(|_| 1_000 * (1 + next() % 3)).sum();
                row.take(amount(sold)).unwrap();
                changed.push(sku.clone());
                touched += 1;
            }
            document
                .write(changed.iter().map(|sku| (sku, &items[sku])), 1 + sales)
                .unwrap();
        }
        assert!((480..=600).contains(&touched));
        let changes = documents.iter_mut().zip(&heads).map(|(document, heads)| {
            let changes = document.changes_since(heads);
            (document.id().bucket, document.id().generation, changes)
        });
        let parcel = Parcel {
            site: "store-1".parse().unwrap(),
            writer: replica(0),
            documents: changes.collect(),
        };
        let sealed = parcel.seal().unwrap();
        assert_eq!(Parcel::open(&sealed).unwrap(), parcel);
        sealed.len() as f64 / f64::from(touched)
    });
    println!("bytes for an item touched: {per_item:.1?} at 1 and 10,000 sales each");
    assert!(per_item[0] <= 14.0 && per_item[1] <= per_item[0] + 6.0, "{per_item:?}");
}
