//! Who may take the place of a kiosk's parent: addresses that the parent told, in a file of the kiosk's data folder, so that
//! a kiosk that starts while its parent is gone knows whom else to ask.

use std::fs;
use std::path::{Path, PathBuf};

use super::ParentAddress;

/// The file's name, and how many addresses are kept.
const FILE: &str = "parent-standbys";
const ADDRESSES_MAX: usize = 8;

/// The parent as it is configured, and those who may take its place; one of them is asked.
#[derive(Debug)]
pub(super) struct Parents {
    file: PathBuf,
    all: Vec<ParentAddress>,
    at: usize,
}

impl Parents {
    /// With what the data folder knows.
    pub(super) fn of(configured: &ParentAddress, folder: &Path) -> Self {
        let file = folder.join(FILE);
        let mut parents = Self {
            all: vec![configured.clone()],
            at: 0,
            file,
        };
        parents.add(&fs::read_to_string(&parents.file).unwrap_or_default());
        parents
    }

    /// Who is asked now.
    pub(super) fn now(&self) -> Option<&ParentAddress> {
        self.all.get(self.at)
    }

    /// Goes on with the next one.
    pub(super) fn try_another(&mut self) {
        self.at = (self.at + 1) % self.all.len().max(1);
    }

    /// Takes what a parent told: addresses with blanks between. What is none is passed over.
    pub(super) fn learn(&mut self, told: &str) {
        if self.add(told) {
            let others: Vec<String> = self.all.iter().skip(1).map(ToString::to_string).collect();
            if let Err(error) = fs::write(&self.file, others.join(" ")) {
                tracing::warn!(%error, "the parent's standbys could not be noted; they are known until the next start");
            }
        }
    }

    fn add(&mut self, told: &str) -> bool {
        let before = self.all.len();
        for address in told.split_whitespace().filter_map(|text| text.parse().ok()) {
            if self.all.len() < ADDRESSES_MAX && !self.all.contains(&address) {
                self.all.push(address);
            }
        }
        self.all.len() > before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_parent_told_is_known_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let configured: ParentAddress = "http://192.0.2.7:8080".parse().unwrap();
        let mut parents = Parents::of(&configured, folder.path());
        parents.try_another();
        assert_eq!(parents.now(), Some(&configured), "there is no other");
        parents.learn("http://192.0.2.8:8080 nonsense http://192.0.2.7:8080");
        parents.try_another();
        assert_eq!(parents.now().unwrap().to_string(), "http://192.0.2.8:8080");
        let mut again = Parents::of(&configured, folder.path());
        assert_eq!(again.now(), Some(&configured));
        again.try_another();
        assert_eq!(again.now(), parents.now());
    }
}
