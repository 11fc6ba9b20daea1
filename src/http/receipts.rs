//! Receipts, as JSON and as the text that a printer takes.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::Caller;
use super::history::{DocumentBody, Recorded};
use super::parameters::{InPath, InQuery};
use super::problem::{Problem, kind};
use super::state::ApiState;
use crate::domain::ids::{ReceiptNumber, Sku};
use crate::domain::sale::{ReceiptStyle, refund_receipt, sale_receipt};
use crate::store::{Snapshot, StorageError};

/// Ends an address that asks for the text.
const TEXT_SUFFIX: &str = ".txt";
/// The columns that a printer may have.
const WIDTHS: RangeInclusive<usize> = ReceiptStyle::WIDTH_MIN..=80;

/// How the text is set.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReceiptQuery {
    /// The printer's columns; 42 where it is not given.
    #[param(minimum = 24, maximum = 80)]
    width: Option<usize>,
    /// True where it is printed again: a copy says so.
    #[serde(default)]
    copy: bool,
}

/// A receipt with what its text names besides.
struct Printed {
    document: Recorded,
    /// What people call its items.
    names: HashMap<Sku, String>,
    /// The receipt of the sale that a refund takes back from.
    of: Option<ReceiptNumber>,
}

/// A sale's or refund's receipt by its number: as JSON, or as text with `.txt` behind the number or with
/// `Accept: text/plain`.
#[utoipa::path(
    get, operation_id = "get_receipt", path = "/v1/receipts/{number}", tag = "sales",
    params(
        ("number" = String, Path, description = "The receipt's number", example = "STORE-1-R1-7KQ2-000042"),
        ReceiptQuery,
    ),
    responses((status = 200, content(
        (DocumentBody = "application/json"),
        (String = "text/plain"),
    ))),
)]
pub(super) async fn by_number(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(asked): InPath<String>,
    InQuery(query): InQuery<ReceiptQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if query.width.is_some_and(|width| !WIDTHS.contains(&width)) {
        let detail = format!("width is from {} to {} columns", WIDTHS.start(), WIDTHS.end());
        return Err(Problem::new(&kind::INVALID_PARAMETER, detail));
    }
    let (number, as_text) = match asked.strip_suffix(TEXT_SUFFIX) {
        Some(number) => (number, true),
        None => (asked.as_str(), wants_text(&headers)),
    };
    let number: ReceiptNumber = number
        .parse()
        .map_err(|error| Problem::new(&kind::INVALID_PARAMETER, format!("{error}")))?;
    let missing = format!("no receipt has the number {number}");
    let found = api
        .readers
        .run(move |snapshot| printed(snapshot, &number, as_text))
        .await?;
    let found = found.ok_or_else(|| Problem::new(&kind::DOCUMENT_NOT_FOUND, missing))?;
    let document = found.document.shown_to(&caller)?;
    if !as_text {
        return Ok(document.answer());
    }
    let name_of = |sku: &Sku| found.names.get(sku).cloned();
    let style = ReceiptStyle {
        header: &api.receipt_header,
        width: query.width.unwrap_or(ReceiptStyle::WIDTH),
        copy: query.copy,
        ..ReceiptStyle::new(&name_of)
    };
    let text = match (&document, found.of) {
        (Recorded::Sale(sale, _), _) => sale_receipt(sale, &style),
        (Recorded::Refund(refund, _), Some(of)) => refund_receipt(refund, &of, &style),
        (Recorded::Refund(refund, _), None) => {
            let detail = format!("the sale {} that it takes back from is no longer kept here", refund.of);
            return Err(Problem::new(&kind::DOCUMENT_NOT_FOUND, detail));
        }
    };
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

fn printed(snapshot: &Snapshot<'_>, number: &ReceiptNumber, as_text: bool) -> Result<Option<Printed>, StorageError> {
    let Some(row) = snapshot.document_by_receipt(number)? else {
        return Ok(None);
    };
    let Some(document) = Recorded::read(snapshot, row.position)? else {
        return Ok(None);
    };
    let (mut names, mut of) = (HashMap::new(), None);
    if as_text {
        let skus: Vec<&Sku> = match &document {
            Recorded::Sale(sale, _) => sale.lines.iter().map(|line| &line.sku).collect(),
            Recorded::Refund(refund, _) => refund.lines.iter().map(|line| &line.sku).collect(),
        };
        for sku in skus {
            if !names.contains_key(sku)
                && let Some(listed) = snapshot.item(sku)?
            {
                names.insert(sku.clone(), listed.item.name.into());
            }
        }
        if let Recorded::Refund(refund, _) = &document
            && let Some(series) = snapshot.series(&refund.of.series)?
            && let Some(sale) = snapshot.document(series, refund.of.counter)?
        {
            of = snapshot.sale_at(sale.position)?.map(|sale| sale.receipt);
        }
    }
    Ok(Some(Printed { document, names, of }))
}

/// Whether the client asks for text rather than JSON.
pub(super) fn wants_text(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.trim_start().starts_with("text/plain"))
}
