//! `GET /v1/sync`: where the link to headquarters stands, what it has not acknowledged yet and how old that is.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::standbys::{DisksName, StandbyBody};
use super::state::ApiState;
use crate::store::{GateState, IncarnationRow, Left, Position, RelayOrigin, RetirementNotice, Snapshot, StorageError};

/// Where the link stands, step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// The node has no headquarters configured.
    Disabled,
    /// No connection to the broker.
    Offline,
    /// Connected, but headquarters is not there.
    WaitingForParent,
    /// Introducing itself.
    Introducing,
    /// Sending and receiving.
    Online,
}

/// Where the link stands, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// Headquarters takes what is sent.
    Online,
    /// Headquarters cannot be reached; everything is kept for later.
    Offline,
    /// A person has cut the link.
    Cut,
    /// The node has no headquarters configured.
    Disabled,
}

impl LinkState {
    /// All states.
    pub(super) const ALL: [Self; 4] = [Self::Online, Self::Offline, Self::Cut, Self::Disabled];

    /// As the API writes it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Cut => "cut",
            Self::Disabled => "disabled",
        }
    }

    /// Where an API's link stands.
    pub(super) fn of(api: &ApiState) -> Self {
        let cut = api.cut.as_ref().is_some_and(|cut| *cut.borrow());
        match api.link.borrow().state {
            _ if cut => Self::Cut,
            Link::Disabled => Self::Disabled,
            Link::Online => Self::Online,
            Link::Offline | Link::WaitingForParent | Link::Introducing => Self::Offline,
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

/// What headquarters has not acknowledged. Records are numbered by their place in this disk's journal, over all
/// incarnations.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    /// The newest record.
    pub journal_seq: u64,
    /// Headquarters has every record up to this one.
    pub acknowledged_seq: u64,
    /// How many records it does not have.
    pub records: u64,
    /// When the oldest of them was recorded, milliseconds since 1970.
    pub oldest_ms: Option<u64>,
    /// How many records and entries were set aside.
    pub set_aside: u64,
    incarnation: String,
    lives: Vec<LifeBody>,
    feeds: Vec<FeedBody>,
    kiosks: Vec<KioskBody>,
    /// Why the last incarnation of this node that was retired was.
    retirement: Option<RetirementNotice>,
}

impl Pending {
    /// Reads it.
    pub(super) fn read(snapshot: &Snapshot<'_>) -> Result<Self, StorageError> {
        let lives = snapshot.incarnations()?;
        let newest = lives
            .last()
            .ok_or_else(|| StorageError::Inconsistent("no incarnation is open".into()))?;
        let end = newest.position(newest.head.seq).get();
        let first_pending = lives.iter().filter_map(|life| first_pending(life, &lives)).min();
        let oldest = match first_pending {
            // A record that this version cannot read has an age too, but none that it could tell.
            Some(position) => snapshot.entry(position).unwrap_or_default(),
            None => None,
        };
        let feeds = snapshot.feed_cursors()?.into_iter().map(|cursor| FeedBody {
            feed: cursor.feed,
            version: cursor.version,
        });
        Ok(Self {
            journal_seq: number(end),
            acknowledged_seq: number(first_pending.map_or(end, |position| position.get() - 1)),
            records: lives.iter().map(pending).sum(),
            oldest_ms: oldest.map(|entry| entry.recorded.milliseconds()),
            set_aside: snapshot.set_asides_count()?,
            incarnation: newest.incarnation.to_string(),
            lives: lives.iter().map(LifeBody::from).collect(),
            feeds: feeds.collect(),
            kiosks: snapshot.relay_origins()?.iter().map(KioskBody::from).collect(),
            retirement: snapshot.retirement()?,
        })
    }
}

/// What a branch that was left does not offer itself goes up as copies in a later incarnation, and is counted there.
fn pending(life: &IncarnationRow) -> u64 {
    life.offered().saturating_sub(life.acked.seq)
}

/// The first record of an incarnation that headquarters does not have, neither itself nor as a copy.
fn first_pending(life: &IncarnationRow, lives: &[IncarnationRow]) -> Option<Position> {
    let copied = life.left.is_none_or(|Left { copies, .. }| {
        lives
            .iter()
            .rfind(|later| later.first <= copies)
            .is_none_or(|later| later.position(later.acked.seq) >= copies)
    });
    let known = life.acked.seq.min(life.offered());
    let first = if copied { life.offered() } else { life.head.seq };
    (known < first).then(|| life.position(known + 1))
}

fn number(position: i64) -> u64 {
    u64::try_from(position).unwrap_or_default()
}

/// The link, and what is pending. Records are numbered by their place in this node's journal, over all incarnations.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncBody {
    #[serde(flatten)]
    link: LinkBody,
    /// The newest record.
    journal_seq: u64,
    /// Headquarters has every record up to this one.
    acknowledged_seq: u64,
    /// How many records headquarters does not have yet.
    pending: u64,
    /// When the oldest of them was recorded.
    oldest_pending_at: Option<String>,
    /// How long ago that was, in milliseconds.
    oldest_pending_age_ms: Option<u64>,
    /// The present incarnation of the journal.
    #[schema(example = "1-00c0ffee00c0ffee")]
    incarnation: String,
    incarnations: Vec<LifeBody>,
    feeds: Vec<FeedBody>,
    /// At a store's node: what has come from its kiosks' nodes and is passed on, by incarnation.
    kiosks: Vec<KioskBody>,
    /// Disks that follow this one and may take its place.
    standbys: Vec<StandbyBody>,
    /// Whether what is answered for is on two disks; missing where it is not asked to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    disks: Option<DisksName>,
    /// What an operator should look at; empty where all is well.
    alerts: Vec<AlertBody>,
}

/// Where the link stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LinkBody {
    link: LinkState,
    /// The step that it is at, for whoever mends it.
    link_step: Link,
    /// Since when.
    #[schema(example = "2024-03-01T12:26:30.000Z")]
    link_since: String,
    /// Why it is not online, where that is known.
    link_reason: Option<String>,
}

/// One life of the journal on this disk. Its records are numbered from 1.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LifeBody {
    incarnation: String,
    /// Its newest record.
    head_seq: u64,
    /// Headquarters has everything of it up to this record.
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

/// One life of a kiosk's journal that this node passes on.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KioskBody {
    #[schema(example = "kiosk-1")]
    node: String,
    incarnation: String,
    /// The newest record that is on this node's disk.
    received_seq: u64,
    /// Headquarters has everything of it up to this record.
    acknowledged_seq: u64,
    /// Headquarters knows another branch of it; the kiosk brings what is behind in a later one.
    left: bool,
}

/// Something that an operator should look at.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlertBody {
    /// A stable name: `set_aside`, `branch_left`, `retired`, `one_disk`, `clock_jumped`.
    code: &'static str,
    detail: String,
}

impl From<&IncarnationRow> for LifeBody {
    fn from(life: &IncarnationRow) -> Self {
        Self {
            incarnation: life.incarnation.to_string(),
            head_seq: life.head.seq,
            acknowledged_seq: life.acked.seq,
            left: life.left.is_some(),
        }
    }
}

impl From<&RelayOrigin> for KioskBody {
    fn from(origin: &RelayOrigin) -> Self {
        Self {
            node: origin.node.to_string(),
            incarnation: origin.acked.incarnation.to_string(),
            received_seq: origin.acked.seq,
            acknowledged_seq: origin.top.seq,
            left: origin.fence.is_some(),
        }
    }
}

impl LinkBody {
    /// Of an API's link.
    pub(super) fn of(api: &ApiState) -> Self {
        let link = LinkState::of(api);
        let report = api.link.borrow();
        Self {
            link,
            link_step: report.state,
            link_since: instant(report.since_ms),
            link_reason: report.reason.clone(),
        }
    }
}

/// Where the link stands and what is pending.
#[utoipa::path(get, operation_id = "get_sync", path = "/v1/sync", tag = "node", responses((status = 200, body = SyncBody)))]
pub(super) async fn show(State(api): State<ApiState>) -> Result<Json<SyncBody>, Problem> {
    let pending = api.readers.run(Pending::read).await?;
    Ok(Json(body(&api, pending)))
}

pub(super) fn body(api: &ApiState, pending: Pending) -> SyncBody {
    let now_ms = api.now().unix_ms;
    let standbys = api.standbys.now();
    SyncBody {
        link: LinkBody::of(api),
        alerts: alerts(api, &pending),
        journal_seq: pending.journal_seq,
        acknowledged_seq: pending.acknowledged_seq,
        pending: pending.records,
        oldest_pending_at: pending.oldest_ms.map(instant),
        oldest_pending_age_ms: pending.oldest_ms.map(|oldest_ms| now_ms.saturating_sub(oldest_ms)),
        incarnation: pending.incarnation,
        incarnations: pending.lives,
        feeds: pending.feeds,
        kiosks: pending.kiosks,
        standbys: standbys.bodies(pending.journal_seq),
        disks: standbys.disks_name(),
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
    if api.standbys.now().disks == Some(GateState::OneDisk) {
        let detail = "what is answered for is on this disk alone: no standby follows closely enough";
        alerts.push(AlertBody {
            code: "one_disk",
            detail: detail.into(),
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
    if let Some(notice) = &pending.retirement {
        let detail = format!(
            "this node was retired at its record {} by {} ({}), as it heard on {}: what it had it may not promise any \
             more; it sells on, and what it sells counts",
            notice.seq,
            notice.by,
            notice.reason,
            instant(notice.told_ms)
        );
        alerts.push(AlertBody {
            code: "retired",
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
pub(crate) fn instant(unix_ms: u64) -> String {
    let instant = i64::try_from(unix_ms).ok().and_then(DateTime::from_timestamp_millis);
    instant.unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}
