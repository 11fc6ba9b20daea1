//! `/v1/tokens`: who may call this API. A token is shown once, when it is issued.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::command::Command;
use super::instants::instant_if_any;
use super::state::HqApi;
use crate::hq::{StorageError, TokenRole, tokens};
use crate::http::parameters::InPath;
use crate::http::problem::{Problem, kind};

/// All tokens, by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokensBody {
    tokens: Vec<TokenBody>,
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenBody {
    #[schema(example = "dashboard")]
    name: String,
    /// `read` or `operate`.
    #[schema(value_type = String, example = "read")]
    role: TokenRole,
    issued: Option<String>,
    /// When it was revoked; missing while it is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<String>,
}

/// A token to issue.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// What people call it; 1 to 60 characters, never used before.
    name: String,
    /// `read`: look at everything. `operate`: also decide.
    #[schema(value_type = String, example = "read")]
    role: TokenRole,
}

/// A token that was issued.
#[derive(Debug, Serialize, ToSchema)]
pub struct IssuedBody {
    /// Shown in this answer alone, and kept nowhere.
    token: String,
}

/// All tokens, good and revoked.
#[utoipa::path(get, path = "/v1/tokens", tag = "headquarters", responses((status = 200, body = TokensBody)))]
pub(super) async fn list(State(api): State<HqApi>) -> Result<Json<TokensBody>, Problem> {
    let tokens = api.ask::<_, StorageError>(|headquarters| headquarters.tokens()).await?;
    let tokens = tokens.into_iter().map(|token| TokenBody {
        name: token.name,
        role: token.role,
        issued: instant_if_any(token.issued_ms),
        revoked: instant_if_any(token.revoked_ms),
    });
    Ok(Json(TokensBody {
        tokens: tokens.collect(),
    }))
}

/// Issues a token. Asked again under its `Idempotency-Key` it answers with the same token.
#[utoipa::path(
    post, path = "/v1/tokens", tag = "headquarters", request_body = TokenRequest,
    responses((status = 201, body = IssuedBody)),
)]
pub(super) async fn issue(State(api): State<HqApi>, command: Command<TokenRequest>) -> Result<Response, Problem> {
    let keyed = command.keyed().cloned();
    let token = api
        .ask::<_, StorageError>(move |headquarters| headquarters.new_token(keyed.as_ref()))
        .await?;
    let secret = token.clone();
    let done = command
        .once(&api, StatusCode::CREATED, move |writing, asked, _, now_ms| {
            // What is kept of the answer says nothing that would let anybody in.
            tokens::issue(writing, &asked.name, asked.role, &secret, now_ms).map(|()| asked.name)
        })
        .await?;
    let issued = Json(IssuedBody { token }).into_response();
    let (head, _) = done.response.into_parts();
    Ok(Response::from_parts(head, issued.into_body()))
}

/// Ends a token, from now on.
#[utoipa::path(
    delete, path = "/v1/tokens/{name}", tag = "headquarters",
    params(("name" = String, Path, description = "What people call it")),
    responses((status = 204, description = "It is good no more")),
)]
pub(super) async fn revoke(State(api): State<HqApi>, InPath(name): InPath<String>) -> Result<StatusCode, Problem> {
    let now_ms = api.now_ms();
    let revoked = api
        .ask::<_, StorageError>(move |headquarters| headquarters.revoke_token(&name, now_ms))
        .await?;
    if revoked {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::new(&kind::TOKEN_NOT_FOUND, "no good token has this name"))
    }
}
