//! A small shop on a real file, with a clock that the test moves.

use std::cell::Cell;
use std::convert::Infallible;
use std::path::Path;

use finalmarket::domain::catalog::Item;
use finalmarket::domain::ids::Sku;
use finalmarket::domain::money::{Currency, Rounding};
use finalmarket::domain::sale::{SaleRules, TenderKind};
use finalmarket::domain::tax::{TaxBasis, TaxPolicy, TaxRoundingBy};
use finalmarket::operations::{
    PairingSeed, Request, SellCommand, SellLine, SellRefusal, Settings, Sold, StatedTender, follow_history,
    import_catalog, pair, redeem, sell,
};
use finalmarket::store::{
    Device, Failure, Faults, Fingerprint, IncarnationSeed, NewDevice, NewNode, Now, Opening, Rights, Role,
    StorageError, StoreOptions, WriteTransaction, WriterCore,
};
use tempfile::TempDir;

/// 2024-02-29 12:00 UTC.
pub const NOON_MS: u64 = 1_709_208_000_000;
pub const DAY_MS: u64 = 86_400_000;

pub struct Shop {
    pub directory: TempDir,
    pub core: WriterCore,
    pub settings: Settings,
    pub clock_ms: Cell<u64>,
}

impl Shop {
    /// A new node with two items and no device.
    pub fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let (core, _) = WriterCore::open(&options(directory.path(), 1), at(NOON_MS)).unwrap();
        let mut shop = Self {
            directory,
            core,
            settings: settings(),
            clock_ms: Cell::new(NOON_MS),
        };
        let items = [item("1001", "Chocolate", "3.99"), item("1002", "Coffee", "12.50")];
        shop.write(|tx, _| import_catalog(tx, &items)).unwrap();
        shop
    }

    /// Closes the database and opens it again, with other randomness.
    pub fn reopen(self, seed: u64) -> (Self, Opening) {
        let Self {
            directory,
            core,
            settings,
            clock_ms,
        } = self;
        drop(core);
        let (core, opening) = WriterCore::open(&options(directory.path(), seed), at(clock_ms.get())).unwrap();
        let shop = Self {
            directory,
            core,
            settings,
            clock_ms,
        };
        (shop, opening)
    }

    pub fn now(&self) -> Now {
        self.clock_ms.set(self.clock_ms.get() + 1);
        at(self.clock_ms.get())
    }

    /// Runs one job that refuses nothing.
    pub fn write<T>(
        &mut self,
        work: impl FnOnce(&mut WriteTransaction<'_>, Now) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let now = self.now();
        self.core
            .run(|tx| work(tx, now).map_err(Failure::<Infallible>::Storage))
            .map_err(StorageError::from)
    }

    /// Pairs a till without rights of its own.
    pub fn till(&mut self, register: &str) -> Device {
        self.device(register, Rights::default())
    }

    pub fn device(&mut self, register: &str, rights: Rights) -> Device {
        let now = self.now();
        let new = NewDevice {
            name: format!("till {register}"),
            role: Role::Till,
            rights,
            register: Some(register.parse().unwrap()),
        };
        let seed = PairingSeed {
            code: now.unix_ms,
            salt: [7; 16],
        };
        let shown = self.core.run(|tx| pair(tx, now, &new, &seed)).unwrap();
        let paired = self.core.run(|tx| redeem(tx, now, &shown.code, None, None));
        paired.unwrap().device
    }

    pub fn sell(&mut self, till: &Device, command: &SellCommand) -> Result<Sold, Failure<SellRefusal>> {
        self.sell_with_key(till, command, None)
    }

    pub fn sell_with_key(
        &mut self,
        till: &Device,
        command: &SellCommand,
        key: Option<&str>,
    ) -> Result<Sold, Failure<SellRefusal>> {
        let now = self.now();
        let request = request(till, command, key);
        let settings = self.settings.clone();
        self.core.run(|tx| sell(tx, &settings, now, till, &request, command))
    }

    /// Lets the history follow the journal to its end.
    pub fn follow(&mut self) {
        let follow = |tx: &mut WriteTransaction<'_>, _| {
            let last = tx.last_position()?;
            follow_history(tx, last)
        };
        while self.write(follow).unwrap() {}
    }

    /// How many thousandths of an item there are.
    pub fn stock(&self, sku: &str) -> i64 {
        let sku: Sku = sku.parse().unwrap();
        let stock = self.core.read(|snapshot| snapshot.stock(&sku)).unwrap();
        stock.unwrap_or_default().on_hand.thousandths()
    }
}

pub fn at(unix_ms: u64) -> Now {
    Now {
        unix_ms,
        monotonic_ms: unix_ms + 1000 * DAY_MS - NOON_MS,
        utc_offset_minutes: 0,
    }
}

pub fn options(directory: &Path, seed: u64) -> StoreOptions {
    StoreOptions {
        directory: directory.to_owned(),
        vfs: None,
        create: Some(node()),
        machine_id: "machine-1".into(),
        seed: incarnation_seed(seed),
        readers: 2,
        faults: Faults::default(),
    }
}

pub fn incarnation_seed(seed: u64) -> IncarnationSeed {
    let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut secret_key = [9; 32];
    secret_key[..8].copy_from_slice(&random.to_le_bytes());
    IncarnationSeed { random, secret_key }
}

pub fn node() -> NewNode {
    NewNode {
        org: "market".parse().unwrap(),
        node: "store-1".parse().unwrap(),
        site: "store_1".parse().unwrap(),
        currency: Currency::USD,
    }
}

pub fn settings() -> Settings {
    Settings {
        sale: SaleRules {
            currency: Currency::USD,
            tax_policy: TaxPolicy {
                basis: TaxBasis::Included,
                rounding_by: TaxRoundingBy::Document,
                rounding: Rounding::HALF_UP,
            },
            tax_rates: [("standard".parse().unwrap(), "10".parse().unwrap())].into(),
            cash_rounding: finalmarket::domain::money::CashRounding::NONE,
            tips: false,
        },
        day_starts_at: Default::default(),
        unlisted_tax_class: "standard".parse().unwrap(),
        backdate_days: 7,
        holds: finalmarket::operations::HoldSettings::default(),
        low_stock: Settings::LOW_STOCK,
        in_store_codes: Vec::new(),
    }
}

pub fn item(sku: &str, name: &str, price: &str) -> Item {
    Item {
        sku: sku.parse().unwrap(),
        gtin: None,
        name: name.parse().unwrap(),
        department: "FOOD".parse().unwrap(),
        brand: "ACME".parse().unwrap(),
        size: "1 EA".parse().unwrap(),
        price: price.parse().unwrap(),
        tax_class: "standard".parse().unwrap(),
    }
}

/// One piece of chocolate, paid with ten in cash.
pub fn command(counter: u64) -> SellCommand {
    SellCommand {
        counter,
        at: None,
        channel: "store".parse().unwrap(),
        customer: None,
        staff: None,
        hold: None,
        lines: vec![line("1001", "1")],
        basket_discount: None,
        tenders: vec![StatedTender {
            kind: TenderKind::Cash,
            amount: "10".parse().unwrap(),
            reference: None,
        }],
        tip: None,
    }
}

pub fn line(sku: &str, quantity: &str) -> SellLine {
    SellLine {
        item: finalmarket::operations::ItemRef::Sku(sku.parse().unwrap()),
        quantity: quantity.parse().unwrap(),
        unit_price: None,
        discount: None,
    }
}

pub fn request(device: &Device, content: &impl std::fmt::Debug, key: Option<&str>) -> Request {
    Request {
        device: device.ix,
        key: key.map(|key| key.parse().unwrap()),
        fingerprint: Fingerprint::of("test", format!("{content:?}").as_bytes()),
    }
}
