//! Pages for people, served by the process itself: no build step, nothing from elsewhere, no secret in them.
//!
//! A page is a shell with the place's name in it; its script reads everything else from the API with the token that the
//! browser holds. So a page may be served to anybody, and nothing here ever reads a figure.

mod page;

use axum::Router;

pub use page::Page;

/// The node's page at `/`, and what it consists of under `/assets/`. `name` is what people call the store.
#[must_use]
pub fn router<S: Clone + Send + Sync + 'static>(name: &str) -> Router<S> {
    page(name).router()
}

fn page(name: &str) -> Page {
    Page::new(include_str!("assets/node.html"), &[("name", name)]).with_script("node.js", include_str!("assets/node.js"))
}
