//! `/v1/set-aside`: records that could not be read or taken in; handed out as they are, repaired once.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::command::Command;
use super::instants::instant_if_any;
use super::sales::RecordBody;
use super::state::HqApi;
use crate::domain::ids::{Incarnation, NodeId};
use crate::domain::journal::RecordId;
use crate::hq::{RepairError, Replacement, ReplacementFact, SetAsideRecord, SetAsideState, StorageError, set_aside};
use crate::http::parameters::{InPath, InQuery, page_limit};
use crate::http::problem::{Problem, kind};

/// Which records.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SetAsideParameters {
    /// `open`, `waiting` (for an upgrade), `repaired` or `read` (after an upgrade); all where it is not given.
    #[param(value_type = Option<String>, example = "open")]
    state: Option<SetAsideState>,
    /// The most entries; 50 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Records that were set aside.
#[derive(Debug, Serialize, ToSchema)]
pub struct SetAsideBody {
    records: Vec<SetAsideRecordBody>,
    /// Where the next page begins; missing on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A record that was set aside.
#[derive(Debug, Serialize, ToSchema)]
pub struct SetAsideRecordBody {
    record: RecordBody,
    /// The record's kind as a number; 0 where that cannot be read or is not to blame.
    kind: u32,
    /// When its batch came.
    found: Option<String>,
    /// The figures that it is missing in.
    by: Vec<SetAsideByBody>,
}

/// One projection's view of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SetAsideByBody {
    /// `sales` or `stock`.
    projection: String,
    /// Why, in words.
    reason: String,
    /// `open`, `waiting`, `repaired` or `read`.
    #[schema(value_type = String, example = "open")]
    state: SetAsideState,
}

/// What takes the record's place: a fact as JSON, or a whole record as hexadecimal digits.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RepairRequest {
    /// Why, in words.
    reason: String,
    /// `{"sale": …}`, `{"refund": …}` or `{"movement": …}`, with the fields of the journal's format.
    #[schema(value_type = Option<Object>)]
    fact: Option<ReplacementFact>,
    /// A whole record, as hexadecimal digits.
    record: Option<String>,
}

/// The correction that was written.
#[derive(Debug, Serialize, ToSchema)]
pub struct RepairBody {
    /// The correction's own record in headquarters' journal.
    correction: RecordBody,
}

impl From<SetAsideRecord> for SetAsideRecordBody {
    fn from(found: SetAsideRecord) -> Self {
        let by = found.by.into_iter().map(|by| SetAsideByBody {
            projection: by.projection,
            reason: by.reason,
            state: by.state,
        });
        Self {
            record: found.record.into(),
            kind: found.kind,
            found: instant_if_any(found.found_ms),
            by: by.collect(),
        }
    }
}

/// Records that could not be read or taken in. Everything else was.
#[utoipa::path(
    get, path = "/v1/set-aside", tag = "set aside", params(SetAsideParameters),
    responses((status = 200, body = SetAsideBody)),
)]
pub(super) async fn list(
    State(api): State<HqApi>,
    InQuery(asked): InQuery<SetAsideParameters>,
) -> Result<Json<SetAsideBody>, Problem> {
    let limit = page_limit(asked.limit)?;
    let after = asked.cursor.as_deref().map(record_of_cursor).transpose()?;
    let records = api
        .ask::<_, StorageError>(move |headquarters| headquarters.set_aside(asked.state, after.as_ref(), limit as usize))
        .await?;
    let last = records.last().filter(|_| records.len() >= limit as usize);
    let next_cursor = last.map(|last| {
        let RecordId { node, incarnation, seq } = &last.record;
        format!("{node}~{incarnation}~{seq}")
    });
    Ok(Json(SetAsideBody {
        records: records.into_iter().map(Into::into).collect(),
        next_cursor,
    }))
}

/// One record that was set aside.
#[utoipa::path(
    get, path = "/v1/set-aside/{node}/{incarnation}/{seq}", tag = "set aside", params(RecordPath),
    responses((status = 200, body = SetAsideRecordBody)),
)]
pub(super) async fn show(
    State(api): State<HqApi>,
    InPath(path): InPath<RecordPath>,
) -> Result<Json<SetAsideRecordBody>, Problem> {
    let record = path.record()?;
    let asked = record.clone();
    let found = api
        .ask::<_, StorageError>(move |headquarters| headquarters.set_aside_record(&asked))
        .await?;
    let found = found.ok_or_else(|| not_found(&record))?;
    Ok(Json(found.into()))
}

/// The record's bytes as they came.
#[utoipa::path(
    get, path = "/v1/set-aside/{node}/{incarnation}/{seq}/record", tag = "set aside", params(RecordPath),
    responses((status = 200, description = "The bytes", content_type = "application/octet-stream", body = Vec<u8>)),
)]
pub(super) async fn export(State(api): State<HqApi>, InPath(path): InPath<RecordPath>) -> Result<Response, Problem> {
    let record = path.record()?;
    let asked = record.clone();
    let bytes = api
        .ask::<_, StorageError>(move |headquarters| {
            let set_aside = headquarters.set_aside_record(&asked)?.is_some();
            Ok(headquarters.export(&asked)?.filter(|_| set_aside))
        })
        .await?;
    let bytes = bytes.ok_or_else(|| not_found(&record))?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

/// Repairs a record: what takes its place is written into headquarters' journal and takes effect once.
#[utoipa::path(
    post, path = "/v1/set-aside/{node}/{incarnation}/{seq}/repair", tag = "set aside",
    params(RecordPath, ("Idempotency-Key" = Option<String>, Header, description = "The client's name for this request")),
    request_body = RepairRequest,
    responses((status = 201, body = RepairBody)),
)]
pub(super) async fn repair(
    State(api): State<HqApi>,
    InPath(path): InPath<RecordPath>,
    command: Command<RepairRequest>,
) -> Result<Response, Problem> {
    let record = path.record()?;
    let replacement = command.body.replacement()?;
    let done = command
        .once(&api, StatusCode::CREATED, |writing, asked, by, now_ms| {
            let correction = set_aside::repair(writing, record, replacement, by, asked.reason, now_ms)?.into();
            Ok::<_, RepairError>(RepairBody { correction })
        })
        .await?;
    if !done.replayed {
        api.grown();
    }
    Ok(done.response)
}

impl RepairRequest {
    /// What takes the record's place: one of the two.
    fn replacement(&self) -> Result<Replacement, Problem> {
        match (&self.fact, &self.record) {
            (Some(fact), None) => Ok(Replacement::Fact(Box::new(fact.clone()))),
            (None, Some(digits)) => Ok(Replacement::Record(bytes_of(digits)?)),
            _ => {
                let detail = "the body: give either fact or record";
                Err(Problem::new(&kind::INVALID_FIELD, detail).at(""))
            }
        }
    }
}

/// Names a record.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct RecordPath {
    /// The node.
    #[param(value_type = String)]
    node: NodeId,
    /// The incarnation, such as `1-00c0ffee00c0ffee`.
    incarnation: String,
    /// The record's number there.
    seq: u64,
}

impl RecordPath {
    fn record(self) -> Result<RecordId, Problem> {
        Ok(RecordId {
            node: self.node,
            incarnation: incarnation(&self.incarnation)?,
            seq: self.seq,
        })
    }
}

/// An incarnation as the address names it.
fn incarnation(text: &str) -> Result<Incarnation, Problem> {
    text.parse()
        .map_err(|error| Problem::new(&kind::INVALID_PARAMETER, format!("incarnation: {error}")))
}

fn record_of_cursor(text: &str) -> Result<RecordId, Problem> {
    let mut parts = text.split('~');
    let mut parse = || {
        Some(RecordId {
            node: parts.next()?.parse().ok()?,
            incarnation: parts.next()?.parse().ok()?,
            seq: parts.next()?.parse().ok()?,
        })
    };
    parse().ok_or_else(|| {
        let detail = "cursor: it is not one that this headquarters gave out";
        Problem::new(&kind::INVALID_PARAMETER, detail)
    })
}

fn bytes_of(digits: &str) -> Result<Vec<u8>, Problem> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        // `from_str_radix` takes a sign too.
        let is_digits = pair.bytes().all(|byte| byte.is_ascii_hexdigit());
        u8::from_str_radix(pair, 16).ok().filter(|_| is_digits)
    });
    pairs.collect::<Option<_>>().ok_or_else(|| {
        let detail = "/record: two hexadecimal digits for each byte";
        Problem::new(&kind::INVALID_FIELD, detail).at("/record")
    })
}

fn not_found(record: &RecordId) -> Problem {
    Problem::new(
        &kind::RECORD_NOT_FOUND,
        format!("{record} has not been set aside, or its node keeps it"),
    )
}
