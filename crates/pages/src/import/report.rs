//! The page of an import: what became of each row, and what its owner can do with all of it.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_domain::ImportId;
use cardwire_domain::imports::{ReportRow, RowOutcome, Wanted};
use cardwire_http::cursor::List;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use super::progress::Progress;
use crate::form::Posted;
use crate::links::{see_other, with_parameter};
use crate::shown::{address, next, part};
use crate::visit::{Chrome, Section, Visit};

#[derive(Template)]
#[template(path = "imported.html")]
struct ImportedPage {
    chrome: Chrome,
    import: Progress,
    /// Where the page is, so that it can look for news.
    here: String,
    is_all: bool,
    is_refused: bool,
    is_cut: bool,
    rows: Vec<Reported>,
    more: Option<String>,
    undoing: &'static str,
}

/// What undoing an import does: said with scripts and without.
const UNDOING: &str = "The links it saved are removed, with their notes, and so are the collections it created that are empty then. Links you \
                       have changed since stay.";

struct Reported {
    number: u32,
    url: String,
    state: &'static str,
    why: String,
    card: Option<String>,
}

impl From<ReportRow> for Reported {
    fn from(row: ReportRow) -> Self {
        let state = match &row.outcome {
            None => "Waiting",
            Some(RowOutcome::Saved(_)) if row.is_undone => "Removed",
            Some(RowOutcome::Saved(_)) => "Saved",
            Some(RowOutcome::Known(_)) => "Already in your library",
            Some(RowOutcome::New) => "New",
            Some(RowOutcome::Again) => "Same link as an earlier row",
            Some(RowOutcome::Refused(_)) => "Not imported",
        };
        let card = row.outcome.as_ref().and_then(RowOutcome::card).filter(|_| !row.is_undone);
        let reason = row.outcome.as_ref().and_then(RowOutcome::reason);
        let why: Vec<&str> = reason.into_iter().chain(row.remark.as_deref()).collect();
        let url = address(&row.url);
        Self { number: row.number, why: why.join(" "), card: card.map(|card| card.to_string()), url, state }
    }
}

pub(super) async fn show(
    state: Data<AppState>,
    visit: Visit,
    request: HttpRequest,
    id: Path<String>,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let caller = visit.caller()?;
    let id: ImportId = id.parse()?;
    let (wanted, which) = match (params.flag("refused")?, params.flag("cut")?) {
        (true, _) => (Wanted::Refused, "refused"),
        (false, true) => (Wanted::Remarked, "cut"),
        (false, false) => (Wanted::All, "all"),
    };
    let import = state.imports.import(caller.id(), id).await?;
    let list = List::by_rank(&["import", &id.to_string(), which]);
    let asked = part(&mut params, &list)?;
    let report = state.imports.import_report(caller.id(), id, wanted, &asked).await?;
    let mut path = format!("/imports/{id}");
    if wanted != Wanted::All {
        path = with_parameter(&path, which, "true");
    }
    let import = Progress::of(&state, import);
    visit.page(&ImportedPage {
        chrome: visit.chrome(Section::Library),
        undoing: UNDOING,
        import,
        is_all: wanted == Wanted::All,
        is_refused: wanted == Wanted::Refused,
        is_cut: wanted == Wanted::Remarked,
        more: next(&report, &list, &path),
        here: request.uri().path_and_query().map_or(path, ToString::to_string),
        rows: report.items.into_iter().map(Into::into).collect(),
    })
}

/// Imports what was checked.
pub(super) async fn carry_out(
    state: Data<AppState>,
    id: Path<String>,
    posted: Posted,
) -> Result<HttpResponse, Problem> {
    let caller = posted.visit.caller()?;
    let id: ImportId = id.parse()?;
    state.imports.carry_out(caller.id(), id).await?;
    Ok(see_other(&format!("/imports/{id}")))
}

pub(super) async fn undo(
    state: Data<AppState>,
    request: HttpRequest,
    id: Path<String>,
    posted: Posted,
) -> Result<HttpResponse, Problem> {
    let caller = posted.visit.caller()?;
    let id: ImportId = id.parse()?;
    let path = format!("/imports/{id}");
    if !posted.is_sure() {
        // Nobody is asked about what is not theirs.
        state.imports.import(caller.id(), id).await?;
        return posted.ask(&request, ("Undo import", UNDOING), &path);
    }
    state.imports.ask_to_undo(caller.id(), id).await?;
    Ok(see_other(&path))
}
