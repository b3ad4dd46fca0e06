//! Profiles, of people with and without an account.

use async_trait::async_trait;
use cardwire_domain::accounts::is_leaving;
use cardwire_domain::profile::{Bio, DisplayName, Profile, ProfileChange, ProfileRepository};
use cardwire_domain::{Result, UserId, Visibility};
use rusqlite::{Connection, Row, ToSql};

use super::error::Failure;
use super::leaving::leaves;
use super::sessions::read_default_visibility;
use super::store::SqliteStore;
use super::values::{first, get, run, time, us};

const PROFILE: &str = "\
SELECT p.display_name, p.bio, coalesce(p.default_visibility, 'PUBLIC') AS default_visibility, u.created_at
FROM (SELECT ?1 AS id) a LEFT JOIN profiles p ON p.user_id = a.id LEFT JOIN users u ON u.id = a.id";

/// ?2 and ?4: the value stays as it is.
const CHANGE: &str = "\
INSERT INTO profiles AS p (user_id, display_name, bio, default_visibility, created_at)
VALUES (?1, ?3, ?5, coalesce(?6, 'PUBLIC'), ?7)
ON CONFLICT (user_id) DO UPDATE SET
    display_name = CASE WHEN ?2 THEN p.display_name ELSE excluded.display_name END,
    bio = CASE WHEN ?4 THEN p.bio ELSE excluded.bio END,
    default_visibility = coalesce(?6, p.default_visibility)";

#[async_trait]
impl ProfileRepository for SqliteStore {
    async fn profile(&self, person: &UserId) -> Result<Profile> {
        let person = person.clone();
        Ok(self.read(move |connection, _| read(connection, &person)).await?)
    }

    async fn change_profile(&self, person: &UserId, change: &ProfileChange) -> Result<Profile> {
        let (person, change) = (person.clone(), change.clone());
        let change = move |connection: &Connection, now| {
            let ProfileChange { display_name, bio, default_visibility } = change;
            let values: [&dyn ToSql; 7] = [
                &person.as_str(),
                &display_name.keeps(),
                &display_name.value().map(DisplayName::as_str),
                &bio.keeps(),
                &bio.value().map(Bio::as_str),
                &default_visibility.map(Visibility::name),
                &us(now),
            ];
            if leaves(connection, &person)? {
                return Err(Failure::Refused(is_leaving()));
            }
            run(connection, CHANGE, &values)?;
            read(connection, &person)
        };
        Ok(self.write(change).await?)
    }
}

fn read(connection: &Connection, person: &UserId) -> Result<Profile, Failure> {
    Ok(first(connection, PROFILE, &[&person.as_str()], read_profile)?.unwrap_or_default())
}

fn read_profile(row: &Row<'_>) -> Result<Profile, Failure> {
    Ok(Profile {
        display_name: get::<Option<String>>(row, "display_name")?.map(DisplayName::from_stored),
        bio: get::<Option<String>>(row, "bio")?.map(Bio::from_stored),
        default_visibility: read_default_visibility(row)?,
        created_at: get::<Option<i64>>(row, "created_at")?.map(time).transpose()?,
    })
}
