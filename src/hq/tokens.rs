//! Tokens for headquarters' API. The token itself is shown once, when it is issued, and kept nowhere.

use sha2::{Digest as _, Sha256};

use super::headquarters::Headquarters;
use super::storage::{StorageError, Token, TokenRole};
use crate::domain::journal::Hash;

/// How every token starts, so that one that was pasted somewhere by mistake is recognised.
const PREFIX: &str = "fmhq_";
const NAME_CHARACTERS_MAX: usize = 60;

/// Why a token is not issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The name is empty, too long or has control characters.
    #[error("a token's name has 1 to {NAME_CHARACTERS_MAX} printable characters; this is {0:?}")]
    Name(String),
    /// A token of that name was issued before.
    #[error("a token named {0:?} was issued before; names are not used again")]
    NameTaken(String),
    /// Storage, or the system's source of random numbers, failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Headquarters {
    /// Issues a token and gives it, this once.
    ///
    /// # Errors
    /// Where the name is no name or is taken.
    pub fn issue_token(&self, name: &str, role: TokenRole, now_ms: u64) -> Result<String, TokenError> {
        let length = name.chars().count();
        if length == 0 || length > NAME_CHARACTERS_MAX || name.chars().any(char::is_control) {
            return Err(TokenError::Name(name.chars().take(NAME_CHARACTERS_MAX).collect()));
        }
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| StorageError::Failed(error.to_string()))?;
        let secret = format!("{PREFIX}{}", Hash(random));
        let token = Token {
            name: name.into(),
            role,
            issued_ms: now_ms,
            revoked_ms: 0,
        };
        let hash = hash(&secret);
        self.database.write(move |writing| {
            if writing.add_token(hash, &token)? {
                Ok(())
            } else {
                Err(TokenError::NameTaken(token.name))
            }
        })?;
        Ok(secret)
    }

    /// Ends a token. False where there is no good one of that name.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn revoke_token(&self, name: &str, now_ms: u64) -> Result<bool, StorageError> {
        let name = name.to_owned();
        self.database.write(move |writing| writing.revoke_token(&name, now_ms))
    }

    /// All tokens, without their secrets.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn tokens(&self) -> Result<Vec<Token>, StorageError> {
        self.database.read(|reading| reading.tokens())
    }

    /// The good token that a caller shows, if it is one.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn authenticate(&self, secret: &str) -> Result<Option<Token>, StorageError> {
        if !secret.starts_with(PREFIX) {
            return Ok(None);
        }
        let token = self.database.read(|reading| reading.token(hash(secret)))?;
        Ok(token.filter(|token| token.revoked_ms == 0))
    }
}

fn hash(secret: &str) -> Hash {
    Hash(Sha256::digest(secret.as_bytes()).into())
}
