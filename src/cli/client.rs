//! Talking to a running node or headquarters over HTTP.

use std::path::PathBuf;
use std::str::FromStr;

use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Failure;
use crate::node::operator::Operator;

/// A running node or headquarters: its data folder on this machine, or `URL,TOKEN`.
#[derive(Debug, Clone)]
pub(super) enum Server {
    /// The data folder; the process is found by a file in it.
    Folder(PathBuf),
    /// An address and a token.
    Address(Operator),
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with("http://") && !text.starts_with("https://") {
            return Ok(Self::Folder(text.into()));
        }
        match text.split_once(',') {
            Some((url, token)) => Ok(Self::Address(Operator {
                url: url.trim_end_matches('/').into(),
                token: token.into(),
            })),
            None => Err(format!(
                "write the address and its token with a comma between: {text},TOKEN"
            )),
        }
    }
}

impl Server {
    /// A client for it.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let operator = match self {
            Self::Address(operator) => operator.clone(),
            Self::Folder(folder) => Operator::read(folder)?,
        };
        Client::new(operator)
    }
}

/// How long connecting may take, and how long what was sent may stay unheard on the other machine.
const CONNECT_MAX: std::time::Duration = std::time::Duration::from_secs(3);

/// A client with its token.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    operator: Operator,
}

/// What a server answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    /// Whether it was given before, to an earlier request under the same key.
    pub(super) replayed: bool,
}

/// What came back, whatever it is.
struct Reply {
    status: StatusCode,
    replayed: bool,
    bytes: Vec<u8>,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self {
            status: reply.status,
            // What is not JSON (a proxy's page) is no answer of ours; the status alone then tells.
            body: serde_json::from_slice(&reply.bytes).unwrap_or(Value::Null),
            replayed: reply.replayed,
        }
    }
}

impl Answer {
    /// The body as `T` where all went well, else what the server says is wrong.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, Failure> {
        if self.status.is_success() {
            Ok(serde_json::from_value(self.body)?)
        } else {
            Err(self.problem().into())
        }
    }

    /// A problem (RFC 9457) in one line.
    pub(super) fn problem(&self) -> String {
        let text = |name: &str| self.body.get(name).and_then(Value::as_str);
        match (text("title"), text("detail")) {
            (Some(title), Some(detail)) => format!("{title}: {detail} ({})", self.status),
            (Some(title), None) => format!("{title} ({})", self.status),
            _ => format!("the server answers {}", self.status),
        }
    }
}

impl Client {
    pub(super) fn new(operator: Operator) -> Result<Self, Failure> {
        crate::node::tls::install_crypto_provider();
        let http = reqwest::Client::builder()
            .timeout(std::time::Duration::from_secs(60))
            // Whoever has more than one to ask must hear soon that a machine is gone.
            .connect_timeout(CONNECT_MAX)
            .tcp_user_timeout(CONNECT_MAX)
            .pool_max_idle_per_host(256)
            .tcp_nodelay(true)
            .build()?;
        Ok(Self { http, operator })
    }

    /// The same server with another token.
    pub(super) fn with_token(&self, token: String) -> Self {
        let operator = Operator {
            url: self.operator.url.clone(),
            token,
        };
        Self {
            http: self.http.clone(),
            operator,
        }
    }

    /// The same token at another server.
    pub(super) fn with_url(&self, url: String) -> Self {
        let operator = Operator {
            url,
            token: self.operator.token.clone(),
        };
        Self {
            http: self.http.clone(),
            operator,
        }
    }

    /// Where it answers.
    pub(super) fn url(&self) -> &str {
        &self.operator.url
    }

    /// Its token.
    #[cfg(feature = "embedded-broker")]
    pub(super) fn token(&self) -> &str {
        &self.operator.token
    }

    /// Reads.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.send(Method::GET, path, None, None).await?.read()
    }

    /// Reads bytes; none where the server has nothing there.
    pub(super) async fn get_bytes(&self, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        let reply = self.exchange(Method::GET, path, None, None).await?;
        match reply.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(reply.bytes)),
            _ => Err(Answer::from(reply).problem().into()),
        }
    }

    /// Writes, once for each `key` however often it is sent.
    pub(super) async fn post(&self, path: &str, key: &str, body: &impl Serialize) -> Result<Answer, Failure> {
        self.send(Method::POST, path, Some(key), Some(serde_json::to_vec(body)?))
            .await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, Failure> {
        Ok(self.exchange(method, path, key, body).await?.into())
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<Vec<u8>>,
    ) -> Result<Reply, Failure> {
        let url = format!("{}{path}", self.operator.url);
        let mut request = self.http.request(method, &url).bearer_auth(&self.operator.token);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body);
        }
        let response = request
            .send()
            .await
            .map_err(|error| format!("{url} does not answer: {}", root(&error)))?;
        let status = response.status();
        let replayed = response.headers().contains_key("idempotency-replayed");
        let bytes = response
            .bytes()
            .await
            .map_err(|error| format!("{url} broke off: {}", root(&error)))?;
        Ok(Reply {
            status,
            replayed,
            bytes: bytes.into(),
        })
    }
}

/// The innermost cause: the outer ones only repeat that there was one.
fn root(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
