//! Who may call what: the one table. A route that is not in it is refused to everyone.

use axum::http::Method;

use crate::hq::TokenRole;

/// Whom a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone who reaches headquarters.
    Anyone,
    /// Whoever holds a token with at least this role.
    Token(TokenRole),
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

const READ: Access = Access::Token(TokenRole::Read);
const OPERATE: Access = Access::Token(TokenRole::Operate);

/// All calls. Beyond it anyone gets the documentation, `/docs`, and the page, `/`, which holds no figures.
pub const RULES: &[Rule] = &[
    rule(&Method::GET, "/healthz", Access::Anyone),
    rule(&Method::GET, "/readyz", Access::Anyone),
    rule(&Method::GET, "/openapi.json", Access::Anyone),
    rule(&Method::GET, "/problems", Access::Anyone),
    rule(&Method::GET, "/problems/{code}", Access::Anyone),
    rule(&Method::GET, "/metrics", READ),
    rule(&Method::GET, "/v1/status", READ),
    rule(&Method::GET, "/v1/sites", READ),
    rule(&Method::GET, "/v1/nodes", READ),
    rule(&Method::POST, "/v1/nodes", OPERATE),
    rule(&Method::GET, "/v1/nodes/{node}/retire", READ),
    rule(&Method::POST, "/v1/nodes/{node}/retire", OPERATE),
    rule(&Method::POST, "/v1/nodes/{node}/release", OPERATE),
    rule(&Method::GET, "/v1/totals", READ),
    rule(&Method::GET, "/v1/sales", READ),
    rule(&Method::GET, "/v1/sales/{series}/{counter}", READ),
    rule(&Method::GET, "/v1/conflicts", READ),
    rule(&Method::GET, "/v1/stock", READ),
    rule(&Method::GET, "/v1/shelves", READ),
    rule(&Method::GET, "/v1/holds", READ),
    rule(&Method::POST, "/v1/holds", OPERATE),
    rule(&Method::POST, "/v1/holds/{hold}/release", OPERATE),
    rule(&Method::GET, "/v1/pickups", READ),
    rule(&Method::POST, "/v1/pickups", OPERATE),
    rule(&Method::POST, "/v1/pickups/{pickup}/cancel", OPERATE),
    rule(&Method::GET, "/v1/transfers", READ),
    rule(&Method::POST, "/v1/transfers", OPERATE),
    rule(&Method::POST, "/v1/transfers/{transfer}/call-off", OPERATE),
    rule(&Method::GET, "/v1/set-aside", READ),
    rule(&Method::GET, "/v1/set-aside/{node}/{incarnation}/{seq}", READ),
    rule(&Method::GET, "/v1/set-aside/{node}/{incarnation}/{seq}/record", OPERATE),
    rule(
        &Method::POST,
        "/v1/set-aside/{node}/{incarnation}/{seq}/repair",
        OPERATE,
    ),
    rule(&Method::POST, "/v1/settlements", OPERATE),
    rule(&Method::GET, "/v1/feeds", READ),
    rule(&Method::POST, "/v1/feeds/{feed}", OPERATE),
    rule(&Method::POST, "/v1/products/import", OPERATE),
    rule(&Method::GET, "/v1/events", READ),
    rule(&Method::GET, "/v1/tokens", OPERATE),
    rule(&Method::POST, "/v1/tokens", OPERATE),
    rule(&Method::DELETE, "/v1/tokens/{name}", OPERATE),
];

const fn rule(method: &'static Method, path: &'static str, access: Access) -> Rule {
    Rule { method, path, access }
}

/// Whom a call is for; none where it is not in the table.
pub(super) fn access(method: &Method, path: &str) -> Option<Access> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    RULES
        .iter()
        .find(|rule| rule.path == path && rule.method == method)
        .map(|rule| rule.access)
}

/// The methods that the table has for a path.
pub(super) fn methods(path: &str) -> impl Iterator<Item = &'static Method> {
    RULES
        .iter()
        .filter(move |rule| rule.path == path)
        .map(|rule| rule.method)
}
