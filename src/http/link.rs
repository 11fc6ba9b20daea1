//! `POST /v1/link`: cuts the link by hand, and mends it, where the node was started so that a person may.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use super::command::Command;
use super::kept::kept;
use super::problem::{Problem, kind};
use super::state::ApiState;
use crate::store::{Failure, StorageError, WriteTransaction};

/// What is to be done with the link.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct LinkSwitch {
    /// True to cut it, false to mend it.
    cut: bool,
}

/// Cuts or mends the link. It is mended too when the node starts anew.
///
/// Repeated with its key it is answered as it was first, and switches nothing.
#[utoipa::path(
    post, operation_id = "switch_link", path = "/v1/link", tag = "node", request_body = LinkSwitch,
    params(("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 200, body = LinkSwitch)),
)]
pub(super) async fn switch(
    State(api): State<ApiState>,
    caller: Caller,
    command: Command<LinkSwitch>,
) -> Result<Response, Problem> {
    let switch = api
        .cut
        .as_ref()
        .ok_or_else(|| Problem::new(&kind::NO_LINK, "this node has no link that could be cut"))?;
    let (request, LinkSwitch { cut }) = command.into_request(&caller);
    let now = api.now();
    let answer =
        move |_: &mut WriteTransaction<'_>| Ok::<_, Failure<StorageError>>((StatusCode::OK, LinkSwitch { cut }));
    let kept = api.write(move |tx| kept(tx, &request, now, answer)).await?;
    if kept.repeated {
        api.metrics.replays.inc();
    } else {
        // Only a change is told on: whoever follows would take the same word again for one.
        switch.send_if_modified(|now| std::mem::replace(now, cut) != cut);
    }
    Ok(kept.into_response())
}
