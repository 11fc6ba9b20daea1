//! Work on the stock: goods in, losses, counts, and goods that customers bring back.

use finalmarket::domain::money::Currency;
use finalmarket::domain::sale::{ReturnedLine, TenderKind};
use finalmarket::domain::stock::{Place, WorkKind, WorkReason};
use finalmarket::operations::{
    self, Others, RefundCommand, Request, SaleRef, StatedTender, TakenMark, WorkCommand, WorkEntry, count_mark,
};
use finalmarket::store::Fingerprint;
use rust_decimal::Decimal;

use super::super::facts::Item;
use super::calamities::CountJob;
use super::customers::{quantity, settings};
use super::world::{Event, Seat, World};

impl World {
    /// Work of one line at a node.
    fn work_on(&mut self, at: usize, kind: WorkKind, item: Item, parts: u64) -> bool {
        let Some(device) = self.nodes[at].process.as_ref().map(|process| process.till.clone()) else {
            return false;
        };
        self.next_name += 1;
        let key = format!("work-{}", self.next_name).parse().expect("a key");
        let command = WorkCommand {
            kind,
            staff: None,
            note: None,
            lines: vec![WorkEntry {
                sku: self.keys[item].sku.clone(),
                quantity: quantity(parts),
                cost: None,
            }],
        };
        let now = self.now_at(at);
        let worked = self.write(at, |tx| operations::stock_work(tx, now, &device, &key, &command));
        if let Some(Err(refusal)) = &worked {
            self.broken(&format!("{} refuses work: {refusal}", self.name(Seat::Node(at))));
        }
        matches!(worked, Some(Ok(_)))
    }

    pub fn goods_come_in(&mut self, at: usize, item: Item, parts: u64) {
        let kind = WorkKind::GoodsIn {
            supplier: None,
            reference: None,
            currency: Currency::EUR,
        };
        self.work_on(at, kind, item, parts);
    }

    pub fn take_goods_in(&mut self) {
        let at = self.rng.below(self.options.sites as u64) as usize;
        let (item, parts) = (self.any_item(self.nodes[at].site), self.any_parts());
        self.goods_come_in(at, item, parts);
    }

    /// Goods are gone; half of the time nobody notices.
    pub fn lose(&mut self) {
        let at = self.rng.below(self.options.sites as u64) as usize;
        let (item, parts) = (self.any_item(self.nodes[at].site), self.any_parts());
        if self.model.units[item] < parts as i64 {
            return;
        }
        if self.rng.chance(500) {
            self.say(|_| format!("{parts} of item {item} are stolen"));
            self.model.stolen(item, parts as i64);
            self.moved.insert(at);
        } else {
            let kind = WorkKind::Loss {
                reason: WorkReason::Damaged,
                place: Place::Sellable,
            };
            self.work_on(at, kind, item, parts);
        }
    }

    /// A customer brings goods back to where they were bought.
    pub fn bring_back(&mut self) {
        let Some(at) = self.any_node() else { return };
        let Some(place) = self.rng.index(self.nodes[at].sold.len()) else {
            return;
        };
        let (of, _, parts) = self.nodes[at].sold.swap_remove(place);
        let Some(device) = self.nodes[at].process.as_ref().map(|process| process.till.clone()) else {
            return;
        };
        let Some(till) = device.till.as_ref() else { return };
        let sale = finalmarket::domain::ids::SaleId {
            series: till.series.clone(),
            counter: of,
        };
        let (back, cents) = (parts, Decimal::new((parts as i64 + 5) / 10, 2));
        self.nodes[at].counter += 1;
        let counter = self.nodes[at].counter;
        let command = RefundCommand {
            counter,
            of: SaleRef::Id(sale),
            at: None,
            staff: None,
            reason: None,
            lines: vec![ReturnedLine::on_sale(0, quantity(back))],
            tenders: if cents.is_zero() {
                Vec::new()
            } else {
                vec![StatedTender {
                    kind: TenderKind::Cash,
                    amount: cents,
                    reference: None,
                }]
            },
        };
        let request = Request {
            device: device.ix,
            key: Some(format!("refund-{counter}").parse().expect("a key")),
            fingerprint: Fingerprint::of("simulated", format!("{command:?}").as_bytes()),
        };
        let now = self.now_at(at);
        let refunded = self.write(at, |tx| {
            operations::refund(tx, &settings(), now, &device, &request, &command)
        });
        if let Some(Err(refusal)) = refunded {
            self.broken(&format!(
                "{} refuses goods that come back: {refusal}",
                self.name(Seat::Node(at))
            ));
        }
    }

    /// Somebody at a store begins to count an item.
    pub fn count(&mut self) {
        let at = self.rng.below(self.options.sites as u64) as usize;
        let item = self.any_item(self.nodes[at].site);
        // As long as others may have moved what is not known here a count is put off.
        let Some(others) = self.moved_by_others(at, item) else {
            return;
        };
        let now = self.now_at(at);
        // Nobody is asked for a mark: what is known of the others counts as moved before.
        let mark = self.write(at, |tx| count_mark(tx, now, &Others::default()));
        let Some(Ok(TakenMark { number: mark, .. })) = mark else {
            return;
        };
        let counted = self.model.units[item];
        if !others.known || counted < 0 {
            return;
        }
        self.say(|_| format!("item {item} is counted: {counted}"));
        let pause_ms = self.rng.between(10, 3_000);
        let job = CountJob {
            at,
            item,
            mark,
            counted: counted.unsigned_abs(),
            life: self.nodes[at].life.unwrap_or_default(),
            others: others.moved,
        };
        self.at(self.now_ms + pause_ms, Event::PostCount(job));
    }

    /// Posts a count. Where another node has moved goods since, or the store began another life, it is thrown away.
    pub fn post_count(&mut self, job: &CountJob) {
        if self.nodes[job.at].life != Some(job.life) {
            return;
        }
        let Some(others) = self.moved_by_others(job.at, job.item) else {
            return;
        };
        if others.known && others.moved == job.others {
            let count = WorkKind::Count {
                mark: job.mark,
                others: Vec::new(),
            };
            self.work_on(job.at, count, job.item, job.counted);
        }
    }
}
