//! The live feed as server-sent events.
//!
//! A reader gets every activity published after its `Last-Event-ID`, each once and in the stream's order. The first
//! block of a stream carries an id and no data, so a reader who is cut off before the first activity still resumes
//! without a gap. While the store is unavailable the stream stays open and continues later: a browser that gets an
//! error gives up for good.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::web::{Bytes, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::feed::StreamCursor;
use cardwire_http::caller::Reader;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::live::Follower;
use cardwire_http::problem::{INVALID_PARAMETER, Problem, TOO_MANY_STREAMS};
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use futures_util::{Stream, stream};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;

use crate::feed::FeedItemBody;
use crate::resource::Resource;

/// How long a browser waits before it comes back.
const RECONNECT_MS: u32 = 2_000;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(live))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/feeds/global/stream").get(live).register(config);
}

/// New activities as they happen, from now on or after `Last-Event-ID`.
///
/// Events are named `activity`; their data is an item of the feed. A comment comes every 15 seconds.
#[utoipa::path(
    operation_id = "streamGlobalFeed",
    get, path = "/api/feeds/global/stream", tag = "feed", security((), ("bearer" = [])),
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "Continue after this event"),
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
        // Declared, so that nothing compresses the stream and delays events.
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .insert_header(("x-accel-buffering", "no"));
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let end = state.feed.stream_end().await?;
    // A position beyond the end comes from before the store was restored to an earlier time.
    let after = resumed.map_or(end, |cursor| cursor.min(end));
    let busy = || Problem::new(&TOO_MANY_STREAMS, TOO_MANY_STREAMS.about).retry_after(5);
    let connection = Connection {
        follower: state.live.read(after, state.accounts.client_address(&request)).ok_or_else(busy)?,
        heartbeat: state.live.settings.heartbeat,
        shutdown: state.live.shutdown.clone(),
        begun: false,
        sent_at: Instant::now(),
    };
    Ok(response.streaming(connection.into_stream()))
}

fn resume_from(request: &HttpRequest, from_query: Option<String>) -> Result<Option<StreamCursor>, Problem> {
    let refuse = |field: &str| {
        Problem::new(&INVALID_PARAMETER, format!("{field}: Use the id of an event of this stream.")).field(field)
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
    // What a browser sends before it has seen an id.
    if text.is_empty() {
        return Ok(None);
    }
    let cursor: StreamCursor = text.parse().map_err(|_| refuse(field))?;
    // No epoch is that high, and the store's own numbers are signed.
    if i64::try_from(cursor.epoch).is_err() {
        return Err(refuse(field));
    }
    Ok(Some(cursor))
}

struct Connection {
    follower: Follower,
    heartbeat: Duration,
    shutdown: CancellationToken,
    begun: bool,
    sent_at: Instant,
}

impl Connection {
    /// Ends only at shutdown. Dropping it frees its slot.
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut connection| async move {
            let chunk = connection.next_chunk().await?;
            connection.sent_at = Instant::now();
            Some((Ok(chunk), connection))
        })
    }

    async fn next_chunk(&mut self) -> Option<Bytes> {
        if !self.begun {
            self.begun = true;
            return Some(format!("retry: {RECONNECT_MS}\nid: {}\n\n", self.follower.after()).into());
        }
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => None,
            activities = self.follower.next() => Some(activities),
            () = sleep_until(self.sent_at + self.heartbeat) => Some(Bytes::from_static(b": heartbeat\n\n")),
        }
    }
}
