//! How often one device, or one address, may ask.
//!
//! The generic cell rate algorithm (ITU-T I.371, annex A): one number for each asker, no lock, no timer.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A rate with the burst that is let through at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many over a long time, each second; 0 allows none.
    pub per_second: u32,
    /// How many at once after a pause; at least 1.
    pub burst: u32,
}

/// One asker's use of its rate. Times are nanoseconds of the caller's monotonic clock.
#[derive(Debug, Default)]
pub struct Meter {
    /// When all that was asked for so far is paid off.
    paid_ns: AtomicU64,
}

impl Meter {
    /// Lets one request through, or says how long to wait.
    ///
    /// # Errors
    /// The time until the next one would be let through.
    pub fn take(&self, rate: Rate, now_ns: u64) -> Result<(), Duration> {
        self.take_spaced(1_000_000_000 / u64::from(rate.per_second.max(1)), rate.burst, now_ns)
    }

    fn take_spaced(&self, spacing_ns: u64, burst: u32, now_ns: u64) -> Result<(), Duration> {
        let slack_ns = spacing_ns.saturating_mul(u64::from(burst.max(1)));
        let pay = |paid_ns: u64| {
            let paid_ns = paid_ns.max(now_ns) + spacing_ns;
            (paid_ns - now_ns <= slack_ns).then_some(paid_ns)
        };
        match self.paid_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay) {
            Ok(_) => Ok(()),
            Err(paid_ns) => Err(Duration::from_nanos(
                (paid_ns + spacing_ns).saturating_sub(now_ns + slack_ns),
            )),
        }
    }
}

/// Attempts that may be guesses: few for each address, and few in all.
#[derive(Debug)]
pub struct Attempts {
    started: Instant,
    in_all: Meter,
    by_address: Mutex<HashMap<IpAddr, Meter>>,
}

/// One attempt each so long over a long time.
const SPACING_BY_ADDRESS: Duration = Duration::from_secs(6);
/// So many at once by one address.
const BURST_BY_ADDRESS: u32 = 10;
/// One attempt each so long over a long time, whoever asks: 10 minutes, the life of a code, see at most 1,250.
const SPACING_IN_ALL: Duration = Duration::from_millis(500);
/// So many at once, whoever asks.
const BURST_IN_ALL: u32 = 50;
/// The most addresses that are told apart.
const ADDRESSES_MAX: usize = 4096;

impl Default for Attempts {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            in_all: Meter::default(),
            by_address: Mutex::default(),
        }
    }
}

impl Attempts {
    /// Lets one attempt through, or says how long to wait. An address that is not known counts as one.
    ///
    /// # Errors
    /// The time until the next attempt would be let through.
    pub fn take(&self, address: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        let now_ns = nanoseconds(now.saturating_duration_since(self.started));
        let address = address.map_or(IpAddr::from([0, 0, 0, 0]), prefix);
        {
            let mut meters = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
            if meters.len() >= ADDRESSES_MAX {
                // Whoever has paid off starts afresh anyway; the rest stays bounded by the meter for all.
                meters.retain(|_, meter| *meter.paid_ns.get_mut() > now_ns);
            }
            if meters.len() < ADDRESSES_MAX || meters.contains_key(&address) {
                let meter = meters.entry(address).or_default();
                meter.take_spaced(nanoseconds(SPACING_BY_ADDRESS), BURST_BY_ADDRESS, now_ns)?;
            }
        }
        self.in_all
            .take_spaced(nanoseconds(SPACING_IN_ALL), BURST_IN_ALL, now_ns)
    }
}

/// One subscriber has a whole /64 of IPv6 addresses.
fn prefix(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => Ipv6Addr::from(u128::from(v6) >> 64 << 64).into(),
        },
        v4 => v4,
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_then_the_rate() {
        let (meter, rate) = (
            Meter::default(),
            Rate {
                per_second: 10,
                burst: 3,
            },
        );
        for _ in 0..3 {
            assert_eq!(meter.take(rate, SECOND), Ok(()));
        }
        assert_eq!(meter.take(rate, SECOND), Err(Duration::from_millis(100)));
        assert_eq!(meter.take(rate, SECOND + SECOND / 10), Ok(()));
        assert!(meter.take(rate, SECOND + SECOND / 10).is_err());
        for _ in 0..3 {
            assert_eq!(meter.take(rate, 9 * SECOND), Ok(()));
        }
    }

    #[test]
    fn guesses_are_bounded_by_address_and_in_all() {
        let attempts = Attempts::default();
        let now = Instant::now();
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let passed = (0..100).filter(|_| attempts.take(Some(one), now).is_ok()).count();
        assert_eq!(passed, 10);
        let others = (0..100u8).map(|last| IpAddr::from([198, 51, 100, last]));
        let passed = others.filter(|other| attempts.take(Some(*other), now).is_ok()).count();
        assert_eq!(passed, 40);
    }

    #[test]
    fn one_subscribers_addresses_count_as_one() {
        let attempts = Attempts::default();
        let now = Instant::now();
        let address = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        let passed = (0..100)
            .filter(|last| attempts.take(Some(address(*last)), now).is_ok())
            .count();
        assert_eq!(passed, 10);
        assert_eq!(
            prefix("::ffff:192.0.2.1".parse().unwrap()),
            IpAddr::from([192, 0, 2, 1])
        );
    }
}
