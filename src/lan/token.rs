//! The token that a kiosk's parent gave it: a file in its data folder that only its owner can read.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The file's name.
const TOKEN_FILE: &str = "parent-token";

/// Where a data folder keeps the token.
#[must_use]
pub fn token_path(folder: &Path) -> PathBuf {
    folder.join(TOKEN_FILE)
}

/// Reads a data folder's token.
///
/// # Errors
/// Where it is not there or cannot be read.
pub fn read_token(folder: &Path) -> io::Result<String> {
    Ok(fs::read_to_string(token_path(folder))?.trim().to_owned())
}

/// Writes a data folder's token, whole or not at all; the folder is made where it is not there.
///
/// # Errors
/// Where it cannot be written.
pub fn write_token(folder: &Path, token: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let new = folder.join(format!("{TOKEN_FILE}.new"));
    // An older one may belong to others; the new one is made with the owner's rights only.
    if new.exists() {
        fs::remove_file(&new)?;
    }
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    out.write_all(token.as_bytes())?;
    // The code that gave it is good once: it must not be lost with the power.
    out.sync_all()?;
    fs::rename(&new, token_path(folder))?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_token_reads_back_and_is_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new");
        assert!(read_token(&folder).is_err());
        for token in ["first", "second"] {
            write_token(&folder, token).unwrap();
            assert_eq!(read_token(&folder).unwrap(), token);
        }
        let mode = fs::metadata(token_path(&folder)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
