//! Asks a node over HTTP, as a till would.

use std::net::SocketAddr;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub token: Option<String>,
    series: Option<String>,
    http: reqwest::Client,
}

/// What a node answered.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Client {
    pub fn new(address: SocketAddr, token: Option<String>) -> Self {
        finalmarket::node::tls::install_crypto_provider();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            address,
            token,
            series: None,
            http,
        }
    }

    pub fn with_series(mut self, series: Option<String>) -> Self {
        self.series = series;
        self
    }

    /// The same device, where the node is reached elsewhere by now.
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// The till's series.
    pub fn series(&self) -> &str {
        self.series.as_deref().unwrap()
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("http://{}{path}", self.address));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        reply(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        reply(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, key: &str, body: &Value) -> Reply {
        self.post_text(path, key, body.to_string()).await
    }

    pub async fn post_text(&self, path: &str, key: &str, body: impl Into<String>) -> Reply {
        let request = self.request(Method::POST, path);
        reply(
            request
                .header("Idempotency-Key", key)
                .header("Content-Type", "application/json")
                .body(body.into()),
        )
        .await
    }

    /// Sells one bar of chocolate for 20.00 in cash.
    pub async fn sell(&self, counter: u64) -> Reply {
        self.post("/v1/sales", &format!("sale-{counter}"), &chocolate(counter, "1"))
            .await
    }
}

pub async fn reply(request: RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.text().await.unwrap(),
    }
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    #[track_caller]
    pub fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    /// Checks that this is the problem with that status and code, as RFC 9457 wants it.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.json();
        assert_eq!(
            (self.status, &problem["type"]),
            (status, &json!(format!("/problems/{code}"))),
            "{problem}"
        );
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(problem["status"], status);
        for member in ["title", "detail", "instance"] {
            assert!(
                problem[member].as_str().is_some_and(|text| !text.is_empty()),
                "{member}: {problem}"
            );
        }
        problem
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub fn chocolate(counter: u64, quantity: &str) -> Value {
    json!({
        "counter": counter,
        "lines": [{"sku": "1001", "quantity": quantity}],
        "tenders": [{"kind": "cash", "amount": "20.00"}],
    })
}
