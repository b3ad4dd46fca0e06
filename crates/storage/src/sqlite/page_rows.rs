//! Reading what is known about a page from a row.

use cardwire_domain::metadata::{FetchState, Metadata, PageInfo, PageKind};
use cardwire_domain::pictures::{CardPictures, Cover, PictureHash};
use rusqlite::Row;

use super::error::Failure;
use super::values::{get, time};

/// The key of the page that a card shows.
macro_rules! page_of {
    ($card:literal) => {
        concat!(
            "CASE WHEN ",
            $card,
            ".private OR ",
            $card,
            ".hidden THEN own_page(",
            $card,
            ".url_digest, ",
            $card,
            ".owner_id) ELSE ",
            $card,
            ".url_digest END"
        )
    };
}
pub(super) use page_of;

/// From `kind`; `None` for a kind that a newer build has stored.
pub(super) fn get_kind(row: &Row<'_>) -> Result<Option<PageKind>, Failure> {
    Ok(get::<Option<String>>(row, "kind")?.and_then(|kind| kind.parse().ok()))
}

pub(super) fn get_metadata(row: &Row<'_>) -> Result<Metadata, Failure> {
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
pub(super) fn get_state(row: &Row<'_>) -> Result<FetchState, Failure> {
    Ok(match get::<Option<String>>(row, "state")?.as_deref() {
        Some("ready") => FetchState::Ready,
        Some("failed") => {
            let reason: Option<String> = get(row, "reason")?;
            FetchState::Failed { reason: reason.unwrap_or_default(), retryable: get(row, "retryable")? }
        }
        _ => FetchState::Pending,
    })
}

/// From a row in which all of it may be missing.
pub(super) fn get_page(row: &Row<'_>) -> Result<PageInfo, Failure> {
    let state = get_state(row)?;
    let fetched_at: Option<i64> = get(row, "fetched_at")?;
    Ok(PageInfo { state, metadata: get_metadata(row)?, fetched_at: fetched_at.map(time).transpose()? })
}

/// From `cover`, `cover_width`, `cover_height` and `icon`, all of which may be missing.
pub(super) fn get_pictures(row: &Row<'_>) -> Result<CardPictures, Failure> {
    let hash = |column| Ok::<_, Failure>(get::<Option<[u8; 32]>>(row, column)?.map(PictureHash));
    let side = |column| Ok::<_, Failure>(get::<Option<u32>>(row, column)?.unwrap_or_default());
    let (width, height) = (side("cover_width")?, side("cover_height")?);
    let cover = hash("cover")?.map(|hash| Cover { hash, width, height });
    Ok(CardPictures { cover, icon: hash("icon")? })
}
