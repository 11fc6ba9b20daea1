//! Parameters in the path and in the query, checked by the types that they are read into.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::{Problem, kind};

/// The most entries of a page.
pub const PAGE_MAX: u32 = 500;
/// The entries of a page where the client does not say.
pub const PAGE_DEFAULT: u32 = 50;

/// What stands in the path, as one type.
#[derive(Debug)]
pub struct InPath<T>(pub T);

/// What stands behind the `?`. An unknown name is refused where the type says so.
#[derive(Debug)]
pub struct InQuery<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(wrong(&rejection.body_text())),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for InQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(wrong(&rejection.body_text())),
        }
    }
}

/// How many entries a page has, from 1 to [`PAGE_MAX`].
///
/// # Errors
/// `invalid-parameter` where it is outside.
pub fn page_limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked.unwrap_or(PAGE_DEFAULT) {
        limit @ 1..=PAGE_MAX => Ok(limit),
        limit => Err(Problem::new(
            &kind::INVALID_PARAMETER,
            format!("limit is from 1 to {PAGE_MAX}, and it is {limit}"),
        )),
    }
}

fn wrong(said: &str) -> Problem {
    // The framework puts the general before the particular, which is all that is of use to people.
    let said = said
        .strip_prefix("Failed to deserialize query string: ")
        .or_else(|| said.strip_prefix("Invalid URL: "))
        .unwrap_or(said);
    Problem::new(&kind::INVALID_PARAMETER, said.to_owned())
}
