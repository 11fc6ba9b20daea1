//! What people or other systems write on a document: short texts that can be shown.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::ids::{IdError, check, text_id};

const SHOWN: &str = "characters that can be shown";

fn is_shown(c: char) -> bool {
    !c.is_control()
}

text_id!(
    /// A payment's own reference, such as an authorisation or the end of a card's number: 1 to 100 characters.
    TenderReference, "reference", 100, SHOWN, is_shown
);
text_id!(
    /// Why goods came back, in words: 1 to 200 characters.
    RefundReason, "reason", 200, SHOWN, is_shown
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_short_and_can_be_shown() {
        assert_eq!("**** 1234".parse::<TenderReference>().unwrap().to_string(), "**** 1234");
        assert!("ü".repeat(100).parse::<TenderReference>().is_ok());
        for wrong in ["", "a\nb", "\u{1b}p", &"x".repeat(101)] {
            assert!(wrong.parse::<TenderReference>().is_err(), "{wrong:?}");
        }
        let error = "too\tsmall".parse::<RefundReason>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "reason has the character '\\t' at position 4; allowed are characters that can be shown"
        );
    }

    #[test]
    fn a_record_with_another_text_is_not_read() {
        let bytes = postcard::to_allocvec("a\nb").unwrap();
        assert!(postcard::from_bytes::<TenderReference>(&bytes).is_err());
    }
}
