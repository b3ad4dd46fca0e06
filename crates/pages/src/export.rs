//! Taking one's links along: the whole library, written page by page as it is read.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use cardwire_domain::library::{LibraryCard, LibraryFilter};
use cardwire_domain::{Limit, Page, PageRequest, Position, UserId};
use cardwire_http::download;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::state::AppState;

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
    let place = state.begin_download(caller.id())?;
    let kind = match format {
        Format::Bookmarks => ("text/html; charset=utf-8", "cardwire.html"),
        Format::Table => ("text/csv; charset=utf-8", "cardwire.csv"),
    };
    let (state, owner) = (state.clone(), caller.id().clone());
    let write = move |step| part(state.clone(), owner.clone(), format, step);
    Ok(download::file(kind, place, Step::Head, write))
}

enum Step {
    Head,
    Page(Option<Position>),
    Tail,
    End,
}

/// What stands at this step, and the step behind it.
async fn part(state: AppState, owner: UserId, format: Format, step: Step) -> Result<Option<(String, Step)>, Problem> {
    Ok(Some(match step {
        Step::Head => (format.head(), Step::Page(None)),
        Step::Page(after) => {
            let page = portion(&state, &owner, after).await?;
            let text = page.items.into_iter().map(|card| format.card(card)).collect();
            (text, page.next.map_or(Step::Tail, |next| Step::Page(Some(next))))
        }
        Step::Tail => (format.tail(), Step::End),
        Step::End => return Ok(None),
    }))
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
            Self::Table => "url,title,note,collections,added_at,visibility\r\n".into(),
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
                let private = if kept.card.visibility.is_private() { " PRIVATE=\"1\"" } else { "" };
                let mut text = format!(
                    "    <DT><A HREF=\"{}\" ADD_DATE=\"{added}\"{private} TAGS=\"{}\">{}</A>\n",
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
                    kept.card.visibility.name(),
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
}
