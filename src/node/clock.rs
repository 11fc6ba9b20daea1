//! The machine's clocks: one that people read, and one that only ever goes forward.

use std::time::Duration;

use chrono::Local;
use tokio::time::Instant;

use crate::store::Now;

/// Both clocks of this process.
#[derive(Debug, Clone, Copy)]
pub struct MachineClock {
    started: Instant,
}

impl MachineClock {
    /// Starts counting.
    #[must_use]
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// Milliseconds since the process started; never goes back.
    #[must_use]
    pub fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// When those milliseconds are reached.
    #[must_use]
    pub fn instant(&self, monotonic_ms: u64) -> Instant {
        self.started + Duration::from_millis(monotonic_ms)
    }

    /// What the clocks show. The one on the wall may be wrong, and it may jump.
    #[must_use]
    pub fn now(&self) -> Now {
        let wall = Local::now();
        Now {
            unix_ms: u64::try_from(wall.timestamp_millis()).unwrap_or_default(),
            monotonic_ms: self.monotonic_ms(),
            utc_offset_minutes: i16::try_from(wall.offset().local_minus_utc() / 60).unwrap_or_default(),
        }
    }
}

/// Waits for an instant; for ever where there is none.
pub(super) async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
