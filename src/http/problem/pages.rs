//! `/problems` and `/problems/{code}`: what a problem's type means, so that the `type` of an answer leads somewhere.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::{Problem, kind};

/// All kinds of problems, one a line: code, status, title.
#[utoipa::path(
    get, operation_id = "list_problems", path = "/problems", tag = "node",
    responses((status = 200, description = "The list", content_type = "text/plain", body = String)),
)]
pub async fn list() -> Response {
    let lines = kind::ALL
        .iter()
        .map(|kind| format!("{:<32} {} {}\n", kind.code, kind.status.as_u16(), kind.title));
    text(lines.collect())
}

/// What one kind means and what to do about it.
#[utoipa::path(
    get, operation_id = "explain_problem", path = "/problems/{code}", tag = "node",
    params(("code" = String, Path, description = "The last part of a problem's type")),
    responses((status = 200, description = "The explanation", content_type = "text/plain", body = String)),
)]
pub async fn explain(Path(code): Path<String>) -> Result<Response, Problem> {
    let found = kind::find(&code);
    let kind = found.ok_or_else(|| Problem::new(&kind::PROBLEM_NOT_FOUND, "no problem has this name"))?;
    Ok(text(format!(
        "{}\n{}\n\nStatus {}.\n\n{}\n",
        kind.title,
        "=".repeat(kind.title.len()),
        kind.status,
        kind.explanation
    )))
}

fn text(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
