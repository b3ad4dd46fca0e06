//! Bringing links along from elsewhere: a file is read at once, its rows are saved behind this page (`cardwire_workers::import`).

mod bring;
mod progress;
mod receive;
mod report;

use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_domain::imports::NewImport;
use cardwire_domain::quotas::Quota;
use cardwire_domain::use_cases;
use cardwire_domain::{CollectionId, ImportId, Visibility};
use cardwire_http::caller::Caller;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use crate::choices::{Choices, Wanted, choices};
use crate::fields::Complaint;
use crate::form::sender;
use crate::links::see_other;
use crate::visit::{Chrome, Section, Visit};

use progress::Progress;
use receive::{File, Sent, receive};

const LISTED: usize = 10;

/// The page with the form, and where the form is sent.
pub(super) const IMPORT: &str = "/import";

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at(IMPORT).get(page).post(begin).register(config);
    Endpoint::at("/imports/{id}").get(report::show).register(config);
    Endpoint::at("/imports/{id}/import").post(report::carry_out).register(config);
    Endpoint::at("/imports/{id}/undo").post(report::undo).register(config);
}

#[derive(Template)]
#[template(path = "import.html")]
struct ImportPage {
    chrome: Chrome,
    choices: Choices,
    is_public: bool,
    most_mib: usize,
    imports: Vec<Progress>,
    complaint: Complaint,
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
        most_mib: state.uploads.most_bytes() >> 20,
        imports: imports.into_iter().map(|import| Progress::of(state, import)).collect(),
        complaint,
    };
    Ok(page.complaint.complete(visit.page_with(status, &page)?))
}

/// Keeps the rows of a file and leads to the page that tells what becomes of them. With `check`, nothing of them is saved.
async fn begin(
    state: Data<AppState>,
    request: HttpRequest,
    mut params: Params,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    // Nothing is waited for before it is known whose form it is.
    let visit = sender(&request).await?;
    let caller = visit.caller()?;
    let is_check = params.flag("check")?;
    params.finish()?;
    let parts = Multipart::new(request.headers(), payload);
    let sent = receive(parts, &visit, state.uploads.most_bytes(), || state.uploads.begin(caller.id())).await?;
    let (chosen, visibility) = (vec![sent.collection.clone()], sent.visibility);
    match keep(&state, &caller, sent, is_check).await {
        Ok(id) => Ok(see_other(&format!("/imports/{id}"))),
        Err(problem) => {
            let wanted = Wanted { chosen: &chosen, ..Wanted::default() };
            draw(&state, &visit, (&wanted, visibility), Complaint::of(problem, &["file", "collection"])?).await
        }
    }
}

async fn keep(state: &AppState, caller: &Caller, sent: Sent, is_check: bool) -> Result<ImportId, Problem> {
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
            return Err(Problem::invalid(
                "file",
                format!("Files are at most {} MiB.", state.uploads.most_bytes() >> 20),
            ));
        }
        None => return Err(Problem::invalid("file", "Choose a file.")),
    };
    use_cases::admit(&state.quotas, Quota::Imports, caller.id(), &mut *state.store.begin().await?).await?;
    let import = NewImport { id: ImportId::generate(), owner: caller.id().clone(), file_name, collection, is_check };
    let id = import.id;
    bring::bring(state, import, visibility, file).await?;
    Ok(id)
}
