//! Paired devices. Their tokens are stored hashed; what they may do is kept in memory too, because every request asks.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::Row;
use sha2::{Digest as _, Sha256};

use super::changes::Change;
use super::clock::Now;
use super::keys::{DeviceIx, SeriesIx, count, row_count};
use super::receipt_series::till_series;
use super::snapshot::{parsed, parsed_option, unreadable};
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::ids::{RegisterId, Series, tag};

/// SHA-256 of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub(super) [u8; 32]);

impl TokenHash {
    /// Of a token as a client sends it. Tokens have 256 random bits, so that a plain hash is enough.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Four characters that tell this token's device from others. They say nothing of the token.
    pub(super) fn tag(self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(b"till series\0");
        hasher.update(self.0);
        let hash: [u8; 32] = hasher.finalize().into();
        let mut random = [0; 8];
        random.copy_from_slice(&hash[..8]);
        tag(u64::from_be_bytes(random))
    }
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A till with a person.
    Till,
    /// A kiosk that customers use themselves.
    Kiosk,
    /// A manager's tool: imports, pairing, devices.
    Manager,
    /// A kiosk's own node, whose parent this one is; its name is the node's.
    Node,
    /// A standby of this node.
    Standby,
}

/// What a device may do beyond its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rights {
    /// It may report sales of any day.
    pub backdate: bool,
    /// It may state prices of its own.
    pub state_prices: bool,
}

/// A paired device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its short number.
    pub ix: DeviceIx,
    /// The hash of its token.
    pub token: TokenHash,
    /// What people call it.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// What it may do beyond that.
    pub rights: Rights,
    /// Where it sells, if it does.
    pub till: Option<Till>,
    /// When it was paired, milliseconds since 1970.
    pub created_ms: u64,
    /// When its rights ended, if they have.
    pub revoked_ms: Option<u64>,
}

impl Device {
    /// The operator of the process itself, who needs no pairing: a manager with every right and no register.
    #[must_use]
    pub fn operator(token: TokenHash) -> Self {
        Self {
            ix: DeviceIx(0),
            token,
            name: "operator".into(),
            role: Role::Manager,
            rights: Rights {
                backdate: true,
                state_prices: true,
            },
            till: None,
            created_ms: 0,
            revoked_ms: None,
        }
    }
}

/// A device's place to sell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Till {
    /// Its register.
    pub register: RegisterId,
    /// The series of its sales.
    pub series: Series,
    /// The series' short number.
    pub series_ix: SeriesIx,
}

/// What a device is to be, before it is paired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDevice {
    /// What people call it.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// What it may do beyond that.
    pub rights: Rights,
    /// Its register, where it is to sell.
    pub register: Option<RegisterId>,
}

/// The devices that may ask, by token. Cheap to clone; follows every commit.
#[derive(Debug, Clone, Default)]
pub struct Devices {
    by_token: Arc<RwLock<HashMap<TokenHash, Arc<Device>>>>,
}

impl Devices {
    pub(super) fn load(snapshot: &Snapshot<'_>) -> Result<Self, StorageError> {
        let devices = Self::default();
        let known: Vec<Change> = snapshot.devices()?.into_iter().map(Change::Device).collect();
        devices.apply(&known);
        Ok(devices)
    }

    /// The device with a token, unless its rights have ended.
    #[must_use]
    pub fn by_token(&self, token: TokenHash) -> Option<Arc<Device>> {
        // The map is whole after every write, so that a panic elsewhere spoils nothing.
        let devices = self.by_token.read().unwrap_or_else(PoisonError::into_inner);
        devices.get(&token).cloned()
    }

    /// Lets a device in until the process ends, without a row of its own: the operator of this process.
    pub fn admit(&self, device: Device) {
        self.apply(&[Change::Device(device)]);
    }

    pub(super) fn apply(&self, changes: &[Change]) {
        for change in changes {
            let Change::Device(device) = change else { continue };
            let mut devices = self.by_token.write().unwrap_or_else(PoisonError::into_inner);
            match device.revoked_ms {
                None => devices.insert(device.token, Arc::new(device.clone())),
                Some(_) => devices.remove(&device.token),
            };
        }
    }
}

const COLUMNS: &str = "SELECT device.ix, token_hash, device.name, role, rights, register, series, series.name, \
    created_ms, revoked_ms FROM device LEFT JOIN series ON series.ix = device.series";

impl Snapshot<'_> {
    /// Every device that was ever paired, oldest first.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn devices(&self) -> Result<Vec<Device>, StorageError> {
        self.all(&format!("{COLUMNS} ORDER BY device.ix"), (), device)
    }

    /// One device.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn device(&self, ix: DeviceIx) -> Result<Option<Device>, StorageError> {
        self.one(&format!("{COLUMNS} WHERE device.ix = ?1"), (ix.0,), device)
    }

    /// A series by its name, where it was given out here.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn series(&self, name: &Series) -> Result<Option<SeriesIx>, StorageError> {
        self.one("SELECT ix FROM series WHERE name = ?1", (name.as_str(),), |row| {
            row.get(0).map(SeriesIx)
        })
    }

    /// The name of a series that was given out here.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn series_name(&self, ix: SeriesIx) -> Result<Option<Series>, StorageError> {
        self.one("SELECT name FROM series WHERE ix = ?1", (ix.0,), |row| parsed(row, 0))
    }
}

impl WriteTransaction<'_> {
    /// Adds a device; one with a register gets a series of its own.
    pub(crate) fn insert_device(
        &mut self,
        new: &NewDevice,
        token: TokenHash,
        now: Now,
    ) -> Result<Device, StorageError> {
        let series = match &new.register {
            Some(_) => Some(self.new_series(token)?),
            None => None,
        };
        self.write(
            "INSERT INTO device (token_hash, name, role, rights, register, series, created_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                token.0,
                &new.name,
                role_number(new.role),
                rights_number(new.rights),
                new.register.as_ref().map(RegisterId::as_str),
                series.map(|series| series.0),
                row_count(now.unix_ms),
            ),
        )?;
        let ix = DeviceIx(self.inserted());
        self.reload_device(ix)
    }

    /// Ends a device's rights. It keeps its row, because its series are never used again.
    pub(crate) fn end_device(&mut self, ix: DeviceIx, now: Now) -> Result<Device, StorageError> {
        let sql = "UPDATE device SET revoked_ms = coalesce(revoked_ms, ?2) WHERE ix = ?1";
        self.write(sql, (ix.0, row_count(now.unix_ms)))?;
        self.reload_device(ix)
    }

    /// Tells the directory of devices of one, as it stands.
    pub(in crate::store) fn reload_device(&mut self, ix: DeviceIx) -> Result<Device, StorageError> {
        let device = self
            .device(ix)?
            .ok_or_else(|| StorageError::Inconsistent(format!("there is no device {}", ix.0)))?;
        self.changed(Change::Device(device.clone()));
        Ok(device)
    }

    fn new_series(&mut self, till: TokenHash) -> Result<SeriesIx, StorageError> {
        let site = self.known_identity()?.site;
        let number: i64 = self
            .one("SELECT coalesce(max(ix), 0) + 1 FROM series", (), |row| row.get(0))?
            .unwrap_or(1);
        let name = till_series(&site, number, till)?;
        let sql = "INSERT INTO series (ix, name) VALUES (?1, ?2)";
        self.write(sql, (number, name.as_str()))?;
        Ok(SeriesIx(number))
    }
}

pub(super) const fn role_number(role: Role) -> i64 {
    match role {
        Role::Till => 0,
        Role::Kiosk => 1,
        Role::Manager => 2,
        Role::Node => 3,
        Role::Standby => 4,
    }
}

pub(super) const fn rights_number(rights: Rights) -> i64 {
    rights.backdate as i64 + 2 * rights.state_prices as i64
}

pub(super) fn role(row: &Row<'_>, column: usize) -> rusqlite::Result<Role> {
    match row.get(column)? {
        0 => Ok(Role::Till),
        1 => Ok(Role::Kiosk),
        2 => Ok(Role::Manager),
        3 => Ok(Role::Node),
        4 => Ok(Role::Standby),
        role => Err(unreadable(column, format!("no role has the number {role}"))),
    }
}

pub(super) fn rights(row: &Row<'_>, column: usize) -> rusqlite::Result<Rights> {
    let rights: i64 = row.get(column)?;
    Ok(Rights {
        backdate: rights & 1 != 0,
        state_prices: rights & 2 != 0,
    })
}

fn device(row: &Row<'_>) -> rusqlite::Result<Device> {
    let till = match (
        parsed_option(row, 5)?,
        row.get::<_, Option<i64>>(6)?,
        parsed_option(row, 7)?,
    ) {
        (Some(register), Some(ix), Some(series)) => Some(Till {
            register,
            series,
            series_ix: SeriesIx(ix),
        }),
        _ => None,
    };
    Ok(Device {
        ix: DeviceIx(row.get(0)?),
        token: TokenHash(row.get(1)?),
        name: row.get(2)?,
        role: role(row, 3)?,
        rights: rights(row, 4)?,
        till,
        created_ms: count(row.get(8)?),
        revoked_ms: row.get::<_, Option<i64>>(9)?.map(count),
    })
}
