//! Reading what is known about a page from a row.

use cardwire_domain::metadata::{FetchState, Metadata, PageInfo, PageKind};
use cardwire_domain::pictures::{CardPictures, Cover, PictureHash};
use sqlx::postgres::PgRow;

use super::error::Failure;
use super::values::get;

/// The key of the page that a card shows; of the `own` one of a card or document, what it is where others do not see the card.
macro_rules! page_of {
    (own $row:literal) => {
        concat!($row, ".url_digest || convert_to(", $row, ".owner_id, 'UTF8')")
    };
    ($card:literal) => {
        concat!(
            "CASE WHEN ",
            $card,
            ".private OR ",
            $card,
            ".hidden THEN ",
            page_of!(own $card),
            " ELSE ",
            $card,
            ".url_digest END"
        )
    };
}
pub(super) use page_of;

/// From `kind`; `None` for a kind that a newer build has stored.
pub(super) fn get_kind(row: &PgRow) -> Result<Option<PageKind>, Failure> {
    Ok(get::<Option<&str>>(row, "kind")?.and_then(|kind| kind.parse().ok()))
}

pub(super) fn get_metadata(row: &PgRow) -> Result<Metadata, Failure> {
    Ok(Metadata {
        title: get(row, "title")?,
        description: get(row, "description")?,
        image: get(row, "image")?,
        icon: get(row, "icon_url")?,
        site_name: get(row, "site_name")?,
        author: get(row, "author")?,
        kind: get_kind(row)?,
        language: get(row, "language")?,
    })
}

/// From `state`, `reason` and `retryable`.
pub(super) fn get_state(row: &PgRow) -> Result<FetchState, Failure> {
    Ok(match get::<Option<&str>>(row, "state")? {
        Some("ready") => FetchState::Ready,
        Some("failed") => {
            let reason: Option<String> = get(row, "reason")?;
            FetchState::Failed { reason: reason.unwrap_or_default(), retryable: get(row, "retryable")? }
        }
        _ => FetchState::Pending,
    })
}

/// From a row in which all of it may be missing.
pub(super) fn get_page(row: &PgRow) -> Result<PageInfo, Failure> {
    let state = get_state(row)?;
    let fetched_at: Option<jiff_sqlx::Timestamp> = get(row, "fetched_at")?;
    Ok(PageInfo { state, metadata: get_metadata(row)?, fetched_at: fetched_at.map(jiff_sqlx::Timestamp::to_jiff) })
}

/// From `cover`, `cover_width`, `cover_height` and `icon`, all of which may be missing.
pub(super) fn get_pictures(row: &PgRow) -> Result<CardPictures, Failure> {
    let side = |column| {
        let side: i32 = get::<Option<i32>>(row, column)?.unwrap_or_default();
        u32::try_from(side).map_err(|_| Failure::Nonsense(format!("{column} is {side}")))
    };
    let cover = match get_hash(row, "cover")? {
        Some(hash) => Some(Cover { hash, width: side("cover_width")?, height: side("cover_height")? }),
        None => None,
    };
    Ok(CardPictures { cover, icon: get_hash(row, "icon")? })
}

fn get_hash(row: &PgRow, column: &str) -> Result<Option<PictureHash>, Failure> {
    let Some(stored) = get::<Option<Vec<u8>>>(row, column)? else { return Ok(None) };
    let length = stored.len();
    let hash = stored.try_into().map_err(|_| Failure::Nonsense(format!("{column} is a hash of {length} bytes")))?;
    Ok(Some(PictureHash(hash)))
}
