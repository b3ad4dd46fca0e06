//! Refuses a Redis that may lose a queue by design.

use fred::types::Value;

use super::connection::Connection;
use super::watchdog::{Trouble, refuses};
use crate::error::{Error, Result};

/// Needed for popping lists by count, and for BLPOP with fractions of seconds.
const OLDEST: (u64, u64) = (6, 2);

/// What is known about the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerReport {
    pub version: String,
    /// What an operator should know; logged as well.
    pub warnings: Vec<String>,
}

impl Connection {
    /// Refuses a Redis that may lose a queue, and one that refuses us. Call it at start. `accept_eviction` turns the
    /// first into a warning.
    ///
    /// # Errors
    /// `Misconfigured`, with the reason: also for wrong credentials, an unknown master and an untrusted certificate,
    /// since only an operator can help. `Unavailable`, with what is known about why.
    pub async fn check_server(&self, accept_eviction: bool) -> Result<ServerReport> {
        server(self, accept_eviction).await.map_err(|error| match (error, self.trouble()) {
            (Error::Unavailable(what, _), Some(Trouble { why, refused: true })) => Error::Misconfigured(what, why),
            (Error::Unavailable(what, why), _) if refuses(&why) => Error::Misconfigured(what, why),
            (Error::Unavailable(what, _), Some(Trouble { why, .. })) => Error::Unavailable(what, why),
            (error, _) => error,
        })
    }
}

async fn server(connection: &Connection, accept_eviction: bool) -> Result<ServerReport> {
    let info: String = connection.server_command("INFO", vec!["server".into()]).await?;
    let version = field(&info, "redis_version").unwrap_or_default().to_owned();
    if parse(&version).is_none_or(|version| version < OLDEST) {
        return Err(Error::Misconfigured(
            "Redis",
            format!("version {version:?} is older than {}.{}, which the queues need", OLDEST.0, OLDEST.1),
        ));
    }
    let mut warnings = Vec::new();
    let policy = match connection.server_command::<Vec<String>>("CONFIG", config_get()).await {
        Ok(answer) => answer.into_iter().nth(1),
        Err(Error::Unavailable(what, why)) if !hidden(&why) => return Err(Error::Unavailable(what, why)),
        Err(_) => {
            warnings.push(
                "Redis hides CONFIG, so its settings cannot be checked: see to it that maxmemory-policy is noeviction"
                    .into(),
            );
            // Some that hide it elsewhere still show it here.
            let memory: String = connection.server_command("INFO", vec!["memory".into()]).await?;
            field(&memory, "maxmemory_policy").map(str::to_owned)
        }
    };
    match policy.as_deref() {
        None | Some("noeviction") => {}
        Some(policy) => {
            let why = format!(
                "maxmemory-policy is {policy}, so that it may delete a whole queue, a lock or a window when memory runs short; \
                 it must be noeviction"
            );
            match accept_eviction {
                false => return Err(Error::Misconfigured("Redis", why)),
                true => warnings.push(why),
            }
        }
    }
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    Ok(ServerReport { version, warnings })
}

fn config_get() -> Vec<Value> {
    vec!["GET".into(), "maxmemory-policy".into()]
}

/// Refused by an access rule.
fn hidden(why: &str) -> bool {
    why.contains("NOPERM") || why.contains("unknown command")
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn parse(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        let check = |text, fits: bool| assert_eq!(parse(text).is_some_and(|version| version >= OLDEST), fits, "{text}");
        check("6.2.0", true);
        check("7.0.15", true);
        check("10.0.1", true);
        check("6.0.16", false);
        check("5.0.7", false);
        check("", false);
        check("x.y", false);
    }
}
