//! How the domain's values stand in columns, both ways.

use std::fmt::Display;
use std::str::FromStr;

use rusqlite::Row;
use rusqlite::types::Type;

use super::StorageError;
use crate::domain::ids::Incarnation;
use crate::domain::journal::Hash;
use crate::domain::time::BusinessDay;

/// A count, a number or a time, which must keep its order.
pub(super) fn number(value: u64) -> Result<i64, StorageError> {
    i64::try_from(value).map_err(|_| StorageError::TooLarge(value))
}

/// A text that one of the domain's types reads.
pub(super) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: Display>,
{
    let text = row.get_ref(column)?.as_str()?;
    text.parse()
        .map_err(|error: T::Err| damaged(column, Type::Text, &error))
}

/// A text that may be missing.
pub(super) fn parsed_if_any<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>>
where
    T: FromStr<Err: Display>,
{
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => parsed(row, column).map(Some),
    }
}

/// What [`number`] wrote.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|error| damaged(column, Type::Integer, &error))
}

/// A hash's or a key's 32 bytes.
pub(super) fn bytes_32(row: &Row<'_>, column: usize) -> rusqlite::Result<[u8; 32]> {
    let bytes = row.get_ref(column)?.as_blob()?;
    bytes
        .try_into()
        .map_err(|_| damaged(column, Type::Blob, &"not 32 bytes"))
}

/// A hash.
pub(super) fn hash(row: &Row<'_>, column: usize) -> rusqlite::Result<Hash> {
    bytes_32(row, column).map(Hash)
}

/// An incarnation, from its count in `column` and its random bits in the next.
pub(super) fn incarnation(row: &Row<'_>, column: usize) -> rusqlite::Result<Incarnation> {
    let counter: i64 = row.get(column)?;
    let random: i64 = row.get(column + 1)?;
    Ok(Incarnation {
        counter: u32::try_from(counter).map_err(|error| damaged(column, Type::Integer, &error))?,
        random: random.cast_unsigned(),
    })
}

/// A business day by its number.
pub(super) fn business_day(row: &Row<'_>, column: usize) -> rusqlite::Result<BusinessDay> {
    let days: i32 = row.get(column)?;
    BusinessDay::from_number(days)
        .ok_or_else(|| damaged(column, Type::Integer, &format!("no day has the number {days}")))
}

/// JSON in a text column.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| damaged(column, Type::Text, &error))
}

/// A damaged column's error.
pub(super) fn damaged(column: usize, found: Type, reason: &dyn Display) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, found, reason.to_string().into())
}
