//! Holds of online channels: goods of a site promised to somebody, with rights that headquarters has or gets.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use utoipa::{IntoParams, ToSchema};

use super::command::{Command, Done};
use super::state::HqApi;
use crate::domain::escrow::Amount;
use crate::domain::ids::{ChannelId, CustomerRef, SiteId, Sku};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{Hold, HoldId, HoldLine, HoldOpened, HoldPurpose};
use crate::hq::RightsError;
use crate::hq::rights::{end_hold, open_hold};
use crate::hq::rights_desk::RightsEvent;
use crate::http::parameters::{InPath, InQuery, page_limit};
use crate::http::problem::{Problem, kind};

/// The most lines of a hold.
const LINES_MAX: usize = 1_000;
/// The longest that a hold lasts, in seconds: thirty days.
const SECONDS_MAX: u64 = 30 * 24 * 60 * 60;
/// How long a hold lasts that does not say: a quarter of an hour, in seconds.
const SECONDS: u64 = 15 * 60;

/// Goods to be held.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldRequest {
    /// The site whose goods they are.
    #[schema(value_type = String)]
    site: SiteId,
    /// What for: `cart` where it is not given, or `pickup`.
    #[schema(value_type = Option<String>, example = "pickup")]
    purpose: Option<HoldPurpose>,
    /// The sales channel.
    #[schema(value_type = String, example = "web")]
    channel: ChannelId,
    /// Whom it is for: a pseudonymous reference.
    #[schema(value_type = Option<String>)]
    customer: Option<CustomerRef>,
    /// How long it lasts; a quarter of an hour where it is not given.
    #[schema(minimum = 1, maximum = 2_592_000)]
    seconds: Option<u64>,
    /// What is held; each item once. All of it or nothing.
    lines: Vec<HoldLineRequest>,
}

/// One item to be held.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldLineRequest {
    #[schema(value_type = String)]
    sku: Sku,
    /// How much of it: over 0.
    #[schema(value_type = String, example = "1")]
    quantity: Quantity,
}

/// Nothing to say.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequest {}

/// A hold.
#[derive(Debug, Serialize, ToSchema)]
pub struct HoldBody {
    /// Its identity.
    #[schema(example = "09f3a1c2d4e5b687")]
    id: String,
    #[schema(value_type = String)]
    site: SiteId,
    #[schema(value_type = String)]
    purpose: HoldPurpose,
    #[schema(value_type = String)]
    channel: ChannelId,
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<CustomerRef>,
    /// How long it still lasts, by headquarters' own running time.
    seconds_left: u64,
    lines: Vec<HoldLineBody>,
}

/// One item of a hold.
#[derive(Debug, Serialize, ToSchema)]
pub struct HoldLineBody {
    #[schema(value_type = String)]
    sku: Sku,
    #[schema(value_type = String, example = "1")]
    quantity: Quantity,
}

/// A page of open holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct HoldsBody {
    holds: Vec<HoldBody>,
    /// Where the next page begins; missing on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HoldsParameters {
    /// The most entries; 50 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Holds goods of a site for an online channel.
///
/// All lines or none, and only with rights that headquarters has: what they lack is asked of the site, which is given
/// two seconds. Nothing is promised that a till or a kiosk could promise too.
#[utoipa::path(
    post, path = "/v1/holds", tag = "stock", request_body = HoldRequest,
    responses((status = 201, body = HoldBody)),
)]
pub(super) async fn create(State(api): State<HqApi>, command: Command<HoldRequest>) -> Result<Response, Problem> {
    let Some(keyed) = command.keyed() else {
        let detail = "a hold is known by its Idempotency-Key, so it needs that header";
        return Err(Problem::new(&kind::KEY_MISSING, detail));
    };
    let opened = command.body.opened(HoldId::of(keyed.caller.as_bytes(), &keyed.key))?;
    let (site, lines) = (opened.site.clone(), opened.lines.clone());
    let done = with_rights(&api, &site, &lines, || {
        let (api, command, opened) = (&api, command.clone(), opened.clone());
        async move {
            let running_ms = api.headquarters.running_ms();
            command
                .once(api, StatusCode::CREATED, move |writing, _, _, now_ms| {
                    let hold = open_hold(writing, opened, running_ms, now_ms)?;
                    Ok::<_, RightsError>(HoldBody::of(hold, running_ms))
                })
                .await
        }
    })
    .await?;
    touched(&api, site, &lines);
    api.grown();
    Ok(done.response)
}

/// Makes a promise of a site's goods: at once, or once the site has handed rights on for it.
pub(super) async fn with_rights<F: Future<Output = Result<Done, Problem>>>(
    api: &HqApi,
    site: &SiteId,
    lines: &[HoldLine],
    promise: impl Fn() -> F,
) -> Result<Done, Problem> {
    let lines: Vec<(Sku, Amount)> = lines.iter().filter_map(wanted).collect();
    let demand = RightsEvent::Demand {
        site: site.clone(),
        lines: lines.clone(),
    };
    let mut done = promise().await;
    if matches!(&done, Err(problem) if problem.kind().code == kind::NOT_ENOUGH_TO_PROMISE.code) {
        let (answer, answered) = oneshot::channel();
        let wanted = RightsEvent::Wanted {
            site: site.clone(),
            lines,
            answer,
        };
        if api.rights(wanted) {
            // Where nobody had any, some may have come by another way meanwhile: the row decides.
            let kept = answered.await;
            done = promise().await;
            drop(kept);
        }
    }
    let _ = api.rights(demand);
    done
}

/// Gives a hold up: what it held can be promised again.
#[utoipa::path(
    post, path = "/v1/holds/{hold}/release", tag = "stock", request_body = ReleaseRequest,
    params(("hold" = String, Path, description = "The hold's identity")),
    responses((status = 200, body = HoldBody)),
)]
pub(super) async fn release(
    State(api): State<HqApi>,
    InPath(id): InPath<HoldId>,
    command: Command<ReleaseRequest>,
) -> Result<Response, Problem> {
    let running_ms = api.headquarters.running_ms();
    let held = api
        .ask::<_, RightsError>(move |headquarters| headquarters.open_hold(id))
        .await;
    let done = command
        .once(&api, StatusCode::OK, move |writing, ReleaseRequest {}, _, now_ms| {
            let hold = end_hold(writing, id, now_ms)?;
            Ok::<_, RightsError>(HoldBody::of(hold, running_ms))
        })
        .await?;
    if let Ok(Some(hold)) = held {
        touched(&api, hold.opened.site, &hold.opened.lines);
    }
    api.grown();
    Ok(done.response)
}

/// The open holds of online channels.
#[utoipa::path(
    get, path = "/v1/holds", tag = "stock", params(HoldsParameters),
    responses((status = 200, body = HoldsBody)),
)]
pub(super) async fn list(
    State(api): State<HqApi>,
    InQuery(asked): InQuery<HoldsParameters>,
) -> Result<Json<HoldsBody>, Problem> {
    let limit = page_limit(asked.limit)?;
    let after: Option<HoldId> = match asked.cursor.as_deref().map(str::parse).transpose() {
        Ok(after) => after,
        Err(error) => return Err(Problem::new(&kind::INVALID_PARAMETER, format!("cursor: {error}"))),
    };
    let holds = api
        .ask::<_, crate::hq::StorageError>(move |headquarters| headquarters.holds(after, limit))
        .await?;
    let full = holds.len() == limit as usize;
    let next_cursor = holds.last().filter(|_| full).map(|hold| hold.opened.id.to_string());
    let running_ms = api.headquarters.running_ms();
    let holds = holds.into_iter().map(|hold| HoldBody::of(hold, running_ms)).collect();
    Ok(Json(HoldsBody { holds, next_cursor }))
}

/// Tells whoever moves rights that headquarters' own rows of a site have moved.
pub(super) fn touched(api: &HqApi, site: SiteId, lines: &[HoldLine]) {
    let skus = lines.iter().map(|line| line.sku.clone()).collect();
    // Where too much waits, the rows are read when they are asked for.
    let _ = api.rights(RightsEvent::Touched { site, skus });
}

fn wanted(line: &HoldLine) -> Option<(Sku, Amount)> {
    Some((line.sku.clone(), Amount::try_from(line.quantity).ok()?))
}

impl HoldRequest {
    fn opened(&self, id: HoldId) -> Result<HoldOpened, Problem> {
        let invalid = |pointer: String, what: String| {
            Problem::new(&kind::INVALID_FIELD, format!("{pointer}: {what}")).at(pointer)
        };
        let seconds = self.seconds.unwrap_or(SECONDS);
        if !(1..=SECONDS_MAX).contains(&seconds) {
            return Err(invalid("/seconds".into(), format!("1 to {SECONDS_MAX}")));
        }
        if self.lines.is_empty() || self.lines.len() > LINES_MAX {
            return Err(invalid("/lines".into(), format!("1 to {LINES_MAX} lines")));
        }
        let mut lines: Vec<HoldLine> = Vec::with_capacity(self.lines.len());
        for (at, line) in self.lines.iter().enumerate() {
            if line.quantity <= Quantity::ZERO || line.quantity > Quantity::LINE_MAX {
                let what = format!("over 0 and at most {}", Quantity::LINE_MAX);
                return Err(invalid(format!("/lines/{at}/quantity"), what));
            }
            if lines.iter().any(|known| known.sku == line.sku) {
                let what = format!("{} is on another line already", line.sku);
                return Err(invalid(format!("/lines/{at}/sku"), what));
            }
            lines.push(HoldLine {
                sku: line.sku.clone(),
                quantity: line.quantity,
            });
        }
        let purpose = self.purpose.unwrap_or(HoldPurpose::Cart);
        if purpose == HoldPurpose::Transfer {
            return Err(invalid(
                "/purpose".into(),
                "a transfer holds its goods by itself".into(),
            ));
        }
        Ok(HoldOpened {
            id,
            site: self.site.clone(),
            purpose,
            channel: self.channel.clone(),
            customer: self.customer.clone(),
            staff: None,
            lifetime_ms: seconds * 1_000,
            lines,
        })
    }
}

impl HoldBody {
    fn of(hold: Hold, running_ms: u64) -> Self {
        let seconds_left = hold.remaining_ms(running_ms).div_ceil(1_000);
        let opened = hold.opened;
        let lines = opened.lines.into_iter().map(|line| HoldLineBody {
            sku: line.sku,
            quantity: line.quantity,
        });
        Self {
            id: opened.id.to_string(),
            site: opened.site,
            purpose: opened.purpose,
            channel: opened.channel,
            customer: opened.customer,
            seconds_left,
            lines: lines.collect(),
        }
    }
}

impl From<RightsError> for Problem {
    fn from(error: RightsError) -> Self {
        let detail = error.to_string();
        match error {
            RightsError::Refused { sku, .. } => Self::new(&kind::NOT_ENOUGH_TO_PROMISE, detail)
                .at("/lines")
                .with("sku", sku.to_string()),
            RightsError::NotOpen(_) => Self::new(&kind::HOLD_NOT_OPEN, detail),
            RightsError::Used(_) => Self::new(&kind::HOLD_USED, detail),
            RightsError::Storage(error) => error.into(),
        }
    }
}
