//! `GET /v1/events`: sales, refunds, stock and the link as they change, as server-sent events.
//!
//! Events are read from the journal, not from memory: a client that comes back with `Last-Event-ID` gets what it has
//! missed, also after a restart. Where that is too much, or the journal is another one, it gets `reset` and reads
//! anew what it shows. An event's id is the place in the journal up to which the client then has everything.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use self::reading::{Document, Happened, Place};
use super::alerts::AlertBody;
use super::caller::Caller;
use super::documents::{RefundBody, SaleBody};
use super::problem::{Problem, kind};
use super::serve::stopped;
use super::standbys::{DisksName, StandbyReport};
use super::state::{ApiState, Asker};
use super::sync::LinkBody;
use crate::store::Role;

mod reading;

/// How often an idle stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Commits within this time are read together: people do not see the difference, and the database does.
const GATHER: Duration = Duration::from_millis(50);
/// How many events wait for a slow client before its stream waits too.
const WAITING_MAX: usize = 64;
/// How many alerts are told after one commit; the rest after the next.
const ALERTS_MAX: u32 = 200;

/// Sales, refunds, stock and the link as they change.
///
/// Events: `link` (at once, and whenever it changes; as in `/v1/sync`), `sale` and `refund` (the whole document),
/// `alert` (as in `/v1/alerts`, whenever one is raised, changed, seen or over),
/// `disks` (`two_disks` or `one_disk`, where sales are to be on a standby's disk too and that changes),
/// `stock` (`sku` and the quantity that there is now, for each item that was touched), `reset` (what was missed is not
/// known: read anew what you show). A comment every 15 seconds says that the stream lives. `Last-Event-ID` goes on
/// behind that event. A kiosk hears of stock and of the link only.
#[utoipa::path(
    get, operation_id = "follow_events", path = "/v1/events", tag = "node",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen")),
    responses((status = 200, description = "The stream", content_type = "text/event-stream", body = String)),
)]
pub(super) async fn stream(
    State(api): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let place = StreamPlace::take(&api, &caller)?;
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok())
        .map(str::to_owned);
    let start = api
        .readers
        .run(move |snapshot| reading::start(snapshot, last.as_deref()))
        .await?;
    let (events, waiting) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        // Dropped with the task: whoever goes gives the place back.
        let _place = place;
        let feeder = Feeder { api, caller, events };
        if let Err(Ended) = feeder.feed(start).await {
            tracing::trace!("an event stream ended");
        }
    });
    let keep_alive = KeepAlive::new().interval(HEARTBEAT).text("alive");
    Ok(Sse::new(ReceiverStream::new(waiting)).keep_alive(keep_alive))
}

/// One of the bounded number of streams.
struct StreamPlace {
    api: ApiState,
    asker: Arc<Asker>,
}

impl StreamPlace {
    fn take(api: &ApiState, caller: &Caller) -> Result<Self, Problem> {
        let full = |detail: &'static str| Problem::new(&kind::TOO_MANY_STREAMS, detail).retry_after(10);
        let asker = api.asker(caller.ix);
        let api = api.clone();
        let count = |open: &AtomicUsize| open.fetch_add(1, Ordering::Relaxed);
        let (in_all, of_device) = (count(&api.streams), count(&asker.streams));
        let limits = api.limits.clone();
        api.metrics.streams.inc();
        let place = Self { api, asker };
        if in_all >= limits.streams_max {
            Err(full("as many event streams are open as the node serves"))
        } else if of_device >= limits.streams_per_device_max {
            Err(full("this device has as many event streams open as one may have"))
        } else {
            Ok(place)
        }
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.api.streams.fetch_sub(1, Ordering::Relaxed);
        self.asker.streams.fetch_sub(1, Ordering::Relaxed);
        self.api.metrics.streams.dec();
    }
}

/// The client went away, its rights ended, or the node stops.
struct Ended;

struct Feeder {
    api: ApiState,
    caller: Caller,
    events: mpsc::Sender<Result<Event, Infallible>>,
}

impl Feeder {
    async fn feed(self, start: reading::Start) -> Result<(), Ended> {
        let mut commits = self.api.commits.follow();
        let (mut link, mut stop) = (self.api.link.clone(), self.api.stop.clone());
        let mut standbys = self.api.standbys.report.clone();
        let mut disks = self.api.standbys.now().disks;
        let mut cut = self.api.cut.as_ref().map(watch::Sender::subscribe);
        let mut place = start.place;
        if let Some(reason) = start.reset {
            self.send("reset", Some(&place), &ResetBody { reason }).await?;
        }
        self.send_link(&place).await?;
        let mut told = start.alerts_revision;
        loop {
            commits.borrow_and_update();
            place = self.catch_up(place).await?;
            told = self.send_alerts(told).await?;
            tokio::select! {
                () = stopped(&mut stop) => return Err(Ended),
                () = self.events.closed() => return Err(Ended),
                changed = commits.changed() => {
                    changed.map_err(|_| Ended)?;
                    tokio::time::sleep(GATHER).await;
                }
                changed = link.changed() => {
                    changed.map_err(|_| Ended)?;
                    self.send_link(&place).await?;
                }
                () = reported(&mut standbys) => {
                    let now = self.api.standbys.now();
                    if std::mem::replace(&mut disks, now.disks) != now.disks {
                        self.send("disks", None, &DisksBody { disks: now.disks_name() }).await?;
                    }
                }
                () = switched(&mut cut) => {
                    self.send_link(&place).await?;
                }
            }
            if self.api.devices.by_token(self.caller.token).is_none() {
                return Err(Ended);
            }
        }
    }

    /// Sends everything behind `place` and gives the place reached.
    async fn catch_up(&self, mut place: Place) -> Result<Place, Ended> {
        loop {
            let from = place.clone();
            let read = self
                .api
                .readers
                .run(move |snapshot| reading::read(snapshot, &from))
                .await;
            let page = match read {
                Ok(page) => page,
                Err(error) => {
                    // The client comes again with what it has; nothing is lost.
                    tracing::warn!(%error, "an event stream could not be read and is ended");
                    return Err(Ended);
                }
            };
            for happened in &page.happened {
                self.send_happened(happened).await?;
            }
            place = page.place;
            if page.complete {
                return Ok(place);
            }
        }
    }

    async fn send_happened(&self, happened: &Happened) -> Result<(), Ended> {
        let place = &happened.place;
        let document = happened.document.as_ref().filter(|_| self.caller.role != Role::Kiosk);
        for (stock, left) in happened.stock.iter().zip((0..happened.stock.len()).rev()) {
            // The last event of a record carries its id: what comes before it is sent again where it is not heard.
            let last = left == 0 && document.is_none();
            self.send("stock", last.then_some(place), stock).await?;
        }
        match document {
            Some(Document::Sale(sale)) => {
                let body = SaleBody::from(sale).at(place.position());
                self.send("sale", Some(place), &body).await
            }
            Some(Document::Refund(refund)) => {
                let body = RefundBody::from(refund).at(place.position());
                self.send("refund", Some(place), &body).await
            }
            None => Ok(()),
        }
    }

    /// Sends alerts that changed after a revision, and gives the revision reached. They carry no id: whoever comes back
    /// reads those that are open.
    async fn send_alerts(&self, told: i64) -> Result<i64, Ended> {
        if self.caller.role == Role::Kiosk {
            return Ok(told);
        }
        let read = self
            .api
            .readers
            .run(move |snapshot| snapshot.alerts_since(told, ALERTS_MAX))
            .await;
        let alerts = read.map_err(|error| {
            tracing::warn!(%error, "an event stream could not be read and is ended");
            Ended
        })?;
        let reached = alerts.last().map_or(told, |alert| alert.revision);
        for alert in alerts {
            self.send("alert", None, &AlertBody::from(alert)).await?;
        }
        Ok(reached)
    }

    async fn send_link(&self, place: &Place) -> Result<(), Ended> {
        self.send("link", Some(place), &LinkBody::of(&self.api)).await
    }

    async fn send(&self, name: &str, place: Option<&Place>, data: &impl Serialize) -> Result<(), Ended> {
        let mut event = Event::default().event(name);
        if let Some(place) = place {
            event = event.id(place.to_string());
        }
        let event = event.json_data(data).map_err(|error| {
            tracing::error!(%error, "an event could not be written");
            Ended
        })?;
        self.events.send(Ok(event)).await.map_err(|_| Ended)
    }
}

/// Waits until a person cuts or mends the link; for ever where nobody can.
async fn switched(cut: &mut Option<watch::Receiver<bool>>) {
    let told = match cut {
        Some(cut) => cut.changed().await.is_ok(),
        None => false,
    };
    if !told {
        std::future::pending().await
    }
}

/// Waits until something else is known of standbys; for ever where there can be none.
async fn reported(standbys: &mut Option<watch::Receiver<StandbyReport>>) {
    let told = match standbys {
        Some(standbys) => standbys.changed().await.is_ok(),
        None => false,
    };
    if !told {
        std::future::pending().await
    }
}

/// Whether what is answered for is on two disks.
#[derive(Debug, Serialize)]
struct DisksBody {
    disks: Option<DisksName>,
}

/// What was missed is not known.
#[derive(Debug, Serialize)]
struct ResetBody {
    reason: &'static str,
}
