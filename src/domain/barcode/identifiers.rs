//! The application identifiers (AIs) of GS1 and how long their data is (GS1 General Specifications, section 3.2 and figure
//! 7.8.5-2 "Element strings with predefined length").

/// How many digits the identifier has that begins with these two; none where GS1 has assigned none.
pub const fn digits_of_identifier(first_two: u8) -> Option<usize> {
    match first_two {
        0..=4 | 10..=13 | 15..=17 | 20..=22 | 30 | 37 | 90..=99 => Some(2),
        23..=25 | 40..=42 | 71 => Some(3),
        31..=36 | 39 | 43 | 70 | 72 | 80..=82 => Some(4),
        _ => None,
    }
}

/// How many characters an element has in all, identifier and data, where its length is fixed by its first two digits: then
/// no separator need follow.
pub const fn predefined_length(first_two: u8) -> Option<usize> {
    match first_two {
        0 => Some(20),
        1..=3 => Some(16),
        4 => Some(18),
        11..=19 => Some(8),
        20 => Some(4),
        31..=36 => Some(10),
        41 => Some(16),
        _ => None,
    }
}

/// The most characters of data where the length is not fixed.
pub const fn data_max(identifier: &str) -> usize {
    match identifier.as_bytes() {
        b"30" | b"37" => 8,
        b"10" | b"21" | b"22" => 20,
        [b'3', b'9', b'2', _] => 15,
        [b'3', b'9', b'3', _] => 18,
        _ => 90,
    }
}
