//! Headquarters' page for people. It reads everything through the API with the token that the browser holds.

use axum::Router;

use crate::web::Page;

/// The page at `/`, and what it consists of under `/assets/`. `name` is what people call the organisation.
pub fn router<S: Clone + Send + Sync + 'static>(name: &str) -> Router<S> {
    page(name).router()
}

pub(crate) fn page(name: &str) -> Page {
    Page::new(include_str!("hq.html"), &[("name", name)]).with_script("hq.js", include_str!("hq.js"))
}
