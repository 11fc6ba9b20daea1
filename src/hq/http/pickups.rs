//! Pickups: orders of online channels that customers fetch at a site.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::command::Command;
use super::holds::{touched, with_rights};
use super::state::HqApi;
use crate::domain::ids::{ChannelId, CustomerRef, SiteId};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{
    HoldId, HoldLine, HoldOpened, HoldPurpose, Pickup, PickupOrdered, SITE_LINES_MAX, site_feed,
};
use crate::hq::pickups::{cancel, order};
use crate::hq::{PickupError, RightsError, StorageError};
use crate::http::parameters::{InPath, InQuery, page_limit};
use crate::http::pickups::PickupBody;
use crate::http::problem::{Problem, kind};
use crate::http::site_lines::SiteLine;

/// The longest that a pickup waits, in seconds: thirty days.
const SECONDS_MAX: u64 = 30 * 24 * 60 * 60;
/// How long one waits that does not say: three days, in seconds.
const SECONDS: u64 = 3 * 24 * 60 * 60;
/// The longest reference or note, in characters.
const TEXT_MAX: usize = 200;

/// An order for pickup.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PickupRequest {
    /// The site where it is fetched.
    #[schema(value_type = String)]
    site: SiteId,
    /// The sales channel.
    #[schema(value_type = String, example = "web")]
    channel: ChannelId,
    /// Whom it is for: a pseudonymous reference.
    #[schema(value_type = Option<String>)]
    customer: Option<CustomerRef>,
    /// What the channel calls the order; at most 200 characters.
    reference: Option<String>,
    /// Whether it is paid already; else the store takes the money.
    paid: bool,
    /// How long the goods wait; three days where it is not given.
    #[schema(minimum = 1, maximum = 2_592_000)]
    seconds: Option<u64>,
    /// What is fetched; 1 to 100 lines, each item once. All of it or nothing.
    lines: Vec<SiteLine>,
}

/// Why it is cancelled.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {
    /// In words; at most 200 characters.
    note: Option<String>,
}

/// A pickup at its site.
#[derive(Debug, Serialize, ToSchema)]
pub struct SitePickupBody {
    #[schema(value_type = String)]
    site: SiteId,
    /// Whether headquarters holds the goods itself: until the store's acceptance is heard of.
    held_here: bool,
    #[serde(flatten)]
    pickup: PickupBody,
}

/// A page of pickups.
#[derive(Debug, Serialize, ToSchema)]
pub struct SitePickupsBody {
    pickups: Vec<SitePickupBody>,
    /// Where the next page begins; missing on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PickupsParameters {
    /// Of one site.
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

/// Orders goods for pickup at a site: holds them, and puts them in the store's queue.
///
/// All lines or none, and only with rights that headquarters has: what they lack is asked of the site, which is given
/// two seconds. The hold is handed over to the store once its acceptance is heard of.
#[utoipa::path(
    post, path = "/v1/pickups", tag = "stock", request_body = PickupRequest,
    responses((status = 201, body = SitePickupBody)),
)]
pub(super) async fn create(State(api): State<HqApi>, command: Command<PickupRequest>) -> Result<Response, Problem> {
    let Some(keyed) = command.keyed() else {
        let detail = "a pickup is known by its Idempotency-Key, so it needs that header";
        return Err(Problem::new(&kind::KEY_MISSING, detail));
    };
    let id = HoldId::of(keyed.caller.as_bytes(), &keyed.key);
    let (opened, ordered) = command.body.order(id, api.now_ms())?;
    let site = opened.site.clone();
    let lines = opened.lines.clone();
    let done = with_rights(&api, &site, &lines, || {
        let (order_api, command) = (&api, command.clone());
        let ordered = (opened.clone(), ordered.clone());
        async move {
            let running_ms = order_api.headquarters.running_ms();
            command
                .once(order_api, StatusCode::CREATED, move |writing, _, _, now_ms| {
                    let pickup = order(writing, ordered, running_ms, now_ms)?;
                    Ok::<_, RightsError>(SitePickupBody::of(&pickup, true))
                })
                .await
        }
    })
    .await?;
    touched(&api, site.clone(), &lines);
    api.announce(site_feed(&site));
    api.grown();
    Ok(done.response)
}

/// Cancels a pickup: the customer does not want it any more. The store ends its part once it hears of it.
#[utoipa::path(
    post, path = "/v1/pickups/{pickup}/cancel", tag = "stock", request_body = CancelRequest,
    params(("pickup" = String, Path, description = "The pickup's identity")),
    responses((status = 200, body = SitePickupBody)),
)]
pub(super) async fn call_off(
    State(api): State<HqApi>,
    InPath(id): InPath<HoldId>,
    command: Command<CancelRequest>,
) -> Result<Response, Problem> {
    check_text(command.body.note.as_deref(), "/note")?;
    let known = api
        .ask::<_, StorageError>(move |headquarters| headquarters.pickup(id))
        .await?;
    let done = command
        .once(&api, StatusCode::OK, move |writing, asked, by, now_ms| {
            let pickup = cancel(writing, id, by, asked.note, now_ms)?;
            Ok::<_, PickupError>(SitePickupBody::of(&pickup, false))
        })
        .await?;
    if let Some(pickup) = known {
        let ordered = pickup.ordered;
        touched(&api, ordered.site.clone(), &ordered.lines);
        api.announce(site_feed(&ordered.site));
    }
    api.grown();
    Ok(done.response)
}

/// Pickups at all sites.
#[utoipa::path(
    get, path = "/v1/pickups", tag = "stock", params(PickupsParameters),
    responses((status = 200, body = SitePickupsBody)),
)]
pub(super) async fn list(
    State(api): State<HqApi>,
    InQuery(asked): InQuery<PickupsParameters>,
) -> Result<Json<SitePickupsBody>, Problem> {
    let limit = page_limit(asked.limit)?;
    let after: Option<HoldId> = match asked.cursor.as_deref().map(str::parse).transpose() {
        Ok(after) => after,
        Err(error) => return Err(Problem::new(&kind::INVALID_PARAMETER, format!("cursor: {error}"))),
    };
    let pickups = api
        .ask::<_, StorageError>(move |headquarters| headquarters.pickups(asked.site, asked.over, after, limit))
        .await?;
    let full = pickups.len() == limit as usize;
    let next_cursor = pickups
        .last()
        .filter(|_| full)
        .map(|(pickup, _)| pickup.ordered.id.to_string());
    let pickups = pickups
        .iter()
        .map(|(pickup, held)| SitePickupBody::of(pickup, *held))
        .collect();
    Ok(Json(SitePickupsBody { pickups, next_cursor }))
}

/// Checks a text that people enter.
pub(super) fn check_text(text: Option<&str>, pointer: &'static str) -> Result<(), Problem> {
    let unfit = |text: &str| text.chars().count() > TEXT_MAX || text.chars().any(char::is_control);
    if text.is_some_and(unfit) {
        let detail = format!("{pointer}: at most {TEXT_MAX} characters, none of them control characters");
        return Err(Problem::new(&kind::INVALID_FIELD, detail).at(pointer));
    }
    Ok(())
}

/// Checks lines of a pickup or a transfer.
pub(super) fn check_lines(lines: &[HoldLine]) -> Result<(), Problem> {
    let invalid =
        |pointer: String, what: String| Problem::new(&kind::INVALID_FIELD, format!("{pointer}: {what}")).at(pointer);
    if lines.is_empty() || lines.len() > SITE_LINES_MAX {
        return Err(invalid("/lines".into(), format!("1 to {SITE_LINES_MAX} lines")));
    }
    for (at, line) in lines.iter().enumerate() {
        if line.quantity <= Quantity::ZERO || line.quantity > Quantity::LINE_MAX {
            let what = format!("over 0 and at most {}", Quantity::LINE_MAX);
            return Err(invalid(format!("/lines/{at}/quantity"), what));
        }
        if lines.iter().take(at).any(|known| known.sku == line.sku) {
            let what = format!("{} is on another line already", line.sku);
            return Err(invalid(format!("/lines/{at}/sku"), what));
        }
    }
    Ok(())
}

impl PickupRequest {
    fn order(&self, id: HoldId, now_ms: u64) -> Result<(HoldOpened, PickupOrdered), Problem> {
        let seconds = self.seconds.unwrap_or(SECONDS);
        if !(1..=SECONDS_MAX).contains(&seconds) {
            let detail = format!("/seconds: 1 to {SECONDS_MAX}");
            return Err(Problem::new(&kind::INVALID_FIELD, detail).at("/seconds"));
        }
        check_text(self.reference.as_deref(), "/reference")?;
        let lines = SiteLine::into_lines(self.lines.clone());
        check_lines(&lines)?;
        let opened = HoldOpened {
            id,
            site: self.site.clone(),
            purpose: HoldPurpose::Pickup,
            channel: self.channel.clone(),
            customer: self.customer.clone(),
            staff: None,
            lifetime_ms: seconds * 1_000,
            lines: lines.clone(),
        };
        let ordered = PickupOrdered {
            id,
            site: self.site.clone(),
            channel: self.channel.clone(),
            customer: self.customer.clone(),
            reference: self.reference.clone(),
            paid: self.paid,
            lines,
            ordered_ms: now_ms,
        };
        Ok((opened, ordered))
    }
}

impl SitePickupBody {
    fn of(pickup: &Pickup, held_here: bool) -> Self {
        Self {
            site: pickup.ordered.site.clone(),
            held_here,
            pickup: PickupBody::of(pickup),
        }
    }
}

impl From<PickupError> for Problem {
    fn from(error: PickupError) -> Self {
        let detail = error.to_string();
        match error {
            PickupError::Unknown(_) => Self::new(&kind::PICKUP_NOT_FOUND, detail),
            PickupError::Over(_) => Self::new(&kind::PICKUP_OVER, detail),
            PickupError::Rights(error) => error.into(),
        }
    }
}
