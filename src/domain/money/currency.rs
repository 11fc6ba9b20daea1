//! Currencies of ISO 4217 with the number of digits of their minor unit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A currency by its three-letter code (ISO 4217).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// Why a text is not a currency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a currency code of ISO 4217, such as USD")]
pub struct CurrencyError(pub String);

/// Active codes whose minor unit has two digits (ISO 4217:2015 with amendments to 2025, list one).
const TWO_DIGITS: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD \
    CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG \
    HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK \
    MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS \
    SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG";
const NO_DIGITS: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
const THREE_DIGITS: &str = "BHD IQD JOD KWD LYD OMR TND";

impl Currency {
    /// United States dollar.
    pub const USD: Self = Self(*b"USD");
    /// Euro.
    pub const EUR: Self = Self(*b"EUR");
    /// Swiss franc.
    pub const CHF: Self = Self(*b"CHF");
    /// Swedish krona.
    pub const SEK: Self = Self(*b"SEK");
    /// Yen.
    pub const JPY: Self = Self(*b"JPY");
    /// Kuwaiti dinar.
    pub const KWD: Self = Self(*b"KWD");

    /// The three letters.
    #[must_use]
    pub fn code(&self) -> &str {
        // The constructor lets only ASCII letters in.
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// How many decimal digits the minor unit has: 2 for USD, 0 for JPY, 3 for KWD.
    #[must_use]
    pub fn minor_digits(self) -> u32 {
        digits(self.code()).unwrap_or(2)
    }
}

fn digits(code: &str) -> Option<u32> {
    let listed = |list: &str| list.split_ascii_whitespace().any(|listed| listed == code);
    // The two-digit list is the longest and the commonest: asked first for USD and EUR.
    match code {
        "USD" | "EUR" | "GBP" => Some(2),
        _ if listed(NO_DIGITS) => Some(0),
        _ if listed(THREE_DIGITS) => Some(3),
        _ if listed(TWO_DIGITS) => Some(2),
        _ => None,
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        let wrong = || CurrencyError(text.chars().take(10).collect());
        let code = <[u8; 3]>::try_from(text.as_bytes()).map_err(|_| wrong())?;
        digits(text).map(|_| Self(code)).ok_or_else(wrong)
    }
}

impl TryFrom<String> for Currency {
    type Error = CurrencyError;

    fn try_from(text: String) -> Result<Self, CurrencyError> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().into()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_follow_the_standard() {
        for (code, digits) in [("USD", 2), ("JPY", 0), ("KWD", 3), ("CHF", 2)] {
            assert_eq!(code.parse::<Currency>().unwrap().minor_digits(), digits);
        }
        for wrong in ["usd", "XXX", "US", "USDT", ""] {
            assert!(wrong.parse::<Currency>().is_err(), "{wrong}");
        }
    }
}
