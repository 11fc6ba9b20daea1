//! The API of a headquarters of its own, as a caller sees it.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use finalmarket::domain::fact::Fact;
use finalmarket::hq::http::{HqApi, HqApiLimits, HqApiParts, router};
use finalmarket::hq::{Headquarters, TokenRole};
use serde_json::Value;
use tokio::sync::{Notify, broadcast, watch};
use tower::ServiceExt as _;

use super::journal::{Journal, sale};
use super::{NOW_MS, ingest, open};

/// An API over a headquarters of its own.
pub struct Api {
    pub router: Router,
    pub hq: Arc<Headquarters>,
    pub published: broadcast::Receiver<String>,
    pub token: String,
    _stop: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub media_type: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub async fn of(response: axum::response::Response) -> Self {
        let (parts, body) = response.into_parts();
        let media_type = parts
            .headers
            .get(header::CONTENT_TYPE)
            .map(|value| value.to_str().unwrap());
        Self {
            status: parts.status,
            media_type: media_type.unwrap_or_default().to_owned(),
            body: to_bytes(body, 1 << 24).await.unwrap().to_vec(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The last part of a problem's type.
    pub fn problem(&self) -> String {
        assert_eq!(self.media_type, "application/problem+json", "{}", self.status);
        let body = self.json();
        assert_eq!(body["status"], self.status.as_u16());
        body["type"]
            .as_str()
            .unwrap()
            .trim_start_matches("/problems/")
            .to_owned()
    }
}

impl Api {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hq = Arc::new(open(folder.path()));
        let token = hq.issue_token("operator", TokenRole::Operate, NOW_MS).unwrap();
        let (stop, stopped) = watch::channel(false);
        let (published, publications) = broadcast::channel(8);
        let router = router(HqApi::new(HqApiParts {
            headquarters: Arc::clone(&hq),
            published,
            grown: Arc::new(Notify::new()),
            rights: finalmarket::hq::RightsDesk::default(),
            operator_token: None,
            now_ms: || NOW_MS,
            stop: stopped,
            limits: HqApiLimits::default(),
        }));
        Self {
            router,
            hq,
            published: publications,
            token,
            _stop: stop,
            _folder: folder,
        }
    }

    pub async fn call(&self, token: Option<&str>, method: &Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            Some(json) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(json.to_string())
            }
            None => Body::empty(),
        };
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        Answer::of(response).await
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.call(Some(&self.token), &Method::GET, path, None).await;
        assert_eq!(
            answer.status,
            StatusCode::OK,
            "{path}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        answer.json()
    }

    /// Asks under a key; says too whether the answer was given before.
    pub async fn post_as(&self, key: &str, path: &str, body: Value) -> (Answer, bool) {
        let request = Request::post(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", key)
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let replayed = response.headers().contains_key("idempotency-replayed");
        (Answer::of(response).await, replayed)
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Some(&self.token), &Method::POST, path, Some(body)).await
    }

    /// Two stores with five sales each, the last ones of the second on another day.
    pub fn with_sales() -> (Self, Journal, Journal) {
        let api = Self::new();
        let (mut first, mut second) = (Journal::open("store-1"), Journal::open("store-2"));
        (1..=5).for_each(|counter| {
            first.sell(counter);
        });
        for counter in 1..=5 {
            let day = if counter > 3 { "2017-01-02" } else { "2017-01-01" };
            second.record(Fact::Sale(sale("store-2", counter, day, 2)));
        }
        ingest(&api.hq, vec![first.batch(1, 6), second.batch(1, 6)]);
        api.hq.project().unwrap();
        (api, first, second)
    }
}
