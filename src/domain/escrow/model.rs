//! What escrow means, said in another way: states that rise and fall in place of registers that only grow. It shares no
//! code with the rows, which it is there to check, and no formula: nothing here is a sum over history.

/// A replica, as the model sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Account {
    /// What it may promise.
    pub free: i64,
    /// What it has in open holds.
    pub reserved: i64,
    /// What it took beyond its rights and has not settled.
    pub iou: i64,
    /// What it let in less what it let out.
    pub moved: i64,
    /// How often it has changed: of two looks at it the later one counts.
    pub version: u64,
}

/// Rights that left one replica and have not reached another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnderWay {
    pub from: usize,
    pub to: usize,
    pub amount: i64,
    pub holds: bool,
}

/// A shelf and everyone who sells from it.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub accounts: Vec<Account>,
    pub under_way: Vec<UnderWay>,
    /// Rights of retired replicas that nobody may promise yet, by replica.
    pub unpromised: Vec<i64>,
    /// What each replica knows of each, as it was when it last heard of it.
    pub known: Vec<Vec<Account>>,
}

impl World {
    pub fn new(replicas: usize) -> Self {
        Self {
            accounts: vec![Account::default(); replicas],
            under_way: Vec::new(),
            unpromised: vec![0; replicas],
            known: vec![vec![Account::default(); replicas]; replicas],
        }
    }

    pub fn physical(&self) -> i64 {
        self.accounts.iter().map(|account| account.moved).sum()
    }

    pub fn reserved(&self) -> i64 {
        self.accounts.iter().map(|account| account.reserved).sum()
    }

    pub fn owed(&self) -> i64 {
        self.accounts.iter().map(|account| account.iou).sum()
    }

    pub fn all_under_way(&self) -> i64 {
        let sent: i64 = self.under_way.iter().map(|sent| sent.amount).sum();
        sent + self.unpromised.iter().sum::<i64>()
    }

    /// True where a hold of `n` is lawful for `at`.
    pub fn may_hold(&self, at: usize, n: i64) -> bool {
        let known = &self.known[at];
        let owed: i64 = known.iter().map(|account| account.iou).sum();
        let there: i64 = known.iter().map(|account| account.moved - account.reserved).sum();
        self.accounts[at].iou == 0 && self.accounts[at].free >= n && (owed == 0 || there >= n)
    }

    pub fn change(&mut self, at: usize, change: impl FnOnce(&mut Account)) {
        let account = &mut self.accounts[at];
        change(account);
        // Whoever has rights pays first what it owes.
        let pays = account.free.min(account.iou);
        account.free -= pays;
        account.iou -= pays;
        account.version += 1;
        self.known[at][at] = *account;
    }

    /// Goods leave: out of the rights as far as they go, the rest on account. Gives what is new on account.
    pub fn take(&mut self, at: usize, n: i64) -> i64 {
        let covered = self.accounts[at].free.min(n);
        self.change(at, |account| {
            account.free -= covered;
            account.iou += n - covered;
            account.moved -= n;
        });
        n - covered
    }

    /// `to` hears everything that `from` knows.
    pub fn gossip(&mut self, from: usize, to: usize) {
        for of in 0..self.accounts.len() {
            let heard = self.known[from][of];
            if heard.version > self.known[to][of].version {
                self.known[to][of] = heard;
            }
        }
    }
}
