//! Where the broker is and how to be let in, as an operator writes it.
//!
//! A value that cannot work is refused where it is read, so that the file's reader can tell its line. The password is
//! in no message, no log line and no `Debug` output.

use std::fmt;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::domain::ids::{NodeId, OrgId};

/// The table `[broker]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct BrokerConfig {
    /// Its name or address.
    pub host: Host,
    /// Its port; 8883 with TLS and 1883 without, where none is given.
    pub port: u16,
    /// The user name and password, where the broker asks for them.
    pub login: Option<Login>,
    /// TLS; without it everybody on the way reads along.
    pub tls: Option<TlsConfig>,
    /// How often the broker hears from an idle link.
    pub keep_alive: KeepAlive,
}

/// A link: the broker and who connects to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkConfig {
    /// The broker.
    pub broker: BrokerConfig,
    /// The organisation.
    pub org: OrgId,
    /// Which side this is.
    pub role: Role,
}

/// A side of the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// A node.
    Node(NodeId),
    /// Headquarters.
    Hub,
}

impl Role {
    /// What the client's id begins with.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Node(node) => node.as_str(),
            Self::Hub => "hq",
        }
    }
}

/// A host by name or address.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Host(String);

impl Host {
    /// The host as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Host {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let colons = text.matches(':').count();
        if text.is_empty() {
            return Err("the broker's host is empty".into());
        }
        if text.contains("//") || colons == 1 || text.chars().any(|c| c.is_whitespace() || c == '/' || c == '[') {
            return Err(format!(
                "{text:?} is not a host: write its name or address only, and the port as `port`"
            ));
        }
        Ok(Self(text))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A user name and its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text that is never to be shown.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the broker only.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // serde's own message shows the value that it found.
        String::deserialize(from)
            .map(Self)
            .map_err(|_| D::Error::custom("a password is a text in quotes"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// The table `[broker.tls]`. The files are read at each connection, so that a renewed certificate needs no restart.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenTls")]
pub struct TlsConfig {
    /// The certificates (PEM) of those who may vouch for the broker.
    pub ca_file: PathBuf,
    /// This client's own certificate and key, where the broker asks for them.
    pub client: Option<ClientCertificate>,
}

/// A client's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate chain (PEM), the client's own first.
    pub cert_file: PathBuf,
    /// Its private key (PEM).
    pub key_file: PathBuf,
}

/// How often the broker hears from an idle link: 5 to 60 seconds. A broker that is silent for twice as long is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub struct KeepAlive(u8);

impl KeepAlive {
    /// The interval.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self(15)
    }
}

impl TryFrom<u64> for KeepAlive {
    type Error = String;

    fn try_from(seconds: u64) -> Result<Self, String> {
        match u8::try_from(seconds) {
            Ok(seconds @ 5..=60) => Ok(Self(seconds)),
            _ => Err(format!("keep_alive_s is 5 to 60 seconds, not {seconds}")),
        }
    }
}

/// `[broker]` as it is written, before it is known whether it makes sense as a whole.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    host: Host,
    port: Option<NonZeroU16>,
    username: Option<String>,
    password: Option<Secret>,
    tls: Option<TlsConfig>,
    #[serde(default)]
    keep_alive_s: KeepAlive,
}

impl TryFrom<Written> for BrokerConfig {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let login = match (written.username, written.password) {
            (None, None) => None,
            (Some(username), Some(password)) => Some(Login { username, password }),
            (Some(_), None) => return Err("the broker's `username` has no `password`"),
            (None, Some(_)) => return Err("the broker's `password` has no `username`"),
        };
        if written.tls.is_some() && written.host.as_str().contains(':') {
            return Err("with TLS the broker is known by a name or an IPv4 address, not by an IPv6 address");
        }
        let port = match (written.port, &written.tls) {
            (Some(port), _) => port.get(),
            (None, Some(_)) => 8883,
            (None, None) => 1883,
        };
        Ok(Self {
            host: written.host,
            port,
            login,
            tls: written.tls,
            keep_alive: written.keep_alive_s,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTls {
    ca_file: PathBuf,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
}

impl TryFrom<WrittenTls> for TlsConfig {
    type Error = &'static str;

    fn try_from(written: WrittenTls) -> Result<Self, Self::Error> {
        let client = match (written.cert_file, written.key_file) {
            (None, None) => None,
            (Some(cert_file), Some(key_file)) => Some(ClientCertificate { cert_file, key_file }),
            (Some(_), None) => return Err("`cert_file` has no `key_file`"),
            (None, Some(_)) => return Err("`key_file` has no `cert_file`"),
        };
        Ok(Self {
            ca_file: written.ca_file,
            client,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BrokerConfig, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn what_is_not_written_has_a_default() {
        let plain = read("host = 'broker.example'").unwrap();
        assert_eq!((plain.port, plain.keep_alive.interval().as_secs()), (1883, 15));
        assert_eq!(plain.login, None);
        let tls = read("host = '10.0.0.1'\ntls = { ca_file = 'ca.crt' }").unwrap();
        assert_eq!(tls.port, 8883);
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        let wrong = [
            ("port = 1883", "missing field `host`", 1),
            ("host = ''", "the broker's host is empty", 1),
            ("host = 'mqtt://b'", "write its name or address only", 1),
            ("host = 'b:1883'", "write its name or address only", 1),
            ("host = 'b'\nport = 0", "nonzero", 2),
            ("host = 'b'\nport = 70000", "70000", 2),
            ("host = 'b'\n\nkeep_alive_s = 4", "5 to 60 seconds, not 4", 3),
            ("host = 'b'\ncolour = 1", "unknown field `colour`", 2),
            ("host = 'b'\nusername = 'u'", "has no `password`", 1),
            ("host = 'b'\npassword = 'p'", "has no `username`", 1),
            (
                "host = 'b'\n[tls]\nca_file = 'a'\ncert_file = 'c'",
                "has no `key_file`",
                2,
            ),
            ("host = '::1'\n[tls]\nca_file = 'a'", "not by an IPv6 address", 1),
        ];
        for (text, told, line) in wrong {
            let error = read(text).unwrap_err();
            assert!(error.message().contains(told), "{text}: {}", error.message());
            let start = error.span().unwrap_or_default().start;
            assert_eq!(text[..start].matches('\n').count() + 1, line, "{text}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let config = read("host = 'b'\nusername = 'u'\npassword = 'sesame'").unwrap();
        assert!(!format!("{config:?}").contains("sesame"));
        for text in [
            "host = 'b'\npassword = 'sesame'",
            "host = 'b'\nusername = 'u'\npassword = ['sesame']",
        ] {
            let wrong = read(text).unwrap_err();
            assert!(!wrong.message().contains("sesame"), "{}", wrong.message());
        }
    }
}
