//! The wire format seen from outside: what a version says to its neighbours, and what a sale costs.

use finalmarket::domain::escrow::ReplicaId;
use finalmarket::domain::fact::{Entry, Fact, RecordError};
use finalmarket::domain::ids::{Incarnation, NodeId, SaleId};
use finalmarket::domain::journal::{Hash, Head};
use finalmarket::domain::money::{Currency, Minor, Price, Rounding};
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::sale::{DraftLine, Fulfilment, Sale, SaleDraft, SaleRules, Tender, TenderKind, decide};
use finalmarket::domain::stock::{Movement, MovementId, MovementKind, MovementLine};
use finalmarket::domain::tax::{TaxBasis, TaxPolicy, TaxRoundingBy};
use finalmarket::domain::time::{BusinessDay, Hlc, LocalTime};
use finalmarket::sync::wire::{
    Batch, Down, FeedCursor, Hello, HubState, Offer, OfferedGroup, Resend, ShelfMessage, SigningKey, Slot, Standing,
    StandingGroup, Taken, Up, WIRE_VERSION, seal,
};

fn node() -> NodeId {
    "store-367".parse().unwrap()
}

const INCARNATION: Incarnation = Incarnation {
    counter: 1,
    random: 0x1234_5678_9abc_def0,
};

fn sealed(slots: &[Slot]) -> Vec<u8> {
    let before = Hash::genesis(&node(), INCARNATION);
    seal(
        &SigningKey::from_bytes(&[3; 32]),
        &node(),
        INCARNATION,
        1,
        before,
        slots,
    )
}

/// A small generator, so that the figures below are the same on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What a store with 18,000 items, 8 tills and 600 known customers records: three lines a sale, as real baskets have
/// them, at prices of the catalog, a discount on every fourth line, cash and cards.
fn sales(count: u64) -> Vec<Slot> {
    let mut dice = Dice(7);
    let rules = SaleRules {
        currency: Currency::USD,
        tax_policy: TaxPolicy {
            basis: TaxBasis::Added,
            rounding_by: TaxRoundingBy::Document,
            rounding: Rounding::HalfUp,
        },
        tax_rates: [("standard".parse().unwrap(), "8.25".parse().unwrap())].into(),
        cash_rounding: finalmarket::domain::money::CashRounding::NONE,
        tips: false,
    };
    let mut now_ms = 1_790_000_000_000_u64;
    let mut counters = [0; 8];
    let price_of = |sku: u64| {
        let cents = (sku.wrapping_mul(2_654_435_761) >> 7) % 1_500 + 49;
        Price::try_from(rust_decimal::Decimal::new(cents.cast_signed(), 2)).unwrap()
    };
    (0..count)
        .map(|_| {
            now_ms += 300 + dice.below(20_000);
            let till = dice.below(8) as usize;
            counters[till] += 1;
            let lines: Vec<DraftLine> = (0..3)
                .map(|_| {
                    // A few items sell often and most seldom.
                    let rank = dice.below(18_000) * dice.below(18_000) / 18_000;
                    let sku = 818_980 + rank * 67;
                    DraftLine {
                        sku: sku.to_string().parse().unwrap(),
                        quantity: Quantity::from_units(1 + (dice.below(10) == 0) as i64 * 2).unwrap(),
                        unit_price: price_of(sku),
                        discount: (dice.below(4) == 0).then(|| {
                            finalmarket::domain::sale::Discount::Amount(Minor(1 + dice.below(40).cast_signed()))
                        }),
                        tax_class: "standard".parse().unwrap(),
                        fulfilment: Fulfilment::InHand { debt: Quantity::ZERO },
                        by_hand: None,
                    }
                })
                .collect();
            let at = chrono::DateTime::from_timestamp((now_ms / 1_000).cast_signed(), 0)
                .unwrap()
                .naive_utc();
            let at = LocalTime::new(at, Some(60));
            let mut draft = SaleDraft {
                id: SaleId {
                    series: format!("STORE-367-T{till}-7KQ2").parse().unwrap(),
                    counter: counters[till],
                },
                at,
                business_day: BusinessDay(at.day()),
                channel: "physical_store".parse().unwrap(),
                customer: (dice.below(3) > 0).then(|| format!("household-{}", dice.below(600)).parse().unwrap()),
                staff: Some(format!("staff-{}", till % 5).parse().unwrap()),
                lines,
                basket_discount: None,
                tenders: vec![Tender {
                    kind: TenderKind::Cash,
                    amount: Minor(1_000_000),
                    reference: None,
                }],
                price_version: 18_601,
                promotions: Vec::new(),
                price_notes: Vec::new(),
                basket_by_hand: None,
                tip: Minor(0),
            };
            let receipt = format!("STORE-367-R{till}-7KQ2-{:06}", counters[till]).parse().unwrap();
            if dice.below(2) == 0 {
                let sale: Sale = decide(draft.clone(), "A-000001".parse().unwrap(), &rules).unwrap();
                draft.tenders[0] = Tender {
                    kind: TenderKind::Card,
                    amount: sale.totals.total,
                    reference: None,
                };
            } else {
                draft.tenders[0].amount = Minor(20_000 * (1 + dice.below(3).cast_signed()));
            }
            let sale = decide(draft, receipt, &rules).unwrap();
            let recorded = Hlc::default().next(now_ms);
            Slot::Record(
                Entry {
                    recorded,
                    fact: Fact::Sale(sale),
                }
                .encode(),
            )
        })
        .collect()
}

#[test]
fn a_sale_of_three_lines_takes_at_most_sixty_bytes() {
    let slots = sales(1_000);
    let raw: usize = slots
        .iter()
        .map(|slot| {
            if let Slot::Record(record) = slot {
                record.len()
            } else {
                0
            }
        })
        .sum();
    let batch = sealed(&slots);
    assert_eq!(Batch::open(&batch).unwrap().slots().unwrap(), slots);
    let each = batch.len() as f64 / 1_000.0;
    println!("{each:.1} bytes a sale, {:.1} as a record", raw as f64 / 1_000.0);
    assert!(batch.len() <= 60 * 1_000, "{each} bytes a sale");
    assert!(batch.len() <= 64 << 10);
}

#[test]
fn a_newer_nodes_records_pass_an_older_headquarters_unread_and_unharmed() {
    let newer = postcard::to_allocvec(&(4_711u32, Hlc(9), "a body that version 1 does not know")).unwrap();
    let slots = [Slot::Record(newer.clone())];
    let batch = sealed(&slots);
    let batch = Batch::open(&batch).unwrap();
    assert_eq!(batch.slots().unwrap(), slots);
    assert_eq!(Entry::decode(&newer), Err(RecordError::UnknownKind { kind: 4_711 }));
}

#[test]
fn a_newer_nodes_introduction_is_read_by_an_older_headquarters() {
    let hello = Up::Hello(Hello {
        session: 5,
        wire: WIRE_VERSION + 1,
        software: "9.0.0".into(),
        site: "store-367".parse().unwrap(),
        streams: Vec::new(),
        acked: Vec::new(),
        feeds: vec![FeedCursor {
            feed: "a feed of version 2".into(),
            version: 0,
            epoch: 0,
        }],
    });
    let mut bytes = hello.encode();
    bytes.extend_from_slice(&postcard::to_allocvec(&("a field of version 2", 17u64)).unwrap());
    assert_eq!(Up::decode(&bytes), Ok(hello));
}

#[test]
fn a_newer_headquarters_state_is_read_by_an_older_node() {
    let state = HubState {
        online: true,
        run: 5,
        wire: WIRE_VERSION + 1,
    };
    let mut bytes = state.encode();
    bytes.push(1);
    assert_eq!(HubState::decode(&bytes), Ok(state));
    // A message that is not known is an error for that message alone.
    assert!(finalmarket::sync::wire::Down::decode(&[WIRE_VERSION, 100, 1, 2, 3]).is_err());
}

/// The bytes of the description's examples, in their order.
fn described() -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/wire.md")).unwrap();
    let examples = text.split("## 8. Examples").nth(1).unwrap();
    let rows = examples
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'));
    let hex = |row: &str| -> String { row.rsplit('`').nth(1).unwrap().split_whitespace().collect() };
    let bytes = |hex: String| -> Vec<u8> {
        let pairs = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    };
    rows.map(hex).map(bytes).collect()
}

#[test]
fn the_description_s_examples_are_what_is_written() {
    let state = HubState {
        online: true,
        run: 5,
        wire: 1,
    };
    let applied = Up::FeedApplied {
        session: 300,
        cursor: FeedCursor {
            feed: "catalog".into(),
            version: 7,
            epoch: 9,
        },
    };
    let acked = Head {
        incarnation: Incarnation { counter: 1, random: 9 },
        seq: 3,
        hash: Hash([0x11; 32]),
    };
    let resend = Down::Resend(Resend { session: 1, acked });
    let delivery = |id| {
        let line = MovementLine {
            sku: "a-1".parse().unwrap(),
            change: "1.5".parse().unwrap(),
        };
        let movement = Movement {
            id,
            kind: MovementKind::Receipt,
            reference: Some("DN 7".into()),
            lines: vec![line],
        };
        let (recorded, fact) = (Hlc(77), Fact::Movement(movement));
        Entry { recorded, fact }.encode()
    };
    let writer = ReplicaId {
        node: "store-1".parse().unwrap(),
        incarnation: Incarnation { counter: 1, random: 9 },
    };
    let group = StandingGroup {
        site: "s-1".parse().unwrap(),
        writer: writer.clone(),
        documents: vec![(0, 0, Standing::Holds(vec![[0x11; 32]]))],
    };
    let offered = OfferedGroup {
        site: "s-1".parse().unwrap(),
        writer,
        documents: vec![(3, 1, [0x22; 8])],
    };
    let offer = Offer {
        complete: true,
        groups: vec![offered],
    };
    let up = |message| Up::Shelves { session: 1, message }.encode();
    let parcel = ShelfMessage::Parcel {
        number: 2,
        sealed: vec![1, 2],
    };
    let down = Down::Shelves {
        session: 1,
        message: parcel,
    };
    let written = [
        state.encode(),
        applied.encode(),
        resend.encode(),
        delivery(None),
        delivery(Some(MovementId::of(b"till", "k"))),
        up(ShelfMessage::Taken(Taken { number: 2, group })),
        up(ShelfMessage::Offer(offer)),
        down.encode(),
    ];
    assert_eq!(described(), written);
}
