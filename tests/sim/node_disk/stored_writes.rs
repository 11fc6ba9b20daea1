//! What is asked of a disk's writer, as jobs for the real one.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use finalmarket::domain::catalog::Item;
use finalmarket::domain::fact::OpenedReason;
use finalmarket::domain::ids::SaleId;
use finalmarket::domain::money::Price;
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::sale::{ReturnedLine, TenderKind};
use finalmarket::domain::stock::MovementKind;
use finalmarket::operations::{
    self, ItemRef, PairingSeed, ReceiveAmount, ReceiveCommand, ReceiveLine, RefundCommand, SaleRef, SellCommand,
    SellLine, Settings, StatedDiscount, StatedTender,
};
use finalmarket::store::{
    Device, Failure, Fingerprint, Job, NewDevice, Now, Rights, Role, StorageError, WriteTransaction,
};
use rust_decimal::Decimal;

use super::{StoredDisk, now, seed};
use crate::sim::node_disk::{Clocks, Write, Written};
use crate::sim::requests::{Body, MovementAsked, PRICES, RefundAsked, Request, SaleAsked, rules, sku, time_and_day};

/// How long records are kept after they were made, at least: longer than any till goes on about one.
const KEPT_MS: u64 = 60_000;

/// The answers of a group, each once it is given.
type Answers = Arc<Mutex<Vec<Option<Result<Written, StorageError>>>>>;

impl StoredDisk {
    /// Runs a group on the real writer and gives the answers that were given.
    pub(super) fn run(&mut self, group: &[Write], clocks: Clocks) -> Vec<Option<Result<Written, StorageError>>> {
        let answers: Answers = Arc::new(Mutex::new(vec![None; group.len()]));
        let devices = self.read(|snapshot| snapshot.devices()).unwrap_or_default();
        let prunes_before_ms = self.journal.recorded_before(clocks.now_ms.saturating_sub(KEPT_MS));
        let jobs = group.iter().enumerate().map(|(at, write)| {
            let group = Group {
                answers: Arc::clone(&answers),
                at,
                now: now(clocks),
                prunes_before_ms,
            };
            group.job(write, &devices)
        });
        let jobs = jobs.collect();
        if let Some(process) = &mut self.process {
            process.core.run_group(jobs);
        }
        std::mem::take(&mut *answers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One place in a group.
struct Group {
    answers: Answers,
    at: usize,
    now: Now,
    prunes_before_ms: u64,
}

impl Group {
    fn job(self, write: &Write, devices: &[Device]) -> Job {
        let now = self.now;
        match write {
            Write::Request(request) | Write::Garbage(request) => self.request(Rc::clone(request), devices),
            Write::SaveAck(head) => {
                let head = *head;
                self.answered(move |tx| operations::save_ack(tx, head), |()| Written::Done)
            }
            Write::SetAside {
                incarnation,
                seq,
                reason,
            } => {
                let (incarnation, seq, reason) = (*incarnation, *seq, reason.clone());
                self.answered(
                    move |tx| operations::set_record_aside(tx, now, incarnation, seq, &reason),
                    move |()| Written::SetAside(incarnation, seq),
                )
            }
            Write::Rehome {
                incarnation,
                common,
                set_back,
                next,
            } => {
                let (incarnation, common, seed) = (*incarnation, *common, seed(next));
                let reason = if *set_back {
                    OpenedReason::SetBack
                } else {
                    OpenedReason::Copied
                };
                self.answered(
                    move |tx| operations::reincarnate(tx, now, incarnation, common, reason, &seed),
                    |_| Written::Rehomed,
                )
            }
            Write::ApplyFeed(page) => {
                let page = page.clone();
                self.answered(
                    move |tx| operations::apply_feed_page(tx, now, &page),
                    Written::FeedApplied,
                )
            }
            Write::Prune { unacknowledged_too, .. } => {
                let (all, before_ms) = (*unacknowledged_too, self.prunes_before_ms);
                self.answered(
                    move |tx| prune(tx, now, before_ms, all),
                    |()| Written::Pruned(Vec::new()),
                )
            }
        }
    }

    fn request(self, request: Rc<Request>, devices: &[Device]) -> Job {
        let of_series = |device: &&Device| {
            let till = device.till.as_ref();
            till.is_some_and(|till| till.series.as_str() == request.device)
        };
        let Some(device) = devices.iter().find(of_series).cloned() else {
            let answer = Written::Answered(Err("unknown-device".to_owned()));
            return self.answered(|_| Ok::<_, Failure<Infallible>>(()), |()| answer);
        };
        let now = self.now;
        let asked = operations::Request {
            device: device.ix,
            key: Some(request.key.to_string().parse().expect("a key")),
            fingerprint: Fingerprint::of("simulated", format!("{:?}", request.body).as_bytes()),
        };
        match &request.body {
            Body::Sale(sale) => {
                let command = sell_command(sale);
                self.decided(
                    move |tx| operations::sell(tx, &settings(), now, &device, &asked, &command).map(drop),
                    |refusal| refusal.code(),
                )
            }
            Body::Refund(refund) => {
                let command = refund_command(refund);
                self.decided(
                    move |tx| operations::refund(tx, &settings(), now, &device, &asked, &command).map(drop),
                    |refusal| refusal.code(),
                )
            }
            Body::Movement(movement) => {
                let command = receive_command(movement);
                self.decided(
                    move |tx| operations::receive(tx, now, &asked, &command).map(drop),
                    |refusal| refusal.code(),
                )
            }
        }
    }

    /// A request that a rule may refuse: the till hears the refusal's code.
    fn decided<R: Send + 'static>(
        self,
        work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<(), Failure<R>> + Send + 'static,
        code: impl FnOnce(&R) -> &'static str + Send + 'static,
    ) -> Job {
        self.job_of(work, |result| {
            Written::Answered(result.map_err(|refusal| code(&refusal).to_owned()))
        })
    }

    /// Work of the node's own.
    fn answered<T: Send + 'static, R: std::fmt::Display + Send + 'static>(
        self,
        work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, Failure<R>> + Send + 'static,
        done: impl FnOnce(T) -> Written + Send + 'static,
    ) -> Job {
        self.job_of(work, |result| match result {
            Ok(result) => done(result),
            Err(refusal) => Written::NotDone(refusal.to_string()),
        })
    }

    fn job_of<T: Send + 'static, R: Send + 'static>(
        self,
        work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, Failure<R>> + Send + 'static,
        say: impl FnOnce(Result<T, R>) -> Written + Send + 'static,
    ) -> Job {
        Job::new(work, move |result| {
            let answer = match result {
                Ok(result) => Ok(say(Ok(result))),
                Err(Failure::Refused(refusal)) => Ok(say(Err(refusal))),
                Err(Failure::Storage(error)) => Err(error),
            };
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(place) = answers.get_mut(self.at) {
                *place = Some(answer);
            }
        })
    }
}

/// Brings the catalog and pairs the tills, as a person does before a shop opens.
pub(super) fn furnish(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    tills: usize,
    random: u64,
) -> Result<(), Failure<Infallible>> {
    let items: Vec<Item> = (0..PRICES.len()).map(|number| item(number, 0)).collect();
    operations::import_catalog(tx, &items)?;
    for till in 1..=tills {
        let device = NewDevice {
            name: format!("till {till}"),
            role: Role::Till,
            rights: Rights {
                backdate: true,
                state_prices: true,
            },
            register: Some("1".parse().expect("a register")),
        };
        let seed = PairingSeed {
            code: random.wrapping_add(till as u64),
            salt: [till as u8; 16],
        };
        let paired = operations::pair(tx, now, &device, &seed).map_err(|failure| refused(&failure))?;
        operations::redeem(tx, now, &paired.code, None, None).map_err(|failure| refused(&failure))?;
    }
    Ok(())
}

/// An item of the catalog; `edition` tells one description of it from another.
pub fn item(number: usize, edition: u64) -> Item {
    let text = |text: String| text.try_into().expect("a text");
    Item {
        sku: sku(number).parse().expect("a SKU"),
        gtin: None,
        name: text(format!("item {number}, edition {edition}")),
        department: text("all".to_owned()),
        brand: text(String::new()),
        size: text(String::new()),
        price: price(number),
        tax_class: "standard".parse().expect("a tax class"),
    }
}

fn price(item: usize) -> Price {
    let cents = Decimal::new(PRICES.get(item).copied().unwrap_or_default(), 2);
    cents.to_string().parse().expect("a price")
}

/// Lets records go that were recorded before `before_ms`; planted, also those that nobody has acknowledged.
fn prune(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    before_ms: u64,
    unacknowledged_too: bool,
) -> Result<(), Failure<Infallible>> {
    let mut before_ms = before_ms;
    if unacknowledged_too {
        before_ms = now.unix_ms;
        for row in tx.incarnations()? {
            operations::save_ack(tx, row.head).map_err(|failure| refused(&failure))?;
        }
    }
    // Nobody waits three months here for what nobody asks about any more.
    operations::prune_before(tx, before_ms)?;
    Ok(())
}

fn refused<R: std::fmt::Display>(failure: &Failure<R>) -> Failure<Infallible> {
    Failure::Storage(StorageError::Other(failure.to_string()))
}

fn settings() -> Settings {
    Settings {
        sale: rules(),
        unlisted_tax_class: "standard".parse().expect("a tax class"),
        day_starts_at: chrono::NaiveTime::MIN,
        backdate_days: 7,
        holds: finalmarket::operations::HoldSettings::default(),
        low_stock: finalmarket::operations::Settings::LOW_STOCK,
        in_store_codes: Vec::new(),
    }
}

fn sell_command(sale: &SaleAsked) -> SellCommand {
    let line = |line: &crate::sim::requests::LineAsked| SellLine {
        item: ItemRef::Sku(sku(line.item).parse().expect("a SKU")),
        quantity: Quantity::from_thousandths(line.quantity),
        // A headquarters that was set back may take an item out of the catalog that is still on the shelf.
        unit_price: Some(price(line.item)),
        discount: discount(line.discount),
    };
    SellCommand {
        counter: sale.id.counter,
        at: Some(time_and_day(sale.day).0),
        channel: "store".parse().expect("a channel"),
        customer: None,
        staff: None,
        hold: None,
        lines: sale.lines.iter().map(line).collect(),
        basket_discount: discount(sale.basket_discount),
        tenders: cash(sale.cash),
        tip: None,
    }
}

fn refund_command(refund: &RefundAsked) -> RefundCommand {
    let of: SaleId = refund.of.clone();
    RefundCommand {
        counter: refund.id.counter,
        of: SaleRef::Id(of),
        at: Some(time_and_day(refund.day).0),
        staff: None,
        reason: None,
        lines: vec![ReturnedLine::on_sale(
            refund.line,
            Quantity::from_thousandths(refund.quantity),
        )],
        tenders: if refund.amount == 0 {
            Vec::new()
        } else {
            cash(refund.amount)
        },
    }
}

fn receive_command(movement: &MovementAsked) -> ReceiveCommand {
    let line = |(item, change): &(usize, i64)| ReceiveLine {
        sku: sku(*item).parse().expect("a SKU"),
        amount: ReceiveAmount::By(Quantity::from_thousandths(*change)),
    };
    ReceiveCommand {
        kind: MovementKind::Opening,
        reference: Some(movement.reference.clone()),
        lines: movement.lines.iter().map(line).collect(),
    }
}

fn discount(cents: i64) -> Option<StatedDiscount> {
    (cents > 0).then(|| StatedDiscount::Amount(Decimal::new(cents, 2)))
}

fn cash(cents: i64) -> Vec<StatedTender> {
    vec![StatedTender {
        kind: TenderKind::Cash,
        amount: Decimal::new(cents, 2),
        reference: None,
    }]
}
