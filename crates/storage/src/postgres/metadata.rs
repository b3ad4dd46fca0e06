//! Pages: jobs leased by `next_fetch_at`, and what their fetches came to.

use async_trait::async_trait;
use cardwire_domain::Result;
use cardwire_domain::metadata::{FetchFailure, FetchJob, FetchPolicy, Metadata, PageInfo, PageKind, PageRepository};
use cardwire_domain::url::CardUrl;
use ulid::Ulid;

use super::error::Failure;
use super::page_rows::get_page;
use super::pool::Session;
use super::search::index_page;
use super::store::PostgresStore;
use super::trends;
use super::values::{get, signed, url_digest, uuid};

/// Due pages that are looked at for as many hosts as are asked for.
const LOOK_AT: i64 = 200;
/// Of a reason, this many characters are kept.
const REASON_CHARS: usize = 300;

const LEASE: &str = "\
WITH due AS (
    SELECT url_digest, host, next_fetch_at FROM pages
    WHERE next_fetch_at <= now() AND host <> ALL($2) ORDER BY next_fetch_at LIMIT $5
), chosen AS (
    SELECT one.url_digest FROM (
        SELECT DISTINCT ON (host) url_digest, next_fetch_at FROM due ORDER BY host, next_fetch_at
    ) one JOIN pages p ON p.url_digest = one.url_digest
    WHERE p.next_fetch_at <= now() ORDER BY one.next_fetch_at LIMIT $1 FOR UPDATE OF p SKIP LOCKED
)
UPDATE pages p SET lease = $3, next_fetch_at = now() + make_interval(secs => $4), tries = p.tries + 1
FROM chosen WHERE p.url_digest = chosen.url_digest
RETURNING p.url, p.host, p.tries";

const SUCCEED: &str = "\
UPDATE pages SET state = 'ready', reason = NULL, retryable = true, tries = 0, lease = NULL, fetched_at = now(),
    next_fetch_at = now() + make_interval(secs => $3), title = $4, description = $5, image = $6, site_name = $7,
    author = $8, kind = $9, language = $10
WHERE url_digest = $1 AND lease = $2";

const FAIL: &str = "\
UPDATE pages SET state = CASE WHEN state = 'ready' THEN 'ready' ELSE 'failed' END, reason = $3, retryable = $4, lease = NULL,
    tries = CASE WHEN $6 THEN 0 ELSE tries END, next_fetch_at = now() + make_interval(secs => $5)
WHERE url_digest = $1 AND lease = $2";

#[async_trait]
impl PageRepository for PostgresStore {
    async fn lease_fetches(&self, limit: usize, busy: &[String], policy: &FetchPolicy) -> Result<Vec<FetchJob>> {
        let lease = Ulid::generate();
        let query = sqlx::query(LEASE)
            .bind(signed(limit))
            .bind(busy)
            .bind(uuid(lease))
            .bind(policy.lease.as_secs_f64())
            .bind(LOOK_AT);
        let rows = self.batch_session().await?.fetch_all(query).await?;
        let job = |row| {
            let tries: i32 = get(row, "tries")?;
            Ok(FetchJob { url: get(row, "url")?, host: get(row, "host")?, lease, tries: tries.unsigned_abs() })
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
        let sql = "SELECT state, reason, retryable, fetched_at, title, description, image, site_name, author, kind, language \
                   FROM pages WHERE url_digest = $1";
        let rows = self.session().await?.fetch_all(sqlx::query(sql).bind(url_digest(url.normalised()))).await?;
        Ok(rows.first().map(get_page).transpose()?.unwrap_or_default())
    }
}

async fn finish(
    session: &mut Session,
    job: &FetchJob,
    outcome: &std::result::Result<Metadata, FetchFailure>,
    policy: &FetchPolicy,
) -> Result<bool, Failure> {
    let digest = url_digest(&job.url);
    match outcome {
        Ok(metadata) => {
            session.begin().await?;
            let query = sqlx::query(SUCCEED)
                .bind(&digest)
                .bind(uuid(job.lease))
                .bind(policy.refresh.as_secs_f64())
                .bind(&metadata.title)
                .bind(&metadata.description)
                .bind(&metadata.image)
                .bind(&metadata.site_name)
                .bind(&metadata.author)
                .bind(metadata.kind.map(PageKind::name))
                .bind(&metadata.language);
            let held = session.execute(query).await? == 1;
            if held {
                trends::refresh(session, std::slice::from_ref(&digest)).await?;
                index_page(session, &digest).await?;
            }
            session.commit().await?;
            Ok(held)
        }
        Err(failure) => {
            // A later refresh has all its attempts again.
            let given_up = !failure.retryable || job.tries >= policy.attempts;
            let wait = if failure.retryable { policy.wait(job.tries, rand::random()) } else { policy.refresh };
            let query = sqlx::query(FAIL)
                .bind(&digest)
                .bind(uuid(job.lease))
                .bind(failure.reason.chars().filter(|c| *c != '\0').take(REASON_CHARS).collect::<String>())
                .bind(failure.retryable)
                .bind(wait.as_secs_f64())
                .bind(given_up);
            Ok(session.execute(query).await? == 1)
        }
    }
}
