//! Tokens for headquarters' API. The token itself is shown once, when it is issued, and kept nowhere.

use sha2::{Digest as _, Sha256};

use super::headquarters::Headquarters;
use super::once::Keyed;
use super::storage::{StorageError, Token, TokenRole, Writing};
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
        let secret = self.new_token(None)?;
        let (name, issued) = (name.to_owned(), secret.clone());
        self.database
            .write(move |writing| issue(writing, &name, role, &issued, now_ms))?;
        Ok(secret)
    }

    /// A token that nobody has. Under the same key it is the same one again, so that a client that missed the answer gets
    /// it by asking again, and it is kept nowhere: it follows from the key and from what only headquarters knows.
    pub(super) fn new_token(&self, keyed: Option<&Keyed>) -> Result<String, StorageError> {
        let secret = match (keyed, self.database.read(|reading| reading.identity())?) {
            (
                Some(Keyed {
                    caller,
                    key,
                    fingerprint,
                }),
                Some(identity),
            ) => {
                let mut hasher = Sha256::new();
                hasher.update(b"finalmarket token 1\0");
                hasher.update(identity.secret_key);
                // Neither holds a zero byte, so no two requests are written alike.
                for part in [caller.as_bytes(), key.as_bytes()] {
                    hasher.update(part);
                    hasher.update(b"\0");
                }
                hasher.update(fingerprint.0);
                hasher.finalize().into()
            }
            _ => {
                let mut random = [0; 32];
                getrandom::fill(&mut random).map_err(|error| StorageError::Failed(error.to_string()))?;
                random
            }
        };
        Ok(format!("{PREFIX}{}", Hash(secret)))
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

/// Takes a token into the list of those that are let in.
pub(super) fn issue(
    writing: &Writing<'_>,
    name: &str,
    role: TokenRole,
    secret: &str,
    now_ms: u64,
) -> Result<(), TokenError> {
    let length = name.chars().count();
    if length == 0 || length > NAME_CHARACTERS_MAX || name.chars().any(char::is_control) {
        return Err(TokenError::Name(name.chars().take(NAME_CHARACTERS_MAX).collect()));
    }
    let token = Token {
        name: name.into(),
        role,
        issued_ms: now_ms,
        revoked_ms: 0,
    };
    if writing.add_token(hash(secret), &token)? {
        Ok(())
    } else {
        Err(TokenError::NameTaken(token.name))
    }
}

fn hash(secret: &str) -> Hash {
    Hash(Sha256::digest(secret.as_bytes()).into())
}
