//! Brings the routes together behind their guard.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::guard::guard;
use super::openapi::{self, Description};
use super::state::HqApi;
use super::{
    catalog, events, feeds, health, holds, metrics, nodes, pickups, retirements, sales, set_aside, settlements,
    shelves, status, stock, tokens, totals, transfers,
};
use crate::http::docs;
use crate::http::problem::pages;

/// The whole API. Made once for a state.
pub fn router(api: HqApi) -> Router {
    let routes = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(status::show))
        .routes(routes!(metrics::scrape))
        .routes(routes!(openapi::show))
        .routes(routes!(pages::list))
        .routes(routes!(pages::explain))
        .routes(routes!(totals::list))
        .routes(routes!(sales::list))
        .routes(routes!(sales::show))
        .routes(routes!(sales::conflicts))
        .routes(routes!(stock::list))
        .routes(routes!(shelves::list))
        .routes(routes!(holds::list, holds::create))
        .routes(routes!(holds::release))
        .routes(routes!(pickups::list, pickups::create))
        .routes(routes!(pickups::call_off))
        .routes(routes!(transfers::list, transfers::create))
        .routes(routes!(transfers::end))
        .routes(routes!(nodes::list, nodes::enrol))
        .routes(routes!(nodes::sites))
        .routes(routes!(retirements::look, retirements::retire))
        .routes(routes!(retirements::release))
        .routes(routes!(set_aside::list))
        .routes(routes!(set_aside::show))
        .routes(routes!(set_aside::export))
        .routes(routes!(set_aside::repair))
        .routes(routes!(settlements::decide))
        .routes(routes!(feeds::list))
        .routes(routes!(feeds::publish))
        .routes(routes!(catalog::import))
        .routes(routes!(events::stream))
        .routes(routes!(tokens::list, tokens::issue))
        .routes(routes!(tokens::revoke));
    let (routes, description) = routes.split_for_parts();
    let description = openapi::complete(description);
    // A description that cannot be written would be a defect that the tests see; the API serves without it.
    let _ = api.openapi.set(description.to_json().unwrap_or_default().into());
    routes
        .merge(docs::pages())
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(DefaultBodyLimit::max(api.limits.body_bytes_max))
        .layer(from_fn_with_state(api.clone(), guard))
        .with_state(api)
}
