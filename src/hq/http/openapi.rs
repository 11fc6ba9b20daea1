//! `GET /openapi.json`: the API's description (OpenAPI 3.1), made from the code. Who may call what comes from the table
//! of access, so that the description cannot say otherwise.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, OpenApi as Document, Ref, RefOr};

use super::access::{Access, RULES};
use super::state::HqApi;
use crate::hq::TokenRole;
use crate::http::openapi::ProblemBody;

const SCHEME: &str = "token";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "The Final Market: headquarters",
        description = "What all sites have sold, up to when that is known of each, what needs a decision, and what \
            goes down to the nodes.\n\n\
            Money is a decimal in quotes, in the currency that the document names; quantities are decimals in quotes \
            with up to three places; times are ISO 8601. Every refusal is a problem (RFC 9457) whose `type` leads to \
            its explanation.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    components(schemas(ProblemBody)),
    tags(
        (name = "figures", description = "Sales, totals and stock"),
        (name = "nodes", description = "Nodes, sites and their settlement"),
        (name = "set aside", description = "Records that could not be read or taken in"),
        (name = "feeds", description = "What goes down to the nodes"),
        (name = "headquarters", description = "Headquarters itself"),
    ),
)]
pub(super) struct Description;

/// Adds to what the handlers say of themselves what is true of all: who may call, and that refusals are problems.
pub(super) fn complete(mut document: Document) -> Document {
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = document.components.get_or_insert_with(Components::new);
    components.security_schemes.insert(SCHEME.into(), RefOr::T(scheme));
    for rule in RULES {
        let item = document.paths.paths.get_mut(rule.path);
        if let Some(operation) = item.and_then(|item| operation(item, rule.method.as_str())) {
            describe(operation, rule.access);
        }
    }
    document
}

/// `GET /openapi.json`.
#[utoipa::path(
    get, path = "/openapi.json", tag = "headquarters",
    responses((status = 200, description = "This description", content_type = "application/json")),
)]
pub(super) async fn show(State(api): State<HqApi>) -> Response {
    let json = api.openapi.get().cloned().unwrap_or_else(Bytes::new);
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

fn operation<'a>(item: &'a mut PathItem, method: &str) -> Option<&'a mut Operation> {
    match method {
        "GET" => item.get.as_mut(),
        "POST" => item.post.as_mut(),
        "DELETE" => item.delete.as_mut(),
        _ => None,
    }
}

fn describe(operation: &mut Operation, access: Access) {
    let token = || vec![SecurityRequirement::new(SCHEME, [] as [&str; 0])];
    let (requirements, whom) = match access {
        Access::Anyone => (Vec::new(), "Open to anyone."),
        Access::Token(TokenRole::Read) => (token(), "For any token."),
        Access::Token(TokenRole::Operate) => (token(), "For tokens with the role `operate`."),
    };
    operation.security = Some(requirements);
    let said = operation.description.take().map(|said| format!("{said}\n\n{whom}"));
    operation.description = Some(said.unwrap_or_else(|| whom.into()));
    let problem = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    let refusal = ResponseBuilder::new()
        .description("Why it was not done")
        .content("application/problem+json", problem)
        .build();
    operation
        .responses
        .responses
        .insert("default".into(), RefOr::T(refusal));
}
