//! Bringing links along from elsewhere: a file is read at once, its rows are saved behind this page (`cardwire_workers::import`).

mod read;

use actix_multipart::{Field, Multipart};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_domain::imports::{ImportRow, ImportView, NewImport, ReportRow, RowOutcome, keep_private};
use cardwire_domain::quotas::Quota;
use cardwire_domain::use_cases;
use cardwire_domain::{CollectionId, ImportId, Visibility};
use cardwire_http::caller::Caller;
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::{BODY_TOO_LARGE, FORBIDDEN, MALFORMED_REQUEST, Problem, REQUEST_TIMEOUT};
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use cardwire_http::uploads::{Pace, Upload};
use futures_util::StreamExt;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

use crate::choices::{Choices, Wanted, choices};
use crate::fields::Complaint;
use crate::fields::TOKEN;
use crate::form::{admit, sender};
use crate::links::{see_other, with_parameter};
use crate::shown::{When, next, part};
use crate::visit::{Chrome, Section, Visit};

/// Of a file.
pub const MAX_BYTES: usize = 10 * 1024 * 1024;
/// Of each other field.
const MAX_FIELD_BYTES: usize = 1024;
/// How long the fields before the file may take to arrive.
const FIELDS_ARRIVAL: Duration = Duration::from_secs(10);
const MAX_NAME_CHARS: usize = 120;
const LISTED: usize = 10;

/// The page with the form, and where the form is sent.
pub(super) const IMPORT: &str = "/import";

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at(IMPORT).get(page).post(begin).register(config);
    Endpoint::at("/imports/{id}").get(show).register(config);
}

#[derive(Template)]
#[template(path = "import.html")]
struct ImportPage {
    chrome: Chrome,
    choices: Choices,
    is_public: bool,
    imports: Vec<Progress>,
    complaint: Complaint,
}

struct Progress {
    id: String,
    file_name: String,
    total: u32,
    done: u32,
    saved: u32,
    known: u32,
    refused: u32,
    is_finished: bool,
    when: When,
}

/// With `filter`, the collections of that name are offered.
async fn page(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    let filter = params.text("filter").unwrap_or_default();
    let wanted = Wanted { filter: &filter, ..Wanted::default() };
    draw(&state, &visit, (&wanted, Visibility::Private), (StatusCode::OK, Complaint::default())).await
}

async fn draw(
    state: &AppState,
    visit: &Visit,
    (wanted, visibility): (&Wanted<'_>, Visibility),
    (status, complaint): (StatusCode, Complaint),
) -> Result<HttpResponse, Problem> {
    let caller = visit.caller()?;
    let imports = state.imports.imports_of(caller.id(), LISTED).await?;
    let page = ImportPage {
        chrome: visit.chrome(Section::Library),
        choices: choices(state, &caller, wanted).await?,
        is_public: !visibility.is_private(),
        imports: imports.into_iter().map(|import| progress(state, import)).collect(),
        complaint,
    };
    Ok(page.complaint.complete(visit.page_with(status, &page)?))
}

fn progress(state: &AppState, import: ImportView) -> Progress {
    Progress {
        id: import.id.to_string(),
        done: import.done(),
        file_name: import.file_name,
        total: import.total,
        saved: import.saved,
        known: import.known,
        refused: import.refused,
        is_finished: import.finished_at.is_some(),
        when: When::of(import.begun_at, state.operations.clock.now()),
    }
}

/// Keeps the rows of a file and leads to the page that tells what becomes of them.
async fn begin(state: Data<AppState>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    // Nothing is waited for before it is known whose form it is.
    let visit = sender(&request).await?;
    let caller = visit.caller()?;
    let parts = Multipart::new(request.headers(), payload);
    let sent = receive(parts, &visit, || state.uploads.begin(caller.id(), MAX_BYTES)).await?;
    let (chosen, visibility) = (vec![sent.collection.clone()], sent.visibility);
    match keep(&state, &caller, sent).await {
        Ok(id) => Ok(see_other(&format!("/imports/{id}"))),
        Err(problem) => {
            let wanted = Wanted { chosen: &chosen, ..Wanted::default() };
            draw(&state, &visit, (&wanted, visibility), Complaint::of(problem, &["file", "collection"])?).await
        }
    }
}

async fn keep(state: &AppState, caller: &Caller, sent: Sent) -> Result<ImportId, Problem> {
    let Sent { file_name, file, collection, visibility } = sent;
    let collection = match collection.trim() {
        "" => None,
        id => {
            let id: CollectionId = id.parse()?;
            state.collections.collection(id, Some(caller.id())).await?;
            Some(id)
        }
    };
    let file = match file {
        Some(File::Whole(file)) => file,
        Some(File::TooLarge) => {
            return Err(Problem::invalid("file", format!("must be at most {} MiB", MAX_BYTES >> 20)));
        }
        None => return Err(Problem::invalid("file", "is missing")),
    };
    use_cases::admit(&state.quotas, Quota::Imports, caller.id(), &mut *state.store.begin().await?).await?;
    let turn = file.turn().await?;
    // Its turn goes along: if this future is dropped, the reading goes on.
    let reading = tokio::task::spawn_blocking(move || (read::rows(file.bytes()), turn));
    let (rows, _turn) = reading.await.map_err(|error| Problem::internal(error.to_string()))?;
    let mut rows: Vec<ImportRow> = rows?;
    if visibility.is_private() {
        rows = rows.into_iter().map(ImportRow::private).collect();
    }
    keep_private(&mut rows);
    let import = NewImport { id: ImportId::generate(), owner: caller.id().clone(), file_name, collection, rows };
    state.imports.begin_import(&import).await?;
    Ok(import.id)
}

struct Sent {
    file_name: String,
    file: Option<File>,
    collection: String,
    /// Of the links that the file does not mark as private.
    visibility: Visibility,
}

impl Sent {
    /// Bookmarks become public only if their owner says so.
    const fn nothing() -> Self {
        Self { file_name: String::new(), file: None, collection: String::new(), visibility: Visibility::Private }
    }
}

enum File {
    Whole(Upload),
    TooLarge,
}

/// Reads the form: its token first, so that no file of a form that is not ours is read, and its file last.
async fn receive(
    mut parts: Multipart,
    visit: &Visit,
    begin_file: impl Fn() -> Result<Upload, Problem>,
) -> Result<Sent, Problem> {
    let not_ours = || Problem::new(&FORBIDDEN, "this form was not sent from a page of this site");
    let mut sent = Sent::nothing();
    let mut is_admitted = false;
    let mut deadline = Instant::now() + FIELDS_ARRIVAL;
    while let Some(part) = in_time(deadline, parts.next()).await? {
        let mut part = part.map_err(|_| malformed())?;
        let name = part.name().unwrap_or_default().to_owned();
        match name.as_str() {
            TOKEN => {
                admit(visit, &in_time(deadline, text(&mut part)).await??)?;
                is_admitted = true;
            }
            _ if !is_admitted => return Err(not_ours()),
            // Another file would have as long again.
            _ if sent.file.is_some() => return Err(Problem::invalid(&*name, "must not come behind the file")),
            "collection" => sent.collection = in_time(deadline, text(&mut part)).await??,
            "visibility" => sent.visibility = in_time(deadline, text(&mut part)).await??.parse()?,
            "file" => {
                let upload = begin_file()?;
                let given = part.content_disposition().and_then(|told| told.get_filename()).unwrap_or("file");
                sent.file_name = given.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect();
                sent.file = Some(read_file(&mut part, upload).await?);
                deadline = Instant::now() + FIELDS_ARRIVAL;
            }
            other => return Err(Problem::invalid(other, "is no field of this form")),
        }
    }
    if is_admitted { Ok(sent) } else { Err(not_ours()) }
}

async fn in_time<T>(deadline: Instant, arriving: impl Future<Output = T>) -> Result<T, Problem> {
    let late = || Problem::new(&REQUEST_TIMEOUT, "the fields of the form must arrive within 10 seconds");
    timeout_at(deadline, arriving).await.map_err(|_| late())
}

fn malformed() -> Problem {
    Problem::new(&MALFORMED_REQUEST, "the form is broken, or broke off")
}

/// A file that is too large is read to its end all the same, up to twice as much, so that the browser gets to see why it is refused.
async fn read_file(part: &mut Field, upload: Upload) -> Result<File, Problem> {
    let (mut upload, mut received) = (Some(upload), 0);
    let mut pace = Pace::begin();
    while let Some(chunk) = pace.in_time(part.next()).await? {
        let chunk = chunk.map_err(|_| malformed())?;
        received += chunk.len();
        if received > 2 * MAX_BYTES {
            return Err(Problem::new(&BODY_TOO_LARGE, BODY_TOO_LARGE.about));
        }
        upload = upload.filter(|_| received <= MAX_BYTES);
        let mut bytes_per_second = Pace::BYTES_PER_SECOND;
        if let Some(upload) = &mut upload {
            upload.add(&chunk)?;
            bytes_per_second = upload.bytes_per_second();
        }
        pace.received(chunk.len(), bytes_per_second);
    }
    Ok(upload.map_or(File::TooLarge, File::Whole))
}

async fn text(part: &mut Field) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = part.next().await {
        bytes.extend_from_slice(&chunk.map_err(|_| malformed())?);
        if bytes.len() > MAX_FIELD_BYTES {
            return Err(malformed());
        }
    }
    String::from_utf8(bytes).map_err(|_| malformed())
}

#[derive(Template)]
#[template(path = "imported.html")]
struct ImportedPage {
    chrome: Chrome,
    import: Progress,
    only_refused: bool,
    rows: Vec<Reported>,
    more: Option<String>,
}

struct Reported {
    number: u32,
    url: String,
    state: &'static str,
    why: String,
    card: Option<String>,
}

impl From<ReportRow> for Reported {
    fn from(row: ReportRow) -> Self {
        let (state, why, card) = match row.outcome {
            None => ("waiting", String::new(), None),
            Some(RowOutcome::Saved(card)) => ("saved", String::new(), Some(card.to_string())),
            Some(RowOutcome::Known(card)) => ("already there", String::new(), Some(card.to_string())),
            Some(RowOutcome::Refused(why)) => ("refused", why, None),
        };
        Self { number: row.number, url: row.url, state, why, card }
    }
}

async fn show(
    state: Data<AppState>,
    visit: Visit,
    id: Path<String>,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let caller = visit.caller()?;
    let id: ImportId = id.parse()?;
    let only_refused = params.flag("refused")?;
    let import = state.imports.import(caller.id(), id).await?;
    let which = if only_refused { "refused" } else { "all" };
    let list = List::by_rank(&["import", &id.to_string(), which]);
    let request = part(&mut params, &list)?;
    let report = state.imports.import_report(caller.id(), id, only_refused, &request).await?;
    let mut path = format!("/imports/{id}");
    if only_refused {
        path = with_parameter(&path, "refused", "true");
    }
    visit.page(&ImportedPage {
        chrome: visit.chrome(Section::Library),
        import: progress(&state, import),
        only_refused,
        more: next(&report, &list, &path),
        rows: report.items.into_iter().map(Into::into).collect(),
    })
}
