//! `/docs`: a page to read the API's description and to try it, with nothing from elsewhere: its scripts are in the
//! program, and the policy that it is served with lets the browser load nothing else.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Styles are set by the page's script; everything else is the node's own.
const POLICY: &str =
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";

/// The page and its files.
pub(crate) fn pages<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let config = Config::from("/openapi.json")
        // The badge would send the description to somebody else's server.
        .validator_url("none")
        .try_it_out_enabled(true);
    let pages: Router<S> = SwaggerUi::new("/docs").config(config).into();
    pages.layer(from_fn(with_policy))
}

async fn with_policy(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
