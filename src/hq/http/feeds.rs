//! `/v1/feeds`: what goes down to the nodes.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::command::Command;
use super::state::HqApi;
use crate::hq::{PublishError, Published, StorageError, feeds};
use crate::http::parameters::InPath;
use crate::http::problem::{Problem, kind};
use crate::sync::wire::FeedEntry;

/// The most entries of one request.
const ENTRIES_MAX: usize = 5_000;

/// All feeds.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedsBody {
    feeds: Vec<FeedBody>,
}

/// One feed.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedBody {
    #[schema(example = "catalog")]
    feed: String,
    /// The version of its newest entry.
    version: u64,
}

/// Entries to publish, all or none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishRequest {
    /// At most 5,000.
    entries: Vec<EntryRequest>,
}

/// What is to be said under a key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryRequest {
    #[schema(example = "1029743")]
    key: String,
    /// Any JSON; nothing where the key is gone.
    body: Option<Value>,
}

/// What a publication did.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublishedBody {
    /// How many entries are new or changed.
    changed: u64,
    /// How many said what was there already; they are not sent again.
    unchanged: u64,
    /// The version of the feed's newest entry.
    version: u64,
}

impl From<Published> for PublishedBody {
    fn from(published: Published) -> Self {
        Self {
            changed: published.changed,
            unchanged: published.unchanged,
            version: published.version,
        }
    }
}

/// All feeds and how far they are.
#[utoipa::path(get, path = "/v1/feeds", tag = "feeds", responses((status = 200, body = FeedsBody)))]
pub(super) async fn list(State(api): State<HqApi>) -> Result<Json<FeedsBody>, Problem> {
    let feeds = api.ask::<_, StorageError>(|headquarters| headquarters.feeds()).await?;
    let feeds = feeds.into_iter().map(|(feed, version)| FeedBody { feed, version });
    Ok(Json(FeedsBody { feeds: feeds.collect() }))
}

/// Publishes entries to every node. An entry takes the place of what its key said before; repeated, it changes nothing.
#[utoipa::path(
    post, path = "/v1/feeds/{feed}", tag = "feeds", request_body = PublishRequest,
    params(
        ("feed" = String, Path, description = "The feed's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "The client's name for this request"),
    ),
    responses((status = 200, body = PublishedBody)),
)]
pub(super) async fn publish(
    State(api): State<HqApi>,
    InPath(feed): InPath<String>,
    command: Command<PublishRequest>,
) -> Result<Response, Problem> {
    let count = command.body.entries.len();
    if count > ENTRIES_MAX {
        let detail = format!("/entries: at most {ENTRIES_MAX}, and there are {count}");
        return Err(Problem::new(&kind::TOO_MANY_LINES, detail).at("/entries"));
    }
    let name = feed.clone();
    let done = command
        .once(&api, StatusCode::OK, move |writing, asked, _, _| {
            let entries = asked.entries.into_iter().map(|entry| FeedEntry {
                key: entry.key,
                body: entry.body.map(|body| body.to_string()),
            });
            let entries: Vec<FeedEntry> = entries.collect();
            let published = feeds::publish(writing, &name, &entries)?;
            Ok::<_, PublishError>(PublishedBody::from(published))
        })
        .await?;
    if !done.replayed {
        api.announce(feed);
    }
    Ok(done.response)
}
