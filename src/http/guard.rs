//! What every request passes: who asks and how often, how many at once and how long, and what it is answered where it
//! fails. One layer, because each layer costs every sale.

use std::any::Any;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::metrics::histogram::Histogram;
use tower::{Layer, Service};

use super::caller::admit;
use super::problem::{self, Problem, kind};
use super::roles::{Access, RULES};
use super::state::ApiState;

/// Guards one route.
#[derive(Clone)]
pub(super) struct Guard {
    api: ApiState,
    /// What the table has for the route; none where it is no route.
    calls: Option<Arc<[Call]>>,
}

struct Call {
    method: &'static Method,
    access: Access,
    duration: Histogram,
}

impl Guard {
    /// For the route at `path`, as the table of roles says.
    pub(super) fn of_route(api: &ApiState, path: &str) -> Self {
        let calls = RULES.iter().filter(|rule| rule.path == path).map(|rule| Call {
            method: rule.method,
            access: rule.access,
            duration: api.metrics.duration(rule.method.as_str(), path),
        });
        Self {
            api: api.clone(),
            calls: Some(calls.collect()),
        }
    }

    /// For what is no route: the documentation's files and addresses where nothing is.
    pub(super) fn of_the_rest(api: &ApiState) -> Self {
        Self {
            api: api.clone(),
            calls: None,
        }
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        let guard = self.clone();
        Guarded { guard, inner }
    }
}

/// A route behind its guard.
#[derive(Clone)]
pub(super) struct Guarded<S> {
    guard: Guard,
    inner: S,
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The one that is ready is used, and a fresh one is kept.
        let fresh = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, fresh);
        let guard = self.guard.clone();
        Box::pin(async move { Ok(guard.answer(request, inner).await) })
    }
}

impl Guard {
    async fn answer<S>(self, request: Request, inner: S) -> Response
    where
        S: Service<Request, Response = Response, Error = Infallible>,
    {
        let started = Instant::now();
        let uri = request.uri().clone();
        let call = self.call(request.method());
        let mut response = match (&self.calls, call) {
            // The handler may be there: what the table does not have is for nobody.
            (Some(calls), None) => method_not_allowed(calls.iter().map(|call| call.method)),
            _ => match self.pass(call, request, inner).await {
                Ok(response) => response,
                Err(problem) => problem.into_response(),
            },
        };
        if let Some(code) = problem::render(&mut response, uri.path()) {
            self.api.metrics.count_problem(code);
        }
        if let Some(call) = call {
            call.duration.observe(started.elapsed().as_secs_f64());
        }
        response
    }

    /// None where the route has no such method.
    fn call(&self, method: &Method) -> Option<&Call> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.calls
            .iter()
            .flat_map(|calls| calls.iter())
            .find(|call| call.method == method)
    }

    async fn pass<S>(&self, call: Option<&Call>, mut request: Request, mut inner: S) -> Result<Response, Problem>
    where
        S: Service<Request, Response = Response, Error = Infallible>,
    {
        let access = call.map_or(Access::Anyone, |call| call.access);
        let caller = admit(access, &self.api.devices, request.headers(), request.extensions())?;
        let _place = match caller {
            None => None,
            Some(caller) => {
                self.api.pace(&caller)?;
                request.extensions_mut().insert(caller);
                Some(Place::take(&self.api)?)
            }
        };
        let work = unpanicked(inner.call(request));
        match tokio::time::timeout(self.api.limits.request_timeout(), work).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(panic)) => Err(Problem::fault(
                &kind::INTERNAL,
                "the node could not finish the request",
                panic,
            )),
            Err(_) => Err(Problem::new(
                &kind::TIMED_OUT,
                "the node gave up waiting; whether the request has taken effect is not known",
            )
            .retry_after(1)),
        }
    }
}

/// A place among the requests under way. Health and pairing need none, so that they answer on a busy node too.
struct Place<'a>(&'a ApiState);

impl<'a> Place<'a> {
    fn take(api: &'a ApiState) -> Result<Self, Problem> {
        let before = api.in_flight.fetch_add(1, Ordering::Relaxed);
        let place = Self(api);
        if before >= api.limits.in_flight_max {
            return Err(Problem::new(&kind::OVERLOADED, "too many requests are under way").retry_after(1));
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs to the end, or to a panic, which is a defect of one request and not the end of its connection.
pub(crate) async fn unpanicked(work: impl Future<Output = Result<Response, Infallible>>) -> Result<Response, String> {
    let mut work = pin!(work);
    poll_fn(
        |context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(poll) => poll.map(|answer| match answer {
                Ok(response) => Ok(response),
                Err(never) => match never {},
            }),
            Err(panic) => Poll::Ready(Err(words(panic.as_ref()))),
        },
    )
    .await
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".into())
}

/// The answer where a route has other methods than the one that was asked for.
pub(crate) fn method_not_allowed(methods: impl Iterator<Item = &'static Method>) -> Response {
    // GET stands for HEAD too.
    let named = methods.map(|method| {
        if method == Method::GET {
            "GET,HEAD"
        } else {
            method.as_str()
        }
    });
    let allowed = named.collect::<Vec<_>>().join(",");
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allowed)]).into_response()
}
