//! Whether the node lives, and whether it can sell.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use super::problem::Problem;
use super::state::ApiState;
use crate::store::{Failure, StorageError};

/// How long an answer about readiness is good: anyone may ask, and each question takes the writer's time.
const READY_FOR: Duration = Duration::from_millis(500);

/// The last answer about readiness.
pub(super) type Readiness = Mutex<Option<(Instant, Result<(), StorageError>)>>;

/// All is well.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthBody {
    #[schema(example = "ok")]
    status: &'static str,
}

const OK: Json<HealthBody> = Json(HealthBody { status: "ok" });

/// The process lives and answers.
#[utoipa::path(get, operation_id = "health", path = "/healthz", tag = "node", responses((status = 200, body = HealthBody)))]
pub(super) async fn live() -> Json<HealthBody> {
    OK
}

/// The node can sell: its writer has just put as much as a sale on the disk.
#[utoipa::path(get, operation_id = "readiness", path = "/readyz", tag = "node", responses((status = 200, body = HealthBody)))]
pub(super) async fn ready(State(api): State<ApiState>) -> Result<Json<HealthBody>, Problem> {
    // Whoever comes while another asks waits for that answer.
    let mut last = api.readiness.lock().await;
    let known = last.clone().filter(|(at, _)| at.elapsed() < READY_FOR);
    let (_, answer) = match known {
        Some(known) => known,
        None => {
            let now = api.now();
            let answer = match api
                .write(move |tx| Ok::<(), Failure<StorageError>>(tx.try_room(now)?))
                .await
            {
                Ok(()) => Ok(()),
                Err(Failure::Refused(error) | Failure::Storage(error)) => Err(error),
            };
            last.insert((Instant::now(), answer)).clone()
        }
    };
    answer?;
    Ok(OK)
}
