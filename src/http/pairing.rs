//! Pairing: a manager lets a device in with a code that people read and type, and the device gets its token.

use std::time::Instant;

use axum::extract::State;
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::{Caller, admit};
use super::command::Command;
use super::devices::{DeviceBody, Permission, RoleName};
use super::documents::answer;
use super::kept::kept;
use super::problem::{Problem, kind};
use super::roles::Access;
use super::serve::Peer;
use super::state::{ApiState, too_many_requests};
use super::sync::instant;
use crate::domain::ids::RegisterId;
use crate::operations::{PairingCode, PairingCodeError, PairingSeed, pair, redeem};
use crate::store::{NewDevice, Role, WriteTransaction};

/// What a device is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct PairingCodeRequest {
    /// What it is.
    role: RoleName,
    /// What people call it; it may call itself otherwise when it pairs. At most 60 characters.
    #[schema(example = "Till 1")]
    name: String,
    /// Its register, where it is to sell. Such a device gets a series of its own.
    #[schema(value_type = Option<String>, example = "1")]
    register: Option<RegisterId>,
    /// What it may do beyond its role.
    #[serde(default)]
    permissions: Vec<Permission>,
}

/// A code for a device to come.
#[derive(Debug, Serialize, ToSchema)]
pub struct PairingCodeBody {
    /// To be typed into the device. Case, spaces and the dash do not matter.
    #[schema(example = "7KQ2-M0XA")]
    code: String,
    /// Until when it is good.
    expires_at: String,
}

/// A device that brings its code.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct PairRequest {
    /// The code that the node or a manager shows.
    #[schema(example = "7KQ2-M0XA")]
    code: String,
    /// What the device calls itself; the name given with the code where it says nothing.
    name: Option<String>,
}

/// A paired device with its token.
#[derive(Debug, Serialize, ToSchema)]
pub struct PairedBody {
    /// To be sent as `Authorization: Bearer TOKEN`. It is told here only, and stored nowhere.
    token: String,
    #[serde(flatten)]
    device: DeviceBody,
    /// The site that the node is of.
    #[schema(example = "store-1")]
    site: String,
    /// The currency of every amount.
    #[schema(example = "USD")]
    currency: String,
}

/// Lets a device in: makes a code that is good once, for ten minutes.
#[utoipa::path(
    post, operation_id = "create_pairing_code", path = "/v1/pairing-codes", tag = "devices", request_body = PairingCodeRequest,
    params(("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 201, body = PairingCodeBody)),
)]
pub(super) async fn offer(
    State(api): State<ApiState>,
    caller: Caller,
    command: Command<PairingCodeRequest>,
) -> Result<Response, Problem> {
    let (request, body) = command.into_request(&caller);
    let (seed, now) = (seed()?, api.now());
    let device = NewDevice {
        name: body.name,
        role: body.role.into(),
        rights: Permission::rights(&body.permissions),
        register: body.register,
    };
    let offer = move |tx: &mut WriteTransaction<'_>| {
        let shown = pair(tx, now, &device, &seed)?;
        let body = PairingCodeBody {
            code: shown.code.to_string(),
            expires_at: instant(shown.expires_ms),
        };
        Ok((StatusCode::CREATED, body))
    };
    let kept = api.write(move |tx| kept(tx, &request, now, offer)).await?;
    if kept.repeated {
        api.metrics.replays.inc();
    }
    Ok(kept.into_response())
}

/// Pairs a device with its code.
///
/// Repeated with its key, the same device gets the same token again.
#[utoipa::path(
    post, operation_id = "pair", path = "/v1/pair", tag = "devices", request_body = PairRequest,
    params(("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 201, body = PairedBody)),
)]
pub(super) async fn bring(
    State(api): State<ApiState>,
    extensions: Extensions,
    headers: HeaderMap,
    command: Command<PairRequest>,
) -> Result<Response, Problem> {
    // A manager makes codes and need not guess them: pairing a shop's tills at once is no attack.
    let manager = admit(Access::Paired(&[Role::Manager]), &api.devices, &headers, &extensions).is_ok();
    if !manager {
        let address = extensions.get::<Peer>().map(|Peer(address)| address.ip());
        api.pairing_attempts
            .take(address, Instant::now())
            .map_err(too_many_requests)?;
    }
    let Command { key, body, .. } = command;
    // What cannot be a code is as wrong as one that was never given out.
    let code: PairingCode = body
        .code
        .parse()
        .map_err(|error: PairingCodeError| Problem::new(&kind::PAIRING_CODE_UNKNOWN, error.to_string()).at("/code"))?;
    let now = api.now();
    let paired = api
        .write(move |tx| redeem(tx, now, &code, body.name.as_deref(), Some(&key)))
        .await?;
    if paired.repeated {
        api.metrics.replays.inc();
    }
    let body = PairedBody {
        token: paired.token,
        device: paired.device.into(),
        site: api.node.site.to_string(),
        currency: api.node.currency.code().to_owned(),
    };
    Ok(answer(StatusCode::CREATED, &body, paired.repeated))
}

fn seed() -> Result<PairingSeed, Problem> {
    let unable = |error| Problem::fault(&kind::INTERNAL, "no code could be made", error);
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(unable)?;
    Ok(PairingSeed {
        code: getrandom::u64().map_err(unable)?,
        salt,
    })
}
