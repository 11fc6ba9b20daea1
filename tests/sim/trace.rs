//! How a step reads in the trace: one line, names short enough to follow with the eye.

use finalmarket::domain::ids::Incarnation;
use finalmarket::domain::journal::Head;
use finalmarket::sync::hub::{self, Introduction, Outcome};
use finalmarket::sync::node::{self, LocalStream};
use finalmarket::sync::wire::{Batch, Down, FeedCursor, FeedPage, StreamStatus, Up};

/// An incarnation: its count and the start of its random bits.
pub fn life(incarnation: Incarnation) -> String {
    format!("{}.{:04x}", incarnation.counter, incarnation.random >> 48)
}

/// A head: incarnation, number, start of the hash.
pub fn head(head: &Head) -> String {
    let hash = head.hash.to_string();
    format!("{}/{}#{}", life(head.incarnation), head.seq, &hash[..4])
}

/// A message from a node.
pub fn up(message: &Up) -> String {
    match message {
        Up::Hello(hello) => {
            let streams = hello
                .streams
                .iter()
                .map(|stream| format!("{} from {}", head(&stream.head), stream.earliest));
            format!(
                "Hello in {} [{}] {}",
                session(hello.session),
                list(streams),
                list(hello.feeds.iter().map(cursor))
            )
        }
        Up::Batch { session: s, sealed } => format!("Batch in {} {}", session(*s), batch(sealed)),
        other @ (Up::Relayed { .. } | Up::Children { .. } | Up::Rights { .. }) => format!("{other:?}"),
        Up::FeedApplied { session: s, cursor: c } => format!("FeedApplied in {} {}", session(*s), cursor(c)),
        Up::Shelves { session: s, message } => format!("Shelves in {} {message:?}", session(*s)),
    }
}

/// A message to a node.
pub fn down(message: &Down) -> String {
    match message {
        Down::Welcome(welcome) => {
            format!(
                "Welcome in {} [{}]",
                session(welcome.session),
                list(welcome.streams.iter().map(status))
            )
        }
        Down::Ack(ack) => format!("Ack in {} {}", session(ack.session), head(&ack.acked)),
        Down::Resend(resend) => format!("Resend in {} behind {}", session(resend.session), head(&resend.acked)),
        Down::Refused(refused) => format!(
            "Refused in {} {}/{} x{}: {}",
            session(refused.session),
            life(refused.incarnation),
            refused.first,
            refused.count,
            refused.reason
        ),
        Down::Fenced(fenced) => format!(
            "Fenced in {} at {}, common {}, set back: {}",
            session(fenced.session),
            head(&fenced.acked),
            fenced.common,
            fenced.set_back
        ),
        other @ (Down::Relayed { .. }
        | Down::AckedAtTop(_)
        | Down::Here { .. }
        | Down::Rights { .. }
        | Down::Granted { .. }
        | Down::Retired(_)
        | Down::Succeeded { .. }) => format!("{other:?}"),
        Down::FeedPage(page) => format!("Page in {} {}", session(page.session), feed_page(page)),
        Down::Shelves { session: s, message } => format!("Shelves in {} {message:?}", session(*s)),
    }
}

/// What a node's engine hears.
pub fn node_input(input: &node::Input) -> String {
    match input {
        node::Input::Connected { session: s } => format!("connected in {}", session(*s)),
        node::Input::Disconnected => "disconnected".to_owned(),
        node::Input::Hub(state) => format!("headquarters online: {} run {}", state.online, session(state.run)),
        node::Input::Received(message) => down(message),
        node::Input::TooLarge {
            incarnation,
            first,
            count,
        } => format!("too large: {}/{first} x{count}", life(*incarnation)),
        node::Input::Streams { streams, feeds } => {
            format!(
                "streams [{}] {}",
                list(streams.iter().map(local)),
                list(feeds.iter().map(cursor))
            )
        }
        node::Input::Appended(appended) => format!("appended {}", head(appended)),
        node::Input::BatchLoaded(batch) => {
            format!("loaded {}/{} x{}", life(batch.incarnation), batch.first, batch.count)
        }
        node::Input::SetAside { incarnation, seq } => format!("set aside {}/{seq}", life(*incarnation)),
        node::Input::FeedApplied(applied) => format!("applied {}", cursor(applied)),
        other => format!("{other:?}"),
    }
}

/// What a node's engine wants.
pub fn node_output(output: &node::Output) -> String {
    match output {
        node::Output::Send(message) => up(message),
        node::Output::LoadBatch {
            incarnation,
            from,
            records_max,
            bytes_max,
        } => format!("load {}/{from} x{records_max} of {bytes_max} bytes", life(*incarnation)),
        node::Output::SaveAck(acked) => format!("save ack {}", head(acked)),
        node::Output::SetAside {
            incarnation,
            seq,
            reason,
        } => format!("set aside {}/{seq}: {reason}", life(*incarnation)),
        node::Output::Rehome {
            incarnation,
            common,
            set_back,
        } => format!("rehome {} behind {common}, set back: {set_back}", life(*incarnation)),
        node::Output::ApplyFeed(page) => format!("apply {}", feed_page(page)),
        other @ (node::Output::SaveTopAck(_) | node::Output::GiveBack { .. }) => format!("{other:?}"),
        node::Output::LoadStreams => "load streams".to_owned(),
    }
}

/// What headquarters' engine hears.
pub fn hub_input(input: &hub::Input) -> String {
    match input {
        hub::Input::Received { node, message } => format!("{node}: {}", up(message)),
        hub::Input::Gone { node, session: s } => format!("{node} left {}", session(*s)),
        hub::Input::Introduced {
            node,
            session: s,
            result,
        } => match result {
            Introduction::Known(streams) => {
                format!(
                    "{node} in {} is known [{}]",
                    session(*s),
                    list(streams.iter().map(status))
                )
            }
            Introduction::Branched { acked, set_back, .. } => {
                format!(
                    "{node} in {} is branched at {}, set back: {set_back}",
                    session(*s),
                    head(acked)
                )
            }
        },
        hub::Input::Ingested {
            node,
            session: s,
            outcome,
        } => {
            let outcome = match outcome {
                Outcome::Committed { acked } => format!("committed {}", head(acked)),
                Outcome::Gap { acked } => format!("gap behind {}", head(acked)),
                Outcome::Branched { acked } => format!("branched at {}", head(acked)),
                other => format!("{other:?}"),
            };
            format!("{node} in {}: {outcome}", session(*s))
        }
        hub::Input::PageLoaded {
            node,
            session: s,
            feed,
            page,
        } => {
            let page = page.as_ref().map_or("nothing".to_owned(), feed_page);
            format!("{node} in {} loaded {feed}: {page}", session(*s))
        }
        other => format!("{other:?}"),
    }
}

/// What headquarters' engine wants.
pub fn hub_output(output: &hub::Output) -> String {
    match output {
        hub::Output::Send { node, message } => format!("to {node}: {}", down(message)),
        hub::Output::Introduce { node, hello } => format!("introduce {node} in {}", session(hello.session)),
        hub::Output::Ingest {
            node,
            session: s,
            sealed,
        } => format!("ingest {node} in {} {}", session(*s), batch(sealed)),
        hub::Output::LoadPage {
            node,
            session: s,
            feed,
            after,
            ..
        } => format!("load {feed} after {after} for {node} in {}", session(*s)),
    }
}

fn session(session: u64) -> String {
    format!("~{:04x}", session >> 48)
}

fn batch(sealed: &[u8]) -> String {
    match Batch::open(sealed) {
        Ok(batch) => format!(
            "{}/{} x{}, {} bytes",
            life(batch.header.incarnation),
            batch.header.first,
            batch.header.count,
            sealed.len()
        ),
        Err(error) => error.to_string(),
    }
}

fn local(stream: &LocalStream) -> String {
    format!(
        "{} from {} acked {}",
        head(&stream.head.head),
        stream.head.earliest,
        stream.acked.seq
    )
}

fn status(status: &StreamStatus) -> String {
    format!("{} {:?}", head(&status.acked), status.state)
}

fn cursor(cursor: &FeedCursor) -> String {
    format!("{} {}", cursor.feed, cursor.version)
}

fn feed_page(page: &FeedPage) -> String {
    format!("{} {}..{}", page.feed, page.after, page.through)
}

fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}
