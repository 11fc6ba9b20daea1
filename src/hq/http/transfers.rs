//! Transfers between sites: asked for, called off, and seen with their age.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::command::Command;
use super::pickups::{check_lines, check_text};
use super::state::HqApi;
use crate::domain::ids::SiteId;
use crate::domain::stock::{By, TransferId, TransferRequested, Way, site_feed};
use crate::hq::transfers::{call_off, request};
use crate::hq::{KnownTransfer, StorageError, TransferError};
use crate::http::parameters::{InPath, InQuery, page_limit};
use crate::http::problem::{Problem, kind};
use crate::http::site_lines::SiteLine;
use crate::http::sync::instant;
use crate::http::transfers::TransferBody;

/// Goods that are to go from one site to another.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteTransferRequest {
    /// The site that they leave.
    #[schema(value_type = String)]
    from: SiteId,
    /// The site that they go to.
    #[schema(value_type = String)]
    to: SiteId,
    /// What is wanted; 1 to 100 lines, each item once.
    lines: Vec<SiteLine>,
    /// In words; at most 200 characters.
    note: Option<String>,
}

/// Why it is called off.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteCallOffRequest {
    /// In words; at most 200 characters.
    note: Option<String>,
}

/// A transfer, as far as headquarters has heard.
#[derive(Debug, Serialize, ToSchema)]
pub struct SiteTransferBody {
    #[serde(flatten)]
    transfer: TransferBody,
    /// When headquarters first heard of it.
    first_heard_at: String,
    /// When something about it was last new.
    changed_at: String,
    /// For how long nothing about it has been new: how long goods have been on the way, where they are.
    age_seconds: u64,
}

/// A page of transfers.
#[derive(Debug, Serialize, ToSchema)]
pub struct SiteTransfersBody {
    transfers: Vec<SiteTransferBody>,
    /// Where the next page begins; missing on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TransfersParameters {
    /// From or to one site.
    #[param(value_type = Option<String>)]
    site: Option<SiteId>,
    /// Those that are over, in place of those that are not.
    #[serde(default)]
    over: bool,
    /// The most entries; 50 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Asks for goods to go from one site to another. Both sites hear of it.
#[utoipa::path(
    post, path = "/v1/transfers", tag = "stock", request_body = SiteTransferRequest,
    responses((status = 201, body = SiteTransferBody)),
)]
pub(super) async fn create(
    State(api): State<HqApi>,
    command: Command<SiteTransferRequest>,
) -> Result<Response, Problem> {
    let Some(keyed) = command.keyed() else {
        let detail = "a transfer is known by its Idempotency-Key, so it needs that header";
        return Err(Problem::new(&kind::KEY_MISSING, detail));
    };
    let id = TransferId::of(keyed.caller.as_bytes(), &keyed.key);
    let asked = &command.body;
    check_text(asked.note.as_deref(), "/note")?;
    if asked.from == asked.to {
        return Err(Problem::new(&kind::SAME_SITE, format!("both are {}", asked.from)).at("/to"));
    }
    let lines = SiteLine::into_lines(asked.lines.clone());
    check_lines(&lines)?;
    let sites = [asked.from.clone(), asked.to.clone()];
    let done = command
        .once(&api, StatusCode::CREATED, move |writing, asked, by, now_ms| {
            let requested = TransferRequested {
                id,
                way: Way {
                    from: asked.from,
                    to: asked.to,
                },
                lines,
                by: By {
                    device: by,
                    staff: None,
                    note: asked.note,
                },
            };
            let known = request(writing, requested, now_ms)?;
            Ok::<_, TransferError>(SiteTransferBody::of(&known, now_ms))
        })
        .await?;
    told(&api, &sites);
    Ok(done.response)
}

/// Calls a transfer off of which nothing has left. Goods that left meanwhile have left all the same.
#[utoipa::path(
    post, path = "/v1/transfers/{transfer}/call-off", tag = "stock", request_body = SiteCallOffRequest,
    params(("transfer" = String, Path, description = "The transfer's identity")),
    responses((status = 200, body = SiteTransferBody)),
)]
pub(super) async fn end(
    State(api): State<HqApi>,
    InPath(id): InPath<TransferId>,
    command: Command<SiteCallOffRequest>,
) -> Result<Response, Problem> {
    check_text(command.body.note.as_deref(), "/note")?;
    let known = api
        .ask::<_, StorageError>(move |headquarters| headquarters.transfer(id))
        .await?;
    let done = command
        .once(&api, StatusCode::OK, move |writing, asked, by, now_ms| {
            let by = By {
                device: by,
                staff: None,
                note: asked.note,
            };
            let known = call_off(writing, id, by, now_ms)?;
            Ok::<_, TransferError>(SiteTransferBody::of(&known, now_ms))
        })
        .await?;
    if let Some(known) = known {
        let sites = [known.transfer.from(), known.transfer.to()].into_iter().flatten();
        told(&api, &sites.cloned().collect::<Vec<_>>());
    }
    Ok(done.response)
}

/// Transfers between all sites, with their state and age.
#[utoipa::path(
    get, path = "/v1/transfers", tag = "stock", params(TransfersParameters),
    responses((status = 200, body = SiteTransfersBody)),
)]
pub(super) async fn list(
    State(api): State<HqApi>,
    InQuery(asked): InQuery<TransfersParameters>,
) -> Result<Json<SiteTransfersBody>, Problem> {
    let limit = page_limit(asked.limit)?;
    let after: Option<TransferId> = match asked.cursor.as_deref().map(str::parse).transpose() {
        Ok(after) => after,
        Err(error) => {
            return Err(Problem::new(&kind::INVALID_PARAMETER, format!("cursor: {error}")));
        }
    };
    let transfers = api
        .ask::<_, StorageError>(move |headquarters| headquarters.transfers(asked.site, asked.over, after, limit))
        .await?;
    let full = transfers.len() == limit as usize;
    let next_cursor = transfers
        .last()
        .filter(|_| full)
        .map(|known| known.transfer.id.to_string());
    let now_ms = api.now_ms();
    let transfers = transfers
        .iter()
        .map(|known| SiteTransferBody::of(known, now_ms))
        .collect();
    Ok(Json(SiteTransfersBody { transfers, next_cursor }))
}

fn told(api: &HqApi, sites: &[SiteId]) {
    for site in sites {
        api.announce(site_feed(site));
    }
    api.grown();
}

impl SiteTransferBody {
    fn of(known: &KnownTransfer, now_ms: u64) -> Self {
        Self {
            transfer: TransferBody::of(&known.transfer),
            first_heard_at: instant(known.first_ms),
            changed_at: instant(known.changed_ms),
            age_seconds: now_ms.saturating_sub(known.changed_ms) / 1_000,
        }
    }
}

impl From<TransferError> for Problem {
    fn from(error: TransferError) -> Self {
        let detail = error.to_string();
        match error {
            TransferError::Unknown(_) => Self::new(&kind::TRANSFER_NOT_FOUND, detail),
            TransferError::Further(_) | TransferError::Used(_) => Self::new(&kind::TRANSFER_STATE, detail),
            TransferError::Rights(error) => error.into(),
        }
    }
}
