//! Brings the routes together, each behind its guard.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use utoipa::OpenApi as _;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use super::guard::Guard;
use super::openapi::{self, Description};
use super::problem::pages;
use super::state::ApiState;
use super::{
    alerts, carts, children, codes, devices, docs, events, explain, health, history, holds, imports, link, metrics,
    movements, pairing, pickups, products, receipts, refunds, retirements, sales, standbys, status, stock, stock_work,
    sync, transfers,
};

/// The whole API. Made once for a state.
pub fn router(api: ApiState) -> Router {
    let (routes, description) = routes(&api).split_for_parts();
    let description = openapi::complete(description);
    // A description that cannot be written would be a defect that the tests see; the API serves without it.
    let _ = api.openapi.set(description.to_json().unwrap_or_default().into());
    let rest = docs::pages()
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(Guard::of_the_rest(&api));
    routes
        .merge(rest)
        .layer(DefaultBodyLimit::max(api.limits.body_bytes_max))
        .with_state(api)
}

fn routes(api: &ApiState) -> OpenApiRouter<ApiState> {
    // One for each path, with all its methods, because a path has one guard.
    let routes: Vec<UtoipaMethodRouter<ApiState>> = vec![
        routes!(health::live),
        routes!(health::ready),
        routes!(metrics::scrape),
        routes!(openapi::show),
        routes!(pages::list),
        routes!(pages::explain),
        routes!(pairing::bring),
        routes!(pairing::offer),
        routes!(devices::list),
        routes!(devices::end),
        routes!(products::list),
        routes!(products::by_sku),
        routes!(codes::read),
        routes!(imports::catalog),
        routes!(stock::list),
        routes!(stock::by_sku),
        routes!(alerts::list),
        routes!(alerts::acknowledge),
        routes!(alerts::threshold),
        routes!(explain::history),
        routes!(explain::account),
        routes!(movements::create),
        routes!(stock_work::create),
        routes!(stock_work::mark),
        routes!(holds::list, holds::create),
        routes!(holds::by_id),
        routes!(holds::extend),
        routes!(holds::release),
        routes!(holds::to_store),
        routes!(pickups::list),
        routes!(pickups::accept),
        routes!(pickups::ready),
        routes!(pickups::collect),
        routes!(pickups::refuse),
        routes!(transfers::list, transfers::request),
        routes!(transfers::call_off),
        routes!(transfers::dispatch),
        routes!(transfers::receive),
        routes!(carts::list),
        routes!(carts::by_id, carts::edit),
        routes!(carts::check_out),
        routes!(sales::create, history::list),
        routes!(history::by_identity),
        routes!(history::today),
        routes!(receipts::by_number),
        routes!(refunds::create),
        routes!(retirements::look, retirements::retire),
        routes!(retirements::release),
        routes!(sync::show),
        routes!(events::stream),
        routes!(link::switch, children::attach),
        routes!(standbys::role),
        routes!(standbys::attach),
        routes!(standbys::base),
        routes!(status::show),
    ];
    let start = OpenApiRouter::with_openapi(Description::openapi());
    routes
        .into_iter()
        .fold(start, |router, route| router.routes(guarded(api, route)))
}

fn guarded(api: &ApiState, (schemas, paths, route): UtoipaMethodRouter<ApiState>) -> UtoipaMethodRouter<ApiState> {
    let path = paths.paths.keys().next().cloned().unwrap_or_default();
    (schemas, paths, route.layer(Guard::of_route(api, &path)))
}
