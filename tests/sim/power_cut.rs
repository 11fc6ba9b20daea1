//! A disk under SQLite whose power can be cut, inside one process.
//!
//! **Promises.** SIGKILL keeps the page cache; a power cut does not. [`PowerCut::install`] registers a SQLite VFS that
//! is one machine's disk: every file of a database passes through to the real file, and the shim remembers what was
//! not yet synced. After [`PowerCut::cut`] nothing more reaches the files, at whatever instant and from whatever thread
//! it came, and every connection can still be closed. [`PowerCut::settle`] then leaves the files as a real disk could
//! show them: everything synced, and of the rest any part, in any order. One seed always makes the same choices.
//!
//! **It must never** lose a byte that a successful `xSync` covered, invent bytes that nobody wrote (but zeroes, in the
//! holes of a file that grew), become the default VFS, unwind into C, or open and close a database's file behind
//! SQLite's back while a connection lives (POSIX drops the whole process' locks at such a close).
//!
//! # What is modelled
//! * *Content*: sectors of 512 bytes. Each sector shows what was last synced or any later version of it (eight are
//!   remembered), each sector for itself. So a page of 4096 bytes can be torn seven ways.
//!   512, not 4096, because it is the least that a disk writes as a whole, the stricter for SQLite, and what SQLite
//!   itself assumes of the unix VFS (which claims `POWERSAFE_OVERWRITE`).
//! * *Size*: anything between the synced and the current one. A shrinking is undone as a whole or not at all.
//! * *Names*: a file created is there for sure from its first `xSync`; the first sync of a journal or WAL also syncs
//!   its folder, as the unix VFS does. A deletion is sure when asked with `syncDir`, or once the folder or a new file
//!   of that name was synced; until then it may be undone. `synchronous=FULL` with `journal_mode=DELETE` does not
//!   ask for it, so its last acknowledged commit may be rolled back: that is SQLite's word (`EXTRA` closes it).
//! * Syncs that fail, and a disk that is full.
//!
//! # What is not
//! * The `-shm` file: SQLite rebuilds it at the first open after a crash, whatever it held. `settle` removes it.
//! * Temporary files: nobody reads them after a crash. Their I/O fails after a cut, but counts for nothing.
//! * Sectors that rot or are torn inside, and Linux's habit of forgetting dirty pages after one failed fsync (here they
//!   stay unsynced until a sync succeeds).
//! * Memory-mapped I/O: refused, or writes could pass unseen. Files changed past the shim: call
//!   [`PowerCut::sync_all`] before, with no connection open.
//!
//! A successful sync is not passed down: the files only have to outlive a crash of the *modelled* machine.

mod disk;
mod file;
mod vfs;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use disk::Disk;

/// A machine's disk under SQLite: the VFS registered by [`PowerCut::install`], and the hand on its plug.
///
/// Dropped, it unregisters the VFS; connections still open go on working.
#[derive(Debug)]
pub struct PowerCut {
    name: String,
    registered: vfs::Registered,
}

/// What [`PowerCut::settle`] made of the writes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settled {
    /// Versions of sectors that never reached the disk.
    pub dropped: u64,
    /// Versions of sectors that did, though nobody had synced them (or that a later one, which did, stands on).
    pub kept: u64,
    /// Files whose creation or deletion was undone.
    pub names_undone: u64,
}

/// What the VFS and its handle share. Never freed: SQLite may hold a pointer to it for as long as a connection lives.
#[derive(Debug)]
struct Machine {
    /// Set only with `disk` locked, so that no write is under way when it turns; read without.
    cut: AtomicBool,
    disk: Mutex<Disk>,
}

impl PowerCut {
    /// Registers a disk as the VFS `name`, for `Connection::open_with_flags_and_vfs`; not as the default.
    ///
    /// # Panics
    /// When `name` is already registered or holds a NUL, or SQLite has no unix VFS.
    #[must_use]
    pub fn install(name: &str) -> PowerCut {
        let machine = Box::leak(Box::new(Machine {
            cut: AtomicBool::new(false),
            disk: Mutex::default(),
        }));
        PowerCut {
            name: name.to_owned(),
            registered: vfs::register(name, machine),
        }
    }

    /// The name to open connections with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Cuts the power: from now on all I/O on this VFS fails with `SQLITE_IOERR_*` and nothing reaches the files.
    /// A write under way in another thread ends first.
    pub fn cut(&self) {
        let _disk = self.machine().disk();
        self.machine().cut.store(true, Ordering::SeqCst);
    }

    /// Cuts the power at the `n`-th operation from now (a write, truncate, sync or deletion; 0: at once). That
    /// operation fails: a sync then covers nothing, a write may be torn (only its first sectors are done), a truncate
    /// or a deletion is done but not sure. Replaces an earlier call.
    pub fn cut_after(&self, n: u64) {
        if n == 0 {
            self.cut();
        } else {
            self.machine().disk().countdown = Some(n);
        }
    }

    /// Whether the power is cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.machine().is_cut()
    }

    /// Lets the files settle to a state that the disk could show after a power cut now, chosen by `seed`, and brings
    /// the power back. [`PowerCut::fail_syncs`] and [`PowerCut::disk_full`] stay as they are.
    ///
    /// # Panics
    /// When a connection is still open, or when a file cannot be rewritten.
    pub fn settle(&self, seed: u64) -> Settled {
        let machine = self.machine();
        let mut disk = machine.disk();
        assert_eq!(
            disk.open, 0,
            "{}: files still open: close every connection before settle",
            self.name
        );
        machine.cut.store(true, Ordering::SeqCst);
        let settled = disk
            .settle(seed)
            .unwrap_or_else(|error| panic!("{}: cannot settle: {error}", self.name));
        machine.cut.store(false, Ordering::SeqCst);
        settled
    }

    /// Brings the power back with everything written still there, synced or not: as after the end of a process whose
    /// machine lives on. What was not synced may still be lost to a later cut.
    ///
    /// # Panics
    /// When a connection is still open.
    pub fn back_on(&self) {
        let machine = self.machine();
        let mut disk = machine.disk();
        assert_eq!(disk.open, 0, "{}: files still open", self.name);
        disk.countdown = None;
        machine.cut.store(false, Ordering::SeqCst);
    }

    /// Makes everything written so far durable, names too, as `sync(2)` or an orderly shutdown does.
    /// Does nothing after a cut.
    pub fn sync_all(&self) {
        let mut disk = self.machine().disk();
        if !self.is_cut() {
            disk.sync_all();
        }
    }

    /// While on, every sync fails with `SQLITE_IOERR_FSYNC` and what it should have covered stays unsynced.
    pub fn fail_syncs(&self, on: bool) {
        self.machine().disk().fail_syncs = on;
    }

    /// While on, every write that would make a file longer fails with `SQLITE_FULL`, and does nothing.
    pub fn disk_full(&self, on: bool) {
        self.machine().disk().full = on;
    }

    /// How many writes were done in full.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.machine().disk().writes
    }

    /// How many syncs succeeded.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.machine().disk().syncs
    }

    /// How many operations [`PowerCut::cut_after`] would have counted so far.
    #[must_use]
    pub fn ops(&self) -> u64 {
        self.machine().disk().ops
    }

    fn machine(&self) -> &'static Machine {
        self.registered.machine()
    }
}

impl Drop for PowerCut {
    fn drop(&mut self) {
        self.registered.unregister();
        let mut disk = self.machine().disk();
        if disk.open == 0 {
            disk.sync_all(); // frees what it remembers
        }
    }
}

impl Machine {
    /// The disk's state; a panic elsewhere does not make it unusable, for no panic may cross into C.
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }

    /// Counts an operation that changes the disk. To be called with `disk` locked, just before the operation.
    fn tick(&self, disk: &mut Disk) -> Tick {
        if self.is_cut() {
            return Tick::Dead;
        }
        disk.ops += 1;
        if let Some(left) = &mut disk.countdown {
            *left -= 1;
            if *left == 0 {
                disk.countdown = None;
                self.cut.store(true, Ordering::SeqCst);
                return Tick::Last;
            }
        }
        Tick::Live
    }
}

/// How the power stands as an operation begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tick {
    /// On.
    Live,
    /// It goes during this operation, which may do a part of its work and must fail.
    Last,
    /// Gone.
    Dead,
}
