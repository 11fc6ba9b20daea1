//! The journal's clock: stamps never go back, and a machine's clock that jumps is held back and reported.
//!
//! Stamps order records for people to read. Nothing about money, rights or days may follow from them.

use chrono::{DateTime, FixedOffset};

use crate::domain::time::{Hlc, LocalTime};

/// A jump ahead of more than this, within one run, is not believed at once.
const FORWARD_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// A jump ahead that lasts this long is believed: a machine without a battery gets its time from the network late.
const DOUBT_MS: u64 = 60 * 60 * 1000;
/// Differences below this are the clock's ordinary correction.
const NOTICED_MS: u64 = 1000;

/// What the clocks show, read by the caller: nothing in the store reads a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The machine's clock, milliseconds since 1970. It may jump.
    pub unix_ms: u64,
    /// A clock that never jumps within one run, in milliseconds from any start.
    pub monotonic_ms: u64,
    /// The site's offset from UTC, minutes east.
    pub utc_offset_minutes: i16,
}

impl Now {
    /// What the clock on the site's wall shows.
    #[must_use]
    pub fn local(self) -> LocalTime {
        let offset = FixedOffset::east_opt(i32::from(self.utc_offset_minutes) * 60);
        let instant = i64::try_from(self.unix_ms)
            .ok()
            .and_then(DateTime::from_timestamp_millis);
        // A clock beyond the calendar shows the beginning of 1970: selling goes on, and the jump is reported.
        let instant = instant.unwrap_or_default();
        match offset {
            Some(offset) => LocalTime::from_instant(instant.with_timezone(&offset)),
            None => LocalTime::from_instant(instant.fixed_offset()),
        }
    }

    /// Whole days since 1970.
    #[must_use]
    pub const fn day(self) -> i64 {
        (self.unix_ms / 86_400_000) as i64
    }
}

/// A machine's clock that went elsewhere than time did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockJump {
    /// By how much, in milliseconds; negative for back.
    pub by_ms: i64,
    /// Whether stamps are held back until the clock is believed.
    pub held_back: bool,
}

/// The clock's state between two stamps.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clock {
    last: Hlc,
    /// What the clocks showed when the machine's clock was last believed.
    believed: Option<Now>,
    /// Since when (monotonic) it has not been.
    doubted_since_ms: Option<u64>,
}

impl Clock {
    /// Goes on after the last stamp on disk.
    pub(super) fn after(last: Hlc) -> Self {
        Self {
            last,
            ..Self::default()
        }
    }

    /// The next stamp, and the jump where one is seen for the first time.
    pub(super) fn stamp(&mut self, now: Now) -> (Hlc, Option<ClockJump>) {
        let Some(believed) = self.believed else {
            let behind = self.last.ahead_of(now.unix_ms);
            self.believed = Some(now);
            self.last = self.last.next(now.unix_ms);
            return (self.last, (behind > NOTICED_MS).then(|| jump(-1, behind, false)));
        };
        let passed = now.monotonic_ms.saturating_sub(believed.monotonic_ms);
        let expected = believed.unix_ms.saturating_add(passed);
        let ahead = now.unix_ms.saturating_sub(expected);
        let behind = expected.saturating_sub(now.unix_ms);
        if ahead > FORWARD_MS_MAX {
            let first = self.doubted_since_ms.is_none();
            let since = *self.doubted_since_ms.get_or_insert(now.monotonic_ms);
            if now.monotonic_ms.saturating_sub(since) < DOUBT_MS {
                self.last = self.last.next(expected);
                return (self.last, first.then(|| jump(1, ahead, true)));
            }
        }
        self.believed = Some(now);
        self.doubted_since_ms = None;
        self.last = self.last.next(now.unix_ms);
        let seen = if behind > NOTICED_MS {
            Some(jump(-1, behind, false))
        } else {
            (ahead > NOTICED_MS).then(|| jump(1, ahead, false))
        };
        (self.last, seen)
    }
}

fn jump(sign: i64, by_ms: u64, held_back: bool) -> ClockJump {
    ClockJump {
        by_ms: sign * i64::try_from(by_ms).unwrap_or(i64::MAX),
        held_back,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    fn now(unix_ms: u64, monotonic_ms: u64) -> Now {
        Now {
            unix_ms,
            monotonic_ms,
            utc_offset_minutes: 60,
        }
    }

    #[test]
    fn a_day_back_is_reported_once_and_stamps_go_on() {
        let mut clock = Clock::after(Hlc::default());
        let (first, jump) = clock.stamp(now(100 * DAY, 0));
        assert_eq!(jump, None);
        let (second, jump) = clock.stamp(now(99 * DAY, 10));
        assert!(second > first);
        assert_eq!(jump.unwrap().by_ms, -(DAY as i64) - 10);
        let (third, jump) = clock.stamp(now(99 * DAY + 5, 15));
        assert!(third > second);
        assert_eq!(jump, None);
    }

    #[test]
    fn a_year_ahead_is_held_back_until_it_has_lasted_an_hour() {
        let mut clock = Clock::after(Hlc::default());
        clock.stamp(now(100 * DAY, 0));
        let (held, jump) = clock.stamp(now(465 * DAY, 10));
        assert_eq!(held.milliseconds(), 100 * DAY + 10);
        assert!(jump.unwrap().held_back);
        let (held, jump) = clock.stamp(now(465 * DAY + 10, 20));
        assert_eq!((held.milliseconds(), jump), (100 * DAY + 20, None));
        let (_, jump) = clock.stamp(now(100 * DAY + 30, 30));
        assert_eq!(jump, None, "it came back");
        clock.stamp(now(465 * DAY, 1000));
        let (believed, jump) = clock.stamp(now(465 * DAY + DOUBT_MS, 1000 + DOUBT_MS));
        assert_eq!(believed.milliseconds(), 465 * DAY + DOUBT_MS);
        assert!(!jump.unwrap().held_back);
    }

    #[test]
    fn the_wall_shows_the_site_s_time() {
        assert_eq!(now(0, 0).local().to_string(), "1970-01-01T01:00:00+01:00");
        assert_eq!(now(u64::MAX, 0).local().to_string(), "1970-01-01T01:00:00+01:00");
    }
}
