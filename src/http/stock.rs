//! Stock: what there is of each item, and the movements that are not sales.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::parameters::{InPath, InQuery, page_limit};
use super::problem::{Problem, kind};
use super::state::ApiState;
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;
use crate::domain::stock::StockStatus;
use crate::store::{StockFigures, StorageError};

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StockQuery {
    /// The most entries; 50 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Sku>,
}

/// What there is of an item at this site, as far as this node knows.
#[derive(Debug, Serialize, ToSchema)]
pub struct StockBody {
    #[schema(value_type = String)]
    sku: Sku,
    /// What is there. Negative where more was sold than the node knew of.
    #[schema(value_type = String, example = "12")]
    quantity: Quantity,
    /// What is promised to somebody.
    #[schema(value_type = String, example = "2")]
    reserved: Quantity,
    /// What is there, promised to nobody and may be promised; never under 0.
    #[schema(value_type = String, example = "10")]
    available: Quantity,
    /// What was sold beyond the rights to it and is not settled; left out where there is none.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    owed: Option<Quantity>,
    /// What retired kiosks left: nobody may promise it until it is counted or an operator says that it is there; left out
    /// where there is none.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    unpromised: Option<Quantity>,
    /// `in_stock`, `low_stock` or `out_of_stock`.
    #[schema(value_type = String, example = "low_stock")]
    status: StockStatus,
    /// From how much left on it counts as low.
    #[schema(value_type = String, example = "10")]
    threshold: Quantity,
}

impl StockBody {
    fn of(sku: Sku, figures: StockFigures, threshold: Quantity) -> Self {
        Self {
            sku,
            quantity: figures.on_hand,
            reserved: figures.reserved,
            available: figures.available(),
            owed: Some(figures.owed).filter(|owed| *owed != Quantity::ZERO),
            unpromised: Some(figures.unpromised).filter(|left| *left != Quantity::ZERO),
            status: StockStatus::of(figures.available(), threshold),
            threshold,
        }
    }
}

/// A page of stock.
#[derive(Debug, Serialize, ToSchema)]
pub struct StockPageBody {
    stock: Vec<StockBody>,
    /// The cursor of the next page, where there may be one.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Sku>,
}

/// What there is of one item.
#[utoipa::path(
    get, operation_id = "get_stock", path = "/v1/stock/{sku}", tag = "stock",
    params(("sku" = String, Path, description = "The organisation's own number")),
    responses((status = 200, body = StockBody)),
)]
pub(super) async fn by_sku(State(api): State<ApiState>, InPath(sku): InPath<Sku>) -> Result<Json<StockBody>, Problem> {
    let (asked, low_stock) = (sku.clone(), api.settings.low_stock);
    let (found, threshold) = api
        .readers
        .run(move |snapshot| -> Result<_, StorageError> {
            let figures = match snapshot.stock(&asked)? {
                Some(figures) => Some(figures),
                // An item that never moved has none of it.
                None => snapshot.item(&asked)?.map(|_| StockFigures::default()),
            };
            Ok((figures, snapshot.threshold(&asked)?.unwrap_or(low_stock)))
        })
        .await?;
    let missing = || Problem::new(&kind::PRODUCT_NOT_FOUND, format!("no item has the SKU {sku}"));
    let figures = found.ok_or_else(missing)?;
    Ok(Json(StockBody::of(sku, figures, threshold)))
}

/// What there is, in the order of SKUs.
#[utoipa::path(
    get, operation_id = "list_stock", path = "/v1/stock", tag = "stock", params(StockQuery),
    responses((status = 200, body = StockPageBody)),
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    InQuery(query): InQuery<StockQuery>,
) -> Result<Json<StockPageBody>, Problem> {
    let (limit, low_stock) = (page_limit(query.limit)?, api.settings.low_stock);
    let found = api
        .readers
        .run(move |snapshot| -> Result<_, StorageError> {
            let page = snapshot.stock_page(query.cursor.as_ref(), limit)?.into_iter();
            let judged = page.map(|(sku, figures)| {
                let threshold = snapshot.threshold(&sku)?.unwrap_or(low_stock);
                Ok((sku, figures, threshold))
            });
            judged.collect::<Result<Vec<_>, StorageError>>()
        })
        .await?;
    let full = found.len() == limit as usize;
    let next = found.last().filter(|_| full).map(|(sku, ..)| sku.clone());
    let stock = found
        .into_iter()
        .map(|(sku, figures, threshold)| StockBody::of(sku, figures, threshold));
    let stock = stock.collect();
    Ok(Json(StockPageBody { stock, next }))
}
