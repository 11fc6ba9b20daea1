//! A CSV table whose columns are found by name.

use std::io::Read;
use std::str::FromStr;

use csv::{Reader, ReaderBuilder, StringRecord};

/// Why a file is not the table that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The first line cannot be read.
    #[error("the first line cannot be read: {0}")]
    Unreadable(#[source] csv::Error),
    /// Columns that are needed are not named in the first line.
    #[error("the first line does not name {missing:?}; it names {found:?}")]
    Missing {
        /// The columns that are not there.
        missing: Vec<&'static str>,
        /// The columns that are.
        found: Vec<String>,
    },
}

/// What is wrong with one row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}: {reason}", column.as_ref().map(|(at, name)| format!(", column {at} ({name})")).unwrap_or_default())]
pub struct RowError {
    /// The line in the file, from 1.
    pub line: u64,
    /// The column's number, from 1, and its name, where one value is at fault.
    pub column: Option<(usize, String)>,
    /// What is wrong.
    pub reason: String,
}

/// A table that is being read.
pub(super) struct Table<R> {
    reader: Reader<R>,
    names: Vec<String>,
    record: StringRecord,
}

impl<R: Read> Table<R> {
    /// Reads the first line.
    pub(super) fn open(source: R, needed: &[&'static str]) -> Result<Self, HeaderError> {
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(source);
        let names: Vec<String> = reader
            .headers()
            .map_err(HeaderError::Unreadable)?
            .iter()
            // A spreadsheet may have put a byte order mark in front.
            .map(|name| name.trim_start_matches('\u{feff}').trim().to_ascii_lowercase())
            .collect();
        let missing: Vec<&'static str> = needed
            .iter()
            .copied()
            .filter(|name| !names.iter().any(|found| found == name))
            .collect();
        if missing.is_empty() {
            Ok(Self {
                reader,
                names,
                record: StringRecord::new(),
            })
        } else {
            Err(HeaderError::Missing { missing, found: names })
        }
    }

    /// The next row; nothing at the end of the file.
    pub(super) fn next_row(&mut self) -> Option<Result<Row<'_>, RowError>> {
        let whole = |line, reason| {
            Err(RowError {
                line,
                column: None,
                reason,
            })
        };
        match self.reader.read_record(&mut self.record) {
            Ok(false) => None,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                // After text that is not UTF-8 the reader goes on; after a failed read it ends by itself.
                Some(whole(line, format!("the row cannot be read: {error}")))
            }
            Ok(true) => {
                let line = self.record.position().map_or(0, csv::Position::line);
                if self.record.len() == self.names.len() {
                    Some(Ok(Row {
                        line,
                        names: &self.names,
                        record: &self.record,
                    }))
                } else {
                    let (found, needed) = (self.record.len(), self.names.len());
                    Some(whole(
                        line,
                        format!("the row has {found} values and the first line {needed}"),
                    ))
                }
            }
        }
    }
}

/// One row of a table.
pub(super) struct Row<'a> {
    line: u64,
    names: &'a [String],
    record: &'a StringRecord,
}

impl Row<'_> {
    /// The line in the file, from 1.
    pub(super) const fn line(&self) -> u64 {
        self.line
    }

    /// The value of a column; empty where the table has no such column.
    pub(super) fn text(&self, name: &str) -> &str {
        self.position(name)
            .and_then(|at| self.record.get(at))
            .unwrap_or_default()
            .trim()
    }

    /// The value of a column, parsed.
    pub(super) fn parse<T: FromStr>(&self, name: &str) -> Result<T, RowError>
    where
        T::Err: std::fmt::Display,
    {
        self.text(name)
            .parse()
            .map_err(|error: T::Err| self.error(name, error.to_string()))
    }

    /// The value of a column, parsed; nothing where it is empty.
    pub(super) fn parse_if_any<T: FromStr>(&self, name: &str) -> Result<Option<T>, RowError>
    where
        T::Err: std::fmt::Display,
    {
        if self.text(name).is_empty() {
            Ok(None)
        } else {
            self.parse(name).map(Some)
        }
    }

    /// Says what is wrong with a value.
    pub(super) fn error(&self, name: &str, reason: String) -> RowError {
        let column = self.position(name).map(|at| (at + 1, name.to_owned()));
        RowError {
            line: self.line,
            column,
            reason,
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|found| found == name)
    }
}
