//! Pictures: kept by their content, referred to by pages, fetched by jobs leased by `pictures_at`.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::pictures::{
    Fetched, GRACE, Picture, PictureHash, PictureJob, PictureKind, PictureRepository, PicturesFetched,
};
use cardwire_domain::{Result, UserId};
use sha2::{Digest, Sha256};
use sqlx::postgres::PgRow;
use ulid::Ulid;

use super::error::Failure;
use super::pool::Session;
use super::store::PostgresStore;
use super::values::{get, signed, user_id, uuid};
use crate::page_keys::key_of;

/// This many jobs of the line are looked at.
const LOOK_AT: usize = 200;

/// Jobs that somebody else is looking at are skipped.
const FRONT: &str = "\
SELECT url, host, keeper, image, icon_url, pictures_tries FROM pages
WHERE pictures_at <= now() ORDER BY pictures_at LIMIT $1 FOR UPDATE SKIP LOCKED";

const LEASE: &str = "\
UPDATE pages SET pictures_lease = $2, pictures_at = now() + make_interval(secs => $3), pictures_tries = pictures_tries + 1
WHERE url_digest = ANY($1)";

const PUT_BACK: &str = "UPDATE pages SET pictures_at = now() WHERE url_digest = ANY($1)";

/// `$4` and `$8`: what is there stays.
const FINISH: &str = "\
UPDATE pages SET pictures_lease = NULL, pictured_at = now(), pictures_at = now() + make_interval(secs => $3),
    pictures_tries = CASE WHEN $3 IS NULL THEN 0 ELSE pictures_tries END,
    cover = CASE WHEN $4 THEN cover ELSE $5 END, cover_width = CASE WHEN $4 THEN cover_width ELSE $6 END,
    cover_height = CASE WHEN $4 THEN cover_height ELSE $7 END, icon = CASE WHEN $8 THEN icon ELSE $9 END
WHERE url_digest = $1 AND pictures_lease = $2";

/// An existing one is protected from a deletion that is looking at it now: see [`DELETE`].
const KEEP: &str = "\
INSERT INTO pictures (hash, kind, width, height, bytes) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (hash) DO UPDATE SET kept_at = excluded.kept_at";

/// Checks the cards, because the pages may be behind. `$2` is the reader.
const SEEN: &str = "\
SELECT p.kind, p.width, p.height, p.bytes FROM pictures p WHERE p.hash = $1 AND EXISTS (
    SELECT 1 FROM pages g JOIN cards c ON c.url_digest = substring(g.url_digest FROM 1 FOR 32) AND c.library_link IS NOT NULL
    WHERE (g.cover = $1 OR g.icon = $1)
      AND CASE WHEN g.keeper IS NULL THEN NOT (c.private OR c.hidden) ELSE g.keeper = $2 AND c.owner_id = $2 END
)";

const DROPPED: &str = "\
SELECT id, hash FROM pictures_dropped WHERE at <= now() - make_interval(secs => $1) ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED";

/// In the order of their hashes, as when several are stored. If one was locked by somebody who stored it again, it has
/// a new `kept_at` by then.
const DELETE: &str = "\
DELETE FROM pictures p
WHERE p.hash = ANY(ARRAY(SELECT hash FROM pictures WHERE hash = ANY($1) ORDER BY hash FOR UPDATE))
  AND p.kept_at <= now() - make_interval(secs => $2)
  AND NOT EXISTS (SELECT 1 FROM pages g WHERE g.cover = p.hash) AND NOT EXISTS (SELECT 1 FROM pages g WHERE g.icon = p.hash)
  AND NOT EXISTS (SELECT 1 FROM pictures_dropped d WHERE d.hash = p.hash AND d.at > now() - make_interval(secs => $2))";

const LOOKED_AT: &str = "DELETE FROM pictures_dropped WHERE id = ANY($1)";

#[async_trait]
impl PictureRepository for PostgresStore {
    async fn lease_pictures(&self, room: &FetchRoom<PictureJob>, lease: Duration) -> Result<Vec<PictureJob>> {
        let mut session = self.batch_session().await?;
        Ok(lease_jobs(&mut session, room, lease).await?)
    }

    async fn finish_pictures(&self, job: &PictureJob, outcome: &PicturesFetched) -> Result<bool> {
        let mut session = self.batch_session().await?;
        Ok(finish(&mut session, job, outcome).await?)
    }

    async fn picture(&self, hash: PictureHash, reader: Option<&UserId>) -> Result<Option<Picture>> {
        let query = sqlx::query(SEEN).bind(hash.0.to_vec()).bind(reader.map(UserId::as_str));
        let rows = self.session().await?.fetch_all(query).await?;
        Ok(rows.first().map(read).transpose()?)
    }

    async fn drop_pictures(&self, limit: usize) -> Result<usize> {
        let mut session = self.batch_session().await?;
        Ok(drop_unused(&mut session, limit).await?)
    }
}

async fn lease_jobs(
    session: &mut Session,
    room: &FetchRoom<PictureJob>,
    lease: Duration,
) -> Result<Vec<PictureJob>, Failure> {
    let id = Ulid::generate();
    session.begin().await?;
    let rows = session.fetch_all(sqlx::query(FRONT).bind(signed(LOOK_AT))).await?;
    let front = rows.iter().map(|row| read_job(row, id)).collect::<Result<Vec<_>, Failure>>()?;
    let is_full = front.len() == LOOK_AT;
    let (chosen, blocked) = room.choose(front);
    let keys = |jobs: &[PictureJob]| jobs.iter().map(|job| key_of(&job.url, job.keeper.as_ref())).collect::<Vec<_>>();
    if !chosen.is_empty() {
        let query = sqlx::query(LEASE).bind(keys(&chosen)).bind(uuid(id)).bind(lease.as_secs_f64());
        session.execute(query).await?;
    }
    // Others may be waiting behind them.
    if is_full && !blocked.is_empty() {
        session.execute(sqlx::query(PUT_BACK).bind(keys(&blocked))).await?;
    }
    session.commit().await?;
    Ok(chosen)
}

fn read_job(row: &PgRow, lease: Ulid) -> Result<PictureJob, Failure> {
    let (keeper, tries): (Option<&str>, i32) = (get(row, "keeper")?, get(row, "pictures_tries")?);
    Ok(PictureJob {
        url: get(row, "url")?,
        host: get(row, "host")?,
        keeper: keeper.map(user_id).transpose()?,
        cover: get(row, "image")?,
        icon: get(row, "icon_url")?,
        lease,
        tries: tries.unsigned_abs() + 1,
    })
}

async fn finish(session: &mut Session, job: &PictureJob, outcome: &PicturesFetched) -> Result<bool, Failure> {
    let of = |fetched: &Fetched| match fetched {
        Fetched::Picture(picture) => Some((Sha256::digest(&picture.bytes).to_vec(), picture.clone())),
        Fetched::Nothing | Fetched::Failed => None,
    };
    let (cover, icon) = (of(&outcome.cover), of(&outcome.icon));
    let hash = |kept: &Option<(Vec<u8>, Picture)>| kept.as_ref().map(|(hash, _)| hash.clone());
    let side = |side: fn(&Picture) -> u32| cover.as_ref().map(|(_, picture)| side(picture).cast_signed());
    let query = sqlx::query(FINISH)
        .bind(key_of(&job.url, job.keeper.as_ref()))
        .bind(uuid(job.lease))
        .bind(outcome.again.map(|again| again.as_secs_f64()))
        .bind(outcome.cover == Fetched::Failed)
        .bind(hash(&cover))
        .bind(side(|picture| picture.width))
        .bind(side(|picture| picture.height))
        .bind(outcome.icon == Fetched::Failed)
        .bind(hash(&icon));
    session.begin().await?;
    let held = session.execute(query).await? == 1;
    if held {
        let mut kept: Vec<_> = [cover, icon].into_iter().flatten().collect();
        kept.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (hash, Picture { kind, width, height, bytes }) in kept {
            let sides = (width.cast_signed(), height.cast_signed());
            let query = sqlx::query(KEEP).bind(hash).bind(kind.name()).bind(sides.0).bind(sides.1).bind(bytes);
            session.execute(query).await?;
        }
    }
    session.commit().await?;
    Ok(held)
}

async fn drop_unused(session: &mut Session, limit: usize) -> Result<usize, Failure> {
    session.begin().await?;
    let query = sqlx::query(DROPPED).bind(GRACE.as_secs_f64()).bind(signed(limit));
    let rows = session.fetch_all(query).await?;
    if !rows.is_empty() {
        let ids = rows.iter().map(|row| get(row, "id")).collect::<Result<Vec<i64>, Failure>>()?;
        let hashes = rows.iter().map(|row| get(row, "hash")).collect::<Result<Vec<Vec<u8>>, Failure>>()?;
        session.execute(sqlx::query(DELETE).bind(hashes).bind(GRACE.as_secs_f64())).await?;
        session.execute(sqlx::query(LOOKED_AT).bind(ids)).await?;
    }
    session.commit().await?;
    Ok(rows.len())
}

fn read(row: &PgRow) -> Result<Picture, Failure> {
    let kind: &str = get(row, "kind")?;
    let side = |column| get::<i32>(row, column).map(i32::unsigned_abs);
    Ok(Picture {
        kind: PictureKind::of_name(kind).ok_or_else(|| Failure::Nonsense(format!("a picture is a {kind}")))?,
        width: side("width")?,
        height: side("height")?,
        bytes: get(row, "bytes")?,
    })
}
