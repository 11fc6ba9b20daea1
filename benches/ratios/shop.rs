//! A node's database, made and sold into inside this process by the product's own operations, with a clock of its own.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use finalmarket::domain::catalog::Item;
use finalmarket::domain::money::Currency;
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::stock::MovementKind;
use finalmarket::operations::{
    MOVEMENT_LINES_MAX, PairingSeed, ReceiveAmount, ReceiveCommand, ReceiveLine, Request, SellCommand, Settings,
    import_catalog, pair, receive, redeem, sell,
};
use finalmarket::store::{
    Device, Failure, Faults, Fingerprint, IncarnationSeed, Job, NewDevice, NewNode, Now, Rights, Role, StorageError,
    StoreOptions, WriterCore, database_path,
};
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::baskets::{self, Baskets};

/// The node's names; its arguments in `process` say the same.
pub const ORG: &str = "market";
pub const NODE: &str = "store-367";
/// Counters begin here, so that all of them, and the keys made of them, are equally long.
pub const FIRST_COUNTER: u64 = 1_000_001;
/// The most sales that share a transaction, as in the node's writer.
pub const GROUP: usize = 256;
/// The file beside the database with the tills' tokens.
const TILLS_FILE: &str = "tills.json";
/// Between two sales pass 0.3 to 20.3 seconds.
const PAUSE_MS_MIN: u64 = 300;
const PAUSE_MS_SPAN: u64 = 20_000;

/// A till that was paired, as a client holds it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Till {
    /// Its token.
    pub token: String,
    /// The counter of its next sale.
    pub next_counter: u64,
}

/// An open database that sells.
pub struct Shop {
    core: WriterCore,
    settings: Arc<Settings>,
    devices: Vec<Arc<Device>>,
    tills: Vec<Till>,
    baskets: Baskets,
    clock_ms: u64,
    turn: usize,
    failed: Arc<AtomicU64>,
}

/// What a shop is made with.
#[derive(Debug, Clone, Copy)]
pub struct NewShop {
    /// How many items the catalog has.
    pub items: u64,
    /// How many tills are paired.
    pub tills: usize,
    /// How many sales it will make here: its clock is set back so that the last of them is made before now.
    pub sales: u64,
    /// Whether every item has a stock from the start, as in a shop. Without, the journal holds nearly only sales.
    pub stocked: bool,
    /// What its baskets follow from.
    pub seed: u64,
}

impl Shop {
    /// Makes a database with its catalog and its tills.
    pub fn create(folder: &Path, new: NewShop) -> Outcome<Self> {
        fs::create_dir_all(folder)?;
        let day_ms = 86_400_000;
        let clock_ms =
            wall_ms()? - new.sales * (PAUSE_MS_MIN + PAUSE_MS_SPAN / 2) - day_ms - new.sales / 100 * day_ms / 100;
        let (mut core, _) = WriterCore::open(&options(folder)?, at(clock_ms))?;
        let catalog = baskets::catalog(new.items)?;
        for part in catalog.chunks(1_000) {
            core.run(|tx| import_catalog(tx, part).map_err(Failure::<std::convert::Infallible>::Storage))
                .map_err(StorageError::from)?;
        }
        let mut tills = Vec::with_capacity(new.tills);
        for number in 0..new.tills {
            tills.push(pair_till(&mut core, number, clock_ms)?);
        }
        if new.stocked {
            put_in_stock(&mut core, &catalog, clock_ms)?;
        }
        fs::write(folder.join(TILLS_FILE), serde_json::to_vec(&tills)?)?;
        Self::of(core, tills, new, clock_ms)
    }

    /// Opens a database that was made by [`create`](Self::create), after whatever it has sold since.
    pub fn open(folder: &Path, new: NewShop) -> Outcome<Self> {
        let tills = tills(folder)?;
        let clock_ms = wall_ms()?;
        let (core, _) = WriterCore::open(&options(folder)?, at(clock_ms))?;
        Self::of(core, tills, new, clock_ms)
    }

    fn of(core: WriterCore, tills: Vec<Till>, new: NewShop, clock_ms: u64) -> Outcome<Self> {
        let devices = core.read(|snapshot| snapshot.devices())?;
        Ok(Self {
            core,
            settings: Arc::new(baskets::settings()?),
            devices: devices.into_iter().map(Arc::new).collect(),
            tills,
            baskets: Baskets::new(new.seed, new.items)?,
            clock_ms,
            turn: 0,
            failed: Arc::default(),
        })
    }

    /// Makes so many sales, at most `group` in a transaction.
    pub fn sell(&mut self, sales: usize, group: usize) -> Outcome<()> {
        let mut left = sales;
        while left > 0 {
            let jobs = self.jobs(left.min(group))?;
            left -= jobs.len();
            self.run(jobs)?;
        }
        Ok(())
    }

    /// The next so many sales, ready to run.
    pub fn jobs(&mut self, sales: usize) -> Outcome<Vec<Job>> {
        (0..sales).map(|_| self.job()).collect()
    }

    /// Runs jobs in one transaction.
    pub fn run(&mut self, jobs: Vec<Job>) -> Outcome<()> {
        self.core.run_group(jobs);
        match self.failed.load(Ordering::Relaxed) {
            0 => Ok(()),
            failed => Err(format!("{failed} sales were not made").into()),
        }
    }

    /// Closes the database; its log is folded into the file.
    pub fn close(self) {
        drop(self.core);
    }

    fn job(&mut self) -> Outcome<Job> {
        let index = self.turn % self.tills.len();
        self.turn += 1;
        self.clock_ms += PAUSE_MS_MIN + self.baskets.dice().below(PAUSE_MS_SPAN);
        let mut command = self.baskets.next(index)?;
        let till = &mut self.tills[index];
        command.counter = till.next_counter;
        till.next_counter += 1;
        let (device, settings, now) = (
            Arc::clone(&self.devices[index]),
            Arc::clone(&self.settings),
            at(self.clock_ms),
        );
        let request = request(&device, &command)?;
        let failed = Arc::clone(&self.failed);
        Ok(Job::new(
            move |tx| sell(tx, &settings, now, &device, &request, &command),
            move |sold| {
                if let Err(failure) = sold {
                    eprintln!("a sale was not made: {failure:?}");
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            },
        ))
    }
}

/// The tills of a database that is closed or belongs to another process, each with the counter of its next sale.
pub fn tills(folder: &Path) -> Outcome<Vec<Till>> {
    let mut tills: Vec<Till> = serde_json::from_slice(&fs::read(folder.join(TILLS_FILE))?)?;
    let connection = Connection::open_with_flags(database_path(folder), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection.prepare(
        "SELECT device.ix, (SELECT max(counter) FROM document WHERE document.series = device.series) \
         FROM device WHERE series IS NOT NULL ORDER BY device.ix",
    )?;
    let last: HashMap<i64, Option<i64>> = statement
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (till, ix) in tills.iter_mut().zip(1..) {
        if let Some(Some(last)) = last.get(&ix) {
            till.next_counter = last.unsigned_abs() + 1;
        }
    }
    Ok(tills)
}

/// What a till calls the request of a sale.
pub fn key(counter: u64) -> String {
    format!("sale-{counter}")
}

fn request(device: &Device, command: &SellCommand) -> Outcome<Request> {
    Ok(Request {
        device: device.ix,
        key: Some(key(command.counter).parse()?),
        fingerprint: Fingerprint::of("POST /v1/sales", format!("{command:?}").as_bytes()),
    })
}

fn put_in_stock(core: &mut WriterCore, catalog: &[Item], clock_ms: u64) -> Outcome<()> {
    let device = core.read(|snapshot| snapshot.devices())?.into_iter().next();
    let request = Request {
        device: device.ok_or("a shop without tills")?.ix,
        key: None,
        fingerprint: Fingerprint::of("opening stock", b""),
    };
    for part in catalog.chunks(MOVEMENT_LINES_MAX) {
        let lines = part.iter().map(|item| ReceiveLine {
            sku: item.sku.clone(),
            amount: ReceiveAmount::By(Quantity::from_thousandths(100_000)),
        });
        let command = ReceiveCommand {
            kind: MovementKind::Opening,
            reference: None,
            lines: lines.collect(),
        };
        core.run(|tx| receive(tx, at(clock_ms), &request, &command))
            .map_err(|failure| format!("stock was not taken in: {failure:?}"))?;
    }
    Ok(())
}

fn pair_till(core: &mut WriterCore, number: usize, clock_ms: u64) -> Outcome<Till> {
    let now = at(clock_ms);
    let new = NewDevice {
        name: format!("till {number}"),
        role: Role::Till,
        rights: Rights::default(),
        register: Some(format!("{number}").parse()?),
    };
    let seed = PairingSeed {
        code: number as u64 + 1,
        salt: [7; 16],
    };
    let words = |failure: &dyn std::fmt::Debug| format!("a till was not paired: {failure:?}");
    let shown = core
        .run(|tx| pair(tx, now, &new, &seed))
        .map_err(|failure| words(&failure))?;
    let paired = core
        .run(|tx| redeem(tx, now, &shown.code, None, None))
        .map_err(|failure| words(&failure))?;
    Ok(Till {
        token: paired.token,
        next_counter: FIRST_COUNTER,
    })
}

fn options(folder: &Path) -> Outcome<StoreOptions> {
    Ok(StoreOptions {
        directory: folder.to_owned(),
        vfs: None,
        create: Some(NewNode {
            org: ORG.parse()?,
            node: NODE.parse()?,
            site: NODE.parse()?,
            currency: Currency::USD,
        }),
        // The process that opens it later must find the machine that it was written in.
        machine_id: fs::read_to_string("/etc/machine-id")
            .unwrap_or_default()
            .trim()
            .to_owned(),
        seed: IncarnationSeed {
            random: 0x1234_5678_9abc_def0,
            secret_key: [3; 32],
        },
        readers: 1,
        faults: Faults::default(),
    })
}

fn at(unix_ms: u64) -> Now {
    Now {
        unix_ms,
        monotonic_ms: unix_ms,
        utc_offset_minutes: 0,
    }
}

fn wall_ms() -> Outcome<u64> {
    Ok(u64::try_from(
        SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis(),
    )?)
}
