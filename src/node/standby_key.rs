//! The key that a standby's successor incarnation will sign with: a file in its data folder that only its owner can
//! read, from its first start as a standby until it is promoted. Each is used once.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::randomness;
use crate::store::IncarnationSeed;
use crate::sync::wire::SigningKey;

/// A standby's key.
pub(super) struct StandbyKey([u8; 32]);

impl StandbyKey {
    /// Reads a data folder's key, or makes one where there is none.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        match fs::read(path(folder)) {
            Ok(bytes) => bytes
                .try_into()
                .map(Self)
                .map_err(|_| io::Error::other("the standby's key does not have 32 bytes")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(folder),
            Err(error) => Err(error),
        }
    }

    /// Forgets a data folder's key.
    pub(super) fn forget(folder: &Path) -> io::Result<()> {
        match fs::remove_file(path(folder)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// What the node that is followed admits.
    pub(super) fn public(&self) -> [u8; 32] {
        SigningKey::from_bytes(&self.0).verifying_key().to_bytes()
    }

    /// What the successor's incarnation is made of.
    pub(super) fn seed(&self) -> IncarnationSeed {
        IncarnationSeed {
            random: randomness::number(),
            secret_key: self.0,
        }
    }

    fn make(folder: &Path) -> io::Result<Self> {
        let secret = randomness::incarnation_seed().secret_key;
        let new = folder.join("standby-key.new");
        if new.exists() {
            fs::remove_file(&new)?;
        }
        let mut out = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        out.write_all(&secret)?;
        // The node that is followed admits it once: it must not be lost with the power.
        out.sync_all()?;
        fs::rename(&new, path(folder))?;
        fs::File::open(folder)?.sync_all()?;
        Ok(Self(secret))
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("standby-key")
}
