//! What really happened: units on the shelf, promises with their owners, rights as plain states that rise and fall. It
//! shares no code and no formula with rows, engine or journal.

use std::collections::BTreeMap;

use super::facts::{Fact, HandedHold, HoldId, Item, Life, Step, TransferId};
use super::fault::{Rule, Violation};

/// A life and one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// What it may promise.
    pub free: i64,
    /// What it has promised.
    pub reserved: i64,
    /// What it took beyond its rights and has not settled.
    pub iou: i64,
    /// What it wrote down as come in, less what it wrote down as gone out.
    pub moved: i64,
    /// What it ever took over.
    pub taken: i64,
}

/// Where a promise is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Life(Life),
    UnderWay(Life),
}

/// A promise to a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    pub owner: Owner,
    pub lines: Vec<(Item, i64)>,
    /// It is kept at least until then, by true time.
    pub until_ms: u64,
}

/// Rights under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parcel {
    from: Life,
    to: Life,
    step: Step,
    hold: Option<HoldId>,
    /// The giver's record.
    seq: usize,
}

/// A child that was retired.
#[derive(Debug, Clone)]
struct Retired {
    /// The last of its records that its parent had.
    head: usize,
    /// Rights that nobody may promise yet, by item.
    unpromised: Vec<i64>,
    /// How far its movements have been posted, by item.
    posted: Vec<i64>,
}

/// The world as it is.
#[derive(Debug, Default)]
pub struct Model {
    items: usize,
    lives: Vec<Vec<Account>>,
    records: Vec<usize>,
    /// Accounts as they were after each record.
    history: Vec<Vec<Vec<Account>>>,
    promises: BTreeMap<HoldId, Promise>,
    parcels: Vec<Parcel>,
    retired: BTreeMap<Life, Retired>,
    /// Goods between two sites: where they are to arrive.
    transfers: BTreeMap<TransferId, Item>,
    /// What each life ever took over, also what its disk has forgotten.
    ever_taken: Vec<Vec<i64>>,
    /// Units on the shelf.
    pub units: Vec<i64>,
    /// Units gone that no book knows of.
    pub unrecorded: Vec<i64>,
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

type Checked = Result<(), Violation>;

fn broken(rule: Rule, what: String) -> Checked {
    Err(Violation { rule, what })
}

impl Model {
    pub fn new(items: usize) -> Self {
        Self {
            items,
            units: vec![0; items],
            unrecorded: vec![0; items],
            ..Self::default()
        }
    }

    /// Somebody new, with nothing.
    pub fn born(&mut self) {
        self.lives.push(vec![Account::default(); self.items]);
        self.records.push(0);
        self.ever_taken.push(vec![0; self.items]);
        self.history.push(vec![vec![Account::default(); self.items]]);
    }

    pub fn account(&self, of: Life, item: Item) -> Account {
        self.lives[of][item]
    }

    pub fn promises_of(&self, life: Life) -> impl Iterator<Item = (HoldId, &Promise)> {
        let own = move |(_, promise): &(&HoldId, &Promise)| promise.owner == Owner::Life(life);
        self.promises.iter().filter(own).map(|(id, promise)| (*id, promise))
    }

    pub fn any_promise(&self) -> Option<(&HoldId, &Promise)> {
        self.promises.first_key_value()
    }

    pub fn promises(&self) -> usize {
        self.promises.len()
    }

    pub fn promised(&self, item: Item) -> i64 {
        let lines = self.promises.values().flat_map(|promise| &promise.lines);
        lines.filter(|line| line.0 == item).map(|line| line.1).sum()
    }

    /// All rights, used or not, less what was taken beyond them: as many as there are units.
    pub fn rights(&self, item: Item) -> i64 {
        let accounts = self.lives.iter().map(|accounts| accounts[item]);
        let had: i64 = accounts
            .map(|account| account.free + account.reserved - account.iou)
            .sum();
        let under_way = self.parcels.iter().filter(|parcel| parcel.step.item == item);
        had + under_way.map(|parcel| signed(parcel.step.amount())).sum::<i64>()
    }

    pub fn owed(&self, item: Item) -> i64 {
        self.lives.iter().map(|accounts| accounts[item].iou).sum()
    }

    /// Goods that no book knows of are gone, by theft.
    pub fn stolen(&mut self, item: Item, n: i64) {
        self.units[item] -= n;
        self.unrecorded[item] += n;
    }

    pub fn is_retired(&self, life: Life) -> bool {
        self.retired.contains_key(&life)
    }

    /// What a retired life has moved behind the head that it was retired at and nobody has posted yet.
    pub fn late(&self, item: Item) -> i64 {
        let late = |(life, retired): (&Life, &Retired)| self.lives[*life][item].moved - retired.posted[item];
        self.retired.iter().map(late).sum()
    }

    /// Transfers that have not arrived.
    pub fn transfers(&self) -> usize {
        self.transfers.len()
    }

    /// Rights under way: from whom, to whom, and what.
    pub fn under_way(&self) -> impl Iterator<Item = (Life, Life, &Step)> {
        self.parcels.iter().map(|parcel| (parcel.from, parcel.to, &parcel.step))
    }

    pub fn parcels(&self) -> usize {
        self.parcels.len()
    }

    /// A machine's disk is gone, and with it what lies behind `head`: nobody will ever know.
    pub fn lost(&mut self, life: Life, head: usize) {
        let at_head = self.history[life][head].clone();
        for (item, account) in at_head.iter().enumerate() {
            self.unrecorded[item] += account.moved - self.lives[life][item].moved;
        }
        self.lives[life] = at_head;
        self.records[life] = head;
        self.history[life].truncate(head + 1);
        self.drop_parcels(|parcel| parcel.from == life && parcel.seq > head);
        // Its customers have nobody left who knows of them.
        self.promises.retain(|_, promise| promise.owner != Owner::Life(life));
    }

    /// All that a retired life ever did has been posted; its customers are told that it has ended.
    pub fn returned(&mut self, life: Life) {
        for account in &mut self.lives[life] {
            *account = Account {
                moved: account.moved,
                ..Account::default()
            };
        }
        self.promises.retain(|_, promise| promise.owner != Owner::Life(life));
        let head = self.retired.get(&life).map_or(0, |retired| retired.head);
        self.drop_parcels(|parcel| parcel.from == life && parcel.seq > head);
    }

    /// What somebody had handed on to a retired life, and its parent hears of now: it joins what that left, where it did
    /// not before.
    pub fn came_late(&mut self, from: Life, who: Life, step: Step) {
        let same = |parcel: &Parcel| (parcel.from, parcel.to, parcel.step) == (from, who, step);
        if let Some(at) = self.parcels.iter().position(same) {
            self.parcels.remove(at);
            if let Some(retired) = self.retired.get_mut(&who) {
                retired.unpromised[step.item] += signed(step.amount());
            }
        }
    }

    /// A record was committed.
    pub fn commit(&mut self, now_ms: u64, life: Life, seq: usize, fact: &Fact) -> Checked {
        if seq != self.records[life] + 1 {
            let what = format!("life {life} wrote record {seq} after {}", self.records[life]);
            return broken(Rule::OneWriter, what);
        }
        self.records[life] = seq;
        self.take_in(now_ms, life, fact)?;
        for account in &mut self.lives[life] {
            // Whoever has rights pays first what it owes.
            let pays = account.free.min(account.iou);
            account.free -= pays;
            account.iou -= pays;
        }
        let after = self.lives[life].clone();
        self.history[life].push(after);
        Ok(())
    }

    fn take_in(&mut self, now_ms: u64, life: Life, fact: &Fact) -> Checked {
        match fact {
            Fact::GoodsIn { item, n } => {
                self.units[*item] += signed(*n);
                self.comes(life, *item, signed(*n));
            }
            Fact::Counted { item, missing, surplus } => {
                self.unrecorded[*item] -= signed(*missing) - signed(*surplus);
                self.goes(life, *item, signed(*missing));
                self.settle(life, *item);
                self.comes(life, *item, signed(*surplus));
            }
            Fact::Taken { item, n } => {
                self.units[*item] -= signed(*n);
                self.goes(life, *item, signed(*n));
            }
            Fact::Dispatched { item, n } => {
                self.units[*item] -= signed(*n);
                self.goes(life, *item, signed(*n));
            }
            Fact::Sent {
                transfer,
                item,
                n,
                to_item,
                ..
            } => {
                self.units[*item] -= signed(*n);
                self.goes(life, *item, signed(*n));
                self.transfers.insert(*transfer, *to_item);
            }
            Fact::Received { transfer, item, n } => {
                if self.transfers.remove(transfer) != Some(*item) {
                    let what =
                        format!("life {life} received transfer {transfer} of item {item}, which is not under way");
                    return broken(Rule::ArrivesOnce, what);
                }
                self.units[*item] += signed(*n);
                self.comes(life, *item, signed(*n));
            }
            Fact::HoldOpened { id, lines, lifetime_ms } => {
                for (item, n) in lines {
                    let account = &mut self.lives[life][*item];
                    account.free -= signed(*n);
                    account.reserved += signed(*n);
                }
                let lines = lines.iter().map(|(item, n)| (*item, signed(*n))).collect();
                let promise = Promise {
                    owner: Owner::Life(life),
                    lines,
                    until_ms: now_ms + lifetime_ms,
                };
                self.promises.insert(*id, promise);
            }
            Fact::HoldExtended { id, lifetime_ms } => {
                self.own_promise(life, *id)?;
                if let Some(promise) = self.promises.get_mut(id) {
                    promise.until_ms = now_ms + lifetime_ms;
                }
            }
            Fact::HoldEnded { id, expired, .. } => {
                let promise = self.end(life, *id)?;
                if *expired && now_ms < promise.until_ms {
                    let early_ms = promise.until_ms - now_ms;
                    return broken(
                        Rule::Expiry,
                        format!("hold {id} of life {life} expired {early_ms} ms early"),
                    );
                }
                for (item, n) in promise.lines {
                    self.lives[life][item].free += n;
                }
            }
            Fact::HoldSold { id, lines } => {
                let promise = self.end(life, *id)?;
                for ((item, held), (_, _, out)) in promise.lines.into_iter().zip(lines) {
                    self.lives[life][item].free += held;
                    self.units[item] -= signed(*out);
                    self.goes(life, item, signed(*out));
                }
            }
            Fact::Granted { to, steps, hold, .. } => self.granted(life, *to, steps, *hold)?,
            Fact::Accepted { from, steps, hold, .. } => self.accepted(now_ms, *from, life, steps, *hold)?,
            Fact::Retired { life: who, head, .. } => self.retire(life, *who, *head),
            Fact::LateTaken { life: who, item, n, .. } => {
                self.draw(life, *who, *item, signed(*n));
                if let Some(retired) = self.retired.get_mut(who) {
                    retired.posted[*item] -= signed(*n);
                }
                self.goes(life, *item, signed(*n));
            }
            Fact::LateAdded { life: who, item, n } => {
                if let Some(retired) = self.retired.get_mut(who) {
                    retired.posted[*item] += signed(*n);
                }
                self.comes(life, *item, signed(*n));
            }
            Fact::Overridden { life: who, item, n } => self.draw(life, *who, *item, signed(*n)),
        }
        Ok(())
    }

    fn comes(&mut self, life: Life, item: Item, n: i64) {
        let account = &mut self.lives[life][item];
        account.free += n;
        account.moved += n;
    }

    fn goes(&mut self, life: Life, item: Item, n: i64) {
        let account = &mut self.lives[life][item];
        let covered = account.free.min(n);
        account.free -= covered;
        account.iou += n - covered;
        account.moved -= n;
    }

    fn settle(&mut self, life: Life, item: Item) {
        let account = &mut self.lives[life][item];
        let pays = account.free.min(account.iou);
        account.free -= pays;
        account.iou -= pays;
    }

    fn own_promise(&self, life: Life, id: HoldId) -> Checked {
        match self.promises.get(&id) {
            Some(promise) if promise.owner == Owner::Life(life) => Ok(()),
            other => broken(
                Rule::EndsOnce,
                format!("life {life} moved hold {id}, which is {other:?}"),
            ),
        }
    }

    fn end(&mut self, life: Life, id: HoldId) -> Result<Promise, Violation> {
        self.own_promise(life, id)?;
        let Some(promise) = self.promises.remove(&id) else {
            let what = format!("hold {id} is not open");
            return Err(Violation {
                rule: Rule::EndsOnce,
                what,
            });
        };
        for (item, n) in &promise.lines {
            self.lives[life][*item].reserved -= n;
        }
        Ok(promise)
    }

    fn granted(&mut self, life: Life, to: Life, steps: &[Step], hold: Option<HandedHold>) -> Checked {
        if let Some(hold) = hold {
            self.own_promise(life, hold.id)?;
            if let Some(promise) = self.promises.get_mut(&hold.id) {
                promise.owner = Owner::UnderWay(to);
            }
        }
        for step in steps {
            let account = &mut self.lives[life][step.item];
            match hold {
                Some(_) => account.reserved -= signed(step.amount()),
                None => account.free -= signed(step.amount()),
            }
            let hold = hold.map(|hold| hold.id);
            let seq = self.records[life];
            self.parcels.push(Parcel {
                from: life,
                to,
                step: *step,
                hold,
                seq,
            });
        }
        Ok(())
    }

    fn accepted(&mut self, now_ms: u64, from: Life, life: Life, steps: &[Step], hold: Option<HandedHold>) -> Checked {
        for step in steps {
            let hold = hold.map(|hold| hold.id);
            let same =
                |parcel: &Parcel| (parcel.from, parcel.to, parcel.step, parcel.hold) == (from, life, *step, hold);
            let Some(at) = self.parcels.iter().position(same) else {
                let what = format!("life {life} took over {step:?} from life {from}, who has not given it");
                return broken(Rule::AcceptedIsGiven, what);
            };
            self.parcels.remove(at);
            self.ever_taken[life][step.item] += signed(step.amount());
            let account = &mut self.lives[life][step.item];
            account.taken += signed(step.amount());
            match hold {
                Some(_) => account.reserved += signed(step.amount()),
                None => account.free += signed(step.amount()),
            }
        }
        if let Some(hold) = hold
            && let Some(promise) = self.promises.get_mut(&hold.id)
        {
            promise.owner = Owner::Life(life);
            promise.until_ms = promise.until_ms.max(now_ms);
        }
        Ok(())
    }

    /// What the retired one has, and what is on its way to it, is nobody's.
    fn retire(&mut self, parent: Life, who: Life, head: usize) {
        let to_it = |parcel: &Parcel| parcel.to == who;
        let mut unpromised = vec![0; self.items];
        let mut posted = vec![0; self.items];
        // Whatever it has given back behind the head is in the rights that it had at the head.
        let at_head = self.history[who][head].clone();
        for item in 0..self.items {
            let account = at_head[item];
            let under_way = self
                .parcels
                .iter()
                .filter(|parcel| to_it(parcel) && parcel.step.item == item);
            let mut rights =
                account.free + account.reserved + under_way.map(|parcel| signed(parcel.step.amount())).sum::<i64>();
            // What it took over behind its head is, as far as its parent knows, under way to it still.
            rights += self.ever_taken[who][item] - account.taken;
            let pays = rights.min(account.iou);
            unpromised[item] = rights - pays;
            posted[item] = account.moved;
            // What it still owes its parent owes from now on.
            let rest = account.iou - pays;
            let covered = self.lives[parent][item].free.min(rest);
            self.lives[parent][item].free -= covered;
            self.lives[parent][item].iou += rest - covered;
        }
        // What it handed on before the head to somebody else is on its way still.
        self.drop_parcels(|parcel| to_it(parcel) || parcel.from == who && parcel.seq > head);
        let retired = Retired {
            head,
            unpromised,
            posted,
        };
        self.retired.insert(who, retired);
    }

    /// Grants that nobody will ever take over, and the promises that were to go with them.
    fn drop_parcels(&mut self, gone: impl Fn(&Parcel) -> bool) {
        let dropped: Vec<Parcel> = self.parcels.extract_if(.., |parcel| gone(parcel)).collect();
        let under_way = |promise: &Promise| matches!(promise.owner, Owner::UnderWay(_));
        let with = |id: &HoldId| dropped.iter().any(|parcel| parcel.hold == Some(*id));
        self.promises.retain(|id, promise| !(under_way(promise) && with(id)));
    }

    /// Rights of a retired life become its parent's.
    fn draw(&mut self, life: Life, who: Life, item: Item, n: i64) {
        let Some(retired) = self.retired.get_mut(&who) else {
            return;
        };
        let drawn = retired.unpromised[item].min(n);
        retired.unpromised[item] -= drawn;
        self.lives[life][item].free += drawn;
    }
}
