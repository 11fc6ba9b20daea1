//! Headquarters' disk, and its own journal and rows as the file has them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use finalmarket::domain::escrow::ReplicaId;
use finalmarket::hq::{Admission, Headquarters, Settings};
use finalmarket::sync::wire::{Batch, Slot};
use rusqlite::{Connection, OpenFlags};

use super::super::super::folder::Folder;
use super::super::super::node_disk::stored::new_power;
use super::super::super::power_cut::PowerCut;

/// The disk; the process that has it open is headquarters'.
#[derive(Debug)]
pub struct HqDisk {
    folder: Folder,
    pub power: PowerCut,
}

/// A connection that reads its file beside it.
#[derive(Debug)]
pub struct Reader(Connection);

impl HqDisk {
    pub fn new() -> Self {
        Self {
            folder: Folder::new(),
            power: new_power(),
        }
    }

    /// Opens it; `elapsed_ms` tells how long it runs.
    pub fn open(&self, now_ms: u64, elapsed_ms: Arc<AtomicU64>) -> Result<(Reader, Headquarters), String> {
        let settings = Settings {
            name: "hq".parse().expect("a name"),
            site: "hq".parse().expect("a site"),
            admission: Admission::Anyone,
            vfs: Some(self.power.name().to_owned()),
        };
        let path = self.folder.path().join("hq.db");
        let mut headquarters = Headquarters::open(&path, settings, now_ms).map_err(|error| error.to_string())?;
        headquarters.run_by(elapsed_ms);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags_and_vfs(&path, flags, self.power.name());
        Ok((Reader(reader.map_err(|error| error.to_string())?), headquarters))
    }

    pub fn ends(&self, power: bool, choice: u64) {
        if power {
            self.power.settle(choice);
        } else {
            self.power.back_on();
        }
    }

    /// What its own check finds.
    pub fn verify(&self) -> Result<(), String> {
        let found = finalmarket::hq::verify(self.folder.path()).map_err(|error| error.to_string())?;
        match found.differences.first() {
            None => Ok(()),
            Some(difference) => Err(difference.to_string()),
        }
    }
}

impl Reader {
    /// The records of its own journal behind a number, in order.
    pub fn records(&self, own: &ReplicaId, behind: u64) -> Result<Vec<Vec<u8>>, String> {
        let sql = "SELECT sealed FROM ledger_batch JOIN origin ON id = origin \
            WHERE node = ?1 AND counter = ?2 AND random = ?3 AND first_seq > ?4 ORDER BY first_seq";
        let incarnation = own.incarnation;
        let read = || {
            let mut statement = self.0.prepare_cached(sql)?;
            let key = (
                own.node.as_str(),
                incarnation.counter,
                incarnation.random.cast_signed(),
                behind.cast_signed(),
            );
            let rows = statement.query_map(key, |row| row.get::<_, Vec<u8>>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let mut records = Vec::new();
        for sealed in read().map_err(|error| error.to_string())? {
            let slots = Batch::open(&sealed).and_then(|batch| batch.slots());
            for slot in slots.map_err(|error| error.to_string())? {
                if let Slot::Record(record) = slot {
                    records.push(record);
                }
            }
        }
        Ok(records)
    }
}
