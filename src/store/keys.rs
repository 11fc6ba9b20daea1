//! The short numbers by which rows name each other. They mean something within one database only.

macro_rules! row_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(super) i64);

        impl $name {
            /// The number, for logs and event ids.
            #[must_use]
            pub const fn get(self) -> i64 {
                self.0
            }
        }
    };
}

row_key!(
    /// A record's place in this database's journal, over all incarnations.
    Position
);
row_key!(
    /// A paired device.
    DeviceIx
);
row_key!(
    /// A till series.
    SeriesIx
);
row_key!(
    /// A receipt series.
    ReceiptSeriesIx
);
row_key!(
    /// An incarnation of this disk.
    IncarnationIx
);

row_key!(
    /// One life of a kiosk's journal that this node passes on.
    RelayOriginIx
);

impl Position {
    /// Before the first record.
    pub(crate) const NONE: Self = Self(0);

    /// A position from a number that [`get`](Self::get) gave, as in a page token.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }
}

/// SQLite's integers are signed; 64 random bits are stored with the same bits.
pub(super) const fn signed(bits: u64) -> i64 {
    bits.cast_signed()
}

/// The reverse of [`signed`].
pub(super) const fn unsigned(bits: i64) -> u64 {
    bits.cast_unsigned()
}

/// A count that came from a row. Negative ones were written by nobody; they read as 0.
pub(super) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// A count for a row. Beyond SQLite's integers it is cut to the largest, which nothing reaches by counting.
pub(super) fn row_count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
