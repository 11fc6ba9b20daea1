//! Identities of what a client asked for, made of the client and of what it calls its request: repeated, also to a node
//! that has forgotten it, the same is known again.

use sha2::{Digest as _, Sha256};

/// Text that is not such an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is sixteen hexadecimal digits")]
pub struct RequestIdError(pub &'static str);

/// The identity of what a client, in words that no other has, asked for under a key. `kind` tells kinds of requests apart.
pub(in crate::domain) fn of_request(kind: &[u8], client: &[u8], key: &str) -> [u8; 8] {
    let mut hasher = Sha256::new();
    hasher.update(kind);
    hasher.update((client.len() as u64).to_le_bytes());
    hasher.update(client);
    hasher.update(key);
    first_bytes(hasher)
}

/// The first eight bytes of a hash.
pub(in crate::domain) fn first_bytes(hasher: Sha256) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hasher.finalize());
    [a, b, c, d, e, f, g, h]
}

/// The eight bytes that a text of sixteen hexadecimal digits says.
pub(in crate::domain) fn parse(text: &str, what: &'static str) -> Result<[u8; 8], RequestIdError> {
    let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match u64::from_str_radix(text, 16) {
        Ok(number) if digits => Ok(number.to_be_bytes()),
        _ => Err(RequestIdError(what)),
    }
}

/// Makes a type of such an identity. Text and JSON write it as sixteen hexadecimal digits, binary formats as its eight
/// bytes.
macro_rules! request_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 8]);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::ids::RequestIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::domain::ids::request::parse(text, $what).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; 8] as serde::Deserialize>::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

pub(in crate::domain) use request_id;

#[cfg(test)]
mod tests {
    use super::*;

    request_id!(
        /// Of a test.
        TestId,
        "a test's identity"
    );

    #[test]
    fn it_is_written_as_sixteen_digits_and_packed_as_eight_bytes() {
        let id = TestId(of_request(b"test\0", b"till 1", "a"));
        assert_ne!(id, TestId(of_request(b"test\0", b"till 1a", "")));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(postcard::to_allocvec(&id).unwrap(), id.0);
        assert_eq!(postcard::from_bytes::<TestId>(&id.0), Ok(id));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<TestId>(&json).unwrap(), id);
        for wrong in ["", "12", "00000000000000g0", "+000000000000012", "00000000000000121"] {
            assert_eq!(wrong.parse::<TestId>(), Err(RequestIdError("a test's identity")));
        }
    }
}
