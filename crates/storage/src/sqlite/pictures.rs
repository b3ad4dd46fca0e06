//! Pictures: kept by their content, referred to by pages, fetched by jobs leased by `pictures_at`.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::pictures::{
    Fetched, GRACE, Picture, PictureHash, PictureJob, PictureKind, PictureRepository, PicturesFetched,
};
use cardwire_domain::{Result, UserId};
use jiff::Timestamp;
use rusqlite::{Connection, Row};
use sha2::{Digest, Sha256};
use ulid::Ulid;

use super::error::Failure;
use super::store::SqliteStore;
use super::values::{blob, earlier, first, get, later, rows, run, signed, us, user_id};
use crate::page_keys::key_of;

/// This many jobs of the line are looked at.
const LOOK_AT: usize = 200;

const FRONT: &str = "\
SELECT url, host, keeper, image, icon_url, pictures_tries FROM pages WHERE pictures_at <= ?1 ORDER BY pictures_at LIMIT ?2";

const LEASE: &str =
    "UPDATE pages SET pictures_lease = ?2, pictures_at = ?3, pictures_tries = pictures_tries + 1 WHERE url_digest = ?1";

const PUT_BACK: &str = "UPDATE pages SET pictures_at = ?2 WHERE url_digest = ?1";

/// `?5` and `?9`: what is there stays.
const FINISH: &str = "\
UPDATE pages SET pictures_lease = NULL, pictured_at = ?3, pictures_at = ?4,
    pictures_tries = CASE WHEN ?4 IS NULL THEN 0 ELSE pictures_tries END,
    cover = CASE WHEN ?5 THEN cover ELSE ?6 END, cover_width = CASE WHEN ?5 THEN cover_width ELSE ?7 END,
    cover_height = CASE WHEN ?5 THEN cover_height ELSE ?8 END, icon = CASE WHEN ?9 THEN icon ELSE ?10 END
WHERE url_digest = ?1 AND pictures_lease = ?2";

const KEEP: &str = "\
INSERT INTO pictures (hash, kind, width, height, bytes, kept_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (hash) DO UPDATE SET kept_at = excluded.kept_at";

/// Checks the cards, because the pages may be behind. `?2` is the reader.
const SEEN: &str = "\
SELECT p.kind, p.width, p.height, p.bytes FROM pictures p WHERE p.hash = ?1 AND EXISTS (
    SELECT 1 FROM pages g CROSS JOIN cards c ON c.url_digest = substr(g.url_digest, 1, 32) AND c.library_link IS NOT NULL
    WHERE (g.cover = ?1 OR g.icon = ?1)
      AND CASE WHEN g.keeper IS NULL THEN NOT (c.private OR c.hidden) ELSE g.keeper = ?2 AND c.owner_id = ?2 END
)";

/// The time is known only now.
const DATE: &str = "UPDATE pictures_dropped SET at = ?1 WHERE at IS NULL";
const DROPPED: &str = "SELECT id, hash FROM pictures_dropped WHERE at <= ?1 ORDER BY id LIMIT ?2";

const DELETE: &str = "\
DELETE FROM pictures WHERE hash = ?1 AND kept_at <= ?2
  AND NOT EXISTS (SELECT 1 FROM pages g WHERE g.cover = ?1) AND NOT EXISTS (SELECT 1 FROM pages g WHERE g.icon = ?1)
  AND NOT EXISTS (SELECT 1 FROM pictures_dropped d WHERE d.hash = ?1 AND d.at > ?2)";

const LOOKED_AT: &str = "DELETE FROM pictures_dropped WHERE id = ?1";

#[async_trait]
impl PictureRepository for SqliteStore {
    async fn lease_pictures(&self, room: &FetchRoom<PictureJob>, lease: Duration) -> Result<Vec<PictureJob>> {
        let room = room.clone();
        // Look first: usually there is nothing, and the writer is not needed.
        let is_due = self.read(|connection, now| first(connection, FRONT, &[&us(now), &1], |_| Ok(()))).await?;
        if is_due.is_none() {
            return Ok(Vec::new());
        }
        Ok(self.write(move |connection, now| lease_jobs(connection, now, &room, lease)).await?)
    }

    async fn finish_pictures(&self, job: &PictureJob, outcome: &PicturesFetched) -> Result<bool> {
        let (job, outcome) = (job.clone(), outcome.clone());
        Ok(self.write(move |connection, now| finish(connection, now, &job, &outcome)).await?)
    }

    async fn picture(&self, hash: PictureHash, reader: Option<&UserId>) -> Result<Option<Picture>> {
        let reader = reader.cloned();
        let find = move |connection: &Connection, _| {
            first(connection, SEEN, &[&hash.0, &reader.as_ref().map(UserId::as_str)], read)
        };
        Ok(self.read(find).await?)
    }

    async fn drop_pictures(&self, limit: usize) -> Result<usize> {
        Ok(self.write(move |connection, now| drop_unused(connection, now, limit)).await?)
    }
}

fn lease_jobs(
    connection: &Connection,
    now: Timestamp,
    room: &FetchRoom<PictureJob>,
    lease: Duration,
) -> Result<Vec<PictureJob>, Failure> {
    let id = Ulid::generate();
    let front = rows(connection, FRONT, &[&us(now), &signed(LOOK_AT)], |row| read_job(row, id))?;
    let is_full = front.len() == LOOK_AT;
    let (chosen, blocked) = room.choose(front);
    for job in &chosen {
        run(connection, LEASE, &[&key_of(&job.url, job.keeper.as_ref()), &blob(id), &later(now, lease)])?;
    }
    // Others may be waiting behind them.
    for job in blocked.iter().filter(|_| is_full) {
        run(connection, PUT_BACK, &[&key_of(&job.url, job.keeper.as_ref()), &us(now)])?;
    }
    Ok(chosen)
}

fn read_job(row: &Row<'_>, lease: Ulid) -> Result<PictureJob, Failure> {
    let keeper: Option<String> = get(row, "keeper")?;
    Ok(PictureJob {
        url: get(row, "url")?,
        host: get(row, "host")?,
        keeper: keeper.as_deref().map(user_id).transpose()?,
        cover: get(row, "image")?,
        icon: get(row, "icon_url")?,
        lease,
        tries: get::<u32>(row, "pictures_tries")?.saturating_add(1),
    })
}

fn finish(
    connection: &Connection,
    now: Timestamp,
    job: &PictureJob,
    outcome: &PicturesFetched,
) -> Result<bool, Failure> {
    let of = |fetched: &Fetched| match fetched {
        Fetched::Picture(picture) => Some((<[u8; 32]>::from(Sha256::digest(&picture.bytes)), picture.clone())),
        Fetched::Nothing | Fetched::Failed => None,
    };
    let (cover, icon) = (of(&outcome.cover), of(&outcome.icon));
    let (width, height) = cover.as_ref().map(|(_, picture)| (picture.width, picture.height)).unzip();
    let held = run(
        connection,
        FINISH,
        &[
            &key_of(&job.url, job.keeper.as_ref()),
            &blob(job.lease),
            &us(now),
            &outcome.again.map(|again| later(now, again)),
            &(outcome.cover == Fetched::Failed),
            &cover.as_ref().map(|(hash, _)| *hash),
            &width,
            &height,
            &(outcome.icon == Fetched::Failed),
            &icon.as_ref().map(|(hash, _)| *hash),
        ],
    )? == 1;
    for (hash, Picture { kind, width, height, bytes }) in [cover, icon].into_iter().flatten().filter(|_| held) {
        run(connection, KEEP, &[&hash, &kind.name(), &width, &height, &bytes, &us(now)])?;
    }
    Ok(held)
}

fn drop_unused(connection: &Connection, now: Timestamp, limit: usize) -> Result<usize, Failure> {
    run(connection, DATE, &[&us(now)])?;
    let before = earlier(now, GRACE);
    let dropped = rows(connection, DROPPED, &[&before, &signed(limit)], |row| {
        Ok((get::<i64>(row, "id")?, get::<[u8; 32]>(row, "hash")?))
    })?;
    for (id, hash) in &dropped {
        run(connection, DELETE, &[hash, &before])?;
        run(connection, LOOKED_AT, &[id])?;
    }
    Ok(dropped.len())
}

fn read(row: &Row<'_>) -> Result<Picture, Failure> {
    let kind: String = get(row, "kind")?;
    Ok(Picture {
        kind: PictureKind::of_name(&kind).ok_or_else(|| Failure::Nonsense(format!("a picture is a {kind}")))?,
        width: get(row, "width")?,
        height: get(row, "height")?,
        bytes: get(row, "bytes")?,
    })
}
