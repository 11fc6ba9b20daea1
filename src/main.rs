//! Arguments, then a command.

use std::process::ExitCode;

/// A sale's path is many small pieces of memory that one thread takes and another gives back, which is where the system's
/// allocator is slowest (`docs/benchmarks.md`). SQLite keeps the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    finalmarket::cli::run()
}
