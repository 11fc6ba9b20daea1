//! The modelled disk: what of each file is durable and what the page cache only claims. No FFI, no unsafe.
//!
//! It must never forget the synced version of a sector while a later one is not synced.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::Settled;

/// The unit that a disk writes as a whole (why 512: see the module above).
pub(super) const SECTOR: usize = 512;
/// Versions of one sector that are remembered at most, unless more are needed to tell the epochs apart.
const VERSIONS: usize = 8;
/// Past states of one name, and shrinkings of one file, that may still be undone; older ones count as written back.
const PASTS: usize = 8;

type Sector = [u8; SECTOR];

/// One machine's disk.
#[derive(Debug, Default)]
pub(super) struct Disk {
    /// Every name that was opened or deleted; its place is its serial number, which a handle keeps.
    names: Vec<Name>,
    /// Files open now, temporary ones too.
    pub(super) open: usize,
    /// Operations left until the power goes.
    pub(super) countdown: Option<u64>,
    pub(super) fail_syncs: bool,
    pub(super) full: bool,
    pub(super) ops: u64,
    pub(super) writes: u64,
    pub(super) syncs: u64,
}

/// A file as the file system tells it from another of the same name: device and inode number.
pub(super) type FileId = (u64, u64);

/// An open file: which name it was opened by, and which file it was then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handle {
    name: usize,
    id: FileId,
}

/// What an open file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Database,
    /// A rollback journal, super-journal or WAL.
    Journal,
}

/// A folder's entry.
#[derive(Debug)]
struct Name {
    path: PathBuf,
    kind: Kind,
    /// The file that the page cache shows under this name.
    now: Option<Inode>,
    /// What the folder on disk may still show instead, oldest first.
    past: Vec<Option<Ghost>>,
}

/// A deleted file whose deletion is not sure.
#[derive(Debug)]
struct Ghost {
    inode: Inode,
    content: Vec<u8>,
}

/// What is not synced of one file.
///
/// A file system shrinks a file at one stroke: on disk it is either not yet shrunk, or shrunk with zeroes in whatever
/// grew there later. So time falls into epochs, a new one from each shrinking on, and one of them reached the disk.
#[derive(Debug)]
struct Inode {
    id: FileId,
    /// It was opened as one that may be created, and its first sync since will sync the folder too.
    syncs_folder: bool,
    /// The sizes at the beginning and end of each epoch since the last sync; within one the file only grows.
    epochs: Vec<(u64, u64)>,
    /// Sectors written since the last sync: the synced version first, the current one last.
    sectors: BTreeMap<u64, Vec<Version>>,
}

/// What a sector held.
#[derive(Debug)]
struct Version {
    bytes: Sector,
    /// In which epoch it was written; for the synced version the one that it was still there in.
    epoch: usize,
    synced: bool,
}

/// Which file a path shows now.
pub(super) fn file_id(path: &Path) -> Option<FileId> {
    fs::metadata(path).ok().map(|m| (m.dev(), m.ino()))
}

impl Disk {
    /// Takes note of an opened file; `before` is the file that had this path just before, `creates` whether it might
    /// have been made: the unix VFS syncs the folder of a journal or WAL that it opens so, also where it was there.
    pub(super) fn opened(
        &mut self,
        path: PathBuf,
        kind: Kind,
        before: Option<FileId>,
        creates: bool,
    ) -> Option<Handle> {
        let (id, len) = fs::metadata(&path).ok().map(|m| ((m.dev(), m.ino()), m.len()))?;
        let serial = self.serial(path, kind);
        let name = &mut self.names[serial];
        name.kind = kind;
        if before.is_none() {
            name.past_was(None);
            name.now = Some(Inode::new(id, 0, false));
        } else if name.now.as_ref().is_none_or(|now| now.id != id) {
            // It was there, but not by us: it is as durable as anything from before.
            name.past.clear();
            name.now = Some(Inode::new(id, len, false));
        }
        if let Some(now) = name.now.as_mut().filter(|_| creates && kind == Kind::Journal) {
            now.syncs_folder = true;
        }
        Some(Handle { name: serial, id })
    }

    /// The file behind a handle, unless it was deleted meanwhile: then nothing of it matters.
    fn inode(&mut self, handle: Handle) -> Option<&mut Inode> {
        self.names
            .get_mut(handle.name)?
            .now
            .as_mut()
            .filter(|now| now.id == handle.id)
    }

    /// Takes note of a change: the same sectors, from `first` on, and the file's size, before and after.
    pub(super) fn changed(&mut self, handle: Handle, first: u64, before: (&[u8], u64), after: (&[u8], u64)) {
        if let Some(inode) = self.inode(handle) {
            inode.changed(first, before, after);
        }
    }

    /// A sync that succeeded: the file is durable with its name, and a new journal's whole folder.
    pub(super) fn synced(&mut self, handle: Handle) {
        let Some(inode) = self.inode(handle) else { return };
        inode.sync();
        let folder = std::mem::take(&mut inode.syncs_folder);
        let name = &mut self.names[handle.name];
        name.past.clear();
        if folder {
            let path = name.path.clone();
            self.folder_synced(&path);
        }
    }

    /// The folder of `path` was synced: every creation and deletion in it is sure.
    pub(super) fn folder_synced(&mut self, path: &Path) {
        self.names
            .iter_mut()
            .filter(|name| name.path.parent() == path.parent())
            .for_each(|name| name.past.clear());
    }

    /// A file was deleted, though not for sure; `content` is what it held.
    pub(super) fn deleted(&mut self, path: &Path, content: Vec<u8>) {
        let serial = self.serial(path.to_owned(), Kind::Journal);
        let name = &mut self.names[serial];
        let inode = name
            .now
            .take()
            .unwrap_or_else(|| Inode::new((0, 0), content.len() as u64, false));
        name.past_was(Some(Ghost { inode, content }));
    }

    /// Everything is durable.
    pub(super) fn sync_all(&mut self) {
        for name in &mut self.names {
            name.past.clear();
            if let Some(now) = &mut name.now {
                now.sync();
                now.syncs_folder = false;
            }
        }
    }

    /// Rewrites the files to one of the states that a disk could show, and forgets everything. No file may be open.
    pub(super) fn settle(&mut self, seed: u64) -> io::Result<Settled> {
        let mut settled = Settled::default();
        for (serial, name) in self.names.drain(..).enumerate() {
            // Each file draws for itself, so that one more write to one does not change what befalls the others.
            let mut random = SplitMix64(seed);
            random.0 = random.next() ^ serial as u64;
            name.settle(&mut random, &mut settled)?;
            if name.kind == Kind::Database {
                let mut shm = OsString::from(name.path);
                shm.push("-shm");
                remove(Path::new(&shm))?;
            }
        }
        self.countdown = None;
        Ok(settled)
    }

    fn serial(&mut self, path: PathBuf, kind: Kind) -> usize {
        self.names.iter().position(|name| name.path == path).unwrap_or_else(|| {
            self.names.push(Name {
                path,
                kind,
                now: None,
                past: Vec::new(),
            });
            self.names.len() - 1
        })
    }
}

impl Name {
    fn past_was(&mut self, past: Option<Ghost>) {
        self.past.push(past);
        if self.past.len() > PASTS {
            self.past.remove(0);
        }
    }

    fn settle(&self, random: &mut SplitMix64, settled: &mut Settled) -> io::Result<()> {
        let choice = random.below(self.past.len() as u64 + 1) as usize;
        let Some(past) = self.past.get(choice) else {
            // Someone else's file by now, or none: hands off.
            return match self.now.as_ref().filter(|now| file_id(&self.path) == Some(now.id)) {
                Some(now) => now.settle(&OpenOptions::new().write(true).open(&self.path)?, random, settled),
                None => Ok(()),
            };
        };
        settled.names_undone += 1;
        settled.dropped += self.now.as_ref().map_or(0, Inode::unsynced);
        remove(&self.path)?;
        match past {
            Some(ghost) => {
                let file = File::create(&self.path)?;
                file.write_all_at(&ghost.content, 0)?;
                ghost.inode.settle(&file, random, settled)
            }
            None => Ok(()),
        }
    }
}

impl Inode {
    fn new(id: FileId, len: u64, syncs_folder: bool) -> Inode {
        Inode {
            id,
            syncs_folder,
            epochs: vec![(len, len)],
            sectors: BTreeMap::new(),
        }
    }

    fn sync(&mut self) {
        self.epochs.drain(..self.epochs.len() - 1);
        self.epochs[0].0 = self.epochs[0].1;
        self.sectors.clear();
    }

    fn changed(&mut self, first: u64, before: (&[u8], u64), after: (&[u8], u64)) {
        let then = self.epochs.len() - 1;
        if after.1 < before.1 {
            self.epochs.push((after.1, after.1));
        } else {
            self.epochs[then].1 = after.1;
        }
        let now = self.epochs.len() - 1;
        let pairs = before
            .0
            .as_chunks::<SECTOR>()
            .0
            .iter()
            .zip(after.0.as_chunks::<SECTOR>().0);
        for (at, (old, new)) in (first..).zip(pairs) {
            let mut versions = self.sectors.remove(&at).unwrap_or_default();
            if versions.is_empty() {
                versions.push(Version {
                    bytes: *old,
                    epoch: then,
                    synced: true,
                });
            }
            versions.push(Version {
                bytes: *new,
                epoch: now,
                synced: false,
            });
            if versions.len() > VERSIONS {
                let oldest = self.oldest();
                versions.retain(|version| (oldest..=now).any(|epoch| self.fits(at, version, epoch)));
            }
            if versions.len() > VERSIONS
                && let Some(overwritten) = (1..VERSIONS).find(|&i| versions[i].epoch == versions[i + 1].epoch)
            {
                versions.remove(overwritten);
            }
            self.sectors.insert(at, versions);
        }
    }

    /// The first epoch that the disk may still be in.
    fn oldest(&self) -> usize {
        self.epochs.len().saturating_sub(PASTS)
    }

    /// Whether a shrinking, from after epoch `from` to epoch `to`, took a byte that lies before `end` and after it.
    fn shrunk_below(&self, end: u64, from: usize, to: usize) -> bool {
        self.epochs[from + 1..=to].iter().any(|epoch| epoch.0 < end)
    }

    /// Whether sector `at` may show this version on a disk that is in `epoch`.
    fn fits(&self, at: u64, version: &Version, epoch: usize) -> bool {
        let end = (at + 1) * SECTOR as u64;
        match version.epoch <= epoch {
            true => !self.shrunk_below(end, version.epoch, epoch),
            false => version.synced || !self.shrunk_below(end, epoch, version.epoch),
        }
    }

    fn unsynced(&self) -> u64 {
        self.sectors
            .values()
            .flatten()
            .filter(|version| !version.synced)
            .count() as u64
    }

    /// Rewrites `file`, which shows the current versions, to a choice of epoch, size and versions.
    fn settle(&self, file: &File, random: &mut SplitMix64, settled: &mut Settled) -> io::Result<()> {
        let (oldest, latest) = (self.oldest(), self.epochs.len() - 1);
        // How many of eight sectors show their latest: often none or all, for whole files are lost or saved.
        let chance = [0, 0, 1, 2, 4, 6, 7, 8][random.below(8) as usize];
        let epoch = match chance {
            0 => oldest,
            8 => latest,
            _ => oldest + random.below((latest - oldest) as u64 + 1) as usize,
        };
        let (least, most) = self.epochs[epoch];
        let any = least + random.below(most - least + 1);
        let len = match (chance, random.below(3)) {
            (0, _) | (1..8, 0) => least,
            (8, _) | (1..8, 1) => most,
            _ => (any - any % SECTOR as u64).max(least),
        };
        for (&at, versions) in &self.sectors {
            let start = at * SECTOR as u64;
            // Shrunk away as a whole, it holds zeroes until written again. A sector shrunk away in part has a version.
            let zeroes = self.epochs[1..=epoch].iter().any(|epoch| epoch.0 <= start);
            let mut fit: Vec<_> = (0..versions.len())
                .filter(|&i| self.fits(at, &versions[i], epoch))
                .map(Some)
                .collect();
            if zeroes || fit.is_empty() {
                fit.insert(0, None);
            }
            let last = fit.len() - 1;
            let (others, keep) = (random.below(last as u64) as usize, random.below(8) < chance);
            let chosen = match keep {
                true => fit[last],
                false if chance == 0 => fit[0],
                false => fit[others],
            };
            let written = |versions: &[Version]| versions.iter().filter(|version| !version.synced).count() as u64;
            let kept = chosen.filter(|_| start < len).map_or(0, |i| written(&versions[..=i]));
            settled.kept += kept;
            settled.dropped += written(versions) - kept;
            if start < len {
                file.write_all_at(chosen.map_or(&[0; SECTOR], |i| &versions[i].bytes), start)?;
            }
        }
        file.set_len(len)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Vigna's SplitMix64: small, and the same on every machine.
#[derive(Debug)]
pub(super) struct SplitMix64(pub(super) u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`; 0 for a limit of 0.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}
