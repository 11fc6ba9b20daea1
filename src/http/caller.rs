//! Who asks: the device behind the token, or nobody.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, header};

use super::problem::{Problem, kind};
use super::roles::Access;
use super::serve::Peer;
use crate::store::{Device, Devices, Role, TokenHash};

/// The most characters of a token that are looked at.
const TOKEN_CHARACTERS_MAX: usize = 128;

/// The device that asks. The guard has checked that its role may.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Device>);

impl Deref for Caller {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.0
    }
}

impl Caller {
    /// The device as others hold it.
    #[must_use]
    pub fn device(&self) -> Arc<Device> {
        Arc::clone(&self.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            let cause = "a call that is open to anyone asked for the calling device";
            Problem::fault(&kind::INTERNAL, "the node does not know who asks", cause)
        })
    }
}

/// Checks that whoever sent `headers` may make a call. None where the call needs nobody in particular.
///
/// # Errors
/// `token-missing`, `token-unknown` or `role-forbidden`.
pub(super) fn admit(
    access: Access,
    devices: &Devices,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<Option<Caller>, Problem> {
    let roles = match access {
        Access::Anyone => return Ok(None),
        Access::Paired(roles) => roles,
        Access::ManagerOrLocal if is_local(headers, extensions) => return Ok(None),
        Access::ManagerOrLocal => &[Role::Manager],
    };
    let device = devices.by_token(TokenHash::of(token(headers)?)).ok_or_else(|| {
        Problem::new(
            &kind::TOKEN_UNKNOWN,
            "the token is not known, or its device was removed",
        )
    })?;
    if roles.contains(&device.role) {
        return Ok(Some(Caller(device)));
    }
    Err(Problem::new(
        &kind::ROLE_FORBIDDEN,
        format!(
            "{} is paired as a {}; this call is for: {}",
            device.name,
            role_name(device.role),
            roles.iter().map(|role| role_name(*role)).collect::<Vec<_>>().join(", ")
        ),
    ))
}

/// A role as the API writes it.
#[must_use]
pub const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Till => "till",
        Role::Kiosk => "kiosk",
        Role::Manager => "manager",
        Role::Node => "node",
        Role::Standby => "standby",
    }
}

fn token(headers: &HeaderMap) -> Result<&str, Problem> {
    let missing = || {
        Problem::new(
            &kind::TOKEN_MISSING,
            "this call needs the header Authorization: Bearer TOKEN",
        )
    };
    let header = headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
    let (scheme, token) = header
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(missing)?;
    let token = token.trim_start();
    if scheme.eq_ignore_ascii_case("bearer") && (1..=TOKEN_CHARACTERS_MAX).contains(&token.len()) {
        Ok(token)
    } else {
        Err(missing())
    }
}

/// Whether the request comes from this machine. A proxy on it speaks for others and says so.
fn is_local(headers: &HeaderMap, extensions: &Extensions) -> bool {
    let forwarded = headers.contains_key(header::FORWARDED) || headers.contains_key("x-forwarded-for");
    let peer = extensions.get::<Peer>();
    !forwarded && peer.is_some_and(|Peer(address)| address.ip().to_canonical().is_loopback())
}
