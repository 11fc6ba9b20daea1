//! `POST /v1/link`: cuts the link by hand, and mends it, where the node was started so that a person may.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::command::Command;
use super::problem::{Problem, kind};
use super::state::ApiState;

/// What is to be done with the link.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct LinkSwitch {
    /// True to cut it, false to mend it.
    cut: bool,
}

/// Cuts or mends the link. It is mended too when the node starts anew.
#[utoipa::path(
    post, operation_id = "switch_link", path = "/v1/link", tag = "node", request_body = LinkSwitch,
    params(("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 200, body = LinkSwitch)),
)]
pub(super) async fn switch(
    State(api): State<ApiState>,
    command: Command<LinkSwitch>,
) -> Result<Json<LinkSwitch>, Problem> {
    let switch = api
        .cut
        .as_ref()
        .ok_or_else(|| Problem::new(&kind::NO_LINK, "this node has no link that could be cut"))?;
    // Only a change is told on: whoever follows would take a repeat for one.
    let cut = command.body.cut;
    switch.send_if_modified(|now| std::mem::replace(now, cut) != cut);
    Ok(Json(LinkSwitch { cut }))
}
