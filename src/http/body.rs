//! Request bodies: bounded, JSON, and checked so that a mistake is named with its place.
//!
//! A body is parsed once; only where that fails is it parsed again to find out which field is at fault.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use super::problem::{Problem, kind};

/// The whole body, of at most as many bytes as the router allows.
///
/// # Errors
/// Where it is not declared as JSON, is too large or breaks off.
pub async fn read(request: Request) -> Result<Bytes, Problem> {
    check_media_type(request.headers())?;
    Bytes::from_request(request, &()).await.map_err(unread)
}

/// Reads a body.
///
/// # Errors
/// `malformed-json` with line and column, or `invalid-field` with a JSON pointer.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| explain::<T>(body, &error))
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    let essence = given.and_then(|value| value.split(|byte| *byte == b';').next());
    match essence {
        Some(b"application/json") => Ok(()),
        Some(other) if other.trim_ascii().eq_ignore_ascii_case(b"application/json") => Ok(()),
        Some(other) => Err(Problem::new(
            &kind::UNSUPPORTED_MEDIA_TYPE,
            format!(
                "the body must be application/json, and it is {}",
                String::from_utf8_lossy(other)
            ),
        )),
        None => Err(Problem::new(
            &kind::UNSUPPORTED_MEDIA_TYPE,
            "the body must be application/json, and the header Content-Type is missing",
        )),
    }
}

fn unread(rejection: BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new(&kind::BODY_TOO_LARGE, "the body is larger than this address takes")
    } else {
        Problem::new(&kind::MALFORMED_REQUEST, "the body broke off before its end")
    }
}

fn explain<T: DeserializeOwned>(body: &[u8], error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let said = text
        .strip_suffix(&format!(" at line {line} column {column}"))
        .unwrap_or(&text);
    let problem = if error.is_data() {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let pointer = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Ok(_) => String::new(),
            Err(error) => pointer(error.path()),
        };
        let place = if pointer.is_empty() { "the body" } else { &pointer };
        Problem::new(&kind::INVALID_FIELD, format!("{place}: {said}")).at(pointer)
    } else {
        Problem::new(&kind::MALFORMED_JSON, format!("line {line}, column {column}: {said}"))
    };
    problem.with("json_line", line).with("json_column", column)
}

/// A place in a document as RFC 6901 writes it.
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Unknown => {}
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::quantity::Quantity;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Document {
        #[serde(rename = "lines")]
        _lines: Vec<Line>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        #[serde(rename = "quantity")]
        _quantity: Quantity,
    }

    fn problem(body: &str) -> Problem {
        parse::<Document>(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn what_is_not_json_is_named_with_line_and_column() {
        let problem = problem("{\"lines\": [\n  {\"quantity\": \"1\",}\n]}");
        assert_eq!(problem.kind().code, "malformed-json");
        assert_eq!(problem.detail(), "line 2, column 20: trailing comma");
        assert_eq!(super::tests::problem("{").kind().code, "malformed-json");
    }

    #[test]
    fn a_wrong_field_is_named_with_a_pointer() {
        let wrong = [
            (
                r#"{"lines": [{"quantity": "1"}, {"quantity": "1.2345"}]}"#,
                "/lines/1/quantity: 1.2345 has more than three decimal places",
            ),
            (
                r#"{"lines": [{"quantity": "1", "discont": 1}]}"#,
                "/lines/0/discont: unknown field `discont`, expected `quantity`",
            ),
            (r#"{"lines": [{}]}"#, "/lines/0: missing field `quantity`"),
            ("{}", "the body: missing field `lines`"),
            (
                r#"{"lines": [{"quantity": 0.5}]}"#,
                "/lines/0/quantity: 0.5 must stand in quotes: a number with a point is not exact in JSON",
            ),
        ];
        for (body, detail) in wrong {
            let problem = problem(body);
            assert_eq!((problem.kind().code, problem.detail()), ("invalid-field", detail));
        }
    }
}
