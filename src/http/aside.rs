//! What a node answers that does not sell: a standby, and one that was succeeded by its standby. Every request hears
//! clearly who sells; a manager may promote a standby.

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::{mpsc, oneshot, watch};

use super::caller::admit;
use super::problem::{self, Problem, kind};
use super::roles::Access;
use super::standbys::RoleBody;
use crate::operations::standby::Promoted;
use crate::store::{Devices, Role};

/// What a node that does not sell shows.
#[derive(Debug, Clone)]
pub struct AsideApi {
    /// The node's name.
    pub node: String,
    /// How it stands.
    pub view: watch::Receiver<AsideView>,
    /// Takes a manager's wish to promote it; none where it cannot be.
    pub promote: Option<mpsc::Sender<PromoteAsk>>,
}

/// How a node that does not sell stands.
#[derive(Debug, Clone, Default)]
pub struct AsideView {
    /// Who sells.
    pub primary: String,
    /// Whether it was succeeded; else it follows.
    pub succeeded: bool,
    /// Whether it follows closely now; for people, what is in the way else.
    pub trouble: Option<String>,
    /// The last record of the followed node that is here.
    pub has_seq: u64,
    /// Who may promote it.
    pub devices: Devices,
}

/// A wish to promote a standby, and who is to hear what became of it.
#[derive(Debug)]
pub struct PromoteAsk(pub oneshot::Sender<Result<Promoted, String>>);

/// The whole API of a node that does not sell.
pub fn router(api: AsideApi) -> Router {
    Router::new().fallback(answer).with_state(api)
}

async fn answer(State(api): State<AsideApi>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let path = head.uri.path().to_owned();
    let answered = match (&head.method, path.as_str()) {
        (&Method::GET, "/healthz") => Ok(Json(json!({"status": "ok"})).into_response()),
        (&Method::GET, "/v1/role") => Ok(role(&api).into_response()),
        (&Method::POST, "/v1/promote") => promote(&api, &head).await,
        _ => Err(not_primary(&api.view.borrow())),
    };
    let mut response = answered.unwrap_or_else(|problem| problem.into_response());
    // Nobody counts problems here.
    let _ = problem::render(&mut response, &path);
    response
}

fn role(api: &AsideApi) -> Json<RoleBody> {
    let view = api.view.borrow();
    Json(RoleBody {
        role: if view.succeeded { "succeeded" } else { "standby" },
        node: api.node.clone(),
        primary: Some(view.primary.clone()),
        standbys: Vec::new(),
        succession: None,
    })
}

fn not_primary(view: &AsideView) -> Problem {
    let detail = match (&view.trouble, view.succeeded) {
        (_, true) => format!(
            "this node was succeeded by its standby; the primary is at {}",
            view.primary
        ),
        (None, false) => format!("standby; the primary is at {}", view.primary),
        (Some(trouble), false) => format!(
            "standby; the primary is at {}; it does not follow now: {trouble}",
            view.primary
        ),
    };
    Problem::new(&kind::NOT_PRIMARY, detail)
        .with("primary", view.primary.clone())
        .with("has_seq", view.has_seq)
        .retry_after(1)
}

async fn promote(api: &AsideApi, head: &Parts) -> Result<Response, Problem> {
    let asks = api.promote.as_ref().ok_or_else(|| not_primary(&api.view.borrow()))?;
    let devices = api.view.borrow().devices.clone();
    admit(
        Access::Paired(&[Role::Manager]),
        &devices,
        &head.headers,
        &head.extensions,
    )?;
    let (answer, answered) = oneshot::channel();
    let gone = |_| Problem::new(&kind::NOT_PRIMARY, "the standby is just being promoted or stopped").retry_after(1);
    asks.send(PromoteAsk(answer)).await.map_err(|_| gone(()))?;
    let promoted = answered.await.map_err(|_| gone(()))?;
    let promoted = promoted.map_err(|reason| Problem::new(&kind::CANNOT_PROMOTE, reason))?;
    let body = json!({
        "incarnation": promoted.head.incarnation.to_string(),
        "succeeds": {
            "incarnation": promoted.succeeds.incarnation.to_string(),
            "seq": promoted.succeeds.seq,
            "hash": promoted.succeeds.hash.to_string(),
        },
    });
    Ok((StatusCode::OK, Json(body)).into_response())
}
