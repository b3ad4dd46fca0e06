//! Pages: jobs leased by `next_fetch_at`, and the results of their fetches.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::metadata::{
    FetchAgain, FetchFailure, FetchJob, FetchPolicy, Metadata, PageInfo, PageKind, PageRepository,
};
use cardwire_domain::pictures::REFRESH;
use cardwire_domain::url::CardUrl;
use cardwire_domain::{CardId, Error, Result};
use ulid::Ulid;

use super::error::Failure;
use super::fetch_line::{self, Asked};
use super::page_rows::{get_page, page_of};
use super::pool::Session;
use super::search::index_page;
use super::store::PostgresStore;
use super::trends;
use super::values::{get, signed, url_digest, user_id, uuid};
use crate::page_keys::{everybodys, key_of};
use crate::pictured::to_picture;

/// This many pages of the line are looked at. Only pages of people, domains and hosts without a free place can block
/// others, and each turn holds about one page of each of those.
const LOOK_AT: i64 = 500;
/// This many characters of a reason are stored.
const REASON_CHARS: usize = 300;

const LEASE: &str = "\
WITH running AS (
    SELECT * FROM unnest($3::text[], $4::text[], $5::text[]) AS r (host, domain, asked_by)
), front AS (
    SELECT url_digest, host, domain, asked_by, turn, next_fetch_at FROM pages
    WHERE turn IS NOT NULL AND next_fetch_at <= now() ORDER BY turn, next_fetch_at LIMIT $8
), of_hosts AS (
    SELECT f.*, row_number() OVER (PARTITION BY f.host ORDER BY f.turn, f.next_fetch_at)
                + (SELECT count(*) FROM running r WHERE r.host = f.host) AS of_host FROM front f
), of_domains AS (
    SELECT f.*, row_number() OVER (PARTITION BY f.domain ORDER BY f.turn, f.next_fetch_at)
                + (SELECT count(*) FROM running r WHERE r.domain = f.domain) AS of_domain FROM of_hosts f WHERE f.of_host <= $6
), of_people AS (
    SELECT f.*, row_number() OVER (PARTITION BY f.asked_by ORDER BY f.turn, f.next_fetch_at)
                + (SELECT count(*) FROM running r WHERE r.asked_by = f.asked_by) AS of_person FROM of_domains f WHERE f.of_domain <= $7
), chosen AS (
    SELECT f.url_digest, f.domain, f.asked_by FROM of_people f JOIN pages p ON p.url_digest = f.url_digest
    WHERE f.of_person <= $7 AND p.turn IS NOT NULL AND p.next_fetch_at <= now()
    ORDER BY f.turn, f.next_fetch_at LIMIT $9 FOR UPDATE OF p SKIP LOCKED
)
UPDATE pages p SET lease = $1, next_fetch_at = now() + make_interval(secs => $2), tries = p.tries + 1,
    turn = NULL, asked_by = NULL, domain = NULL, by_person = NULL, by_domain = NULL
FROM chosen c WHERE p.url_digest = c.url_digest
RETURNING p.url, p.host, p.keeper, c.domain, c.asked_by, p.tries";

const SUCCEED: &str = concat!(
    "\
UPDATE pages SET state = 'ready', reason = NULL, retryable = true, tries = 0, lease = NULL, fetched_at = now(), not_before = NULL,
    next_fetch_at = now() + make_interval(secs => $3), title = $4, description = $5, image = $6, site_name = $7,
    author = $8, kind = $9, language = $10, icon_url = $11, ",
    to_picture!("$6", "$11", "now()", "now() - make_interval(secs => $12)"),
    "
WHERE url_digest = $1 AND lease = $2"
);

const FAIL: &str = "\
UPDATE pages SET state = CASE WHEN state = 'ready' THEN 'ready' ELSE 'failed' END, reason = $3, retryable = $4, lease = NULL,
    fetched_at = now(), tries = CASE WHEN $6 THEN 0 ELSE tries END, next_fetch_at = now() + make_interval(secs => $5),
    not_before = now() + make_interval(secs => $7)
WHERE url_digest = $1 AND lease = $2";

/// The page that a card shows. The card is locked: until the commit it stays in the library of its owner, who is named
/// in the line, and its visibility cannot change.
const SHOWN_BY: &str = concat!(
    "SELECT c.owner_id, ",
    page_of!("c"),
    " AS page FROM cards c WHERE c.id = $1 AND c.library_link IS NOT NULL FOR SHARE"
);

/// Locked, so that only one of several concurrent requests gets it. The others see its turn, which may be later than
/// the time at which they began.
const TO_ASK_FOR: &str = "\
SELECT host, lease IS NOT NULL OR turn IS NOT NULL OR coalesce(next_fetch_at <= now(), false) AS is_waiting,
    extract(epoch FROM greatest(fetched_at + make_interval(secs => $2), not_before) - now())::float8 AS too_soon_s
FROM pages WHERE url_digest = $1 FOR UPDATE";

const ASK_AGAIN: &str = "\
UPDATE pages SET state = CASE WHEN state = 'ready' THEN 'ready' ELSE 'pending' END, reason = NULL, retryable = true, tries = 0,
    next_fetch_at = now()
WHERE url_digest = $1";

#[async_trait]
impl PageRepository for PostgresStore {
    async fn lease_fetches(&self, room: &FetchRoom<FetchJob>, policy: &FetchPolicy) -> Result<Vec<FetchJob>> {
        let lease = Ulid::generate();
        let column = |of: fn(&FetchJob) -> &str| room.running.iter().map(of).map(str::to_owned).collect::<Vec<_>>();
        let query = sqlx::query(LEASE)
            .bind(uuid(lease))
            .bind(policy.lease.as_secs_f64())
            .bind(column(|job| &job.host))
            .bind(column(|job| &job.domain))
            .bind(column(|job| job.asked_by.as_str()))
            .bind(signed(room.per_host))
            .bind(signed(room.share))
            .bind(LOOK_AT)
            .bind(signed(room.free));
        let mut session = self.batch_session().await?;
        session.begin().await?;
        let from = self.looks.pages.begin(Duration::from_millis(self.settings.whole_look_ms));
        let seen = fetch_line::join_again(&mut session, from).await?;
        let rows = session.fetch_all(query).await?;
        session.commit().await?;
        self.looks.pages.end(seen.looked_at, seen.up_to);
        let job = |row| {
            let tries: i32 = get(row, "tries")?;
            let keeper: Option<&str> = get(row, "keeper")?;
            Ok(FetchJob {
                url: get(row, "url")?,
                host: get(row, "host")?,
                domain: get(row, "domain")?,
                keeper: keeper.map(user_id).transpose()?,
                asked_by: user_id(get(row, "asked_by")?)?,
                lease,
                tries: tries.unsigned_abs(),
            })
        };
        Ok(rows.iter().map(job).collect::<Result<_, Failure>>()?)
    }

    async fn finish_fetch(
        &self,
        job: &FetchJob,
        outcome: &std::result::Result<Metadata, FetchFailure>,
        policy: &FetchPolicy,
    ) -> Result<bool> {
        let mut session = self.batch_session().await?;
        Ok(finish(&mut session, job, outcome, policy).await?)
    }

    async fn page(&self, url: &CardUrl) -> Result<PageInfo> {
        let sql = "SELECT state, reason, retryable, fetched_at, title, description, image, icon_url, site_name, author, kind, language \
                   FROM pages WHERE url_digest = $1";
        let rows = self.session().await?.fetch_all(sqlx::query(sql).bind(url_digest(url.normalised()))).await?;
        Ok(rows.first().map(get_page).transpose()?.unwrap_or_default())
    }

    async fn fetch_again(&self, card: CardId) -> Result<FetchAgain> {
        let mut session = self.session().await?;
        ask_again(&mut session, card).await?.ok_or_else(|| Error::not_found("card", card))
    }
}

/// `None`: the card is in no library.
async fn ask_again(session: &mut Session, card: CardId) -> Result<Option<FetchAgain>, Failure> {
    session.begin().await?;
    let answer = ask_if_due(session, card).await?;
    // In any case, because the page is locked until then and fetchers skip it.
    session.commit().await?;
    Ok(answer)
}

async fn ask_if_due(session: &mut Session, card: CardId) -> Result<Option<FetchAgain>, Failure> {
    let shown = session.fetch_all(sqlx::query(SHOWN_BY).bind(uuid(card.ulid()))).await?;
    let Some(shown) = shown.first() else { return Ok(None) };
    let (key, by): (Vec<u8>, String) = (get(shown, "page")?, get(shown, "owner_id")?);
    let query = sqlx::query(TO_ASK_FOR).bind(&key).bind(FetchAgain::GAP.as_secs_f64());
    let rows = session.fetch_all(query).await?;
    let Some(row) = rows.first() else { return Ok(Some(FetchAgain::Waiting)) };
    if get(row, "is_waiting")? {
        return Ok(Some(FetchAgain::Waiting));
    }
    let too_soon_s = get::<Option<f64>>(row, "too_soon_s")?.unwrap_or_default();
    if too_soon_s > 0.0 {
        return Ok(Some(FetchAgain::TooSoon(Duration::try_from_secs_f64(too_soon_s).unwrap_or(FetchAgain::GAP))));
    }
    session.execute(sqlx::query(ASK_AGAIN).bind(&key)).await?;
    let mut asked = Asked::default();
    asked.add(key, by, get(row, "host")?);
    fetch_line::join(session, asked).await?;
    Ok(Some(FetchAgain::Taken))
}

async fn finish(
    session: &mut Session,
    job: &FetchJob,
    outcome: &std::result::Result<Metadata, FetchFailure>,
    policy: &FetchPolicy,
) -> Result<bool, Failure> {
    let key = key_of(&job.url, job.keeper.as_ref());
    match outcome {
        Ok(metadata) => {
            session.begin().await?;
            let query = sqlx::query(SUCCEED)
                .bind(&key)
                .bind(uuid(job.lease))
                .bind(policy.refresh.as_secs_f64())
                .bind(&metadata.title)
                .bind(&metadata.description)
                .bind(&metadata.image)
                .bind(&metadata.site_name)
                .bind(&metadata.author)
                .bind(metadata.kind.map(PageKind::name))
                .bind(&metadata.language)
                .bind(&metadata.icon)
                .bind(REFRESH.as_secs_f64());
            let held = session.execute(query).await? == 1;
            if held {
                if let Some(digest) = everybodys(&key) {
                    trends::refresh(session, &[digest.to_vec()]).await?;
                }
                index_page(session, &key).await?;
            }
            session.commit().await?;
            Ok(held)
        }
        Err(failure) => {
            // A later refresh gets all its attempts again.
            let given_up = !failure.retryable || job.tries >= policy.attempts;
            let wait = policy.wait_after(failure, job.tries, rand::random());
            let query = sqlx::query(FAIL)
                .bind(&key)
                .bind(uuid(job.lease))
                .bind(failure.reason.chars().filter(|c| *c != '\0').take(REASON_CHARS).collect::<String>())
                .bind(failure.retryable)
                .bind(wait.as_secs_f64())
                .bind(given_up)
                .bind(failure.wait.map(|wait| wait.as_secs_f64()));
            Ok(session.execute(query).await? == 1)
        }
    }
}
