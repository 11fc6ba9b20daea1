//! `GET /openapi.json`: the API's description (OpenAPI 3.1), made from the code. Who may call what comes from the table
//! of roles, so that the description cannot say otherwise.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::{Response as Answer, ResponseBuilder};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, OpenApi as Document, Ref, RefOr};
use utoipa::{OpenApi, ToSchema};

use super::caller::role_name;
use super::roles::{Access, RULES};
use super::state::ApiState;

const SCHEME: &str = "token";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "The Final Market: node",
        description = "The LAN API of a store's or kiosk's node. It sells whether or not headquarters can be reached.\n\n\
            Money is a decimal in quotes, in the currency that the document names; quantities are decimals in quotes \
            with up to three places; times are ISO 8601. Every refusal is a problem (RFC 9457) whose `type` leads to \
            its explanation.\n\n\
            A device pairs once: `POST /v1/pair` with the code that the node or a manager shows gives it a token, \
            which it sends as `Authorization: Bearer TOKEN`. Every POST that writes carries an `Idempotency-Key`; \
            repeated with it, the request is done once and answered alike.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    components(schemas(ProblemBody)),
    tags(
        (name = "sales", description = "Sales, refunds and their receipts"),
        (name = "carts", description = "Carts that tills share until they are paid"),
        (name = "products", description = "The catalog and its prices"),
        (name = "stock", description = "What there is"),
        (name = "devices", description = "Pairing and devices"),
        (name = "node", description = "The node itself"),
    ),
)]
pub(super) struct Description;

/// Why a request was not done (RFC 9457). Problems have further members of their own, such as `line`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// What kind of problem; leads to an explanation.
    #[schema(example = "/problems/tenders-do-not-cover-total")]
    r#type: String,
    /// The kind in words.
    #[schema(example = "The tenders do not cover the total")]
    title: String,
    #[schema(example = 422)]
    status: u16,
    /// What is the matter this time.
    #[schema(example = "the tenders do not cover the total: 5.00 USD is given, and 9.99 USD is to be paid")]
    detail: String,
    /// The address that was asked, with the number of the log's entry where the node is at fault.
    #[schema(example = "/v1/sales")]
    instance: String,
    /// The place in the body that is at fault (RFC 6901).
    #[schema(example = "/tenders")]
    pointer: Option<String>,
    /// The line that is at fault, counted from 1.
    line: Option<u32>,
    /// Where the body's text is at fault: its line, counted from 1.
    json_line: Option<u32>,
    /// Where the body's text is at fault: the column, counted from 1.
    json_column: Option<u32>,
}

/// Adds to what the handlers say of themselves what is true of all: who may call, and that refusals are problems.
pub(super) fn complete(mut document: Document) -> Document {
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = document.components.get_or_insert_with(Components::new);
    components.security_schemes.insert(SCHEME.into(), RefOr::T(scheme));
    for rule in RULES {
        let operation = document
            .paths
            .paths
            .get_mut(rule.path)
            .and_then(|item| operation(item, rule.method.as_str()));
        if let Some(operation) = operation {
            describe(operation, rule.access);
        }
    }
    document
}

/// `GET /openapi.json`.
#[utoipa::path(
    get, operation_id = "description", path = "/openapi.json", tag = "node",
    responses((status = 200, description = "This description", content_type = "application/json")),
)]
pub(super) async fn show(State(api): State<ApiState>) -> Response {
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
    let (requirements, whom) = match access {
        Access::Anyone => (Vec::new(), "Open to anyone.".to_owned()),
        Access::Paired(roles) => {
            let names: Vec<_> = roles.iter().map(|role| role_name(*role)).collect();
            let token = SecurityRequirement::new(SCHEME, [] as [&str; 0]);
            (vec![token], format!("For: {}.", names.join(", ")))
        }
        Access::ManagerOrLocal => {
            let token = SecurityRequirement::new(SCHEME, [] as [&str; 0]);
            let nobody = SecurityRequirement::default();
            let whom = "For: manager, or anyone on the node's own machine.".to_owned();
            (vec![token, nobody], whom)
        }
    };
    operation.security = Some(requirements);
    let said = operation.description.take().map(|said| format!("{said}\n\n{whom}"));
    operation.description = Some(said.unwrap_or(whom));
    let answers = &mut operation.responses.responses;
    for answer in answers.values_mut() {
        // The standard wants words for each answer; most say all there is to say by their schema.
        if let RefOr::T(answer) = answer
            && answer.description.is_empty()
        {
            answer.description = "What was asked for".into();
        }
    }
    answers.insert("default".into(), RefOr::T(problem()));
}

fn problem() -> Answer {
    ResponseBuilder::new()
        .description("Why it was not done")
        .content(
            "application/problem+json",
            ContentBuilder::new()
                .schema(Some(Ref::from_schema_name("Problem")))
                .build(),
        )
        .build()
}
