//! Whether headquarters lives, whether its storage answers, and what it is.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::state::HqApi;
use crate::hq::StorageError;
use crate::http::problem::Problem;
use crate::http::sync::instant;

/// All is well.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthBody)]
pub struct HealthBody {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Headquarters at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusBody {
    /// Its name as the writer of a journal.
    #[schema(example = "hq")]
    headquarters: String,
    /// The program's version.
    software: &'static str,
    /// What its clock shows.
    now: String,
    /// How many nodes it knows.
    nodes: usize,
    /// How many records wait for a person or an upgrade.
    set_aside: u64,
    /// How many sales came again with another content.
    conflicts: u64,
    /// How many batches of the ledger are not in the figures yet.
    behind: u64,
}

const OK: Json<HealthBody> = Json(HealthBody { status: "ok" });

/// The process lives and answers.
#[utoipa::path(get, path = "/healthz", tag = "headquarters", responses((status = 200, body = HealthBody)))]
pub(super) async fn live() -> Json<HealthBody> {
    OK
}

/// The database answers.
#[utoipa::path(get, path = "/readyz", tag = "headquarters", responses((status = 200, body = HealthBody)))]
pub(super) async fn ready(State(api): State<HqApi>) -> Result<Json<HealthBody>, Problem> {
    api.ask::<_, StorageError>(|headquarters| headquarters.counts()).await?;
    Ok(OK)
}

/// Headquarters at a glance.
#[utoipa::path(get, path = "/v1/status", tag = "headquarters", responses((status = 200, body = StatusBody)))]
pub(super) async fn status(State(api): State<HqApi>) -> Result<Json<StatusBody>, Problem> {
    let counts = api.ask::<_, StorageError>(|headquarters| headquarters.counts()).await?;
    Ok(Json(StatusBody {
        headquarters: api.headquarters.name().to_string(),
        software: env!("CARGO_PKG_VERSION"),
        now: instant(api.now_ms()),
        nodes: counts.nodes,
        set_aside: counts.set_aside,
        conflicts: counts.conflicts,
        behind: counts.behind,
    }))
}
