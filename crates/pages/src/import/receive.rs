//! The import form as it arrives: its token first, so that no file of a form that is not ours is read, and its file last.

use std::time::Duration;

use actix_multipart::{Field, Multipart};
use cardwire_domain::Visibility;
use cardwire_domain::text::turns_direction;
use cardwire_http::problem::{BODY_TOO_LARGE, FORBIDDEN, MALFORMED_REQUEST, Problem, REQUEST_TIMEOUT};
use cardwire_http::uploads::{Pace, Upload};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use crate::fields::TOKEN;
use crate::form::admit;
use crate::visit::Visit;

/// Of each field but the file.
const MAX_FIELD_BYTES: usize = 1024;
/// How long the fields before the file may take to arrive.
const FIELDS_ARRIVAL: Duration = Duration::from_secs(10);
const MAX_NAME_CHARS: usize = 120;

pub(super) struct Sent {
    pub file_name: String,
    pub file: Option<File>,
    pub collection: String,
    /// Of the links that the file does not mark as private.
    pub visibility: Visibility,
}

impl Sent {
    /// Bookmarks become public only if their owner says so.
    const fn nothing() -> Self {
        Self { file_name: String::new(), file: None, collection: String::new(), visibility: Visibility::Private }
    }
}

pub(super) enum File {
    Whole(Upload),
    TooLarge,
}

/// `most_bytes`: of the file.
pub(super) async fn receive(
    mut parts: Multipart,
    visit: &Visit,
    most_bytes: usize,
    begin_file: impl Fn() -> Result<Upload, Problem>,
) -> Result<Sent, Problem> {
    let not_ours = || Problem::new(&FORBIDDEN, "This form was not sent from a page of this site.");
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
            _ if sent.file.is_some() => return Err(Problem::invalid(&*name, "This must come before the file.")),
            "collection" => sent.collection = in_time(deadline, text(&mut part)).await??,
            "visibility" => sent.visibility = in_time(deadline, text(&mut part)).await??.parse()?,
            "file" => {
                let upload = begin_file()?;
                let given = part.content_disposition().and_then(|told| told.get_filename()).unwrap_or("file");
                sent.file_name =
                    given.chars().filter(|c| !c.is_control() && !turns_direction(*c)).take(MAX_NAME_CHARS).collect();
                sent.file = Some(read_file(&mut part, upload, most_bytes).await?);
                deadline = Instant::now() + FIELDS_ARRIVAL;
            }
            other => return Err(Problem::invalid(other, "This form has no such field.")),
        }
    }
    if is_admitted { Ok(sent) } else { Err(not_ours()) }
}

async fn in_time<T>(deadline: Instant, arriving: impl Future<Output = T>) -> Result<T, Problem> {
    let late = || Problem::new(&REQUEST_TIMEOUT, "The fields of the form must arrive within 10 seconds.");
    timeout_at(deadline, arriving).await.map_err(|_| late())
}

fn malformed() -> Problem {
    Problem::new(&MALFORMED_REQUEST, "The form is incomplete. Go back and send it again.")
}

/// A file that is too large is read to its end all the same, up to twice as much, so that the browser gets to see why it is refused.
async fn read_file(part: &mut Field, upload: Upload, most_bytes: usize) -> Result<File, Problem> {
    let (mut upload, mut received) = (Some(upload), 0);
    let mut pace = Pace::begin();
    while let Some(chunk) = pace.in_time(part.next()).await? {
        let chunk = chunk.map_err(|_| malformed())?;
        received += chunk.len();
        if received > 2 * most_bytes {
            return Err(Problem::new(&BODY_TOO_LARGE, BODY_TOO_LARGE.about));
        }
        upload = upload.filter(|_| received <= most_bytes);
        let mut bytes_per_second = Pace::BYTES_PER_SECOND;
        if let Some(upload) = &mut upload {
            upload.add(&chunk).await?;
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
