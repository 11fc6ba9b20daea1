//! Who may call what: the one table. A route that is not in it is refused to everyone.

use axum::http::Method;

use crate::store::Role;

/// Whom a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone who reaches the node.
    Anyone,
    /// Devices that are paired with one of these roles.
    Paired(&'static [Role]),
    /// Managers, and whoever asks from the machine that the node runs on.
    ManagerOrLocal,
}

/// One call and whom it is for.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The method; GET stands for HEAD too.
    pub method: &'static Method,
    /// The path, with the names of its parts.
    pub path: &'static str,
    /// Whom it is for.
    pub access: Access,
}

const EVERY: Access = Access::Paired(&[Role::Till, Role::Kiosk, Role::Manager]);
/// Staff: what a customer at a kiosk has no business with.
const STAFF: Access = Access::Paired(&[Role::Till, Role::Manager]);
const MANAGER: Access = Access::Paired(&[Role::Manager]);
/// A kiosk's own node, which sells through an API of its own.
const CHILD: Access = Access::Paired(&[Role::Node]);
/// A standby of this node. It gets all that the node has.
const STANDBY: Access = Access::Paired(&[Role::Standby]);

/// All calls. Beyond it anyone gets the documentation: `/docs`, `/problems`.
pub const RULES: &[Rule] = &[
    rule(&Method::GET, "/healthz", Access::Anyone),
    rule(&Method::GET, "/readyz", Access::Anyone),
    rule(&Method::GET, "/openapi.json", Access::Anyone),
    rule(&Method::GET, "/problems", Access::Anyone),
    rule(&Method::GET, "/problems/{code}", Access::Anyone),
    rule(&Method::GET, "/metrics", Access::ManagerOrLocal),
    rule(&Method::POST, "/v1/pair", Access::Anyone),
    rule(&Method::POST, "/v1/pairing-codes", MANAGER),
    rule(&Method::GET, "/v1/devices", MANAGER),
    rule(&Method::DELETE, "/v1/devices/{device}", MANAGER),
    rule(&Method::GET, "/v1/products", EVERY),
    rule(&Method::GET, "/v1/products/{sku}", EVERY),
    rule(&Method::GET, "/v1/codes", EVERY),
    rule(&Method::POST, "/v1/products/import", MANAGER),
    rule(&Method::GET, "/v1/stock", EVERY),
    rule(&Method::GET, "/v1/stock/{sku}", EVERY),
    rule(&Method::GET, "/v1/stock/{sku}/history", STAFF),
    rule(&Method::GET, "/v1/stock/{sku}/explain", STAFF),
    rule(&Method::POST, "/v1/stock/{sku}/threshold", MANAGER),
    rule(&Method::GET, "/v1/alerts", STAFF),
    rule(&Method::POST, "/v1/alerts/{alert}/acknowledge", STAFF),
    rule(&Method::POST, "/v1/stock/movements", STAFF),
    rule(&Method::POST, "/v1/stock/work", STAFF),
    rule(&Method::POST, "/v1/stock/counts", STAFF),
    // A kiosk sees and uses the holds that it opened itself; the handlers see to it.
    rule(&Method::GET, "/v1/holds", EVERY),
    rule(&Method::POST, "/v1/holds", EVERY),
    rule(&Method::GET, "/v1/holds/{hold}", EVERY),
    rule(&Method::POST, "/v1/holds/{hold}/extend", EVERY),
    rule(&Method::POST, "/v1/holds/{hold}/release", EVERY),
    rule(&Method::POST, "/v1/holds/{hold}/hand-over", EVERY),
    rule(&Method::GET, "/v1/pickups", STAFF),
    rule(&Method::POST, "/v1/pickups/{pickup}/accept", STAFF),
    rule(&Method::POST, "/v1/pickups/{pickup}/ready", STAFF),
    rule(&Method::POST, "/v1/pickups/{pickup}/collect", STAFF),
    rule(&Method::POST, "/v1/pickups/{pickup}/refuse", STAFF),
    rule(&Method::GET, "/v1/transfers", STAFF),
    rule(&Method::POST, "/v1/transfers", STAFF),
    rule(&Method::POST, "/v1/transfers/{transfer}/call-off", STAFF),
    rule(&Method::POST, "/v1/transfers/{transfer}/dispatch", STAFF),
    rule(&Method::POST, "/v1/transfers/{transfer}/receive", STAFF),
    rule(&Method::POST, "/v1/refunds", STAFF),
    // A kiosk sees and changes the carts that it began itself; the handlers see to it.
    rule(&Method::GET, "/v1/carts", EVERY),
    rule(&Method::GET, "/v1/carts/{cart}", EVERY),
    rule(&Method::POST, "/v1/carts/{cart}", EVERY),
    rule(&Method::POST, "/v1/carts/{cart}/checkout", EVERY),
    rule(&Method::POST, "/v1/sales", EVERY),
    rule(&Method::GET, "/v1/sales", STAFF),
    // A kiosk sees its own documents only; the handlers see to it.
    rule(&Method::GET, "/v1/sales/{series}/{counter}", EVERY),
    rule(&Method::GET, "/v1/receipts/{number}", EVERY),
    rule(&Method::GET, "/v1/nodes/{node}/retire", MANAGER),
    rule(&Method::POST, "/v1/nodes/{node}/retire", MANAGER),
    rule(&Method::POST, "/v1/nodes/{node}/release", MANAGER),
    rule(&Method::GET, "/v1/sync", EVERY),
    rule(&Method::POST, "/v1/link", MANAGER),
    rule(&Method::GET, "/v1/link", CHILD),
    rule(&Method::GET, "/v1/role", Access::Anyone),
    rule(&Method::GET, "/v1/standby/link", STANDBY),
    rule(&Method::GET, "/v1/standby/base", STANDBY),
    // A kiosk hears of stock and of the link, not of others' sales.
    rule(&Method::GET, "/v1/events", EVERY),
    rule(&Method::GET, "/v1/today", STAFF),
    rule(&Method::GET, "/v1/status", MANAGER),
];

const fn rule(method: &'static Method, path: &'static str, access: Access) -> Rule {
    Rule { method, path, access }
}

/// Whom a call is for; none where it is not in the table.
#[must_use]
pub fn access(method: &Method, path: &str) -> Option<Access> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    RULES
        .iter()
        .find(|rule| rule.path == path && rule.method == method)
        .map(|rule| rule.access)
}
