//! A page's shell and its assets, with headers that let it run nothing but what this process serves.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;

/// What a page may do: run our scripts and styles, talk to us. Nothing inline, nothing from elsewhere, no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// What every page uses: its name under `/assets/`, its media type, its text.
const SHARED: &[(&str, &str, &str)] = &[
    ("style.css", "text/css; charset=utf-8", include_str!("assets/style.css")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
    ("session.js", JAVASCRIPT, include_str!("assets/session.js")),
    ("stream.js", JAVASCRIPT, include_str!("assets/stream.js")),
    ("rows.js", JAVASCRIPT, include_str!("assets/rows.js")),
    ("show.js", JAVASCRIPT, include_str!("assets/show.js")),
];

/// A page and the scripts of its own.
#[derive(Debug, Clone)]
pub struct Page {
    html: String,
    scripts: Vec<(&'static str, &'static str)>,
}

impl Page {
    /// A page from its shell, with `{{name}}` replaced by the text of each value.
    #[must_use]
    pub fn new(shell: &str, values: &[(&str, &str)]) -> Self {
        let mut html = shell.to_owned();
        for (name, value) in values {
            html = html.replace(&format!("{{{{{name}}}}}"), &escaped(value));
        }
        Self {
            html,
            scripts: Vec::new(),
        }
    }

    /// Adds a script of its own, `/assets/NAME`.
    #[must_use]
    pub fn with_script(mut self, name: &'static str, text: &'static str) -> Self {
        self.scripts.push((name, text));
        self
    }

    /// The page at `/` and everything it consists of under `/assets/`.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let scripts = self.scripts.iter().map(|(name, text)| (*name, JAVASCRIPT, *text));
        let mut router = Router::new();
        for (name, media_type, text) in SHARED.iter().copied().chain(scripts) {
            router = router.route(
                &format!("/assets/{name}"),
                get(move || async move { answer(media_type, text) }),
            );
        }
        let html = self.html;
        router.route(
            "/",
            get(move || {
                let html = html.clone();
                async move { answer("text/html; charset=utf-8", html) }
            }),
        )
    }
}

fn answer(media_type: &'static str, text: impl IntoResponse) -> impl IntoResponse {
    let headers: [(HeaderName, HeaderValue); 5] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        // After an upgrade of the process its page and its scripts must be of one version.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, text)
}

/// Text as it stands in HTML, also between quotes.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::{Request, StatusCode};
    use tower::ServiceExt as _;

    use super::*;

    async fn get_text(page: &Page, path: &str) -> (StatusCode, axum::http::HeaderMap, String) {
        let router: Router = page.clone().router();
        let request = Request::get(path).body(Body::empty()).unwrap();
        let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
        let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        (parts.status, parts.headers, text)
    }

    #[tokio::test]
    async fn a_name_is_never_markup() {
        let page = Page::new("<h1 title=\"{{name}}\">{{name}}</h1>", &[("name", "\"><script>&'")]);
        let (_, headers, html) = get_text(&page, "/").await;
        assert_eq!(
            html,
            "<h1 title=\"&quot;&gt;&lt;script&gt;&amp;&#39;\">&quot;&gt;&lt;script&gt;&amp;&#39;</h1>"
        );
        assert_eq!(headers["content-security-policy"], POLICY);
    }

    #[tokio::test]
    async fn the_nodes_page_is_whole() {
        assert_whole(crate::web::page("Harbour", true)).await;
    }

    #[tokio::test]
    async fn headquarters_page_is_whole() {
        assert_whole(crate::hq::web::page("Larkspur")).await;
    }

    /// Whatever a page and its scripts name is served by the page itself, and nothing is inline or from elsewhere.
    async fn assert_whole(page: Page) {
        let (status, _, html) = get_text(&page, "/").await;
        assert_eq!(status, StatusCode::OK);
        assert!(!html.contains("{{"), "a value is missing");
        let inline = |word: &str| word.starts_with("style=") || word.starts_with("on") && word.contains('=');
        assert!(!html.contains("://") && !html.split_whitespace().any(inline), "{html}");
        let mut scripts = Vec::new();
        for reference in html.split('"').filter(|part| part.starts_with("/assets/")) {
            let (status, headers, text) = get_text(&page, reference).await;
            assert_eq!(status, StatusCode::OK, "{reference}");
            assert_eq!(headers["x-content-type-options"], "nosniff");
            scripts.push(text);
        }
        for script in scripts {
            for module in script.split('"').filter_map(|part| part.strip_prefix("./")) {
                let (status, headers, _) = get_text(&page, &format!("/assets/{module}")).await;
                assert_eq!(status, StatusCode::OK, "{module}");
                assert_eq!(headers["content-type"], JAVASCRIPT, "{module}");
            }
        }
    }
}
