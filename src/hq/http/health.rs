//! Whether headquarters lives and whether its storage answers.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::state::HqApi;
use crate::hq::StorageError;
use crate::http::problem::Problem;

/// All is well.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthBody)]
pub struct HealthBody {
    #[schema(example = "ok")]
    status: &'static str,
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
