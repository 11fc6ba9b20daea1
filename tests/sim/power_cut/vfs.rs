//! The FFI of the VFS: opening, deleting, and what is passed to the unix VFS as it is. Its files are in `file`.
//!
//! It must never unwind into C, or call the unix VFS' `xOpen`, `xDelete` or `xAccess` after the cut.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_vfs};

use super::disk::{Kind, file_id};
use super::file::{METHODS, Real, Shim, ShimFile, guard};
use super::{Machine, Tick};

/// A registered VFS.
#[derive(Debug)]
pub(super) struct Registered {
    vfs: *mut sqlite3_vfs,
    machine: &'static Machine,
}

// SAFETY: the pointer is only handed to SQLite's (thread-safe) unregister; the memory behind it is never freed.
unsafe impl Send for Registered {}
// SAFETY: as above; through a shared reference only `machine` is reached, which is Sync.
unsafe impl Sync for Registered {}

/// What our VFS carries as `pAppData`.
struct App {
    machine: &'static Machine,
    /// The unix VFS.
    unix: *mut sqlite3_vfs,
}

/// Registers `machine` as the VFS `name`.
pub(super) fn register(name: &str, machine: &'static Machine) -> Registered {
    /// Between the look-up and the registration no other thread may take the name.
    static NAMES: Mutex<()> = Mutex::new(());
    let _names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let name = CString::new(name).expect("a VFS' name holds no NUL");
    // SAFETY: `name` is a C string; SQLite initialises itself here when it has not yet.
    let taken = unsafe { ffi::sqlite3_vfs_find(name.as_ptr()) };
    assert!(taken.is_null(), "a VFS named {name:?} exists already");
    // SAFETY: a static C string.
    let unix = unsafe { ffi::sqlite3_vfs_find(c"unix".as_ptr()) };
    assert!(!unix.is_null(), "SQLite was built without its unix VFS");
    // SAFETY: SQLite's built-in VFS is never freed, and these fields do not change.
    let (file_size, path_size) = unsafe { ((*unix).szOsFile, (*unix).mxPathname) };
    let vfs = Box::leak(Box::new(sqlite3_vfs {
        iVersion: 2,
        szOsFile: size_of::<ShimFile>() as c_int + file_size,
        mxPathname: path_size,
        pNext: ptr::null_mut(),
        zName: name.into_raw(),
        pAppData: ptr::from_mut(Box::leak(Box::new(App { machine, unix }))).cast(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        xDlOpen: Some(dl_open),
        xDlError: Some(dl_error),
        xDlSym: Some(dl_sym),
        xDlClose: Some(dl_close),
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xGetLastError: Some(get_last_error),
        xCurrentTimeInt64: Some(current_time_int64),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }));
    // SAFETY: the VFS is complete and, leaked, outlives every connection.
    let code = unsafe { ffi::sqlite3_vfs_register(vfs, 0) };
    assert_eq!(code, ffi::SQLITE_OK, "SQLite refused the VFS");
    Registered { vfs, machine }
}

impl Registered {
    pub(super) fn machine(&self) -> &'static Machine {
        self.machine
    }

    /// Takes the name away. Connections that are open keep the VFS.
    pub(super) fn unregister(&mut self) {
        // SAFETY: the pointer was registered, and is never freed.
        unsafe { ffi::sqlite3_vfs_unregister(self.vfs) };
    }
}

/// What our VFS carries.
///
/// # Safety
/// `vfs` was made by `register`.
unsafe fn app<'a>(vfs: *mut sqlite3_vfs) -> &'a App {
    // SAFETY: `register` put a leaked App there.
    unsafe { &*(*vfs).pAppData.cast::<App>() }
}

unsafe extern "C" fn open(
    vfs: *mut sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives room for `szOsFile` bytes; no methods means that there is nothing to close after a failure.
    unsafe { (*file).pMethods = ptr::null() };
    guard(ffi::SQLITE_IOERR, || {
        // SAFETY: SQLite calls with the VFS that it was given.
        let App { machine, unix } = unsafe { app(vfs) };
        // Held to the end: no cut and no settle in between.
        let mut disk = machine.disk();
        if machine.is_cut() {
            return ffi::SQLITE_IOERR;
        }
        // SAFETY: `name` is null or SQLite's C string.
        let modelled = kind(flags).zip(unsafe { path(name) }).map(|(kind, path)| {
            let before = file_id(&path);
            (kind, path, before)
        });
        let filled = file.cast::<ShimFile>();
        // SAFETY: within the memory that SQLite gave, as `szOsFile` counts both parts.
        let real = Real(unsafe { filled.add(1) }.cast());
        // SAFETY: that memory begins on a multiple of 8, as SQLite's and ShimFile's size do.
        unsafe { (*real.0).pMethods = ptr::null() };
        // SAFETY: `real` has the unix VFS' `szOsFile` bytes; `name` goes as it came, for the URI parameters follow it.
        let code = unsafe {
            (**unix)
                .xOpen
                .map_or(ffi::SQLITE_IOERR, |open| open(*unix, name, real.0, flags, out))
        };
        if code != ffi::SQLITE_OK {
            real.close();
            return code;
        }
        let handle = modelled
            .and_then(|(kind, path, before)| disk.opened(path, kind, before, flags & ffi::SQLITE_OPEN_CREATE != 0));
        disk.open += 1;
        let shim = Shim { machine, handle, real };
        // SAFETY: as above; the base was SQLite's to give and holds no value that needs a drop.
        unsafe {
            filled.write(ShimFile {
                base: sqlite3_file { pMethods: &METHODS },
                shim,
            })
        };
        ffi::SQLITE_OK
    })
}

/// What the file that these flags open is for; None for a temporary one.
fn kind(flags: c_int) -> Option<Kind> {
    const JOURNALS: c_int = ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL | ffi::SQLITE_OPEN_WAL;
    match flags {
        _ if flags & ffi::SQLITE_OPEN_DELETEONCLOSE != 0 => None,
        _ if flags & ffi::SQLITE_OPEN_MAIN_DB != 0 => Some(Kind::Database),
        _ if flags & JOURNALS != 0 => Some(Kind::Journal),
        _ => None,
    }
}

/// A path from SQLite.
///
/// # Safety
/// `name` is null or a C string.
unsafe fn path(name: *const c_char) -> Option<PathBuf> {
    // SAFETY: not null, so a C string.
    (!name.is_null()).then(|| OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()).into())
}

unsafe extern "C" fn delete(vfs: *mut sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    guard(ffi::SQLITE_IOERR_DELETE, || {
        // SAFETY: SQLite calls with the VFS that it was given.
        let App { machine, unix } = unsafe { app(vfs) };
        let mut disk = machine.disk();
        let tick = machine.tick(&mut disk);
        // SAFETY: SQLite's C string.
        let (Tick::Live | Tick::Last, Some(path)) = (tick, unsafe { path(name) }) else {
            return ffi::SQLITE_IOERR_DELETE;
        };
        // Only journals and WALs are ever deleted; they carry no POSIX locks that reading them could drop.
        let content = fs::read(&path).unwrap_or_default();
        // SAFETY: the unix VFS, with SQLite's own arguments; the folder is synced only in the model.
        let code = unsafe {
            (**unix)
                .xDelete
                .map_or(ffi::SQLITE_IOERR_DELETE, |delete| delete(*unix, name, 0))
        };
        if code != ffi::SQLITE_OK {
            return code;
        }
        disk.deleted(&path, content);
        match sync_folder != 0 {
            _ if tick == Tick::Last => ffi::SQLITE_IOERR_DELETE,
            true if disk.fail_syncs => ffi::SQLITE_IOERR_DIR_FSYNC,
            true => {
                disk.folder_synced(&path);
                ffi::SQLITE_OK
            }
            false => ffi::SQLITE_OK,
        }
    })
}

unsafe extern "C" fn access(vfs: *mut sqlite3_vfs, name: *const c_char, flags: c_int, found: *mut c_int) -> c_int {
    guard(ffi::SQLITE_IOERR_ACCESS, || {
        // SAFETY: SQLite calls with the VFS that it was given.
        let App { machine, unix } = unsafe { app(vfs) };
        if machine.is_cut() {
            return ffi::SQLITE_IOERR_ACCESS;
        }
        // SAFETY: the unix VFS, with SQLite's own arguments.
        unsafe {
            (**unix)
                .xAccess
                .map_or(ffi::SQLITE_IOERR_ACCESS, |access| access(*unix, name, flags, found))
        }
    })
}

/// A method of the VFS that does no I/O on the disk: passed to the unix VFS.
macro_rules! pass_vfs {
    ($name:ident => $method:ident($($arg:ident: $type:ty),*) -> $result:ty, $failed:expr) => {
        unsafe extern "C" fn $name(vfs: *mut sqlite3_vfs, $($arg: $type),*) -> $result {
            guard($failed, || {
                // SAFETY: SQLite calls with the VFS that it was given.
                let unix = unsafe { app(vfs) }.unix;
                // SAFETY: the unix VFS, with SQLite's own arguments.
                unsafe { (*unix).$method.map_or($failed, |method| method(unix, $($arg),*)) }
            })
        }
    };
}

/// A symbol of a loadable extension.
type Symbol = Option<unsafe extern "C" fn(*mut sqlite3_vfs, *mut c_void, *const c_char)>;

pass_vfs!(
    full_pathname => xFullPathname(name: *const c_char, n: c_int, out: *mut c_char) -> c_int,
    ffi::SQLITE_CANTOPEN
);
pass_vfs!(dl_open => xDlOpen(name: *const c_char) -> *mut c_void, ptr::null_mut());
pass_vfs!(dl_error => xDlError(n: c_int, out: *mut c_char) -> (), ());
pass_vfs!(dl_sym => xDlSym(library: *mut c_void, name: *const c_char) -> Symbol, None);
pass_vfs!(dl_close => xDlClose(library: *mut c_void) -> (), ());
pass_vfs!(randomness => xRandomness(n: c_int, out: *mut c_char) -> c_int, 0);
pass_vfs!(sleep => xSleep(microseconds: c_int) -> c_int, 0);
pass_vfs!(current_time => xCurrentTime(out: *mut f64) -> c_int, ffi::SQLITE_ERROR);
pass_vfs!(get_last_error => xGetLastError(n: c_int, out: *mut c_char) -> c_int, 0);
pass_vfs!(current_time_int64 => xCurrentTimeInt64(out: *mut i64) -> c_int, ffi::SQLITE_ERROR);
