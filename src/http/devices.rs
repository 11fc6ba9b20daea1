//! Paired devices: who they are, and the end of their rights.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::role_name;
use super::parameters::InPath;
use super::problem::Problem;
use super::state::ApiState;
use super::sync::instant;
use crate::domain::ids::RegisterId;
use crate::operations::{RevokeRefusal, revoke};
use crate::store::{Device, Failure, Rights, Role, WriteTransaction};

/// What a device is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoleName {
    /// A till with a person.
    Till,
    /// A kiosk that customers use themselves.
    Kiosk,
    /// A manager's tool: imports, pairing, devices.
    Manager,
    /// A kiosk's own node, whose parent this one is to be.
    Node,
    /// A standby of this node, which takes its place when it is gone.
    Standby,
}

/// A paired device.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeviceBody {
    /// Its number, for `DELETE /v1/devices/{device}`.
    device: i64,
    name: String,
    role: &'static str,
    /// What it may do beyond its role.
    permissions: Vec<Permission>,
    /// Its register, where it sells.
    #[schema(value_type = Option<String>, example = "1")]
    #[serde(skip_serializing_if = "Option::is_none")]
    register: Option<RegisterId>,
    /// The series that its sales are counted under.
    #[schema(example = "STORE-1-T1-7KQ2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<String>,
    /// When it was paired.
    paired_at: String,
    /// When its rights ended, if they have.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
}

/// What a device may do beyond its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// It may report sales of any day.
    Backdate,
    /// It may state prices of its own.
    StatePrices,
}

/// All devices.
#[derive(Debug, Serialize, ToSchema)]
pub struct DevicesBody {
    devices: Vec<DeviceBody>,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Till => Self::Till,
            RoleName::Kiosk => Self::Kiosk,
            RoleName::Manager => Self::Manager,
            RoleName::Node => Self::Node,
            RoleName::Standby => Self::Standby,
        }
    }
}

impl Permission {
    /// A list of permissions as the store keeps them.
    pub(super) fn rights(permissions: &[Self]) -> Rights {
        Rights {
            backdate: permissions.contains(&Self::Backdate),
            state_prices: permissions.contains(&Self::StatePrices),
        }
    }

    fn of(rights: Rights) -> Vec<Self> {
        let backdate = rights.backdate.then_some(Self::Backdate);
        let state_prices = rights.state_prices.then_some(Self::StatePrices);
        backdate.into_iter().chain(state_prices).collect()
    }
}

impl From<Device> for DeviceBody {
    fn from(device: Device) -> Self {
        let (register, series) = match device.till {
            Some(till) => (Some(till.register), Some(till.series.to_string())),
            None => (None, None),
        };
        Self {
            device: device.ix.get(),
            name: device.name,
            role: role_name(device.role),
            permissions: Permission::of(device.rights),
            register,
            series,
            paired_at: instant(device.created_ms),
            revoked_at: device.revoked_ms.map(instant),
        }
    }
}

/// Every device that was ever paired, oldest first.
#[utoipa::path(get, operation_id = "list_devices", path = "/v1/devices", tag = "devices", responses((status = 200, body = DevicesBody)))]
pub(super) async fn list(State(api): State<ApiState>) -> Result<Json<DevicesBody>, Problem> {
    let devices = api.readers.run(|snapshot| snapshot.devices()).await?;
    let devices = devices.into_iter().map(DeviceBody::from).collect();
    Ok(Json(DevicesBody { devices }))
}

/// Ends a device's rights, from its next request on; its event streams end too.
///
/// A second time changes nothing.
#[utoipa::path(
    delete, operation_id = "end_device", path = "/v1/devices/{device}", tag = "devices",
    params(("device" = i64, Path, description = "The device's number")),
    responses((status = 204, description = "It has no rights any more")),
)]
pub(super) async fn end(State(api): State<ApiState>, InPath(device): InPath<i64>) -> Result<StatusCode, Problem> {
    let now = api.now();
    let end = move |tx: &mut WriteTransaction<'_>| {
        // Numbers that no device has are refused as the operation would.
        let known = tx.devices()?.into_iter().find(|known| known.ix.get() == device);
        let known = known.ok_or(Failure::Refused(RevokeRefusal::Unknown))?;
        revoke(tx, now, known.ix)
    };
    api.write(end).await?;
    Ok(StatusCode::NO_CONTENT)
}
