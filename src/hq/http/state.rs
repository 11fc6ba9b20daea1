//! What every handler shares.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, Semaphore, broadcast, watch};

use super::metrics::Metrics;
use crate::hq::RightsDesk;
use crate::hq::rights_loop::RightsEvent;
use crate::hq::{Headquarters, StorageError, Token, TokenRole};
use crate::http::problem::{Problem, kind};

/// What bounds requests.
#[derive(Debug, Clone)]
pub struct HqApiLimits {
    /// The most bytes of a body.
    pub body_bytes_max: usize,
    /// The most requests under way at once; the rest is told to come again.
    pub in_flight_max: usize,
    /// How long a request may take, in milliseconds. A stream of events goes on for as long as it is heard.
    pub request_timeout_ms: u64,
    /// The most event streams that are open at once.
    pub streams_max: usize,
}

impl Default for HqApiLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            in_flight_max: 64,
            request_timeout_ms: 30_000,
            streams_max: 64,
        }
    }
}

/// What the API is made of.
pub struct HqApiParts {
    /// Headquarters.
    pub headquarters: Arc<Headquarters>,
    /// Takes the names of feeds that have a new version.
    pub published: broadcast::Sender<String>,
    /// Told whenever the ledger has grown.
    pub grown: Arc<Notify>,
    /// Takes what is asked of whoever moves rights.
    pub rights: RightsDesk,
    /// A token with every right for commands on this machine, good until the process ends.
    pub operator_token: Option<String>,
    /// Reads the clock: milliseconds since 1970.
    pub now_ms: fn() -> u64,
    /// True once headquarters is to stop.
    pub stop: watch::Receiver<bool>,
    /// Bounds.
    pub limits: HqApiLimits,
}

/// What every handler shares. Cheap to clone.
#[derive(Clone)]
pub struct HqApi(Arc<Api>);

/// The parts, and what the API keeps itself.
pub struct Api {
    pub(super) headquarters: Arc<Headquarters>,
    published: broadcast::Sender<String>,
    grown: Arc<Notify>,
    rights: RightsDesk,
    operator: Option<[u8; 32]>,
    now_ms: fn() -> u64,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) limits: HqApiLimits,
    pub(super) in_flight: Semaphore,
    pub(super) streams: Arc<Semaphore>,
    pub(super) metrics: Metrics,
    /// The OpenAPI document, once the router is made.
    pub(super) openapi: OnceLock<Bytes>,
}

impl Deref for HqApi {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.0
    }
}

impl HqApi {
    /// From its parts.
    #[must_use]
    pub fn new(parts: HqApiParts) -> Self {
        let HqApiParts {
            headquarters,
            published,
            grown,
            rights,
            operator_token,
            now_ms,
            stop,
            limits,
        } = parts;
        Self(Arc::new(Api {
            in_flight: Semaphore::new(limits.in_flight_max),
            streams: Arc::new(Semaphore::new(limits.streams_max)),
            metrics: Metrics::default(),
            openapi: OnceLock::new(),
            operator: operator_token.map(|token| hash(&token)),
            headquarters,
            published,
            grown,
            rights,
            now_ms,
            stop,
            limits,
        }))
    }

    /// What the clock shows, in milliseconds since 1970.
    pub(super) fn now_ms(&self) -> u64 {
        (self.now_ms)()
    }

    /// Headquarters' own journal has grown: figures are to follow.
    pub(super) fn grown(&self) {
        self.grown.notify_one();
    }

    /// Tells whoever moves rights. False where too much waits there.
    pub(super) fn rights(&self, event: RightsEvent) -> bool {
        self.rights.tell(event)
    }

    /// Offers a feed to the nodes; those that have everything are not bothered.
    pub(super) fn announce(&self, feed: String) {
        // Where nobody listens the link is down, and nodes ask when they come.
        let _ = self.published.send(feed);
    }

    /// How long a request may take.
    pub(super) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.limits.request_timeout_ms)
    }

    /// Asks headquarters on a thread that may wait.
    pub(super) async fn ask<T, E>(
        &self,
        question: impl FnOnce(&Headquarters) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        E: Into<Problem> + Send + 'static,
    {
        let headquarters = Arc::clone(&self.headquarters);
        match tokio::task::spawn_blocking(move || question(&headquarters)).await {
            Ok(answer) => answer.map_err(Into::into),
            Err(error) => Err(Problem::fault(
                &kind::INTERNAL,
                "headquarters could not finish the request",
                error,
            )),
        }
    }

    /// The good token that a caller shows, if it is one.
    pub(super) async fn authenticate(&self, secret: &str) -> Result<Option<Token>, Problem> {
        // Hashes are compared, so that the time it takes tells nothing about the token.
        if self.operator == Some(hash(secret)) {
            return Ok(Some(Token {
                name: "operator on this machine".into(),
                role: TokenRole::Operate,
                issued_ms: 0,
                revoked_ms: 0,
            }));
        }
        let secret = secret.to_owned();
        self.ask::<_, StorageError>(move |headquarters| headquarters.authenticate(&secret))
            .await
    }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
