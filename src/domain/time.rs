//! Times as people and tills see them, and the hybrid clock that orders facts for people to read.
//!
//! No rule about money or rights may depend on a clock: clocks order what people read, nothing else.

use std::fmt;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, Timelike as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Local time at a till with its offset from UTC where it is known; whole seconds.
///
/// JSON: ISO 8601, `2017-01-01T12:26:30` or `2017-01-01T12:26:30+01:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalTime {
    local: NaiveDateTime,
    /// Minutes east of UTC.
    offset_minutes: Option<i16>,
}

/// Why a text is not a local time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time as ISO 8601 writes it, such as 2017-01-01T12:26:30 or 2017-01-01T12:26:30+01:00")]
pub struct LocalTimeError(pub String);

impl LocalTime {
    /// From a local time and, where it is known, its offset in minutes east of UTC. Fractions of a second are cut.
    #[must_use]
    pub fn new(local: NaiveDateTime, offset_minutes: Option<i16>) -> Self {
        Self {
            local: local.with_nanosecond(0).unwrap_or(local),
            offset_minutes,
        }
    }

    /// From an instant as some place's clock shows it.
    #[must_use]
    pub fn from_instant(instant: DateTime<FixedOffset>) -> Self {
        let minutes = instant.offset().local_minus_utc() / 60;
        Self::new(instant.naive_local(), i16::try_from(minutes).ok())
    }

    /// What the clock on the wall shows.
    #[must_use]
    pub const fn local(self) -> NaiveDateTime {
        self.local
    }

    /// Minutes east of UTC, where known.
    #[must_use]
    pub const fn offset_minutes(self) -> Option<i16> {
        self.offset_minutes
    }

    /// The calendar day on the wall.
    #[must_use]
    pub fn day(self) -> NaiveDate {
        self.local.date()
    }

    /// Seconds of the wall's clock since 1970-01-01T00:00:00 of that clock.
    #[must_use]
    pub fn local_seconds(self) -> i64 {
        self.local.and_utc().timestamp()
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.local.format("%Y-%m-%dT%H:%M:%S"))?;
        match self.offset_minutes {
            None => Ok(()),
            Some(minutes) => {
                let sign = if minutes < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
        }
    }
}

impl std::str::FromStr for LocalTime {
    type Err = LocalTimeError;

    fn from_str(text: &str) -> Result<Self, LocalTimeError> {
        if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::from_instant(instant));
        }
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S")
            .map(|local| Self::new(local, None))
            .map_err(|_| LocalTimeError(text.chars().take(40).collect()))
    }
}

impl Serialize for LocalTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.local_seconds(), self.offset_minutes).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for LocalTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            let (seconds, offset_minutes) = <(i64, Option<i16>)>::deserialize(deserializer)?;
            let instant = DateTime::from_timestamp(seconds, 0)
                .ok_or_else(|| D::Error::custom(format_args!("{seconds} s is outside the calendar")))?;
            Ok(Self {
                local: instant.naive_utc(),
                offset_minutes,
            })
        }
    }
}

/// A business day: the till's trading day, which a sale belongs to whatever the calendar says.
///
/// JSON: `2017-01-01`; binary: days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BusinessDay(pub NaiveDate);

impl BusinessDay {
    /// Days since 1970-01-01.
    #[must_use]
    pub fn number(self) -> i32 {
        i32::try_from(self.0.signed_duration_since(NaiveDate::default()).num_days()).unwrap_or_default()
    }

    /// From days since 1970-01-01, where the calendar has that day.
    #[must_use]
    pub fn from_number(days: i32) -> Option<Self> {
        NaiveDate::default()
            .checked_add_signed(chrono::Duration::days(days.into()))
            .map(Self)
    }
}

impl fmt::Display for BusinessDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d"))
    }
}

impl std::str::FromStr for BusinessDay {
    type Err = LocalTimeError;

    fn from_str(text: &str) -> Result<Self, LocalTimeError> {
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .map(Self)
            .map_err(|_| LocalTimeError(text.chars().take(40).collect()))
    }
}

impl Serialize for BusinessDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.number().serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for BusinessDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            let days = i32::deserialize(deserializer)?;
            Self::from_number(days).ok_or_else(|| D::Error::custom(format_args!("no day has the number {days}")))
        }
    }
}

/// A hybrid logical clock: milliseconds since 1970 in the upper 48 bits, a count in the lower 16.
///
/// Source: Kulkarni et al., "Logical Physical Clocks", OPODIS 2014. It never goes back on one node, whatever the
/// machine's clock does; it orders facts for people to read and decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Hlc(pub u64);

impl Hlc {
    /// The stamp after `self` when the machine's clock shows `now_ms` (milliseconds since 1970).
    #[must_use]
    pub fn next(self, now_ms: u64) -> Self {
        let physical = now_ms.min((1 << 48) - 1) << 16;
        Self(if physical > self.0 {
            physical
        } else {
            self.0.saturating_add(1)
        })
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn milliseconds(self) -> u64 {
        self.0 >> 16
    }

    /// How far a machine's clock that shows `now_ms` is behind this stamp, in milliseconds.
    #[must_use]
    pub const fn ahead_of(self, now_ms: u64) -> u64 {
        self.milliseconds().saturating_sub(now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_does_not_set_the_stamp_back() {
        let first = Hlc::default().next(1_000_000);
        let second = first.next(1_000);
        assert!(second > first);
        assert_eq!(second.milliseconds(), 1_000_000);
        assert_eq!(second.ahead_of(1_000), 999_000);
    }

    #[test]
    fn local_times_read_back() {
        for text in [
            "2017-01-01T12:26:30",
            "2017-01-01T12:26:30+01:00",
            "2017-01-01T12:26:30-09:30",
        ] {
            assert_eq!(text.parse::<LocalTime>().unwrap().to_string(), text);
        }
        assert!("yesterday".parse::<LocalTime>().is_err());
        let day: BusinessDay = "2017-01-01".parse().unwrap();
        assert_eq!(BusinessDay::from_number(day.number()), Some(day));
    }
}
