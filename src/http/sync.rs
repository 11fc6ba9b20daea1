//! `GET /v1/sync`: where the link to headquarters stands, what it has not acknowledged yet and how old that is.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::state::ApiState;
use crate::domain::ids::Incarnation;
use crate::domain::journal::Head;
use crate::store::{IncarnationRow, Snapshot, StorageError};

/// Where the link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// The node has no headquarters configured.
    Disabled,
    /// A person has cut it.
    Cut,
    /// No connection to the broker.
    Offline,
    /// Connected, but headquarters is not there.
    WaitingForParent,
    /// Introducing itself.
    Introducing,
    /// Sending and receiving.
    Online,
}

impl Link {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Disabled,
        Self::Cut,
        Self::Offline,
        Self::WaitingForParent,
        Self::Introducing,
        Self::Online,
    ];

    /// As the API writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Cut => "cut",
            Self::Offline => "offline",
            Self::WaitingForParent => "waiting_for_parent",
            Self::Introducing => "introducing",
            Self::Online => "online",
        }
    }
}

/// The link as its keeper reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkReport {
    /// Where it stands.
    pub state: Link,
    /// Since when, milliseconds since 1970.
    pub since_ms: u64,
    /// Why it is not online, for people, where that is known.
    pub reason: Option<String>,
}

/// What headquarters has not acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    /// The newest record.
    pub head: Head,
    /// What headquarters has of the present incarnation.
    pub acknowledged: Head,
    /// How many records it does not have, over all incarnations of this disk.
    pub records: u64,
    /// When the oldest of them was recorded, milliseconds since 1970.
    pub oldest_ms: Option<u64>,
    /// How many records and entries were set aside.
    pub set_aside: u64,
    lives: Vec<LifeBody>,
    feeds: Vec<FeedBody>,
}

impl Pending {
    /// Reads it.
    pub(super) fn read(snapshot: &Snapshot<'_>) -> Result<Self, StorageError> {
        let lives = snapshot.incarnations()?;
        let newest = lives
            .last()
            .ok_or_else(|| StorageError::Inconsistent("no incarnation is open".into()))?;
        let (head, acknowledged) = (newest.head, newest.acked);
        let mut oldest_ms = None;
        for life in lives.iter().filter(|life| pending(life) > 0) {
            let first = life.position(life.acked.seq + 1);
            // A record that this version cannot read has an age too, but none that it could tell.
            if let Ok(Some(entry)) = snapshot.entry(first) {
                oldest_ms = Some(entry.recorded.milliseconds());
                break;
            }
        }
        let feeds = snapshot.feed_cursors()?.into_iter().map(|cursor| FeedBody {
            feed: cursor.feed,
            version: cursor.version,
        });
        Ok(Self {
            head,
            acknowledged,
            records: lives.iter().map(pending).sum(),
            oldest_ms,
            set_aside: snapshot.set_asides_count()?,
            lives: lives.iter().map(LifeBody::from).collect(),
            feeds: feeds.collect(),
        })
    }
}

/// Records of a branch that was left go up as copies in a later incarnation, and are counted there.
fn pending(life: &IncarnationRow) -> u64 {
    match life.rehomed_through {
        None => life.head.seq.saturating_sub(life.acked.seq),
        Some(_) => 0,
    }
}

/// The link, and what is pending.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncBody {
    link: LinkBody,
    /// The present incarnation of the journal.
    #[schema(example = "1-00c0ffee00c0ffee")]
    incarnation: String,
    /// The newest record of it.
    journal_seq: u64,
    /// Headquarters has everything of it up to this record.
    acknowledged_seq: u64,
    pending: PendingBody,
    incarnations: Vec<LifeBody>,
    feeds: Vec<FeedBody>,
    /// What an operator should look at; empty where all is well.
    alerts: Vec<AlertBody>,
}

/// Where the link stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LinkBody {
    state: Link,
    /// Since when.
    #[schema(example = "2024-03-01T12:26:30.000Z")]
    since: String,
    /// Why it is not online, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What headquarters does not have yet.
#[derive(Debug, Serialize, ToSchema)]
pub struct PendingBody {
    records: u64,
    /// When the oldest of them was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_age_seconds: Option<u64>,
}

/// One life of the journal on this disk.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LifeBody {
    incarnation: String,
    journal_seq: u64,
    acknowledged_seq: u64,
    /// Headquarters knows another branch of it; its records were taken over into a later one.
    left: bool,
}

/// How far the node has a feed of headquarters.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FeedBody {
    feed: String,
    version: u64,
}

/// Something that an operator should look at.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlertBody {
    /// A stable name: `set_aside`, `branch_left`, `clock_jumped`.
    code: &'static str,
    detail: String,
}

impl From<&IncarnationRow> for LifeBody {
    fn from(life: &IncarnationRow) -> Self {
        Self {
            incarnation: life.incarnation.to_string(),
            journal_seq: life.head.seq,
            acknowledged_seq: life.acked.seq,
            left: life.rehomed_through.is_some(),
        }
    }
}

impl From<&LinkReport> for LinkBody {
    fn from(report: &LinkReport) -> Self {
        Self {
            state: report.state,
            since: instant(report.since_ms),
            reason: report.reason.clone(),
        }
    }
}

/// Where the link stands and what is pending.
#[utoipa::path(get, path = "/v1/sync", tag = "node", responses((status = 200, body = SyncBody)))]
pub(super) async fn show(State(api): State<ApiState>) -> Result<Json<SyncBody>, Problem> {
    let pending = api.readers.run(Pending::read).await?;
    Ok(Json(body(&api, pending)))
}

pub(super) fn body(api: &ApiState, pending: Pending) -> SyncBody {
    let now_ms = api.now().unix_ms;
    let incarnation: Incarnation = pending.head.incarnation;
    SyncBody {
        link: LinkBody::from(&*api.link.borrow()),
        incarnation: incarnation.to_string(),
        journal_seq: pending.head.seq,
        acknowledged_seq: pending.acknowledged.seq,
        pending: PendingBody {
            records: pending.records,
            oldest_at: pending.oldest_ms.map(instant),
            oldest_age_seconds: pending
                .oldest_ms
                .map(|oldest_ms| now_ms.saturating_sub(oldest_ms) / 1000),
        },
        alerts: alerts(api, &pending),
        incarnations: pending.lives,
        feeds: pending.feeds,
    }
}

fn alerts(api: &ApiState, pending: &Pending) -> Vec<AlertBody> {
    let mut alerts = Vec::new();
    if pending.set_aside > 0 {
        let detail = format!(
            "{} records or entries were set aside; `status` lists them",
            pending.set_aside
        );
        alerts.push(AlertBody {
            code: "set_aside",
            detail,
        });
    }
    let left = pending.lives.iter().filter(|life| life.left).count();
    if left > 0 {
        let detail = format!("{left} incarnations of this disk had another branch; headquarters settles them");
        alerts.push(AlertBody {
            code: "branch_left",
            detail,
        });
    }
    if let Some(jump) = api.commits.follow().borrow().clock_jump {
        let held = if jump.held_back { "; stamps are held back" } else { "" };
        let detail = format!("the machine's clock jumped by {} s{held}", jump.by_ms / 1000);
        alerts.push(AlertBody {
            code: "clock_jumped",
            detail,
        });
    }
    alerts
}

/// An instant as the API writes it.
pub(super) fn instant(unix_ms: u64) -> String {
    let instant = i64::try_from(unix_ms).ok().and_then(DateTime::from_timestamp_millis);
    instant.unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}
