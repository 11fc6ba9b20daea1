//! `GET /v1/events`: sales as they are counted, and word that figures or nodes have changed, as server-sent events.
//!
//! Whoever connects, or is told `reset`, reads anew what it shows: events are not kept.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::guard::Caller;
use super::sales::SummaryBody;
use super::state::HqApi;
use crate::domain::ids::SiteId;
use crate::hq::{Happening, SaleSummary};
use crate::http::problem::{Problem, kind};

/// How often an idle stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How many events wait for a slow client before its stream waits too.
const WAITING_MAX: usize = 64;

#[derive(Debug, Serialize)]
struct NothingBody {}

/// A site.
#[derive(Debug, Serialize)]
struct SiteBody {
    site: SiteId,
}

/// Sales as they are counted, and what else changes.
///
/// Events: `sale` (a sale or a refund, as in `/v1/sales`; when many come at once not each is told), `figures` (totals
/// and stock have moved), `nodes` (a node has come, gone or was settled), `site` (a pickup or a transfer of that site went
/// further), `reset` (some events were missed: read anew
/// what you show). A comment every 15 seconds says that the stream lives.
#[utoipa::path(
    get, path = "/v1/events", tag = "figures",
    responses((status = 200, description = "The stream", content_type = "text/event-stream", body = String)),
)]
pub(super) async fn stream(
    State(api): State<HqApi>,
    Caller(_): Caller,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let place = api.streams.clone().try_acquire_owned().map_err(|_| {
        let detail = "as many event streams are open as headquarters serves";
        Problem::new(&kind::TOO_MANY_STREAMS, detail).retry_after(10)
    })?;
    let mut happenings = api.headquarters.watch();
    let mut stop = api.stop.clone();
    let (events, waiting) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        // Given back with the task.
        let _place = place;
        loop {
            let happening = tokio::select! {
                happening = happenings.recv() => happening,
                () = events.closed() => return,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            let event = match happening {
                Ok(Happening::Counted(sale)) => event("sale", &SummaryBody::from(SaleSummary::clone(&sale))),
                Ok(Happening::Figures) => event("figures", &NothingBody {}),
                // Of no interest to people: figures are told when they move.
                Ok(Happening::Rights(_)) => continue,
                Ok(Happening::Site(site)) => event("site", &SiteBody { site }),
                Ok(Happening::Nodes) => event("nodes", &NothingBody {}),
                Err(RecvError::Lagged(_)) => event("reset", &NothingBody {}),
                Err(RecvError::Closed) => return,
            };
            let Some(event) = event else { continue };
            if events.send(Ok(event)).await.is_err() {
                return;
            }
        }
    });
    let keep_alive = KeepAlive::new().interval(HEARTBEAT).text("alive");
    Ok(Sse::new(ReceiverStream::new(waiting)).keep_alive(keep_alive))
}

fn event(name: &str, data: &impl Serialize) -> Option<Event> {
    match Event::default().event(name).json_data(data) {
        Ok(event) => Some(event),
        Err(error) => {
            tracing::error!(%error, "an event could not be written");
            None
        }
    }
}
