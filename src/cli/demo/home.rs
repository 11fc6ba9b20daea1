//! The folder in which a demo lives: one that was named, and stays; or one of its own, which goes with it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// The folder of a run.
#[derive(Debug)]
pub(super) struct Home {
    folder: PathBuf,
    is_temporary: bool,
}

impl Home {
    /// The named folder, made where it is not there yet, or a fresh one for this run alone.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub(super) fn open(named: Option<PathBuf>, run: &str) -> io::Result<Self> {
        let is_temporary = named.is_none();
        let folder = named.unwrap_or_else(|| std::env::temp_dir().join(format!("finalmarket-demo-{run}")));
        // Tokens are in it. A fresh one must not be somebody else's, so it must not be there yet.
        DirBuilder::new().mode(0o700).recursive(!is_temporary).create(&folder)?;
        Ok(Self { folder, is_temporary })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.is_temporary
            && let Err(error) = std::fs::remove_dir_all(&self.folder)
        {
            eprintln!("{} stays behind: {error}", self.folder.display());
        }
    }
}
