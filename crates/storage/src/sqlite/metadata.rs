//! Pages: jobs leased by `next_fetch_at`, and the results of their fetches.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::metadata::{
    FetchAgain, FetchFailure, FetchJob, FetchPolicy, Metadata, PageInfo, PageKind, PageRepository,
};
use cardwire_domain::pictures::REFRESH;
use cardwire_domain::url::{CardUrl, registrable_domain};
use cardwire_domain::{CardId, Error, Result};
use jiff::Timestamp;
use rusqlite::Connection;
use ulid::Ulid;

use super::error::Failure;
use super::fetch_line::{self, Asked};
use super::page_rows::{get_page, page_of};
use super::search::index_page;
use super::store::SqliteStore;
use super::trends;
use super::values::{blob, earlier, first, get, rows, run, time, url_digest, us, user_id};
use crate::page_keys::{everybodys, key_of};
use crate::pictured::to_picture;
use crate::text::storable;

/// This many pages of the line are looked at. Only pages of people, domains and hosts without a free place can block
/// others, and each turn holds about one page of each of those.
const LOOK_AT: i64 = 500;
/// This many characters of a reason are stored.
const REASON_CHARS: usize = 300;

const FRONT: &str = "\
SELECT url, host, keeper, domain, asked_by, tries FROM pages
WHERE turn IS NOT NULL AND next_fetch_at <= ?1 ORDER BY turn, next_fetch_at LIMIT ?2";

const LEASE: &str = "\
UPDATE pages SET lease = ?2, next_fetch_at = ?3, tries = ?4,
    turn = NULL, asked_by = NULL, domain = NULL, by_person = NULL, by_domain = NULL
WHERE url_digest = ?1";

const SUCCEED: &str = concat!(
    "\
UPDATE pages SET state = 'ready', reason = NULL, retryable = 1, tries = 0, lease = NULL, fetched_at = ?3, next_fetch_at = ?4, not_before = NULL,
    title = ?5, description = ?6, image = ?7, site_name = ?8, author = ?9, kind = ?10, language = ?11, icon_url = ?12, ",
    to_picture!("?7", "?12", "?3", "?13"),
    "
WHERE url_digest = ?1 AND lease = ?2"
);

const FAIL: &str = "\
UPDATE pages SET state = CASE WHEN state = 'ready' THEN 'ready' ELSE 'failed' END, reason = ?3, retryable = ?4, lease = NULL,
    tries = CASE WHEN ?5 THEN 0 ELSE tries END, next_fetch_at = ?6, fetched_at = ?7, not_before = ?8
WHERE url_digest = ?1 AND lease = ?2";

/// The page that a card shows.
const SHOWN_BY: &str = concat!(
    "SELECT c.owner_id, ",
    page_of!("c"),
    " AS page FROM cards c WHERE c.id = ?1 AND c.library_link IS NOT NULL"
);

const TO_ASK_FOR: &str = "\
SELECT number, host, lease IS NOT NULL OR turn IS NOT NULL OR ifnull(next_fetch_at <= ?2, 0) AS is_waiting, fetched_at, not_before
FROM pages WHERE url_digest = ?1";

const ASK_AGAIN: &str = "\
UPDATE pages SET state = CASE WHEN state = 'ready' THEN 'ready' ELSE 'pending' END, reason = NULL, retryable = 1, tries = 0,
    next_fetch_at = ?2
WHERE number = ?1";

const PAGE: &str = "\
SELECT state, reason, retryable, fetched_at, title, description, image, icon_url, site_name, author, kind, language
FROM pages WHERE url_digest = ?1";

#[async_trait]
impl PageRepository for SqliteStore {
    async fn lease_fetches(&self, room: &FetchRoom<FetchJob>, policy: &FetchPolicy) -> Result<Vec<FetchJob>> {
        let (room, policy) = (room.clone(), *policy);
        Ok(self.write(move |connection, now| lease(connection, now, &room, &policy)).await?)
    }

    async fn finish_fetch(
        &self,
        job: &FetchJob,
        outcome: &std::result::Result<Metadata, FetchFailure>,
        policy: &FetchPolicy,
    ) -> Result<bool> {
        let (job, outcome, policy) = (job.clone(), outcome.clone(), *policy);
        let finish = move |connection: &Connection, now| match &outcome {
            Ok(metadata) => succeed(connection, now, &job, metadata, &policy),
            Err(failure) => fail(connection, now, &job, failure, &policy),
        };
        Ok(self.write(finish).await?)
    }

    async fn page(&self, url: &CardUrl) -> Result<PageInfo> {
        let digest = url_digest(url.normalised());
        Ok(self.read(move |connection, _| first(connection, PAGE, &[&digest], get_page)).await?.unwrap_or_default())
    }

    async fn fetch_again(&self, card: CardId) -> Result<FetchAgain> {
        let asked = self.write(move |connection, now| ask_again(connection, now, card)).await?;
        asked.ok_or_else(|| Error::not_found("card", card))
    }
}

/// `None`: the card is in no library.
fn ask_again(connection: &Connection, now: Timestamp, card: CardId) -> Result<Option<FetchAgain>, Failure> {
    let shown = first(connection, SHOWN_BY, &[&blob(card.ulid())], |row| {
        Ok((get::<Vec<u8>>(row, "page")?, get::<String>(row, "owner_id")?))
    })?;
    let Some((key, by)) = shown else { return Ok(None) };
    let known = first(connection, TO_ASK_FOR, &[&key, &us(now)], |row| {
        let fetched_at: Option<i64> = get(row, "fetched_at")?;
        let not_before: Option<i64> = get(row, "not_before")?;
        let from = fetched_at.map(time).transpose()?.map(|at| after(at, FetchAgain::GAP)).max(not_before);
        Ok((get::<i64>(row, "number")?, get::<String>(row, "host")?, get::<bool>(row, "is_waiting")?, from))
    })?;
    let Some((page, host, false, from)) = known else { return Ok(Some(FetchAgain::Waiting)) };
    let too_soon = u64::try_from(from.unwrap_or_default() - us(now)).unwrap_or_default();
    if too_soon > 0 {
        return Ok(Some(FetchAgain::TooSoon(Duration::from_micros(too_soon))));
    }
    run(connection, ASK_AGAIN, &[&page, &us(now)])?;
    let domain = registrable_domain(&host).into_owned();
    fetch_line::join(connection, now, &[Asked { page, by, domain }])?;
    Ok(Some(FetchAgain::Taken))
}

fn lease(
    connection: &Connection,
    now: Timestamp,
    room: &FetchRoom<FetchJob>,
    policy: &FetchPolicy,
) -> Result<Vec<FetchJob>, Failure> {
    fetch_line::join_again(connection, now)?;
    let lease = Ulid::generate();
    let front = rows(connection, FRONT, &[&us(now), &LOOK_AT], |row| {
        let tries: u32 = get(row, "tries")?;
        let keeper: Option<String> = get(row, "keeper")?;
        Ok(FetchJob {
            url: get(row, "url")?,
            host: get(row, "host")?,
            domain: get(row, "domain")?,
            keeper: keeper.as_deref().map(user_id).transpose()?,
            asked_by: user_id(&get::<String>(row, "asked_by")?)?,
            lease,
            tries: tries.saturating_add(1),
        })
    })?;
    let (chosen, _) = room.choose(front);
    for job in &chosen {
        let key = key_of(&job.url, job.keeper.as_ref());
        run(connection, LEASE, &[&key, &blob(lease), &after(now, policy.lease), &job.tries])?;
    }
    Ok(chosen)
}

fn succeed(
    connection: &Connection,
    now: Timestamp,
    job: &FetchJob,
    metadata: &Metadata,
    policy: &FetchPolicy,
) -> Result<bool, Failure> {
    let key = key_of(&job.url, job.keeper.as_ref());
    let held = run(
        connection,
        SUCCEED,
        &[
            &key,
            &blob(job.lease),
            &us(now),
            &after(now, policy.refresh),
            &metadata.title,
            &metadata.description,
            &metadata.image,
            &metadata.site_name,
            &metadata.author,
            &metadata.kind.map(PageKind::name),
            &metadata.language,
            &metadata.icon,
            &earlier(now, REFRESH),
        ],
    )? == 1;
    if held {
        if let Some(digest) = everybodys(&key) {
            trends::refresh(connection, now, &[digest])?;
        }
        index_page(connection, &key)?;
    }
    Ok(held)
}

fn fail(
    connection: &Connection,
    now: Timestamp,
    job: &FetchJob,
    failure: &FetchFailure,
    policy: &FetchPolicy,
) -> Result<bool, Failure> {
    // A later refresh gets all its attempts again.
    let given_up = !failure.retryable || job.tries >= policy.attempts;
    let wait = policy.wait_after(failure, job.tries, rand::random());
    let asked = failure.wait.map(|wait| after(now, wait));
    let reason = storable(&failure.reason, REASON_CHARS);
    let key = key_of(&job.url, job.keeper.as_ref());
    let held = run(
        connection,
        FAIL,
        &[&key, &blob(job.lease), &reason, &failure.retryable, &given_up, &after(now, wait), &us(now), &asked],
    )?;
    Ok(held == 1)
}

fn after(now: Timestamp, wait: Duration) -> i64 {
    us(now.checked_add(wait).unwrap_or(Timestamp::MAX))
}
