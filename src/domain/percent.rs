//! Numbers in per cent with at most four decimal places: tax rates, parts of a price.
//!
//! Each is a type of its own with a greatest value of its own, so that a rate is never taken for a part.

use rust_decimal::Decimal;

/// Ten-thousandths of a per cent in one per cent.
pub(super) const SCALE: u32 = 10_000;

/// The decimal number in ten-thousandths of a per cent, where it is from 0 to `max` of them and no finer.
pub(super) fn ten_thousandths(percent: Decimal, max: u32) -> Option<u32> {
    let scaled = percent.checked_mul(Decimal::from(SCALE))?.normalize();
    let whole = (scaled.scale() == 0).then(|| u32::try_from(scaled.mantissa()).ok())??;
    (whole <= max).then_some(whole)
}

/// Makes a type of numbers in per cent, and its error. `max` is in ten-thousandths of a per cent.
macro_rules! percent {
    ($(#[$doc:meta])* $name:ident, $error:ident, $what:literal, max = $max:expr) => {
        $(#[$doc])*
        ///
        /// Text and JSON write it as a decimal string (`"7.7"`), binary formats in ten-thousandths of a per cent.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(u32);

        #[doc = concat!("Why a number is not a ", $what, ".")]
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[error("{0:?} is not a {what}: per cent from 0 to {max} with at most four decimal places",
            what = $what, max = $max / $crate::domain::percent::SCALE)]
        pub struct $error(pub String);

        impl $name {
            /// In ten-thousandths of a per cent: 77000 for 7.7 %.
            #[must_use]
            pub const fn ten_thousandths(self) -> u32 {
                self.0
            }

            /// In per cent.
            #[must_use]
            pub fn to_decimal(self) -> rust_decimal::Decimal {
                rust_decimal::Decimal::new(self.0.into(), 4).normalize()
            }
        }

        impl TryFrom<rust_decimal::Decimal> for $name {
            type Error = $error;

            fn try_from(percent: rust_decimal::Decimal) -> Result<Self, $error> {
                $crate::domain::percent::ten_thousandths(percent, $max)
                    .map(Self)
                    .ok_or_else(|| $error(percent.to_string()))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                let percent: rust_decimal::Decimal =
                    text.parse().map_err(|_| $error(text.chars().take(40).collect()))?;
                percent.try_into()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.to_decimal().fmt(f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_u32(self.0)
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error as _;
                if deserializer.is_human_readable() {
                    let percent = $crate::domain::money::decimal_text(deserializer)?;
                    return percent.try_into().map_err(D::Error::custom);
                }
                match u32::deserialize(deserializer)? {
                    whole if whole <= $max => Ok(Self(whole)),
                    whole => Err(D::Error::custom($error(whole.to_string()))),
                }
            }
        }
    };
}

pub(super) use percent;
