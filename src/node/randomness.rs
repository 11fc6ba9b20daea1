//! Randomness from the operating system.

use crate::store::IncarnationSeed;

/// Any number. Where the system has no randomness to give, the process must not go on: keys would be guessable.
#[must_use]
pub fn number() -> u64 {
    getrandom::u64().unwrap_or_else(|error| no_randomness(&error))
}

/// What makes an incarnation unique and unforgeable.
#[must_use]
pub fn incarnation_seed() -> IncarnationSeed {
    let mut secret_key = [0; 32];
    getrandom::fill(&mut secret_key).unwrap_or_else(|error| no_randomness(&error));
    IncarnationSeed {
        random: number(),
        secret_key,
    }
}

/// Sixteen random bytes.
#[must_use]
pub fn salt() -> [u8; 16] {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).unwrap_or_else(|error| no_randomness(&error));
    salt
}

/// A token that nobody guesses: 32 bytes as hexadecimal digits.
#[must_use]
pub fn token() -> String {
    (0..4).map(|_| format!("{:016x}", number())).collect()
}

fn no_randomness(error: &getrandom::Error) -> ! {
    tracing::error!(%error, "the system gives no randomness");
    std::process::abort()
}
