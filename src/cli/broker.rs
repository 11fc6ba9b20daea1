//! The arguments that name a broker, the same for a node and for headquarters.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::mqtt::{BrokerConfig, Host, KeepAlive, Login, Secret};

/// Where the broker is. With TLS it is described in a configuration file.
#[derive(Debug, Args)]
pub(super) struct BrokerArguments {
    /// The broker, without TLS.
    #[arg(long, value_name = "HOST:PORT")]
    broker: Option<HostPort>,
    /// The user name that the broker knows.
    #[arg(long, requires = "broker_password_file", value_name = "NAME")]
    broker_user: Option<String>,
    /// A file with the password in its first line.
    #[arg(long, requires = "broker_user", value_name = "FILE")]
    broker_password_file: Option<PathBuf>,
}

#[derive(Debug, Clone)]
struct HostPort {
    host: Host,
    port: u16,
}

impl std::str::FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = text.rsplit_once(':').ok_or("write it as HOST:PORT")?;
        let port = port.parse().map_err(|_| format!("{port:?} is not a port"))?;
        Ok(Self {
            host: Host::try_from(host.to_owned())?,
            port,
        })
    }
}

impl BrokerArguments {
    /// The broker that they name, if any.
    pub(super) fn broker(&self) -> Result<Option<BrokerConfig>, Failure> {
        let Some(HostPort { host, port }) = self.broker.clone() else {
            return Ok(None);
        };
        let login = match (&self.broker_user, &self.broker_password_file) {
            (Some(username), Some(file)) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
                let password = Secret::new(text.lines().next().unwrap_or_default().to_owned());
                Some(Login {
                    username: username.clone(),
                    password,
                })
            }
            _ => None,
        };
        Ok(Some(BrokerConfig {
            host,
            port,
            login,
            tls: None,
            keep_alive: KeepAlive::default(),
        }))
    }
}
