//! Products: by SKU, by bar code, as one types, and page by page.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::parameters::{InPath, InQuery, page_limit};
use super::problem::{Problem, kind};
use super::state::ApiState;
use crate::domain::catalog::Gtin;
use crate::domain::ids::Sku;
use crate::domain::money::Currency;
use crate::store::{Listed, StorageError};

/// Which products.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ProductsQuery {
    /// The number in the bar code, with 8, 12, 13 or 14 digits.
    #[param(value_type = Option<String>, example = "6291041500213")]
    gtin: Option<Gtin>,
    /// What a person has typed so far: words of the name, the brand, the department or the size, or a number.
    #[param(example = "coca col")]
    search: Option<String>,
    /// The most entries; 50 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next` of the page before; for the list of all products only.
    #[param(value_type = Option<String>)]
    cursor: Option<Sku>,
}

/// One product.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductBody {
    /// The organisation's own number.
    #[schema(value_type = String, example = "1029743")]
    sku: Sku,
    /// The number in the bar code.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    gtin: Option<Gtin>,
    name: String,
    department: String,
    brand: String,
    size: String,
    /// What one unit sells at.
    #[schema(example = "3.99")]
    price: String,
    /// The catalog's price, where the product sells at another one now.
    #[serde(skip_serializing_if = "Option::is_none")]
    list_price: Option<String>,
    #[schema(value_type = String, example = "standard")]
    tax_class: String,
    /// The currency of the prices; on each product only where it stands alone.
    #[schema(value_type = Option<String>, example = "USD")]
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<Currency>,
}

/// Several products.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductsBody {
    /// The currency of the prices.
    #[schema(value_type = String, example = "USD")]
    currency: Currency,
    products: Vec<ProductBody>,
    /// The cursor of the next page, where there may be one.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Sku>,
}

impl From<Listed> for ProductBody {
    fn from(listed: Listed) -> Self {
        let item = listed.item;
        let differs = item.price != listed.selling_price;
        Self {
            sku: item.sku,
            gtin: item.gtin,
            name: item.name.into(),
            department: item.department.into(),
            brand: item.brand.into(),
            size: item.size.into(),
            price: listed.selling_price.to_string(),
            list_price: differs.then(|| item.price.to_string()),
            tax_class: item.tax_class.into(),
            currency: None,
        }
    }
}

/// One product by its SKU.
#[utoipa::path(
    get, operation_id = "get_product", path = "/v1/products/{sku}", tag = "products",
    params(("sku" = String, Path, description = "The organisation's own number")),
    responses((status = 200, body = ProductBody)),
)]
pub(super) async fn by_sku(
    State(api): State<ApiState>,
    InPath(sku): InPath<Sku>,
) -> Result<Json<ProductBody>, Problem> {
    let missing = Problem::new(&kind::PRODUCT_NOT_FOUND, format!("no item has the SKU {sku}"));
    let found = api.readers.run(move |snapshot| snapshot.item(&sku)).await?;
    let mut body = ProductBody::from(found.ok_or(missing)?);
    body.currency = Some(api.node.currency);
    Ok(Json(body))
}

/// Products by bar code, by what a person has typed so far, or all of them page by page.
///
/// With `gtin`: the items that carry it, most often one; none is an empty list. With `search`: those that fit best.
/// With neither: all, in the order of their SKUs.
#[utoipa::path(
    get, operation_id = "list_products", path = "/v1/products", tag = "products", params(ProductsQuery),
    responses((status = 200, body = ProductsBody)),
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    InQuery(query): InQuery<ProductsQuery>,
) -> Result<Json<ProductsBody>, Problem> {
    let limit = page_limit(query.limit)?;
    if [query.gtin.is_some(), query.search.is_some(), query.cursor.is_some()]
        .iter()
        .filter(|given| **given)
        .count()
        > 1
    {
        let detail = "give one of gtin, search and cursor: each lists in an order of its own";
        return Err(Problem::new(&kind::INVALID_PARAMETER, detail));
    }
    let paged = query.gtin.is_none() && query.search.is_none();
    let found: Vec<Listed> = api
        .readers
        .run(move |snapshot| -> Result<_, StorageError> {
            match (query.gtin, query.search) {
                (Some(gtin), _) => {
                    let skus = snapshot.skus_by_gtin(gtin)?;
                    skus.iter().filter_map(|sku| snapshot.item(sku).transpose()).collect()
                }
                (None, Some(typed)) => snapshot.search_items(&typed, limit),
                (None, None) => snapshot.items_page(query.cursor.as_ref(), limit),
            }
        })
        .await?;
    let full = found.len() == limit as usize;
    let next = found.last().filter(|_| paged && full).map(|last| last.item.sku.clone());
    Ok(Json(ProductsBody {
        currency: api.node.currency,
        products: found.into_iter().map(ProductBody::from).collect(),
        next,
    }))
}
