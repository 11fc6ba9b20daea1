//! Where databases are while they are measured: `target/bench-data`, on the same disk as everything that is built.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;

/// A folder that is gone afterwards, also where measuring failed.
#[derive(Debug)]
pub struct Folder(PathBuf);

/// The folder of all parts.
pub fn data() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-data")
}

impl Folder {
    /// An empty folder of a part.
    pub fn new(name: &str) -> Outcome<Self> {
        let path = data().join(name);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A copy in it of a folder of files, on the disk when this returns: what is written behind it would be measured.
    pub fn copy_of(&self, original: &Path, name: &str) -> Outcome<PathBuf> {
        let copy = self.path(name);
        if copy.exists() {
            fs::remove_dir_all(&copy)?;
        }
        fs::create_dir_all(&copy)?;
        for entry in fs::read_dir(original)? {
            let entry = entry?;
            let to = copy.join(entry.file_name());
            fs::copy(entry.path(), &to)?;
            fs::File::open(&to)?.sync_all()?;
        }
        Ok(copy)
    }

    /// Removes it.
    pub fn remove(self) -> Outcome<()> {
        Ok(fs::remove_dir_all(&self.0)?)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Gone already where all went well.
        let _ = fs::remove_dir_all(&self.0);
    }
}
