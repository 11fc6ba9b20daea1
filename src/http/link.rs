//! `POST /v1/link`: cuts the link to headquarters by hand, and mends it. The node goes on selling.

use axum::Json;
use axum::extract::{Request, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body;
use super::problem::{Problem, kind};
use super::state::ApiState;

/// Whether the link is to be cut.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkSwitch {
    /// True cuts it, false mends it.
    cut: bool,
}

/// Cuts the link or mends it. It stays so until it is switched again or the node starts anew.
#[utoipa::path(
    post, path = "/v1/link", tag = "node", request_body = LinkSwitch,
    responses((status = 200, body = LinkSwitch)),
)]
pub(super) async fn switch(State(api): State<ApiState>, request: Request) -> Result<Json<LinkSwitch>, Problem> {
    let wish: LinkSwitch = body::parse(&body::read(request).await?)?;
    let Some(cut) = &api.cut else {
        return Err(Problem::new(&kind::NO_LINK, "this node has no headquarters configured"));
    };
    cut.send_replace(wish.cut);
    Ok(Json(wish))
}
