//! What the processes of a run have in common.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use cardwire_testkit::process::Process;

/// The settings of every binary. Mock authentication: who saves is not looked up.
pub fn environment(database_url: &str, redis_url: &str) -> BTreeMap<String, String> {
    [
        ("APP_ENV", "development"),
        ("USE_MOCK_AUTH", "true"),
        ("DATABASE_URL", database_url),
        ("REDIS_URL", redis_url),
        ("RUST_LOG", "warn"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Fails when a process has ended.
pub fn run_on(processes: &mut [Process]) -> anyhow::Result<()> {
    for process in processes {
        ensure!(process.is_running(), "a process ended by itself:\n{}", process.log());
    }
    Ok(())
}

/// Where the port is in a URL of a server, and what it is.
fn find_port(url: &str) -> anyhow::Result<(usize, usize, u16)> {
    let authority = url.find("://").context("no URL")? + 3;
    let end = url[authority..].find(['/', '?']).map_or(url.len(), |at| authority + at);
    let start = url[authority..end].rfind(':').context("a URL without a port")? + authority + 1;
    Ok((start, end, url[start..end].parse().context("the port of a URL")?))
}

pub fn port_of(url: &str) -> anyhow::Result<u16> {
    Ok(find_port(url)?.2)
}

/// The same on another port of this machine.
pub fn with_port(url: &str, port: u16) -> anyhow::Result<String> {
    let (start, end, _) = find_port(url)?;
    Ok(format!("{}{port}{}", &url[..start], &url[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gets_another_port() {
        assert_eq!(with_port("postgres://a:b@h:5432/x?y=1", 7).unwrap(), "postgres://a:b@h:7/x?y=1");
        assert_eq!(port_of("redis://h:6379").unwrap(), 6379);
        assert!(port_of("postgres://h/x").is_err());
    }
}
