//! The FFI of the VFS' open files: each calls the unix VFS' file, and tells the modelled disk what changed.
//!
//! It must never unwind into C, call the unix VFS' `xWrite` or `xTruncate` after the cut, or let SQLite change a file
//! by another way (memory maps, size hints).

use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_io_methods};

use super::disk::{Disk, Handle, SECTOR, SplitMix64};
use super::{Machine, Tick};

/// An open file as SQLite sees it; the unix VFS' own file follows it in the same memory.
#[repr(C)]
pub(super) struct ShimFile {
    /// First, as SQLite demands.
    pub(super) base: sqlite3_file,
    pub(super) shim: Shim,
}

/// A file, with all that is needed to act on it.
#[derive(Clone, Copy)]
pub(super) struct Shim {
    pub(super) machine: &'static Machine,
    /// None for a temporary file, which is not modelled.
    pub(super) handle: Option<Handle>,
    pub(super) real: Real,
}

/// A file open in the unix VFS.
#[derive(Clone, Copy)]
pub(super) struct Real(pub(super) *mut sqlite3_file);

/// Version 2: shared memory for the WAL, but no `xFetch`, so that every write is seen.
pub(super) static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Runs a callback's body; a panic becomes the error `failed`.
pub(super) fn guard<T>(failed: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(failed)
}

/// The shim's part of an open file.
///
/// # Safety
/// `open` filled `file`, and it is not closed.
unsafe fn shim(file: *mut sqlite3_file) -> Shim {
    // SAFETY: `open` wrote a ShimFile there.
    unsafe { (*file.cast::<ShimFile>()).shim }
}

impl Real {
    fn methods(self) -> Option<&'static sqlite3_io_methods> {
        // SAFETY: `open` made them null before the unix VFS may have set them; its methods are static.
        unsafe { (*self.0).pMethods.as_ref() }
    }

    pub(super) fn close(self) -> c_int {
        // SAFETY: an open file of the unix VFS, which SQLite (or `open`, after a failure) closes once.
        self.methods()
            .and_then(|m| m.xClose)
            .map_or(ffi::SQLITE_OK, |close| unsafe { close(self.0) })
    }

    fn write(self, data: &[u8], offset: u64) -> c_int {
        let write = self.methods().and_then(|m| m.xWrite);
        // SAFETY: an open file of the unix VFS; `data` is as long as we say.
        write.map_or(ffi::SQLITE_IOERR_WRITE, |write| unsafe {
            write(self.0, data.as_ptr().cast(), data.len() as c_int, offset as i64)
        })
    }

    fn truncate(self, len: u64) -> c_int {
        let truncate = self.methods().and_then(|m| m.xTruncate);
        // SAFETY: an open file of the unix VFS.
        truncate.map_or(ffi::SQLITE_IOERR_TRUNCATE, |truncate| unsafe {
            truncate(self.0, len as i64)
        })
    }

    fn len(self) -> Result<u64, c_int> {
        let mut len = 0;
        let size = self
            .methods()
            .and_then(|m| m.xFileSize)
            .ok_or(ffi::SQLITE_IOERR_FSTAT)?;
        // SAFETY: an open file of the unix VFS, and a place for the answer.
        match unsafe { size(self.0, &mut len) } {
            ffi::SQLITE_OK => Ok(len as u64),
            code => Err(code),
        }
    }

    /// The file's size, and its content from sector `first` up to `end`, with zeroes past the end of the file.
    fn look(self, first: u64, end: u64) -> Result<(Vec<u8>, u64), c_int> {
        let mut content = vec![0; end.saturating_sub(first) as usize * SECTOR];
        let read = self.methods().and_then(|m| m.xRead).ok_or(ffi::SQLITE_IOERR_READ)?;
        let offset = first as i64 * SECTOR as i64;
        // SAFETY: an open file of the unix VFS; `content` has room for as much as we ask.
        match unsafe { read(self.0, content.as_mut_ptr().cast(), content.len() as c_int, offset) } {
            ffi::SQLITE_OK | ffi::SQLITE_IOERR_SHORT_READ => Ok((content, self.len()?)),
            code => Err(code),
        }
    }
}

impl Shim {
    /// Lets `act` change the bytes from `from` to `to`, and tells the disk what changed, even when `act` failed midway.
    fn change(self, disk: &mut Disk, handle: Handle, (from, to): (u64, u64), act: impl FnOnce(Real) -> c_int) -> c_int {
        let (first, end) = (from / SECTOR as u64, to.div_ceil(SECTOR as u64));
        let looked = self.real.look(first, end).and_then(|before| {
            let code = act(self.real);
            let after = self.real.look(first, end)?;
            disk.changed(handle, first, (&before.0, before.1), (&after.0, after.1));
            Ok(code)
        });
        looked.unwrap_or_else(|code| code)
    }

    fn write(self, data: &[u8], offset: u64) -> c_int {
        let mut disk = self.machine.disk();
        let Some(handle) = self.handle else {
            return if self.machine.is_cut() {
                ffi::SQLITE_IOERR_WRITE
            } else {
                self.real.write(data, offset)
            };
        };
        let end = offset + data.len() as u64;
        match self.machine.tick(&mut disk) {
            Tick::Dead => ffi::SQLITE_IOERR_WRITE,
            Tick::Live => {
                if disk.full && self.real.len().is_ok_and(|len| end > len) {
                    return ffi::SQLITE_FULL;
                }
                let code = self.change(&mut disk, handle, (offset, end), |real| real.write(data, offset));
                disk.writes += u64::from(code == ffi::SQLITE_OK);
                code
            }
            Tick::Last => {
                // Torn: the first sectors are done, none to all of them.
                let (first, past) = (offset / SECTOR as u64, end.div_ceil(SECTOR as u64));
                let sectors = SplitMix64(disk.ops ^ offset).below(past - first + 1);
                let torn = ((first + sectors) * SECTOR as u64).clamp(offset, end);
                if torn > offset && !(disk.full && self.real.len().is_ok_and(|len| torn > len)) {
                    let part = &data[..(torn - offset) as usize];
                    self.change(&mut disk, handle, (offset, torn), |real| real.write(part, offset));
                }
                ffi::SQLITE_IOERR_WRITE
            }
        }
    }

    fn truncate(self, len: u64) -> c_int {
        let mut disk = self.machine.disk();
        let Some(handle) = self.handle else {
            return if self.machine.is_cut() {
                ffi::SQLITE_IOERR_TRUNCATE
            } else {
                self.real.truncate(len)
            };
        };
        let tick = self.machine.tick(&mut disk);
        if tick == Tick::Dead {
            return ffi::SQLITE_IOERR_TRUNCATE;
        }
        let old = match self.real.len() {
            Ok(old) => old,
            Err(code) => return code,
        };
        let code = self.change(&mut disk, handle, (len.min(old), len.max(old)), |real| {
            real.truncate(len)
        });
        if tick == Tick::Last {
            ffi::SQLITE_IOERR_TRUNCATE
        } else {
            code
        }
    }

    fn sync(self) -> c_int {
        let mut disk = self.machine.disk();
        let Some(handle) = self.handle else {
            return if self.machine.is_cut() {
                ffi::SQLITE_IOERR_FSYNC
            } else {
                ffi::SQLITE_OK
            };
        };
        if self.machine.tick(&mut disk) != Tick::Live || disk.fail_syncs {
            return ffi::SQLITE_IOERR_FSYNC;
        }
        disk.synced(handle);
        disk.syncs += 1;
        ffi::SQLITE_OK
    }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    guard(ffi::SQLITE_IOERR_CLOSE, || {
        // SAFETY: SQLite closes what `open` filled, once.
        let shim = unsafe { shim(file) };
        // Counted off only when it is closed: the lock is held meanwhile, so that `settle` cannot come between.
        let mut disk = shim.machine.disk();
        let code = shim.real.close();
        disk.open -= 1;
        code
    })
}

unsafe extern "C" fn write(file: *mut sqlite3_file, data: *const c_void, amount: c_int, offset: i64) -> c_int {
    guard(ffi::SQLITE_IOERR_WRITE, || {
        // SAFETY: SQLite's open file, and as many bytes as it says.
        let (shim, data) = unsafe {
            (
                shim(file),
                std::slice::from_raw_parts(data.cast::<u8>(), amount as usize),
            )
        };
        shim.write(data, offset as u64)
    })
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, len: i64) -> c_int {
    guard(ffi::SQLITE_IOERR_TRUNCATE, || {
        // SAFETY: SQLite's open file.
        let shim = unsafe { shim(file) };
        shim.truncate(len as u64)
    })
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, _flags: c_int) -> c_int {
    guard(ffi::SQLITE_IOERR_FSYNC, || {
        // SAFETY: SQLite's open file.
        let shim = unsafe { shim(file) };
        shim.sync()
    })
}

/// A method of a file that changes nothing on the disk: passed to the unix VFS, unless the power is cut and the method
/// is one that fails then, with `$cut`.
macro_rules! pass_file {
    ($name:ident => $method:ident($($arg:ident: $type:ty),*), $cut:expr) => {
        unsafe extern "C" fn $name(file: *mut sqlite3_file, $($arg: $type),*) -> c_int {
            guard(ffi::SQLITE_IOERR, || {
                // SAFETY: SQLite's open file.
                let shim = unsafe { shim(file) };
                match $cut {
                    Some(code) if shim.machine.is_cut() => return code,
                    _ => {}
                }
                let method = shim.real.methods().and_then(|m| m.$method);
                // SAFETY: an open file of the unix VFS, with SQLite's own arguments.
                method.map_or(ffi::SQLITE_IOERR, |method| unsafe { method(shim.real.0, $($arg),*) })
            })
        }
    };
}

/// For the methods that work without power, for closing needs them.
const WORKS: Option<c_int> = None;

pass_file!(read => xRead(out: *mut c_void, amount: c_int, offset: i64), Some(ffi::SQLITE_IOERR_READ));
pass_file!(file_size => xFileSize(out: *mut i64), Some(ffi::SQLITE_IOERR_FSTAT));
pass_file!(lock => xLock(level: c_int), Some(ffi::SQLITE_IOERR_LOCK));
pass_file!(unlock => xUnlock(level: c_int), WORKS);
pass_file!(check_reserved_lock => xCheckReservedLock(out: *mut c_int), Some(ffi::SQLITE_IOERR_CHECKRESERVEDLOCK));
pass_file!(pass_control => xFileControl(op: c_int, arg: *mut c_void), WORKS);
pass_file!(sector_size => xSectorSize(), WORKS);
pass_file!(
    shm_map => xShmMap(page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void),
    Some(ffi::SQLITE_IOERR_SHMMAP)
);
pass_file!(
    shm_lock => xShmLock(offset: c_int, n: c_int, flags: c_int),
    (flags & ffi::SQLITE_SHM_LOCK != 0).then_some(ffi::SQLITE_IOERR_SHMLOCK)
);
pass_file!(shm_unmap => xShmUnmap(remove: c_int), WORKS);

unsafe extern "C" fn shm_barrier(file: *mut sqlite3_file) {
    guard((), || {
        // SAFETY: SQLite's open file.
        let real = unsafe { shim(file) }.real;
        if let Some(barrier) = real.methods().and_then(|m| m.xShmBarrier) {
            // SAFETY: an open file of the unix VFS.
            unsafe { barrier(real.0) };
        }
    });
}

unsafe extern "C" fn file_control(file: *mut sqlite3_file, op: c_int, arg: *mut c_void) -> c_int {
    match op {
        ffi::SQLITE_FCNTL_MMAP_SIZE => {
            // SAFETY: for this operation `arg` points to the size asked for, which takes the size granted.
            unsafe { *arg.cast::<i64>() = 0 };
            ffi::SQLITE_OK
        }
        // They would make the file longer behind our back. Both are but hints.
        ffi::SQLITE_FCNTL_SIZE_HINT | ffi::SQLITE_FCNTL_CHUNK_SIZE => ffi::SQLITE_OK,
        // SAFETY: SQLite's own arguments.
        _ => unsafe { pass_control(file, op, arg) },
    }
}

unsafe extern "C" fn device_characteristics(file: *mut sqlite3_file) -> c_int {
    /// What the modelled disk can promise too; nothing atomic, nothing in order.
    const KEPT: c_int = ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE | ffi::SQLITE_IOCAP_SUBPAGE_READ;
    guard(0, || {
        // SAFETY: SQLite's open file.
        let real = unsafe { shim(file) }.real;
        let method = real.methods().and_then(|m| m.xDeviceCharacteristics);
        // SAFETY: an open file of the unix VFS.
        method.map_or(0, |method| unsafe { method(real.0) }) & KEPT
    })
}
