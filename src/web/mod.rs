//! Pages for people, served by the process itself: no build step, nothing from elsewhere, no secret in them.
//!
//! A page is a shell with the place's name in it; its script reads everything else from the API with the token that the
//! browser holds. So a page may be served to anybody, and nothing here ever reads a figure.

mod page;

use axum::Router;

pub use page::Page;

/// The node's page at `/`, and what it consists of under `/assets/`.
///
/// `name` is what people call the store. `link_switch` shows the button that cuts and mends the link.
pub fn router<S: Clone + Send + Sync + 'static>(name: &str, link_switch: bool) -> Router<S> {
    page(name, link_switch).router()
}

fn page(name: &str, link_switch: bool) -> Page {
    let offered = if link_switch { "true" } else { "false" };
    Page::new(
        include_str!("assets/node.html"),
        &[("name", name), ("link_switch", offered)],
    )
    .with_script("node.js", include_str!("assets/node.js"))
}
