//! Tokens for the API, by their hashes.

use rusqlite::{OptionalExtension as _, Row};

use super::value::{damaged, number, unsigned};
use super::{Reading, StorageError, Writing};
use crate::domain::journal::Hash;

/// What the holder of a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenRole {
    /// Look at everything.
    Read,
    /// Also decide: settle, repair, publish.
    Operate,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Token {
    /// What people call it; unique, also among those that were revoked.
    pub name: String,
    /// What its holder may do.
    pub role: TokenRole,
    /// When it was issued, in milliseconds since 1970.
    pub issued_ms: u64,
    /// When it was revoked, in milliseconds since 1970; 0 while it is good.
    pub revoked_ms: u64,
}

const COLUMNS: &str = "name, role, issued_ms, revoked_ms";

impl Reading<'_> {
    /// The token with a hash, good or revoked.
    pub(in crate::hq) fn token(&self, hash: Hash) -> Result<Option<Token>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM api_token WHERE hash = ?1"))?;
        Ok(statement.query_row([hash.0], read).optional()?)
    }

    /// All tokens, by name.
    pub(in crate::hq) fn tokens(&self) -> Result<Vec<Token>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM api_token ORDER BY name"))?;
        let tokens = statement.query_map([], read)?;
        Ok(tokens.collect::<Result<_, _>>()?)
    }
}

impl Writing<'_> {
    /// Adds a token; false where its name is taken.
    pub(in crate::hq) fn add_token(&self, hash: Hash, token: &Token) -> Result<bool, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO api_token (hash, name, role, issued_ms, revoked_ms) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (name) DO NOTHING",
        )?;
        let added = statement.execute((
            hash.0,
            &token.name,
            token.role.text(),
            number(token.issued_ms)?,
            number(token.revoked_ms)?,
        ))?;
        Ok(added == 1)
    }

    /// Ends a token; false where there is no good one of that name.
    pub(in crate::hq) fn revoke_token(&self, name: &str, now_ms: u64) -> Result<bool, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("UPDATE api_token SET revoked_ms = ?2 WHERE name = ?1 AND revoked_ms = 0")?;
        Ok(statement.execute((name, number(now_ms)?))? == 1)
    }
}

impl TokenRole {
    const fn text(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
        }
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Token> {
    let role = match row.get_ref(1)?.as_str()? {
        "read" => TokenRole::Read,
        "operate" => TokenRole::Operate,
        other => return Err(damaged(1, rusqlite::types::Type::Text, &format!("role {other:?}"))),
    };
    Ok(Token {
        name: row.get(0)?,
        role,
        issued_ms: unsigned(row, 2)?,
        revoked_ms: unsigned(row, 3)?,
    })
}
