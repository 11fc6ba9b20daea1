//! A till: sells, remembers each answer, and after each end of the node sees to it that what it was told is still so.
//!
//! It knows the node only by what it hears over HTTP. A request that is not answered is asked again, with the same key
//! and the same bytes, until it is.

use std::io;

use serde_json::{Value, json};

use crate::http::{Connection, Reply, Request};
use crate::sim::promise::{Checked, Promise, Violation};
use crate::sim::rng::Rng;
use crate::town::{Life, SILENT, Square};

/// How many of its own items a till sells, beside the one that all sell.
const OWN_ITEMS: u64 = 4;
/// The item that every till sells, so that they meet in its row.
pub const COMMON: &str = "COMMON";
/// One sale in so many is sent on two connections at once.
const TWICE_ONE_IN: u64 = 8;
/// A till with its memory.
pub struct Till {
    number: usize,
    rng: Rng,
    prepared: bool,
    paired: Option<Paired>,
    /// Every sale that the node said was made.
    pub heard: Vec<Sale>,
    /// So many of them were looked after in a later life than they were made in.
    looked_after: usize,
    /// What was asked and not answered.
    pending: Option<Sale>,
    pub figures: Figures,
}

/// What pairing gave.
struct Paired {
    token: String,
    series: String,
}

/// A sale as the till knows it.
#[derive(Debug, Clone)]
pub struct Sale {
    pub counter: u64,
    request: String,
    /// In minor units.
    total: i64,
    /// How many of each item.
    pub goods: Vec<(String, i64)>,
    /// The body of the first answer; empty until it is heard.
    answer: String,
    asked: u32,
}

/// What happened to a till's sales.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    /// Answered at the first attempt.
    pub at_once: u64,
    /// Not answered at first, and asked again: it had been made.
    pub had_been_made: u64,
    /// Not answered at first, and asked again: it had not been made.
    pub had_not: u64,
    /// Sent on two connections at once.
    pub twice: u64,
    /// Answered with a status from 500 up.
    pub faults: u64,
}

/// Why a till stops working for now.
enum Stop {
    /// The node does not answer, or says that it cannot.
    Silence,
    Broken(Violation),
    /// Nothing is left to do.
    Done,
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Silence
    }
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Broken(violation)
    }
}

type Step<T> = Result<T, Stop>;

/// The connections of one life. The second is for what is sent twice at once.
struct Lines {
    life: Life,
    first: Connection,
    second: Option<Connection>,
}

impl Till {
    pub fn new(number: usize, seed: u64) -> Self {
        Self {
            number,
            rng: Rng::new(seed, 0),
            prepared: false,
            paired: None,
            heard: Vec::new(),
            looked_after: 0,
            pending: None,
            figures: Figures::default(),
        }
    }

    /// Works from life to life until the store closes.
    pub fn work(mut self, square: &Square) -> Self {
        let mut number = 0;
        while let Some(life) = square.next_life(number) {
            number = life.number;
            match self.live(life, square) {
                Ok(()) | Err(Stop::Silence) => {}
                Err(Stop::Done) => break,
                Err(Stop::Broken(violation)) => {
                    square.breaks(violation);
                    break;
                }
            }
        }
        self
    }

    fn live(&mut self, life: Life, square: &Square) -> Step<()> {
        let mut lines = Lines::open(life)?;
        self.prepare(&mut lines)?;
        self.look_after(&mut lines, self.looked_after)?;
        self.looked_after = self.heard.len();
        while !square.broken() {
            if self.pending.is_none() {
                if square.closing() {
                    return Err(Stop::Done);
                }
                self.pending = Some(self.next_sale());
            }
            self.sell(&mut lines)?;
            square.heard(self.heard.len() == 1);
        }
        Err(Stop::Done)
    }

    /// Brings its items and pairs, each with its key until it is answered.
    fn prepare(&mut self, lines: &mut Lines) -> Step<()> {
        if !self.prepared {
            let item = |sku: &str| {
                json!({"sku": sku, "gtin": null, "name": "Item", "department": "", "brand": "",
                "size": "", "price": "1.00", "tax_class": "standard"})
            };
            let mut items: Vec<Value> = (0..OWN_ITEMS)
                .map(|item_number| item(&self.own_item(item_number)))
                .collect();
            items.push(item(COMMON));
            let answer = self.operate(lines, "/v1/products/import", "items", &json!({"items": items}))?;
            must(&answer, 200, "the items should be brought")?;
            self.prepared = true;
        }
        if self.paired.is_none() {
            // Two tills share a register, so that its receipts come from both.
            let register = self.number.div_ceil(2).to_string();
            let wish = json!({"role": "till", "name": format!("till {}", self.number), "register": register});
            let offered = self.operate(lines, "/v1/pairing-codes", "code", &wish)?;
            must(&offered, 201, "a pairing code should be given out")?;
            let brought = json!({"code": offered.json()["code"]});
            let paired = self.operate(lines, "/v1/pair", "pair", &brought)?;
            must(&paired, 201, "the till should be paired")?;
            let paired = paired.json();
            let text = |name: &str| paired[name].as_str().unwrap_or_default().to_owned();
            self.paired = Some(Paired {
                token: text("token"),
                series: text("series"),
            });
        }
        Ok(())
    }

    fn operate(&self, lines: &mut Lines, path: &str, what: &str, body: &Value) -> Step<Reply> {
        let (key, body) = (format!("till-{}-{what}", self.number), body.to_string());
        let operator = lines.life.operator.clone();
        let reply = lines.first.ask(Request::post(path, &key, &body).by(&operator))?;
        if reply.status >= 500 {
            Err(Stop::Silence)
        } else {
            Ok(reply)
        }
    }

    fn own_item(&self, item: u64) -> String {
        format!("T{}-{item}", self.number)
    }

    fn next_sale(&mut self) -> Sale {
        let lines = self.rng.between(1, 3);
        let goods: Vec<(String, i64)> = (0..lines)
            .map(|_| {
                let item = self.rng.below(OWN_ITEMS + 1);
                let sku = if item < OWN_ITEMS {
                    self.own_item(item)
                } else {
                    COMMON.to_owned()
                };
                (sku, self.rng.between(1, 9) as i64)
            })
            .collect();
        let pieces: i64 = goods.iter().map(|(_, pieces)| pieces).sum();
        let counter = self.heard.len() as u64 + 1;
        let line = |(sku, pieces): &(String, i64)| json!({"sku": sku, "quantity": pieces.to_string()});
        let request = json!({
            "counter": counter,
            "lines": goods.iter().map(line).collect::<Vec<_>>(),
            "tenders": [{"kind": "cash", "amount": "100.00"}],
        });
        Sale {
            counter,
            request: request.to_string(),
            total: 100 * pieces,
            goods,
            answer: String::new(),
            asked: 0,
        }
    }

    /// Asks for the sale that is not answered yet.
    fn sell(&mut self, lines: &mut Lines) -> Step<()> {
        let (Some(sale), Some(paired)) = (&mut self.pending, &self.paired) else {
            return Ok(());
        };
        sale.asked += 1;
        let key = sale.key();
        let request = Request::post("/v1/sales", &key, &sale.request).by(&paired.token);
        let twice = self.rng.below(TWICE_ONE_IN) == 0;
        self.figures.twice += u64::from(twice);
        let reply = if twice {
            lines.ask_twice(request)?
        } else {
            lines.first.ask(request)?
        };
        if reply.status >= 500 {
            self.figures.faults += 1;
            return Err(Stop::Silence);
        }
        must(
            &reply,
            201,
            &format!("{}:{} should be sold", paired.series, sale.counter),
        )?;
        let body = reply.json();
        let told = (
            body["series"].as_str(),
            body["counter"].as_u64(),
            body["totals"]["total"].as_str(),
        );
        let total = format!("{}.{:02}", sale.total / 100, sale.total % 100);
        if told != (Some(&*paired.series), Some(sale.counter), Some(&*total)) {
            let what = format!(
                "asked for {} with a total of {total}, told {}",
                sale.request, reply.body
            );
            return Err(Violation::of(Promise::ExactlyOnce, what).into());
        }
        match (sale.asked, reply.replayed()) {
            (1, false) => self.figures.at_once += 1,
            // The second of two at once may be the one that is heard first.
            (1, true) if twice => self.figures.at_once += 1,
            (1, true) => {
                let what = format!(
                    "{}:{} is new, and the node says that it is not",
                    paired.series, sale.counter
                );
                return Err(Violation::of(Promise::ExactlyOnce, what).into());
            }
            (_, true) => self.figures.had_been_made += 1,
            (_, false) => self.figures.had_not += 1,
        }
        sale.answer = reply.body;
        self.heard.extend(self.pending.take());
        Ok(())
    }

    /// Looks whether the sales that it was told of are there, as it was told, and stay so when asked for again; all but
    /// the first so many.
    fn look_after(&self, lines: &mut Lines, but_first: usize) -> Step<()> {
        let Some(paired) = &self.paired else { return Ok(()) };
        for sale in self.heard.iter().skip(but_first) {
            let name = format!("{}:{}", paired.series, sale.counter);
            let path = format!("/v1/sales/{}/{}", paired.series, sale.counter);
            let there = lines.first.ask(Request::get(&path).by(&paired.token))?;
            must(&there, 200, &format!("{name} should be there, as its till was told"))?;
            let mut there = there.json();
            there.as_object_mut().and_then(|members| members.remove("seq"));
            if serde_json::from_str::<Value>(&sale.answer).ok() != Some(there.clone()) {
                let what = format!("{name}: the till was told {}, and there is {there}", sale.answer);
                return Err(Violation::of(Promise::NothingLost, what).into());
            }
            let key = sale.key();
            let again = lines
                .first
                .ask(Request::post("/v1/sales", &key, &sale.request).by(&paired.token))?;
            if again.status >= 500 {
                return Err(Stop::Silence);
            }
            if (again.status, again.replayed(), &again.body) != (201, true, &sale.answer) {
                let what = format!("{name}: first answered {}, then {again:?}", sale.answer);
                return Err(Violation::of(Promise::ExactlyOnce, what).into());
            }
        }
        Ok(())
    }

    /// Looks after every sale that it was ever told of.
    ///
    /// # Errors
    /// Where one is not there, or is another.
    pub fn look_after_all(&self, life: Life) -> Checked {
        let looked = Lines::open(life).map_err(Stop::from);
        match looked.and_then(|mut lines| self.look_after(&mut lines, 0)) {
            Ok(()) => Ok(()),
            Err(Stop::Broken(violation)) => Err(violation),
            Err(Stop::Silence | Stop::Done) => Err(Violation::of(Promise::NothingLost, SILENT)),
        }
    }

    /// The series of its sales; empty where it was never paired.
    pub fn series(&self) -> &str {
        self.paired.as_ref().map_or("", |paired| &paired.series)
    }
}

impl Sale {
    fn key(&self) -> String {
        format!("sale-{}", self.counter)
    }

    /// The number on the receipt that the till printed.
    pub fn receipt(&self) -> String {
        let answer: Value = serde_json::from_str(&self.answer).unwrap_or_default();
        answer["receipt"].as_str().unwrap_or_default().to_owned()
    }
}

impl Lines {
    fn open(life: Life) -> io::Result<Self> {
        Ok(Self {
            first: Connection::open(life.address)?,
            second: None,
            life,
        })
    }

    /// Sends the same request on two connections before it waits for either's answer, which must be one answer.
    fn ask_twice(&mut self, request: Request<'_>) -> Step<Reply> {
        let second = match &mut self.second {
            Some(second) => second,
            none => none.insert(Connection::open(self.life.address)?),
        };
        self.first.send(request)?;
        second.send(request)?;
        let (one, other) = (self.first.receive(), second.receive());
        let answered = |reply: &io::Result<Reply>| reply.as_ref().is_ok_and(|reply| reply.status < 500);
        if let (Ok(one), Ok(other)) = (&one, &other)
            && one.status < 500
            && other.status < 500
            && (one.status, &one.body) != (other.status, &other.body)
        {
            let what = format!("sent twice at once, answered {one:?} and {other:?}");
            return Err(Violation::of(Promise::ExactlyOnce, what).into());
        }
        // What was heard on one of them was heard.
        Ok(if answered(&one) { one? } else { other? })
    }
}

/// What a till was promised: any other answer is a loss.
fn must(reply: &Reply, status: u16, what: &str) -> Step<()> {
    match reply.status {
        same if same == status => Ok(()),
        500.. => Err(Stop::Silence),
        _ => Err(Violation::of(
            Promise::NothingLost,
            format!("{what}, and the node answers {}", reply.body),
        )
        .into()),
    }
}
