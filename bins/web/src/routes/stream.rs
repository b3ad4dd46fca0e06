//! The live feed as server-sent events.
//!
//! A reader gets every activity that becomes known behind its `Last-Event-ID`, each once and in the stream's order. The first
//! block of a stream carries an id and no data, so that a reader who is cut off before the first activity still resumes
//! without a gap. While the store is away the stream stays open and goes on later: a browser gives up for good when it
//! is answered with an error.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::web::{Bytes, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::feed::{FeedRepository, StreamCursor};
use futures_util::{Stream, poll, stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::feed::FeedItemBody;
use crate::auth::Reader;
use crate::endpoint::Endpoint;
use crate::problem::{INVALID_PARAMETER, Problem, TOO_MANY_STREAMS};
use crate::query::Params;
use crate::state::{AppState, LiveSettings};

/// Activities sent at once.
const BATCH: usize = 100;
/// How long one look into the store may take.
const LOOK: Duration = Duration::from_secs(10);
/// How long a browser waits before it comes back.
/// What a hint was about may be hidden for a moment, behind a transaction that began before it: look again that often, that soon.
const LOOKS_AFTER_HINT: u32 = 5;
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const RECONNECT_MS: u32 = 2_000;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/feeds/global/stream").get(live).register(config);
}

/// What is collected from now on, or from behind `Last-Event-ID`, as it happens.
///
/// Events are named `activity`; their data is an item of the feed. A comment comes every 15 seconds.
#[utoipa::path(
    get, path = "/api/feeds/global/stream", tag = "feed", security((), ("bearer" = [])),
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "Resume behind this event"),
        ("lastEventId" = Option<String>, Query, description = "The same, for clients that cannot set headers; the header wins"),
    ),
    responses((status = 200, content_type = "text/event-stream", body = FeedItemBody))
)]
pub async fn live(
    state: Data<AppState>,
    request: HttpRequest,
    _: Reader,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let from_query = params.text("lastEventId");
    params.finish()?;
    let resumed = resume_from(&request, from_query)?;
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream")
        // Declared, so that nothing compresses the stream and thereby holds events back.
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .insert_header(("x-accel-buffering", "no"));
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let live = &state.live;
    let busy = || Problem::new(&TOO_MANY_STREAMS, TOO_MANY_STREAMS.about).retry_after(5);
    let slot = live.slots.clone().try_acquire_owned().map_err(|_| busy())?;
    let after = match resumed {
        Some(cursor) => cursor,
        None => state.feed.stream_end().await?,
    };
    let connection = Connection {
        feed: state.feed.clone(),
        settings: live.settings,
        shutdown: live.shutdown.clone(),
        after,
        begun: false,
        sent_at: Instant::now(),
        failing: false,
        look_soon: 0,
        _slot: Slot::taken(slot),
    };
    Ok(response.streaming(connection.into_stream()))
}

fn resume_from(request: &HttpRequest, from_query: Option<String>) -> Result<Option<StreamCursor>, Problem> {
    let refuse = |field: &str| {
        Problem::new(&INVALID_PARAMETER, format!("{field}: must be the id of an event of this stream")).field(field)
    };
    let header = match request.headers().get("Last-Event-ID") {
        Some(value) => Some(value.to_str().map_err(|_| refuse("Last-Event-ID"))?.to_owned()),
        None => None,
    };
    let (field, text) = match (header, from_query) {
        (Some(text), _) => ("Last-Event-ID", text),
        (None, Some(text)) => ("lastEventId", text),
        (None, None) => return Ok(None),
    };
    // What a browser sends that has not seen any id.
    if text.is_empty() {
        return Ok(None);
    }
    let cursor: StreamCursor = text.parse().map_err(|_| refuse(field))?;
    // No epoch is as high as that, and the store's own numbers are signed.
    if i64::try_from(cursor.epoch).is_err() {
        return Err(refuse(field));
    }
    Ok(Some(cursor))
}

/// A place among the live readers, counted while it is held.
struct Slot(#[allow(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Slot {
    fn taken(permit: OwnedSemaphorePermit) -> Self {
        metrics::gauge!("cardwire_sse_connections").increment(1.0);
        Self(permit)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        metrics::gauge!("cardwire_sse_connections").decrement(1.0);
    }
}

struct Connection {
    feed: Arc<dyn FeedRepository>,
    settings: LiveSettings,
    shutdown: CancellationToken,
    after: StreamCursor,
    begun: bool,
    sent_at: Instant,
    failing: bool,
    /// How many more looks follow each other quickly.
    look_soon: u32,
    _slot: Slot,
}

impl Connection {
    /// Ends at shutdown only. When it is dropped, its slot is free again.
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut connection| async move {
            let chunk = connection.next_chunk().await?;
            connection.sent_at = Instant::now();
            Some((Ok(Bytes::from(chunk)), connection))
        })
    }

    async fn next_chunk(&mut self) -> Option<String> {
        if !self.begun {
            self.begun = true;
            return Some(format!("retry: {RECONNECT_MS}\nid: {}\n\n", self.after));
        }
        let feed = self.feed.clone();
        loop {
            if self.shutdown.is_cancelled() {
                return None;
            }
            // Listening starts before looking, so that what comes in between is not missed.
            let mut hint = feed.stream_hint();
            let hinted = poll!(hint.as_mut()).is_ready();
            if let Some(chunk) = self.look().await {
                return Some(chunk);
            }
            let heartbeat = self.sent_at + self.settings.heartbeat;
            if Instant::now() >= heartbeat {
                return Some(": heartbeat\n\n".into());
            }
            if hinted && !self.failing {
                // What the hint was about may still be hidden behind a transaction that is not over.
                self.look_soon = LOOKS_AFTER_HINT;
                continue;
            }
            let pause = if self.look_soon > 0 && !self.failing { LOOK_AGAIN } else { self.settings.poll };
            self.look_soon = self.look_soon.saturating_sub(1);
            let wake = heartbeat.min(Instant::now() + pause.min(self.settings.poll));
            let failing = self.failing;
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return None,
                () = hint.as_mut(), if !hinted && !failing => self.look_soon = LOOKS_AFTER_HINT,
                () = sleep_until(wake) => {}
            }
        }
    }

    async fn look(&mut self) -> Option<String> {
        let found = match timeout(LOOK, self.feed.stream(self.after, BATCH)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return self.failed(&error.to_string()),
            Err(_) => return self.failed("no answer in time"),
        };
        self.failing = false;
        let mut chunk = String::new();
        for (cursor, item) in found {
            match serde_json::to_string(&FeedItemBody::from(item)) {
                // Writing to a string cannot fail.
                Ok(data) => drop(write!(chunk, "id: {cursor}\nevent: activity\ndata: {data}\n\n")),
                Err(error) => return self.failed(&error.to_string()),
            }
            self.after = cursor;
        }
        (!chunk.is_empty()).then_some(chunk)
    }

    /// Logs the first of several failures in a row.
    fn failed(&mut self, why: &str) -> Option<String> {
        if !self.failing {
            tracing::warn!(error = why, "the live feed cannot be read; trying on");
            self.failing = true;
        }
        None
    }
}
