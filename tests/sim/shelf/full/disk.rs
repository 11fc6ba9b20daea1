//! A node's disk: the real store's files under a power that can be cut, and its backup.

use std::convert::Infallible;
use std::fs;
use std::path::PathBuf;

use finalmarket::domain::catalog::Item;
use finalmarket::domain::money::Currency;
use finalmarket::operations::{self, PairingSeed};
use finalmarket::store::{
    Device, Failure, Faults, IncarnationSeed, NewDevice, NewNode, Now, RestoreOptions, Rights, Role, StorageError,
    StoreOptions, WriteTransaction, WriterCore, back_up, restore,
};

use super::super::super::folder::Folder;
use super::super::super::node_disk::stored::new_power;
use super::super::super::power_cut::PowerCut;

/// A disk; the process that has it open is the node's.
pub struct Disk {
    pub node: NewNode,
    folder: Folder,
    pub power: PowerCut,
    /// Tells the machine that it runs in from others.
    machine: u64,
    has_backup: bool,
}

impl Disk {
    /// An empty one.
    pub fn new(node: &str, site: &str) -> Self {
        Self {
            node: NewNode {
                org: "market".parse().expect("an organisation"),
                node: node.parse().expect("a node"),
                site: site.parse().expect("a site"),
                currency: Currency::EUR,
            },
            folder: Folder::new(),
            power: new_power(),
            machine: 1,
            has_backup: false,
        }
    }

    /// Opens it. Where the power goes meanwhile the answer is of no worth.
    pub fn open(&self, seed: IncarnationSeed, now: Now) -> Result<WriterCore, String> {
        let options = StoreOptions {
            directory: self.folder.path().to_owned(),
            vfs: Some(self.power.name().to_owned()),
            create: Some(self.node.clone()),
            machine_id: self.machine_id(),
            seed,
            readers: 1,
            faults: Faults::default(),
        };
        let opened = WriterCore::open(&options, now);
        opened.map(|(core, _)| core).map_err(|error| error.to_string())
    }

    /// Leaves the files as they are found after the process' end, which was a power cut or not.
    pub fn ends(&self, power: bool, choice: u64) {
        if power {
            self.power.settle(choice);
        } else {
            self.power.back_on();
        }
    }

    /// Backs it up as it is.
    pub fn back_up(&mut self) -> Result<(), String> {
        let to = self.backup();
        let _ = fs::remove_file(&to);
        back_up(self.folder.path(), &to, |_, _| {}).map_err(|error| error.to_string())?;
        self.has_backup = true;
        Ok(())
    }

    pub const fn has_backup(&self) -> bool {
        self.has_backup
    }

    /// Restores the backup in place of what is here, as a person does; the machine may be another one.
    pub fn restore(&mut self, seed: IncarnationSeed, now: Now) -> Result<(), String> {
        let options = RestoreOptions {
            backup: self.backup(),
            directory: self.folder.path().to_owned(),
            replace: true,
            machine_id: self.machine_id(),
            seed,
        };
        restore(&options, now).map_err(|error| error.to_string())?;
        self.power.sync_all();
        Ok(())
    }

    /// Puts the backup's file in place of what is here, behind the program's back.
    pub fn set_back(&mut self) -> Result<(), String> {
        for file in ["node.db-wal", "node.db-shm"] {
            let _ = fs::remove_file(self.folder.path().join(file));
        }
        fs::copy(self.backup(), self.folder.path().join("node.db")).map_err(|error| error.to_string())?;
        self.power.sync_all();
        Ok(())
    }

    /// It runs in another machine from now on.
    pub const fn moves(&mut self) {
        self.machine += 1;
    }

    fn machine_id(&self) -> String {
        format!("machine {} of {}", self.machine, self.node.node)
    }

    fn backup(&self) -> PathBuf {
        self.folder.path().join("backup.db")
    }
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the disk of {} in {}", self.node.node, self.folder.path().display())
    }
}

/// Brings the catalog and pairs a till, as a person does before a shop opens.
pub fn furnish(tx: &mut WriteTransaction<'_>, now: Now, skus: usize, random: u64) -> Result<(), Failure<Infallible>> {
    if !tx.devices()?.is_empty() {
        return Ok(());
    }
    let items: Vec<Item> = (0..skus).map(item).collect();
    operations::import_catalog(tx, &items)?;
    let device = NewDevice {
        name: "till 1".into(),
        role: Role::Till,
        rights: Rights {
            backdate: true,
            state_prices: true,
        },
        register: Some("1".parse().expect("a register")),
    };
    let seed = PairingSeed {
        code: random,
        salt: [1; 16],
    };
    let paired = operations::pair(tx, now, &device, &seed).map_err(|failure| refused(&failure))?;
    operations::redeem(tx, now, &paired.code, None, None).map_err(|failure| refused(&failure))?;
    Ok(())
}

/// The device that everybody asks by.
pub fn till(core: &WriterCore) -> Result<Device, StorageError> {
    let devices = core.read(|snapshot| snapshot.devices())?;
    let till = devices.into_iter().find(|device| device.till.is_some());
    till.ok_or_else(|| StorageError::Other("no till is paired".into()))
}

fn refused<R: std::fmt::Display>(failure: &Failure<R>) -> Failure<Infallible> {
    Failure::Storage(StorageError::Other(failure.to_string()))
}

/// An item's SKU.
pub fn sku(number: usize) -> String {
    format!("item-{number}")
}

fn item(number: usize) -> Item {
    let text = |text: &str| text.to_owned().try_into().expect("a text");
    Item {
        sku: sku(number).parse().expect("a SKU"),
        gtin: None,
        name: text("an item"),
        department: text("all"),
        brand: text(""),
        size: text(""),
        price: "1.00".parse().expect("a price"),
        tax_class: "standard".parse().expect("a tax class"),
    }
}
