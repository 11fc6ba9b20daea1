//! How long to wait before the next attempt: full jitter under a bound that doubles, so that a thousand nodes that
//! lost one broker do not come back in one instant.

use std::time::Duration;

const FIRST_BOUND: Duration = Duration::from_millis(200);
const BOUND_MAX: Duration = Duration::from_secs(30);
/// A connection that stood so long says that the next failure is a new one.
const STABLE: Duration = Duration::from_secs(60);

/// The pauses between attempts to connect.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after a failure. `open_for` is how long the connection stood, where it did; `random` is any number.
    pub fn pause(&mut self, open_for: Option<Duration>, random: u64) -> Duration {
        if open_for.is_some_and(|stood| stood >= STABLE) {
            self.failures = 0;
        }
        let bound = FIRST_BOUND.saturating_mul(1 << self.failures.min(16)).min(BOUND_MAX);
        self.failures = self.failures.saturating_add(1);
        let bound_ms = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(random % bound_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_half_a_minute() {
        let mut backoff = Backoff::default();
        let bounds: Vec<u128> = (0..10)
            .map(|_| {
                let before = backoff.failures;
                // The largest number under the bound, found by asking for bound - 1.
                let bound = FIRST_BOUND.saturating_mul(1 << before).min(BOUND_MAX);
                let random = u64::try_from(bound.as_millis()).unwrap() - 1;
                backoff.pause(None, random).as_millis() + 1
            })
            .collect();
        assert_eq!(
            bounds,
            [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]
        );
    }

    #[test]
    fn a_stable_minute_begins_anew() {
        let mut backoff = Backoff::default();
        for _ in 0..9 {
            backoff.pause(Some(Duration::from_secs(59)), 0);
        }
        assert!(backoff.pause(Some(Duration::from_secs(59)), 29_999) > FIRST_BOUND);
        assert!(backoff.pause(Some(STABLE), u64::MAX) < FIRST_BOUND);
        assert_eq!(backoff.failures, 1);
    }
}
