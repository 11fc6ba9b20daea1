//! The tills: they sell, take back, take in goods, repeat themselves until they are answered, and remember what they
//! heard.

use std::rc::Rc;

use finalmarket::domain::ids::SaleId;

use super::events::Event;
use super::hub_shell::UNREADABLE;
use super::model::{BranchId, Model, sale_amount};
use super::promise::{Checked, Promise, Violation};
use super::requests::{Body, DocId, LineAsked, MovementAsked, PRICES, RefundAsked, Request, SaleAsked};
use super::world::World;

/// How many lines make a movement larger than any batch may be.
const LINES_OVERSIZED: usize = 900;

/// A till.
#[derive(Debug)]
pub struct Till {
    /// The machine that it talks to.
    pub machine: usize,
    /// Its series; none before its node has told it.
    series: Option<String>,
    /// Its place among the tills that are paired with its node, from 0.
    place: usize,
    counter: u64,
    key: u64,
    pending: Option<Pending>,
    last: Option<Rc<Request>>,
    sold: Vec<SaleAsked>,
    /// How many more documents it makes before it closes.
    left: Option<u32>,
}

#[derive(Debug, Clone)]
struct Pending {
    request: Rc<Request>,
    garbage: bool,
}

impl Till {
    /// Whether it waits for an answer or has still something to do.
    pub fn is_busy(&self) -> bool {
        self.pending.is_some() || self.left.is_some_and(|left| left > 0)
    }
}

impl World {
    /// Pairs a till with a machine. Its series is given out once: by its node, or where disks are modelled as given here.
    pub fn add_till(&mut self, machine: usize, series: impl FnOnce() -> String) {
        let of_node = |till: &&Till| self.machines[till.machine].node == self.machines[machine].node;
        let place = self.tills.iter().filter(of_node).count();
        self.tills.push(Till {
            machine,
            series: self.options.full.is_none().then(series),
            place,
            counter: 0,
            key: 0,
            pending: None,
            last: None,
            sold: Vec::new(),
            left: None,
        });
        let till = self.tills.len() - 1;
        let at_ms = self.now_ms + self.rng.between(1, 3_000);
        self.schedule(at_ms, Event::Till(till));
    }

    /// A till thinks of something, or loses patience with the machine.
    pub fn till_acts(&mut self, till: usize) {
        if self.tills[till].pending.is_none() && self.tills[till].left == Some(0) {
            return;
        }
        if self.tills[till].series.is_none() {
            let (machine, place) = (self.tills[till].machine, self.tills[till].place);
            self.tills[till].series = self.machines[machine].disk.series(place);
        }
        if self.tills[till].pending.is_none() && self.tills[till].series.is_some() {
            let pending = self.think_of_something(till);
            let state = &mut self.tills[till];
            state.pending = Some(pending);
            state.left = state.left.map(|left| left.saturating_sub(1));
        }
        let machine = self.tills[till].machine;
        if let Some(Pending { request, garbage }) = self.tills[till].pending.clone() {
            self.note(|| format!("till {till} asks for {}", request.doc()));
            let at_ms = self.now_ms + self.rng.between(1, 10);
            let asked = Event::Request {
                machine,
                till,
                request,
                garbage,
            };
            self.schedule(at_ms, asked);
        }
        let at_ms = self.now_ms + self.rng.between(300, self.options.till_pause_ms_max);
        self.schedule(at_ms, Event::Till(till));
    }

    /// An answer reaches a till.
    pub fn till_hears(
        &mut self,
        till: usize,
        (machine, branch): (usize, BranchId),
        request: &Rc<Request>,
        answer: Result<(), String>,
    ) -> Checked {
        let doc = request.doc();
        self.note(|| format!("till {till} hears {answer:?} to {doc}"));
        let waited_for = self.tills[till]
            .pending
            .as_ref()
            .is_some_and(|pending| pending.request == *request);
        match answer {
            Ok(()) => {
                self.check_heard(machine, branch, &doc)?;
                self.model.hears(branch, doc);
                if waited_for {
                    let state = &mut self.tills[till];
                    state.pending = None;
                    state.last = Some(request.clone());
                    if let Body::Sale(sale) = &request.body {
                        state.sold.push(sale.clone());
                    }
                }
            }
            // A full disk: said before anything was half done, and tried again later.
            Err(code) if code == "storage" => {}
            Err(code) => {
                self.check_refusal((machine, branch), request, &code)?;
                if waited_for {
                    self.tills[till].pending = None;
                }
            }
        }
        Ok(())
    }

    /// A till goes to another machine. What it was about is asked there again, and sometimes its last sale, too.
    pub fn till_goes_to(&mut self, till: usize, machine: usize) {
        let repeats = self.rng.chance(600);
        let state = &mut self.tills[till];
        state.machine = machine;
        if repeats && state.pending.is_none() {
            state.pending = state.last.clone().map(|request| Pending {
                request,
                garbage: false,
            });
        }
        self.note(|| format!("till {till} goes to machine {machine}"));
    }

    /// Every till makes so many more documents, then closes.
    pub fn tills_close_after(&mut self, documents: u32) {
        for till in 0..self.tills.len() {
            self.tills[till].left = Some(documents);
            let at_ms = self.now_ms + self.rng.between(1, 3_000);
            self.schedule(at_ms, Event::Till(till));
        }
    }

    fn think_of_something(&mut self, till: usize) -> Pending {
        let unlawful = self.rng.chance(self.options.unlawful);
        let oversized = self.rng.chance(self.options.oversized);
        let garbage = self.rng.chance(self.options.garbage);
        let body = match self.rng.below(10) {
            _ if oversized => self.movement(true),
            0 => self.movement(false),
            1 | 2 if !self.tills[till].sold.is_empty() => self.refund(till),
            _ => self.sale(till, unlawful),
        };
        let unlawful = unlawful && matches!(body, Body::Sale(_));
        let state = &mut self.tills[till];
        state.key += 1;
        let request = Rc::new(Request {
            device: state.series.clone().unwrap_or_default(),
            key: state.key,
            body,
        });
        self.model.asks(&request, unlawful);
        Pending { request, garbage }
    }

    fn sale(&mut self, till: usize, unlawful: bool) -> Body {
        let lines = (0..self.rng.between(1, 4)).map(|_| self.line()).collect();
        let mut sale = SaleAsked {
            id: self.next_id(till),
            day: self.day(),
            lines,
            basket_discount: 0,
            cash: 0,
        };
        let total = sale_amount(&sale);
        if sale.lines.len() == 1 && total > 2 && self.rng.chance(300) {
            sale.basket_discount = self.rng.between(1, total as u64 - 1) as i64;
        }
        let total = sale_amount(&sale);
        // Cash is over 0, also where nothing is to be paid.
        sale.cash = if unlawful && total > 1 {
            total - 1
        } else {
            (total + self.rng.below(500) as i64).max(1)
        };
        Body::Sale(sale)
    }

    fn line(&mut self) -> LineAsked {
        let item = self.rng.below(PRICES.len() as u64) as usize;
        // Weighed goods among those that are counted.
        let quantity = if self.rng.chance(300) {
            self.rng.between(1, 5_000)
        } else {
            1_000 * self.rng.between(1, 6)
        };
        let gross = (quantity as i64 * PRICES[item] + 500) / 1000;
        let discount = if self.rng.chance(200) {
            self.rng.below(gross as u64 + 1) as i64
        } else {
            0
        };
        LineAsked {
            item,
            quantity: quantity as i64,
            discount,
        }
    }

    fn refund(&mut self, till: usize) -> Body {
        let sold = self.rng.pick(&self.tills[till].sold).cloned();
        let Some((sale, line)) = sold.and_then(|sale| Some((sale.clone(), self.rng.index(sale.lines.len())?))) else {
            return self.movement(false);
        };
        let (quantity, amount) = Model::line_paid(&sale, line).unwrap_or_default();
        Body::Refund(RefundAsked {
            id: self.next_id(till),
            of: sale.id,
            day: self.day(),
            line: line as u16,
            quantity,
            amount,
        })
    }

    fn movement(&mut self, oversized: bool) -> Body {
        let mut reference = format!("goods-{:016x}", self.rng.next());
        let mut lines = Vec::new();
        if oversized {
            self.watch.oversized = true;
            reference.push_str(&String::from_utf8_lossy(UNREADABLE));
            lines.extend((0..LINES_OVERSIZED).map(|_| {
                let item = self.rng.below(PRICES.len() as u64) as usize;
                (item, self.rng.between(1, 1_000_000_000) as i64 - 500_000_001)
            }));
        }
        let item = self.rng.below(PRICES.len() as u64) as usize;
        lines.push((item, 1_000 * (self.rng.between(1, 40) as i64 - 10).max(1)));
        Body::Movement(MovementAsked { reference, lines })
    }

    fn next_id(&mut self, till: usize) -> SaleId {
        let state = &mut self.tills[till];
        state.counter += 1;
        SaleId {
            series: state.series.as_deref().unwrap_or_default().parse().expect("a series"),
            counter: state.counter,
        }
    }

    fn day(&mut self) -> i32 {
        20_000 + self.rng.below(3) as i32
    }

    /// A refusal must have a reason that the outside world can understand.
    fn check_refusal(&self, (machine, branch): (usize, BranchId), request: &Request, code: &str) -> Checked {
        let doc = request.doc();
        let expected = self.model.expected(&doc);
        let lawful = match code {
            "tenders-do-not-cover-total" => expected.is_some_and(|expected| expected.unlawful),
            "long-made" => self.machines[machine].disk.has_forgotten(&doc),
            "more-than-was-sold" => expected
                .and_then(|expected| expected.refund_of.as_ref())
                .is_some_and(|of| self.model.refund_asked_before(&doc, of)),
            "unknown-sale" => match &request.body {
                Body::Refund(refund) => {
                    let of = DocId::Sale(refund.of.clone());
                    // The disk that said so may have been replaced since; nobody can ask it any more.
                    let replaced = self.machines[machine].branch != branch;
                    replaced
                        || self.machines[machine].disk.has_forgotten(&of)
                        || !self.model.heard_on(branch).contains(&&of)
                }
                _ => false,
            },
            _ => false,
        };
        if lawful {
            return Ok(());
        }
        let what = format!("{doc} was refused without a lawful reason: {code}");
        Err(Violation::of(Promise::SellsAlone, what))
    }
}
