//! Profiles, of people with and without an account.

use async_trait::async_trait;
use cardwire_domain::profile::{Bio, DisplayName, Profile, ProfileChange, ProfileRepository};
use cardwire_domain::{Result, UserId, Visibility};
use sqlx::postgres::PgRow;

use super::error::Failure;
use super::leaving::nobody_leaves;
use super::pool::Session;
use super::sessions::read_default_visibility;
use super::store::PostgresStore;
use super::values::get;

const PROFILE: &str = "\
SELECT p.display_name, p.bio, coalesce(p.default_visibility, 'PUBLIC') AS default_visibility, u.created_at
FROM (SELECT $1::text COLLATE \"C\" AS id) a
LEFT JOIN profiles p ON p.user_id = a.id LEFT JOIN users u ON u.id = a.id";

/// Before the change, whose trigger writes to the account: two changes with only a shared lock would deadlock.
const HOLD: &str = "SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE";

/// $2 and $4: the value stays as it is.
const CHANGE: &str = concat!(
    "\
INSERT INTO profiles AS p (user_id, display_name, bio, default_visibility)
SELECT $1, $3, $5, coalesce($6, 'PUBLIC') WHERE expect_nobody_leaves(NOT ",
    nobody_leaves!("ARRAY[$1]"),
    ")
ON CONFLICT (user_id) DO UPDATE SET
    display_name = CASE WHEN $2 THEN p.display_name ELSE excluded.display_name END,
    bio = CASE WHEN $4 THEN p.bio ELSE excluded.bio END,
    default_visibility = coalesce($6, p.default_visibility)"
);

#[async_trait]
impl ProfileRepository for PostgresStore {
    async fn profile(&self, person: &UserId) -> Result<Profile> {
        Ok(read(&mut self.session().await?, person).await?)
    }

    async fn change_profile(&self, person: &UserId, change: &ProfileChange) -> Result<Profile> {
        let ProfileChange { display_name, bio, default_visibility } = change;
        let query = sqlx::query(CHANGE).bind(person.as_str());
        let query = query.bind(display_name.keeps()).bind(display_name.value().map(DisplayName::as_str));
        let query = query.bind(bio.keeps()).bind(bio.value().map(Bio::as_str));
        let query = query.bind(default_visibility.map(Visibility::name));
        let mut session = self.session().await?;
        session.begin().await?;
        session.execute(sqlx::query(HOLD).bind(person.as_str())).await?;
        session.execute(query).await?;
        let profile = read(&mut session, person).await?;
        session.commit().await?;
        Ok(profile)
    }
}

async fn read(session: &mut Session, person: &UserId) -> Result<Profile, Failure> {
    let rows = session.fetch_all(sqlx::query(PROFILE).bind(person.as_str())).await?;
    rows.first().map_or_else(|| Ok(Profile::default()), read_profile)
}

fn read_profile(row: &PgRow) -> Result<Profile, Failure> {
    Ok(Profile {
        display_name: get::<Option<String>>(row, "display_name")?.map(DisplayName::from_stored),
        bio: get::<Option<String>>(row, "bio")?.map(Bio::from_stored),
        default_visibility: read_default_visibility(row)?,
        created_at: get::<Option<jiff_sqlx::Timestamp>>(row, "created_at")?.map(|at| at.to_jiff()),
    })
}
