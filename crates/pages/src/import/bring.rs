//! From a file to the rows of an import. The file is read twice, row by row: first for what must be known of all of it before any row can be
//! kept, then to keep the rows, a portion at a time. It is never in memory.

use std::fs::File;
use std::sync::Arc;

use cardwire_domain::imports::{FileRow, ImportRepository, ImportRow, NewImport, Survey};
use cardwire_domain::{ImportId, Visibility};
use cardwire_http::problem::Problem;
use cardwire_http::state::AppState;
use cardwire_http::uploads::Upload;
use cardwire_imports::{Error, Row};
use tokio::sync::mpsc;
use tokio::task::{JoinError, spawn_blocking};

/// A portion has so many rows, or fewer with so much text, in bytes.
const PORTION_ROWS: usize = 500;
const PORTION_TEXT: usize = 1 << 20;

/// Begins an import with the rows of this file. `visibility`: of the links that it does not mark as private.
///
/// If the future is dropped, it goes on all the same, and the import begins.
pub(super) async fn bring(
    state: &AppState,
    import: NewImport,
    visibility: Visibility,
    upload: Upload,
) -> Result<(), Problem> {
    let imports = Arc::clone(&state.imports);
    tokio::spawn(keep(imports, import, visibility, upload)).await.map_err(lost)?
}

async fn keep(
    imports: Arc<dyn ImportRepository>,
    import: NewImport,
    visibility: Visibility,
    mut upload: Upload,
) -> Result<(), Problem> {
    let _turn = upload.turn().await?;
    let file = upload.file().await?;
    let (file, survey) = spawn_blocking(move || survey(file, visibility)).await.map_err(lost)??;
    imports.open_import(&import).await?;
    match add(&*imports, import.id, file, survey, visibility).await {
        Ok(()) => Ok(imports.start_import(import.id).await?),
        Err(problem) => {
            if let Err(error) = imports.abandon_import(import.id).await {
                tracing::debug!(%error, "an import without all its rows is left; the next one clears it away");
            }
            Err(problem)
        }
    }
}

fn survey(mut file: File, visibility: Visibility) -> Result<(File, Survey), Problem> {
    let mut survey = Survey::default();
    let read = cardwire_imports::read(&mut file, &mut |row| {
        survey.see(&kept(row, visibility).1);
        Ok(())
    });
    read.map_err(unreadable)?;
    Ok((file, survey))
}

async fn add(
    imports: &dyn ImportRepository,
    id: ImportId,
    file: File,
    survey: Survey,
    visibility: Visibility,
) -> Result<(), Problem> {
    let (send, mut portions) = mpsc::channel(1);
    let reading = spawn_blocking(move || read_portions(file, &survey, visibility, &send));
    // Reading stops when nobody receives any more.
    while let Some(Portion { first, rows, .. }) = portions.recv().await {
        imports.add_rows(id, first, &rows).await?;
    }
    reading.await.map_err(lost)?.map_err(unreadable)
}

/// Rows that follow each other.
struct Portion {
    first: u32,
    rows: Vec<FileRow>,
    text: usize,
}

impl Portion {
    fn from(first: u32) -> Self {
        Self { first, rows: Vec::new(), text: 0 }
    }

    /// True: it is full.
    fn add(&mut self, row: FileRow) -> bool {
        self.text += match &row {
            FileRow::Link(row) => row.url.len() + row.note.as_deref().map_or(0, str::len),
            FileRow::Refused { url, .. } => url.len(),
        };
        self.rows.push(row);
        self.rows.len() >= PORTION_ROWS || self.text >= PORTION_TEXT
    }
}

fn read_portions(
    mut file: File,
    survey: &Survey,
    visibility: Visibility,
    send: &mpsc::Sender<Portion>,
) -> Result<(), Error> {
    let mut portion = Portion::from(1);
    cardwire_imports::read(&mut file, &mut |row| {
        let (number, mut row) = kept(row, visibility);
        if let FileRow::Link(row) = &mut row {
            survey.settle(number, row);
        }
        if portion.add(row) {
            let full = std::mem::replace(&mut portion, Portion::from(number + 1));
            send.blocking_send(full).map_err(|_| Error::Stopped)?;
        }
        Ok(())
    })?;
    if !portion.rows.is_empty() {
        send.blocking_send(portion).map_err(|_| Error::Stopped)?;
    }
    Ok(())
}

/// A row as it is kept, and its number.
fn kept(row: Row, visibility: Visibility) -> (u32, FileRow) {
    match row {
        Row::Refused(refused) => {
            let url = ImportRow::new(&refused.url, None).url;
            (refused.row, FileRow::Refused { url, why: refused.why })
        }
        Row::Link(link) => {
            let within = |told: Visibility| Visibility::of(told.is_private() || visibility.is_private());
            let remarks: Vec<String> = link.remarks.iter().map(ToString::to_string).collect();
            let row = ImportRow {
                title: link.title,
                added_at: link.added_at,
                collections: link.collections,
                visibilities: link.visibilities.into_iter().map(|(name, told)| (name, within(told))).collect(),
                visibility: within(Visibility::of(link.is_private)),
                remark: (!remarks.is_empty()).then(|| remarks.join(" ")),
                ..ImportRow::new(&link.url, link.note.as_deref())
            };
            (link.row, FileRow::Link(row))
        }
    }
}

fn unreadable(error: Error) -> Problem {
    match error {
        Error::Refused(rule) => Problem::invalid("file", rule),
        Error::Io(_) | Error::Stopped => Problem::internal(error.to_string()),
    }
}

fn lost(error: JoinError) -> Problem {
    Problem::internal(error.to_string())
}
