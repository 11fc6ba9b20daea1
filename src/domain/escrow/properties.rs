//! What holds for every sequence of verbs at any number of replicas, in whatever order they hear of each other.

use proptest::collection::vec;
use proptest::prelude::*;

use super::model::{UnderWay, World};
use super::steps::{Step, any_step};
use super::*;
use crate::domain::ids::Incarnation;

pub(super) const REPLICAS: usize = 4;
/// Of a retired replica the parent is this one, which is never retired itself.
const PARENT: usize = 0;

/// A message about rights, which the network may deliver as often and as late as it likes.
#[derive(Debug, Clone, Copy)]
struct Sent {
    from: usize,
    to: usize,
    grant: Grant,
    holds: bool,
}

/// The rows beside the model.
struct Run {
    ids: Vec<ReplicaId>,
    rows: Vec<Row>,
    /// What each replica knows of the shelf.
    views: Vec<Shelf>,
    retired: Vec<bool>,
    /// Owner and amount of each hold; none once it has ended.
    holds: Vec<Option<(usize, u64)>>,
    sent: Vec<Sent>,
    model: World,
    any_debt: bool,
}

fn amount(n: u64) -> Amount {
    Amount::new(n).unwrap()
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap()
}

impl Run {
    fn new() -> Self {
        let id = |n: usize| ReplicaId {
            node: format!("node-{n}").parse().unwrap(),
            incarnation: Incarnation {
                counter: 1,
                random: n as u64,
            },
        };
        Self {
            ids: (0..REPLICAS).map(id).collect(),
            rows: vec![Row::default(); REPLICAS],
            views: vec![Shelf::default(); REPLICAS],
            retired: vec![false; REPLICAS],
            holds: Vec::new(),
            sent: Vec::new(),
            model: World::new(REPLICAS),
            any_debt: false,
        }
    }

    /// The `nth` hold that is open, counted round.
    fn open_hold(&self, nth: usize) -> Option<(usize, usize, u64)> {
        let open: Vec<_> = (0..self.holds.len())
            .filter_map(|at| self.holds[at].map(|(owner, n)| (at, owner, n)))
            .collect();
        (!open.is_empty()).then(|| open[nth % open.len()])
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Add(at, n) if !self.retired[at] => {
                prop_assert_eq!(self.rows[at].add(amount(n)), Ok(()));
                self.model.change(at, |account| {
                    account.free += signed(n);
                    account.moved += signed(n);
                });
            }
            Step::Hold(at, n) if !self.retired[at] => {
                let lawful = self.model.may_hold(at, signed(n));
                let held = self.rows[at].hold(amount(n), &self.views[at]);
                prop_assert_eq!(held.is_ok(), lawful, "{:?}", held);
                if lawful {
                    self.holds.push(Some((at, n)));
                    self.model.change(at, |account| {
                        account.free -= signed(n);
                        account.reserved += signed(n);
                    });
                }
            }
            Step::Release(nth) => {
                let Some((hold, at, n)) = self.open_hold(nth) else {
                    return Ok(());
                };
                self.holds[hold] = None;
                prop_assert_eq!(self.rows[at].release(amount(n)), Ok(()));
                self.model.change(at, |account| {
                    account.reserved -= signed(n);
                    account.free += signed(n);
                });
            }
            Step::SellHeld(nth) => {
                let Some((hold, at, n)) = self.open_hold(nth) else {
                    return Ok(());
                };
                self.holds[hold] = None;
                prop_assert_eq!(self.rows[at].sell_held(amount(n)), Ok(()));
                self.model.change(at, |account| {
                    account.reserved -= signed(n);
                    account.moved -= signed(n);
                });
            }
            Step::SellHeldAs(nth, m) => {
                let Some((hold, at, n)) = self.open_hold(nth) else {
                    return Ok(());
                };
                self.holds[hold] = None;
                let taken = self.rows[at].sell_held_as(amount(n), amount(m));
                // What the hold had covers the sale; more than that comes from the rights, and from nobody.
                let more = (signed(m) - signed(n)).max(0);
                let on_account = (more - self.model.accounts[at].free).max(0);
                self.model.change(at, |account| {
                    account.reserved -= signed(n);
                    account.free += signed(n) - signed(m) + on_account;
                    account.iou += on_account;
                    account.moved -= signed(m);
                });
                prop_assert_eq!(taken.map(|taken| signed(taken.debt.parts())), Ok(on_account));
                self.any_debt |= on_account > 0;
            }
            Step::Take(at, n) if !self.retired[at] => {
                let taken = self.rows[at].take(amount(n));
                let on_account = self.model.take(at, signed(n));
                prop_assert_eq!(taken.map(|taken| signed(taken.debt.parts())), Ok(on_account));
                self.any_debt |= on_account > 0;
            }
            Step::Spend(at, n) if !self.retired[at] => {
                let lawful = self.model.accounts[at].free >= signed(n);
                prop_assert_eq!(self.rows[at].spend(amount(n)).is_ok(), lawful);
                if lawful {
                    self.model.take(at, signed(n));
                }
            }
            Step::Give(at, to, n) if at != to && !self.retired[at] && !self.retired[to] => {
                let before = self.rows[at].given(&self.ids[to]);
                let lawful = self.model.accounts[at].free >= signed(n);
                prop_assert_eq!(self.rows[at].give(&self.ids[to], amount(n)).is_ok(), lawful);
                if lawful {
                    self.model.change(at, |account| account.free -= signed(n));
                    self.send(at, to, before, n, false);
                }
            }
            Step::HandOver(nth, to) => {
                let Some((hold, at, n)) = self.open_hold(nth) else {
                    return Ok(());
                };
                if at == to || self.retired[to] {
                    return Ok(());
                }
                self.holds[hold] = None;
                let before = self.rows[at].given(&self.ids[to]);
                prop_assert_eq!(self.rows[at].hand_over(&self.ids[to], amount(n)), Ok(()));
                self.model.change(at, |account| account.reserved -= signed(n));
                self.send(at, to, before, n, true);
            }
            Step::Arrive(nth) if !self.sent.is_empty() => self.arrive(nth % self.sent.len())?,
            Step::Gossip(from, to) => self.gossip(from, to),
            Step::Retire(at) if !self.retired[at] => {
                // Its parent takes over first what was handed on to it, and for it what it was handed.
                for sent in 0..self.sent.len() {
                    if (self.sent[sent].from, self.sent[sent].to) == (at, PARENT) {
                        self.arrive(sent)?;
                    }
                }
                for from in (0..REPLICAS).filter(|from| *from != at) {
                    let under_way = self.rows[from]
                        .given(&self.ids[at])
                        .above(self.rows[at].accepted(&self.ids[from]));
                    prop_assert_eq!(self.rows[at].accept(&self.ids[from], under_way), Ok(()));
                    self.model.under_way.retain(|sent| (sent.from, sent.to) != (from, at));
                    self.model
                        .change(at, |account| account.free += signed(under_way.parts()));
                }
                let (parent, others) = self.rows.split_at_mut(1);
                let parent = (&self.ids[PARENT], &parent[PARENT]);
                prop_assert_eq!(others[at - 1].retire(&self.ids[at], parent), Ok(()));
                self.retired[at] = true;
                for hold in self
                    .holds
                    .iter_mut()
                    .filter(|hold| hold.is_some_and(|(owner, _)| owner == at))
                {
                    *hold = None;
                }
                self.model.change(at, |account| {
                    account.free += account.reserved;
                    account.reserved = 0;
                });
                let rights = self.model.accounts[at].free;
                self.model.change(at, |account| account.free = 0);
                self.model.unpromised[at] = rights;
                // What it owes its parent owes from then on.
                let owed = amount(u64::try_from(self.model.accounts[at].iou).unwrap());
                let (parent, others) = self.rows.split_at_mut(1);
                let taken = parent[PARENT].give_for(&self.ids[at], amount(0), owed);
                prop_assert_eq!(others[at - 1].pay_late(&self.ids[PARENT], owed), Ok(()));
                self.bring(at, signed(owed.parts()), 0, taken)?;
                self.model.change(at, |account| account.iou = 0);
            }
            Step::LateTake(at, n) if self.retired[at] => {
                let drawn = self.draw(at, n)?;
                let taken = self.rows[PARENT].take_for(&self.ids[at], drawn, amount(n));
                let drawn = signed(drawn.parts());
                let on_account = self.model.take(PARENT, signed(n) - drawn);
                self.model.change(PARENT, |account| account.moved -= drawn);
                prop_assert_eq!(taken.map(|taken| signed(taken.debt.parts())), Ok(on_account));
                self.any_debt |= on_account > 0;
            }
            Step::LateGive(at, to, n) if self.retired[at] && to != at && to != PARENT && !self.retired[to] => {
                let drawn = self.draw(at, n)?;
                let (me, before) = (&self.ids[PARENT], self.rows[at].given(&self.ids[to]));
                let taken = self.rows[PARENT].give_for(&self.ids[at], drawn, amount(n));
                prop_assert_eq!(self.rows[at].give_late(me, &self.ids[to], amount(n)), Ok(()));
                self.bring(at, signed(n), signed(drawn.parts()), taken)?;
                // The other hears of it as of any grant, and may hear of it late, or has had it all along.
                self.send(at, to, before, n, false);
            }
            Step::Give(at, to, n) if at != to && !self.retired[at] && self.retired[to] && to != PARENT => {
                // One that had not heard of it yet hands on to it: that joins what it left.
                let lawful = at != PARENT && self.model.accounts[at].free >= signed(n);
                if lawful {
                    prop_assert_eq!(self.rows[at].give(&self.ids[to], amount(n)), Ok(()));
                    self.model.change(at, |account| account.free -= signed(n));
                    let me = self.ids[PARENT].clone();
                    let under_way = self.rows[at]
                        .given(&self.ids[to])
                        .above(self.rows[to].accepted(&self.ids[at]));
                    prop_assert_eq!(self.rows[to].come_late(&self.ids[at], &me, under_way), Ok(()));
                    let unpromised: i64 = signed(under_way.parts());
                    self.model.under_way.retain(|sent| (sent.from, sent.to) != (at, to));
                    self.model.unpromised[to] += unpromised;
                }
            }
            Step::Override(at) if self.retired[at] => {
                let left = self.rows[at].left_by(&self.ids[at], (&self.ids[PARENT], &self.rows[PARENT]));
                prop_assert_eq!(signed(left.parts()), self.model.unpromised[at]);
                prop_assert_eq!(self.rows[PARENT].accept(&self.ids[at], left), Ok(()));
                self.model.unpromised[at] = 0;
                self.model
                    .change(PARENT, |account| account.free += signed(left.parts()));
            }
            _ => {}
        }
        Ok(())
    }

    /// How much of `n` what a retired one left covers: the rows and the model say the same.
    fn draw(&mut self, at: usize, n: u64) -> Result<Amount, TestCaseError> {
        let left = self.rows[at].left_by(&self.ids[at], (&self.ids[PARENT], &self.rows[PARENT]));
        prop_assert_eq!(signed(left.parts()), self.model.unpromised[at]);
        let drawn = left.min(amount(n));
        self.model.unpromised[at] -= signed(drawn.parts());
        Ok(drawn)
    }

    /// The parent brings what a retired one lacks.
    fn bring(&mut self, at: usize, n: i64, drawn: i64, taken: Result<Taken, Refusal>) -> Result<(), TestCaseError> {
        let rest = n - drawn;
        let covered = self.model.accounts[PARENT].free.min(rest);
        self.model.change(PARENT, |account| {
            account.free -= covered;
            account.iou += rest - covered;
        });
        prop_assert_eq!(
            taken.map(|taken| signed(taken.debt.parts())),
            Ok(rest - covered),
            "for {}",
            at
        );
        self.any_debt |= rest > covered;
        Ok(())
    }

    fn send(&mut self, from: usize, to: usize, before: Amount, n: u64, holds: bool) {
        let after = self.rows[from].given(&self.ids[to]);
        self.sent.push(Sent {
            from,
            to,
            grant: Grant { before, after },
            holds,
        });
        let amount = signed(n);
        self.model.under_way.push(UnderWay {
            from,
            to,
            amount,
            holds,
        });
    }

    fn arrive(&mut self, at: usize) -> Result<(), TestCaseError> {
        let Sent { from, to, grant, holds } = self.sent[at];
        // A retired one takes nothing more.
        if self.retired[to] {
            return Ok(());
        }
        let first = self
            .model
            .under_way
            .iter()
            .position(|sent| sent.from == from && sent.to == to);
        match grant.step(&self.rows[to], &self.ids[from]) {
            GrantStep::Take(n) => {
                let first = first.expect("what is taken over was under way");
                let sent = self.model.under_way.remove(first);
                prop_assert_eq!(
                    (sent.amount, sent.holds),
                    (signed(n.parts()), holds),
                    "in the order of sending"
                );
                if holds {
                    prop_assert_eq!(self.rows[to].take_over(&self.ids[from], n), Ok(()));
                    self.model.change(to, |account| account.reserved += sent.amount);
                    self.holds.push(Some((to, n.parts())));
                } else {
                    prop_assert_eq!(self.rows[to].accept(&self.ids[from], n), Ok(()));
                    self.model.change(to, |account| account.free += sent.amount);
                }
            }
            GrantStep::Repeat | GrantStep::Early => {}
        }
        Ok(())
    }

    /// Each replica knows its own row, always.
    fn remember(&mut self) {
        for at in 0..REPLICAS {
            self.views[at].merge_row(&self.ids[at], &self.rows[at]);
        }
    }

    fn gossip(&mut self, from: usize, to: usize) {
        let view = self.views[from].clone();
        self.views[to].merge(&view);
        self.model.gossip(from, to);
    }

    fn all(&self) -> Shelf {
        let mut shelf = Shelf::default();
        for (id, row) in self.ids.iter().zip(&self.rows) {
            shelf.merge_row(id, row);
        }
        shelf
    }

    fn check(&self, before: &[Row]) -> Result<(), TestCaseError> {
        for (at, row) in self.rows.iter().enumerate() {
            let account = self.model.accounts[at];
            prop_assert_eq!(row.check(), Ok(()));
            prop_assert_eq!(row.rights(), i128::from(account.free), "rights of {}", at);
            prop_assert_eq!(signed(row.reserved().parts()), account.reserved, "open holds of {}", at);
            prop_assert_eq!(signed(row.owed().parts()), account.iou, "debt of {}", at);
            prop_assert!(row.covers(&before[at]), "a register fell");
        }
        let open: u64 = self.holds.iter().flatten().map(|(_, n)| n).sum();
        let shelf = self.all();
        prop_assert_eq!(shelf.reserved(), i128::from(open));
        prop_assert_eq!(shelf.reserved(), i128::from(self.model.reserved()));
        prop_assert_eq!(shelf.quantity(), i128::from(self.model.physical()));
        prop_assert_eq!(shelf.owed(), i128::from(self.model.owed()));
        prop_assert_eq!(shelf.under_way(), i128::from(self.model.all_under_way()));
        prop_assert!(shelf.reserved() <= shelf.quantity() + shelf.owed(), "P3");
        if !self.any_debt {
            prop_assert!(
                shelf.reserved() <= shelf.quantity(),
                "no debt, and promises beyond the stock"
            );
        }
        for (to, row) in self.ids.iter().zip(&self.rows) {
            for (from, &accepted) in &row.registers().accepted {
                let given = shelf.row(from).map(|giver| giver.given(to)).unwrap_or_default();
                prop_assert!(accepted <= given, "more was taken over than handed on");
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn rows_and_model_agree_and_no_promise_is_without_a_right(steps in vec(any_step(), 0..120)) {
        let mut run = Run::new();
        run.remember();
        for step in &steps {
            let before = run.rows.clone();
            run.step(step)?;
            run.remember();
            run.check(&before)?;
        }
        // Whoever hears everything, in whatever order, knows the same shelf.
        let everything = run.all();
        let mut backwards = Shelf::default();
        for at in (0..REPLICAS).rev() {
            backwards.merge(&run.views[at]);
            backwards.merge(&run.views[(at + 1) % REPLICAS]);
        }
        prop_assert_eq!(backwards, everything);
    }

    #[test]
    fn a_refused_verb_changes_nothing(added in 0u64..20, n in 21u64..40) {
        let mut row = Row::default();
        row.add(amount(added)).unwrap();
        let (before, id) = (row.clone(), Run::new().ids[1].clone());
        let mut shelf = Shelf::default();
        shelf.merge_row(&id, &row);
        prop_assert!(row.hold(amount(n), &shelf).is_err());
        prop_assert!(row.release(amount(n)).is_err());
        prop_assert!(row.sell_held(amount(n)).is_err());
        prop_assert!(row.sell_held_as(amount(n), amount(1)).is_err());
        prop_assert!(row.spend(amount(n)).is_err());
        prop_assert!(row.give(&id, amount(n)).is_err());
        prop_assert!(row.hand_over(&id, amount(n)).is_err());
        prop_assert_eq!(row, before);
    }
}

#[test]
fn no_register_wraps_around() {
    let mut row = Row::default();
    row.add(Amount::MAX).unwrap();
    let before = row.clone();
    assert_eq!(row.add(amount(1)), Err(Refusal::TooLarge));
    assert_eq!(row, before);
    let id = Run::new().ids[1].clone();
    assert_eq!(row.accept(&id, Amount::MAX), Ok(()));
    assert_eq!(row.rights(), 2 * i128::from(Amount::MAX.parts()));
}

#[test]
fn each_refusal_says_what_stands_in_the_way() {
    let ids = Run::new().ids;
    let (mut store, mut hq, mut shelf) = (Row::default(), Row::default(), Shelf::default());
    assert_eq!(store.take(amount(3)), Ok(Taken { debt: amount(3) }));
    let owed = amount(3);
    assert_eq!(store.hold(amount(1), &shelf), Err(Refusal::OwnDebt { owed }));
    shelf.merge_row(&ids[0], &store);

    hq.add(amount(5)).unwrap();
    shelf.merge_row(&ids[1], &hq);
    let (wanted, left) = (amount(3), amount(2));
    assert_eq!(hq.hold(wanted, &shelf), Err(Refusal::OthersDebt { wanted, left }));
    assert_eq!(hq.hold(left, &shelf), Ok(()));
    let (wanted, rights) = (amount(4), amount(3));
    assert_eq!(hq.spend(wanted), Err(Refusal::NoRights { wanted, rights }));
    let (wanted, reserved) = (amount(4), amount(2));
    assert_eq!(hq.release(wanted), Err(Refusal::NotHeld { wanted, reserved }));

    hq.give(&ids[0], amount(1)).unwrap();
    let under_way = amount(1);
    assert_eq!(
        hq.retire(&ids[1], (&ids[0], &store)),
        Err(Refusal::UnderWay { under_way })
    );
    store.accept(&ids[1], amount(1)).unwrap();
    assert_eq!(store.owed(), amount(2), "what comes repays first");
    assert_eq!(hq.retire(&ids[1], (&ids[0], &store)), Ok(()));
    assert_eq!(
        (hq.rights(), hq.reserved(), hq.given(&ids[0])),
        (0, amount(0), amount(5))
    );
}
