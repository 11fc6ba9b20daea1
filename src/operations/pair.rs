//! Pair: the node shows a code, a device brings it within minutes and gets a token. The node keeps neither.
//!
//! A token follows from the code, a random salt and the key of the request, so that a device that did not hear the
//! answer asks again with the same key and gets the same token. The salt goes with the code when its time is over.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::domain::ids::NodeId;
use crate::store::{Device, Failure, IdempotencyKey, NewDevice, Now, Role, TokenHash, WriteTransaction};

/// How long a code is good, in milliseconds: ten minutes.
pub const CODE_LIFETIME_MS: u64 = 10 * 60 * 1000;
/// The longest name of a device, in characters.
const NAME_MAX: usize = 60;
/// Crockford's base 32: no I, L, O or U, which people misread.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Eight characters that people read from one screen and type into another: `7KQ2-M0XA`.
#[derive(Clone, PartialEq, Eq)]
pub struct PairingCode([u8; 8]);

/// Randomness for a code. Used once.
#[derive(Clone, Copy)]
pub struct PairingSeed {
    /// Gives the code.
    pub code: u64,
    /// Gives the token.
    pub salt: [u8; 16],
}

/// Why a text is not a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pairing code has eight letters and digits, such as 7KQ2-M0XA")]
pub struct PairingCodeError;

/// A code as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCode {
    /// The code.
    pub code: PairingCode,
    /// Until when it is good, milliseconds since 1970.
    pub expires_ms: u64,
}

/// A paired device with its token, which is told this once.
#[derive(Debug, Clone)]
pub struct Paired {
    /// The device.
    pub device: Device,
    /// Its token.
    pub token: String,
    /// Whether it was paired before this request.
    pub repeated: bool,
}

/// Why a code is not given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PairRefusal {
    /// The name is empty, too long or has control characters.
    #[error("a device's name has 1 to {NAME_MAX} characters, none of them control characters")]
    Name,
    /// A node's device is called what the node is called.
    #[error("a kiosk's node is paired under the node's own name: letters a to z, digits and '-'")]
    NodeName,
}

/// Why a device is not paired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedeemRefusal {
    /// No such code was given out, or its time has been over for long.
    #[error("no such pairing code; ask for a new one at the node")]
    Unknown,
    /// Its time is over.
    #[error("the pairing code's time is over; ask for a new one at the node")]
    Expired,
    /// Another request was paired with it.
    #[error("the pairing code was used already; ask for a new one at the node")]
    Used,
    /// The name is empty, too long or has control characters.
    #[error("a device's name has 1 to {NAME_MAX} characters, none of them control characters")]
    Name,
}

impl PairRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Name | Self::NodeName => "device-name",
        }
    }
}

impl RedeemRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "pairing-code-unknown",
            Self::Expired => "pairing-code-expired",
            Self::Used => "pairing-code-used",
            Self::Name => "device-name",
        }
    }
}

/// Gives out a code for a device to come.
///
/// # Errors
/// A [`PairRefusal`], or why the store could not keep it.
pub fn pair(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    device: &NewDevice,
    seed: &PairingSeed,
) -> Result<ShownCode, Failure<PairRefusal>> {
    if !is_name(&device.name) {
        return Err(Failure::Refused(PairRefusal::Name));
    }
    if device.role == Role::Node && device.name.parse::<NodeId>().is_err() {
        return Err(Failure::Refused(PairRefusal::NodeName));
    }
    let code = PairingCode::from_random(seed.code);
    let expires_ms = now.unix_ms.saturating_add(CODE_LIFETIME_MS);
    tx.insert_pairing_code(code.hash(), seed.salt, device, expires_ms, now)?;
    Ok(ShownCode { code, expires_ms })
}

/// Pairs a device with a code; a device that is to sell gets its series. `name` is what it calls itself, if it does.
///
/// # Errors
/// A [`RedeemRefusal`], or why the store could not keep it.
pub fn redeem(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    code: &PairingCode,
    name: Option<&str>,
    key: Option<&IdempotencyKey>,
) -> Result<Paired, Failure<RedeemRefusal>> {
    let refused = |refusal| Err(Failure::Refused(refusal));
    let Some(row) = tx.pairing_code(code.hash())? else {
        return refused(RedeemRefusal::Unknown);
    };
    if now.unix_ms > row.expires_ms {
        return refused(RedeemRefusal::Expired);
    }
    let key = key.map(IdempotencyKey::as_str);
    let token = token(&row.salt, code, key);
    if let Some((device, redeemed_by)) = &row.redeemed {
        // Without a key nobody can tell a repeat from a stranger who read the code too.
        return match tx.device(*device)? {
            Some(device) if key.is_some() && redeemed_by.as_deref() == key => Ok(Paired {
                device,
                token,
                repeated: true,
            }),
            _ => refused(RedeemRefusal::Used),
        };
    }
    let mut new = row.device.clone();
    // A node's token is good for the node that the manager named and no other.
    if let (Some(name), false) = (name, new.role == Role::Node) {
        new.name = name.to_owned();
    }
    if !is_name(&new.name) {
        return refused(RedeemRefusal::Name);
    }
    let device = tx.insert_device(&new, TokenHash::of(&token), now)?;
    tx.redeem_pairing_code(&row, device.ix, key)?;
    Ok(Paired {
        device,
        token,
        repeated: false,
    })
}

impl PairingCode {
    fn from_random(random: u64) -> Self {
        let character = |place: usize| ALPHABET[(random >> (5 * place) & 31) as usize];
        Self(std::array::from_fn(character))
    }

    /// The code's 40 bits are only guessed online, where guesses are few: a plain hash is enough.
    fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

fn token(salt: &[u8; 16], code: &PairingCode, key: Option<&str>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"finalmarket token\0");
    hasher.update(salt);
    hasher.update(code.0);
    hasher.update(key.unwrap_or_default());
    let hash: [u8; 32] = hasher.finalize().into();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_name(name: &str) -> bool {
    let characters = name.chars().count();
    (1..=NAME_MAX).contains(&characters) && !name.chars().any(char::is_control) && !name.trim().is_empty()
}

impl FromStr for PairingCode {
    type Err = PairingCodeError;

    fn from_str(text: &str) -> Result<Self, PairingCodeError> {
        let characters: Option<Vec<u8>> = text
            .bytes()
            .filter(|byte| !matches!(byte, b'-' | b' '))
            .map(|byte| match byte.to_ascii_uppercase() {
                // As people read them.
                b'O' => Some(b'0'),
                b'I' | b'L' => Some(b'1'),
                byte => ALPHABET.contains(&byte).then_some(byte),
            })
            .collect();
        characters
            .and_then(|characters| characters.try_into().ok())
            .map(Self)
            .ok_or(PairingCodeError)
    }
}

impl fmt::Display for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.0.iter().copied().map(char::from).collect();
        let (left, right) = text.split_at(4);
        write!(f, "{left}-{right}")
    }
}

impl fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever reads a log must not pair a device.
        f.write_str("PairingCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = PairingCode::from_random(0x12_3456_789a);
        let shown = code.to_string();
        assert_eq!(shown.len(), 9);
        assert_eq!(shown.parse(), Ok(code.clone()));
        assert_eq!(shown.to_lowercase().replace('-', " ").parse(), Ok(code));
        assert_eq!("O0I1-L1AB".parse::<PairingCode>().unwrap().to_string(), "0011-11AB");
        for wrong in ["", "7KQ2-M0X", "7KQ2-M0XAA", "7KQ2-M0X!"] {
            assert_eq!(wrong.parse::<PairingCode>(), Err(PairingCodeError));
        }
    }
}
