//! What `node`, `hq` and `demo` share: the runtime, the log, and stopping when told to.

use std::num::NonZero;
use std::process::ExitCode;

use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use super::Failure;

/// Sends the log to standard error: as text to a terminal, as JSON lines to anything else. `RUST_LOG` says how much.
pub(super) fn start_log() {
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter())
        .with_writer(std::io::stderr);
    let started = if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        log.try_init()
    } else {
        log.json().flatten_event(true).try_init()
    };
    // A log that stands already goes on.
    drop(started);
}

/// Sends the log to a file, as JSON lines, where the terminal is for something else. `RUST_LOG` says how much.
///
/// # Errors
/// Where the file cannot be opened.
#[cfg(feature = "embedded-broker")]
pub(super) fn start_log_in(file: &std::path::Path) -> Result<(), Failure> {
    let out = std::fs::OpenOptions::new().create(true).append(true).open(file);
    let out = out.map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter())
        .with_writer(std::sync::Mutex::new(out));
    // A log that stands already goes on.
    drop(log.json().flatten_event(true).try_init());
    Ok(())
}

fn filter() -> EnvFilter {
    EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,rumqttd=off,rumqttc=off,rusqlite_migration=warn"))
}

/// Runs a server until Ctrl-C or SIGTERM.
pub(super) fn until_told_to_stop<F>(server: impl FnOnce(watch::Receiver<bool>) -> F) -> Result<ExitCode, Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    start_log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(async move {
            told_to_stop().await;
            tracing::info!("stopping");
            stop.send_replace(true);
        });
        server(stopped).await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// How many threads answer calls. One core is left to the database's writer, which has a thread of its own and is what
/// all sales wait for; what reads the database has others.
fn workers() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    cores.saturating_sub(1).max(1)
}

/// Returns at Ctrl-C or SIGTERM.
pub(super) async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupted = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => tokio::select! {
            _ = interrupted => {}
            _ = terminated.recv() => {}
        },
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be listened to");
            let _ = interrupted.await;
        }
    }
}
