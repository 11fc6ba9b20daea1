//! A node's journal as the tests make it: real facts, a real chain, real batches, and no node around them.

use finalmarket::domain::fact::{Entry, Fact, Opened, OpenedReason, Rehomed};
use finalmarket::domain::ids::{Incarnation, NodeId, SaleId};
use finalmarket::domain::journal::{Hash, Head, RecordId};
use finalmarket::domain::money::{Currency, Minor, Rounding};
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::sale::{DraftLine, Fulfilment, Sale, SaleDraft, SaleRules, Tender, TenderKind, decide};
use finalmarket::domain::tax::{TaxBasis, TaxPolicy, TaxRoundingBy};
use finalmarket::domain::time::Hlc;
use finalmarket::hq::Incoming;
use finalmarket::sync::wire::{Hello, SigningKey, Slot, StreamHead, seal};

/// One incarnation's journal.
#[derive(Clone)]
pub struct Journal {
    pub node: NodeId,
    pub incarnation: Incarnation,
    pub key: SigningKey,
    pub slots: Vec<Slot>,
    /// The chain's hash before the first slot and after each.
    pub hashes: Vec<Hash>,
    pub session: u64,
}

impl Journal {
    /// A node's first incarnation, with its opening record.
    pub fn open(node: &str) -> Self {
        Self::reopen(node, 1, OpenedReason::First, None)
    }

    /// The first incarnation of a node at a site.
    pub fn open_at(node: &str, site: &str) -> Self {
        Self::reopen_at((node, site), 1, OpenedReason::First, None)
    }

    /// A further incarnation of a node.
    pub fn reopen(node: &str, counter: u32, reason: OpenedReason, predecessor: Option<Head>) -> Self {
        Self::reopen_at((node, node), counter, reason, predecessor)
    }

    fn reopen_at((node, site): (&str, &str), counter: u32, reason: OpenedReason, predecessor: Option<Head>) -> Self {
        let node: NodeId = node.parse().unwrap();
        let random = node.as_str().bytes().fold(u64::from(counter) << 40, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u64::from(byte))
        });
        let incarnation = Incarnation { counter, random };
        let mut seed = [counter as u8; 32];
        for (place, byte) in seed.iter_mut().zip(node.as_str().bytes()) {
            *place ^= byte;
        }
        let key = SigningKey::from_bytes(&seed);
        let genesis = Hash::genesis(&node, incarnation);
        let opened = Opened {
            site: site.parse().unwrap(),
            node: node.clone(),
            incarnation,
            reason,
            predecessor,
            public_key: key.verifying_key().to_bytes(),
        };
        let mut journal = Self {
            node,
            incarnation,
            key,
            slots: Vec::new(),
            hashes: vec![genesis],
            session: u64::from(counter) * 1000 + 7,
        };
        journal.record(Fact::Opened(opened));
        journal
    }

    pub fn record(&mut self, fact: Fact) -> u64 {
        let recorded = Hlc((1_700_000_000_000 + self.slots.len() as u64) << 16);
        self.bytes(&Entry { recorded, fact }.encode())
    }

    /// Any bytes as a record.
    pub fn bytes(&mut self, record: &[u8]) -> u64 {
        self.push(Slot::Record(record.to_vec()))
    }

    /// A record that the node keeps to itself.
    pub fn withhold(&mut self, reason: &str) -> u64 {
        let after = self.hashes.last().unwrap().after(b"kept");
        let reason = reason.into();
        self.push(Slot::Withheld { after, reason })
    }

    fn push(&mut self, slot: Slot) -> u64 {
        self.hashes.push(slot.chain(*self.hashes.last().unwrap()));
        self.slots.push(slot);
        self.slots.len() as u64
    }

    pub fn sell(&mut self, counter: u64) -> u64 {
        let sale = sale(self.node.as_str(), counter, "2017-01-01", 1);
        self.record(Fact::Sale(sale))
    }

    /// Takes a record of another branch over.
    pub fn rehome(&mut self, other: &Self, seq: u64) -> u64 {
        let Slot::Record(record) = other.slots[seq as usize - 1].clone() else {
            panic!("a withheld record")
        };
        self.record(Fact::Rehomed(Rehomed {
            incarnation: other.incarnation,
            seq,
            hash: other.hashes[seq as usize],
            record,
        }))
    }

    pub fn head(&self) -> Head {
        self.head_at(self.slots.len() as u64)
    }

    pub fn head_at(&self, seq: u64) -> Head {
        Head {
            incarnation: self.incarnation,
            seq,
            hash: self.hashes[seq as usize],
        }
    }

    pub fn id(&self, seq: u64) -> RecordId {
        RecordId {
            node: self.node.clone(),
            incarnation: self.incarnation,
            seq,
        }
    }

    /// Records `first` to `last`, sealed.
    pub fn batch(&self, first: u64, last: u64) -> Incoming {
        self.batch_signed_by(&self.key, first, last)
    }

    pub fn batch_signed_by(&self, key: &SigningKey, first: u64, last: u64) -> Incoming {
        let (from, to) = (first as usize - 1, last as usize);
        Incoming {
            sender: self.node.clone(),
            relayed: false,
            session: self.session,
            sealed: seal(
                key,
                &self.node,
                self.incarnation,
                first,
                self.hashes[from],
                &self.slots[from..to],
            ),
        }
    }

    /// Everything, in batches of `size` records.
    pub fn batches(&self, size: u64) -> Vec<Incoming> {
        let last = self.slots.len() as u64;
        (1..=last)
            .step_by(size as usize)
            .map(|first| self.batch(first, (first + size - 1).min(last)))
            .collect()
    }

    /// An introduction that names this journal alone, of which everything before `earliest` is pruned.
    pub fn hello(&self, earliest: u64) -> Hello {
        hello(&[(self, earliest)])
    }
}

/// A node's introduction with several incarnations, oldest first.
pub fn hello(streams: &[(&Journal, u64)]) -> Hello {
    let newest = streams.last().unwrap().0;
    let stream = |(journal, earliest): &(&Journal, u64)| StreamHead {
        head: journal.head(),
        earliest: *earliest,
        before_earliest: journal.hashes[*earliest as usize - 1],
        public_key: journal.key.verifying_key().to_bytes(),
    };
    Hello {
        session: newest.session,
        wire: 1,
        software: "test".into(),
        site: newest.node.as_str().parse().unwrap(),
        streams: streams.iter().map(stream).collect(),
        acked: Vec::new(),
        feeds: Vec::new(),
    }
}

/// A sale of three lines with a total of 6.00 USD times `units`, at `till`'s till, tax included (20 %).
pub fn sale(till: &str, counter: u64, day: &str, units: u32) -> Sale {
    let rules = SaleRules {
        currency: Currency::USD,
        tax_policy: TaxPolicy {
            basis: TaxBasis::Included,
            rounding_by: TaxRoundingBy::Line,
            rounding: Rounding::HALF_UP,
        },
        tax_rates: [("standard".parse().unwrap(), "20".parse().unwrap())].into(),
        cash_rounding: finalmarket::domain::money::CashRounding::NONE,
        tips: false,
    };
    let line = |sku: u64, price: &str| DraftLine {
        sku: sku.to_string().parse().unwrap(),
        quantity: Quantity::from_units(units.into()).unwrap(),
        unit_price: price.parse().unwrap(),
        discount: None,
        tax_class: "standard".parse().unwrap(),
        fulfilment: Fulfilment::InHand { debt: Quantity::ZERO },
        by_hand: None,
    };
    let items = counter % 500 * 7;
    let seconds = counter % 3600;
    let draft = SaleDraft {
        id: id(till, counter),
        at: format!("{day}T12:{:02}:{:02}", seconds / 60, seconds % 60)
            .parse()
            .unwrap(),
        business_day: day.parse().unwrap(),
        channel: till.parse().unwrap(),
        customer: None,
        staff: None,
        lines: vec![
            line(1000 + items, "1.00"),
            line(2000 + items, "2.00"),
            line(3000 + items, "3.00"),
        ],
        basket_discount: None,
        tenders: vec![Tender {
            kind: TenderKind::Card,
            amount: Minor(600 * i64::from(units)),
            reference: None,
        }],
        price_version: 0,
        promotions: Vec::new(),
        price_notes: Vec::new(),
        basket_by_hand: None,
        tip: Minor(0),
    };
    let receipt = format!("{}-R1-AAAA-{counter:06}", till.to_uppercase()).parse().unwrap();
    decide(draft, receipt, &rules).unwrap()
}

pub fn id(till: &str, counter: u64) -> SaleId {
    SaleId {
        series: format!("{}-T1-AAAA", till.to_uppercase()).parse().unwrap(),
        counter,
    }
}
