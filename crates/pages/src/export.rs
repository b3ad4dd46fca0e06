//! Taking one's links along: the whole library, written page by page as it is read.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Bytes, Data, ServiceConfig};
use cardwire_domain::library::{LibraryCard, LibraryFilter};
use cardwire_domain::{Limit, Page, PageRequest, Position, UserId};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::places::Place;
use cardwire_http::problem::{Problem, UNAVAILABLE};
use cardwire_http::state::AppState;
use futures_util::{Stream, stream};
use tokio::time::Instant;

use crate::visit::Visit;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/export/bookmarks.html").get(bookmarks).register(config);
    Endpoint::at("/export/cards.csv").get(table).register(config);
}

#[derive(Clone, Copy)]
enum Format {
    Bookmarks,
    Table,
}

async fn bookmarks(state: Data<AppState>, visit: Visit) -> Result<HttpResponse, Problem> {
    export(&state, &visit, Format::Bookmarks)
}

async fn table(state: Data<AppState>, visit: Visit) -> Result<HttpResponse, Problem> {
    export(&state, &visit, Format::Table)
}

fn export(state: &AppState, visit: &Visit, format: Format) -> Result<HttpResponse, Problem> {
    let caller = visit.caller()?;
    let busy = "you are downloading your library already, or too many others are; try again when it is done";
    let place = state.exports.take(caller.id()).ok_or_else(|| Problem::new(&UNAVAILABLE, busy).retry_after(30))?;
    let (content_type, name) = match format {
        Format::Bookmarks => ("text/html; charset=utf-8", "cardwire.html"),
        Format::Table => ("text/csv; charset=utf-8", "cardwire.csv"),
    };
    Ok(HttpResponse::Ok()
        .content_type(content_type)
        // It is for keeping. Should a browser show it all the same, it shows text and links, and nothing runs.
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .streaming(chunks(state.clone(), caller.id().clone(), format, place)))
}

enum Step {
    Head,
    Page(Option<Position>),
    Tail,
    End,
}

/// How fast a download is read. The server asks for the next part when there is room for it; the time until then is the reader's.
struct Pace {
    begun: Instant,
    sent: u64,
    idle: Duration,
    asked: Instant,
}

impl Pace {
    const GRACE: Duration = Duration::from_secs(30);
    const BYTES_PER_SECOND: u64 = 32 * 1024;
    const AT_MOST: Duration = Duration::from_secs(600);

    fn begin() -> Self {
        let now = Instant::now();
        Self { begun: now, sent: 0, idle: Duration::ZERO, asked: now }
    }

    /// Whether the next part may be made.
    fn resume(&mut self) -> bool {
        self.idle += self.asked.elapsed();
        let earned = Duration::from_millis(self.sent * 1_000 / Self::BYTES_PER_SECOND);
        self.idle <= Self::GRACE + earned && self.begun.elapsed() <= Self::AT_MOST
    }

    fn pause(&mut self, part: &[u8]) {
        self.sent += part.len() as u64;
        self.asked = Instant::now();
    }
}

/// An error ends it in the middle, which the browser reports as a failed download. A reader who takes nothing at all is not noticed here,
/// as nothing is asked for then: the system closes that connection (`cardwire_http::connection`).
fn chunks(
    state: AppState,
    owner: UserId,
    format: Format,
    place: Place,
) -> impl Stream<Item = Result<Bytes, actix_web::Error>> {
    stream::try_unfold((Step::Head, Pace::begin(), place), move |(step, mut pace, place)| {
        let (state, owner) = (state.clone(), owner.clone());
        async move {
            if !pace.resume() {
                tracing::info!(sent = pace.sent, "an export was read too slowly and broke off");
                return Err(Problem::new(&UNAVAILABLE, "it was read too slowly").into());
            }
            let (text, then) = match step {
                Step::Head => (format.head(), Step::Page(None)),
                Step::Page(after) => {
                    let page = portion(&state, &owner, after)
                        .await
                        .inspect_err(|problem| tracing::warn!(cause = problem.cause(), "an export broke off"))?;
                    let text: String = page.items.into_iter().map(|card| format.card(card)).collect();
                    (text, page.next.map_or(Step::Tail, |next| Step::Page(Some(next))))
                }
                Step::Tail => (format.tail(), Step::End),
                Step::End => return Ok(None),
            };
            pace.pause(text.as_bytes());
            Ok(Some((Bytes::from(text), (then, pace, place))))
        }
    })
}

async fn portion(state: &AppState, owner: &UserId, after: Option<Position>) -> Result<Page<LibraryCard>, Problem> {
    let request = PageRequest { limit: Limit::new(u64::from(Limit::MAX))?, after };
    Ok(state.library.library(owner, &LibraryFilter::default(), &request).await?)
}

impl Format {
    fn head(self) -> String {
        match self {
            Self::Bookmarks => "<!DOCTYPE NETSCAPE-Bookmark-file-1>\n\
                <META HTTP-EQUIV=\"Content-Type\" CONTENT=\"text/html; charset=UTF-8\">\n\
                <TITLE>Bookmarks</TITLE>\n<H1>Bookmarks</H1>\n<DL><p>\n"
                .into(),
            Self::Table => "url,title,note,collections,added_at\r\n".into(),
        }
    }

    fn tail(self) -> String {
        match self {
            Self::Bookmarks => "</DL><p>\n".into(),
            Self::Table => String::new(),
        }
    }

    fn card(self, kept: LibraryCard) -> String {
        let note = kept.note.as_ref().map_or("", |note| note.text.as_str());
        let title = kept.card.title.as_deref();
        let collections: Vec<&str> = kept.collections.iter().map(|collection| collection.name.as_str()).collect();
        match self {
            Self::Bookmarks => {
                // Tags are separated by commas.
                let tags: Vec<String> = collections.iter().map(|name| name.replace(',', " ")).collect();
                let added = kept.added_at.as_second();
                let mut text = format!(
                    "    <DT><A HREF=\"{}\" ADD_DATE=\"{added}\" TAGS=\"{}\">{}</A>\n",
                    escape(&kept.card.url),
                    escape(&tags.join(",")),
                    escape(title.unwrap_or(&kept.card.url)),
                );
                if !note.is_empty() {
                    text.push_str(&format!("    <DD>{}\n", escape(note)));
                }
                text
            }
            Self::Table => {
                let cells = [
                    &kept.card.url,
                    title.unwrap_or_default(),
                    note,
                    &collections.join("; "),
                    &kept.added_at.to_string(),
                ];
                let cells: Vec<String> = cells.iter().map(|cell| quote(cell)).collect();
                format!("{}\r\n", cells.join(","))
            }
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// In quotes. A page's title may be written to be a formula: an apostrophe keeps spreadsheets from running it.
fn quote(cell: &str) -> String {
    let guard = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_cannot_be_formulas_or_break_out() {
        assert_eq!(quote("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(quote("a\"b,c\n"), "\"a\"\"b,c\n\"");
        assert_eq!(escape("\"><script>&"), "&quot;&gt;&lt;script&gt;&amp;");
    }

    #[tokio::test(start_paused = true)]
    async fn a_download_is_cut_when_it_is_read_too_slowly() {
        let part = [0; 320 * 1024];
        let mut pace = Pace::begin();
        for _ in 0..50 {
            assert!(pace.resume());
            pace.pause(&part);
            // 32 KiB/s.
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        tokio::time::advance(Duration::from_secs(29)).await;
        assert!(pace.resume());
        pace.pause(&[]);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!pace.resume());

        let mut pace = Pace::begin();
        pace.pause(&[0; 100 << 20]);
        tokio::time::advance(Pace::AT_MOST).await;
        assert!(pace.resume());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!pace.resume(), "however much was read");
    }
}
