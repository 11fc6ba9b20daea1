//! A store's standby: `GET /v1/standby/link` carries what both say to each other, `GET /v1/standby/base` gives the first
//! copy, and `GET /v1/role` tells tills who sells and who else to ask.

use std::io::Read as _;
use std::path::PathBuf;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use utoipa::ToSchema;

use super::caller::Caller;
use super::children::{self, Children};
use super::problem::{Problem, kind};
use super::state::ApiState;
use crate::domain::fact::{Fact, OpenedReason};
use crate::operations::load_batch;
use crate::store::{GateState, Snapshot, StorageError, back_up};

/// How a copy is called while it is made.
const COPY_PREFIX: &str = "standby-copy-";
/// How much of a copy is read at once, and how many such pieces wait for a slow standby.
const PIECE_BYTES: usize = 64 << 10;
const PIECES_MAX: usize = 16;
/// The most bytes of a succession's proof: one record, sealed.
const PROOF_BYTES_MAX: u32 = 64 << 10;

/// What the API has to do with standbys; nothing where this node takes none.
#[derive(Debug, Clone, Default)]
pub struct StandbyDesk {
    /// Where standbys are taken in.
    pub connections: Option<Children>,
    /// What is known of them.
    pub report: Option<watch::Receiver<StandbyReport>>,
    /// The data folder that a standby's first copy is made of.
    pub folder: PathBuf,
    /// Where this node answers, `http://HOST:PORT`.
    pub address: String,
}

/// The standbys of this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StandbyReport {
    /// Those that were admitted, by name.
    pub standbys: Vec<StandbyStatus>,
    /// Whether answers wait for one of them; none where they never do.
    pub disks: Option<GateState>,
}

/// One standby.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandbyStatus {
    /// What people call it.
    pub name: String,
    /// Where it answers.
    pub address: String,
    /// Whether it follows now.
    pub connected: bool,
    /// The last record that it is known to have, by its place in this node's journal; 0 for none.
    pub has_seq: u64,
}

/// A standby, as `/v1/sync` shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StandbyBody {
    name: String,
    /// Where it answers.
    #[schema(example = "http://192.0.2.8:8080")]
    address: String,
    /// Whether it follows now.
    connected: bool,
    /// The last record that it is known to have.
    has_seq: u64,
    /// How many records it lacks.
    lag: u64,
}

/// Whether "ok" waits for a second disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisksName {
    /// What is answered for is on this disk and on a standby's.
    TwoDisks,
    /// It is to be on two, and no standby follows closely enough: it is on this one.
    OneDisk,
}

/// Who sells at this site, and who else to ask.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleBody {
    /// What this node is: `primary` sells, `standby` follows, `succeeded` sold once.
    #[schema(value_type = String, example = "primary")]
    pub(super) role: &'static str,
    #[schema(example = "store-1")]
    pub(super) node: String,
    /// The node that sells, as far as this one knows.
    #[schema(example = "http://192.0.2.7:8080")]
    pub(super) primary: Option<String>,
    /// Who may sell in its place: whoever cannot reach the primary tries them.
    pub(super) standbys: Vec<String>,
    /// Where this node took the place of another: the first batch of its incarnation, sealed, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) succession: Option<String>,
}

impl StandbyReport {
    /// As `/v1/sync` shows it, with the newest record of this node's journal.
    pub(super) fn bodies(&self, journal_seq: u64) -> Vec<StandbyBody> {
        let bodies = self.standbys.iter().map(|standby| StandbyBody {
            name: standby.name.clone(),
            address: standby.address.clone(),
            connected: standby.connected,
            has_seq: standby.has_seq,
            lag: journal_seq.saturating_sub(standby.has_seq),
        });
        bodies.collect()
    }

    /// Whether answers wait, as `/v1/sync` shows it.
    pub(super) fn disks_name(&self) -> Option<DisksName> {
        self.disks.map(|disks| match disks {
            GateState::TwoDisks => DisksName::TwoDisks,
            GateState::OneDisk => DisksName::OneDisk,
        })
    }
}

impl StandbyDesk {
    /// What is known of standbys now.
    pub(super) fn now(&self) -> StandbyReport {
        self.report
            .as_ref()
            .map(|report| report.borrow().clone())
            .unwrap_or_default()
    }
}

/// Connects a standby: a WebSocket of binary frames, as `docs/wire.md` says.
#[utoipa::path(
    get, operation_id = "attach_standby", path = "/v1/standby/link", tag = "node",
    responses((status = 101, description = "The WebSocket is open")),
)]
pub(super) async fn attach(
    State(api): State<ApiState>,
    caller: Caller,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let connections = api.standbys.connections.clone().ok_or_else(no_standbys)?;
    let node = api.node.node.clone();
    children::accept(api, caller, (node, None), connections, upgrade)
}

fn no_standbys() -> Problem {
    Problem::new(&kind::NOT_A_PARENT, "this node takes no standbys")
}

/// A copy of this node's database, for a standby that has none. It holds the keys that sign for this node.
#[utoipa::path(
    get, operation_id = "get_standby_base", path = "/v1/standby/base", tag = "node",
    responses((status = 200, description = "The database", content_type = "application/octet-stream")),
)]
pub(super) async fn base(State(api): State<ApiState>, caller: Caller) -> Result<Response, Problem> {
    if api.standbys.connections.is_none() {
        return Err(no_standbys());
    }
    let (pieces, waiting) = mpsc::channel::<std::io::Result<Bytes>>(PIECES_MAX);
    let folder = api.standbys.folder.clone();
    let standby = caller.name.clone();
    tokio::task::spawn_blocking(move || {
        tracing::info!(%standby, "a standby takes a copy");
        if let Err(error) = send_copy(&folder, &pieces) {
            tracing::warn!(%standby, %error, "the copy was cut short; the standby asks again");
            // Whoever reads it must not take it for whole.
            let _ = pieces.blocking_send(Err(error));
        }
    });
    let body = Body::from_stream(ReceiverStream::new(waiting));
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

/// Removes copies that were being made when the process died; none is being made while it starts.
pub fn forget_unsent_copies(folder: &std::path::Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(COPY_PREFIX)) {
        if let Err(error) = std::fs::remove_file(entry.path()) {
            tracing::warn!(%error, file = %entry.path().display(), "a copy that nobody fetched could not be removed");
        }
    }
}

fn send_copy(folder: &std::path::Path, pieces: &mpsc::Sender<std::io::Result<Bytes>>) -> std::io::Result<()> {
    let number = getrandom::u64().map_err(std::io::Error::other)?;
    let file = folder.join(format!("{COPY_PREFIX}{number:016x}"));
    back_up(folder, &file, |_, _| {}).map_err(std::io::Error::other)?;
    let opened = std::fs::File::open(&file);
    // The name goes at once; the bytes go when they are read.
    std::fs::remove_file(&file)?;
    let mut copy = opened?;
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let read = copy.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        piece.truncate(read);
        if pieces.blocking_send(Ok(piece.into())).is_err() {
            return Err(std::io::Error::other("the standby hung up"));
        }
    }
}

/// Who sells here, and who else to ask where it does not answer. Anyone may know.
#[utoipa::path(get, operation_id = "get_role", path = "/v1/role", tag = "node", responses((status = 200, body = RoleBody)))]
pub(super) async fn role(State(api): State<ApiState>) -> Result<Json<RoleBody>, Problem> {
    let (standbys, succession) = api
        .readers
        .run(|snapshot| Ok::<_, StorageError>((snapshot.standbys()?, succession(snapshot)?)))
        .await?;
    Ok(Json(RoleBody {
        role: "primary",
        node: api.node.node.to_string(),
        primary: Some(api.standbys.address.clone()).filter(|address| !address.is_empty()),
        standbys: standbys.into_iter().map(|standby| standby.address).collect(),
        succession,
    }))
}

/// The proof that this node took the place of another, where its incarnation did.
fn succession(snapshot: &Snapshot<'_>) -> Result<Option<String>, StorageError> {
    let Some(newest) = snapshot.incarnations()?.pop() else {
        return Ok(None);
    };
    let opened = snapshot.entry(newest.position(1)).unwrap_or_default();
    let promoted = opened
        .is_some_and(|entry| matches!(entry.fact, Fact::Opened(opened) if opened.reason == OpenedReason::Promoted));
    if !promoted {
        return Ok(None);
    }
    let node = snapshot.known_identity()?.node;
    let packed = load_batch(snapshot, &node, newest.incarnation, 1, 1, PROOF_BYTES_MAX)?;
    Ok(packed.map(|packed| packed.batch.sealed.iter().map(|byte| format!("{byte:02x}")).collect()))
}
