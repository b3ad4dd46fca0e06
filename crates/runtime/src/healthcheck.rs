//! `healthcheck`, which every binary has: asks the process with the same settings on this machine whether it is
//! healthy. Thanks to this, an image needs no other program for container engines' health checks.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::settings::Settings;

pub(crate) const NAME: &str = "healthcheck";
const LIVE: &str = "live";
/// For each step. Readiness itself answers within two seconds.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longer than any of our answers.
const MOST_BYTES: u64 = 64 * 1024;

pub(crate) fn command() -> Command {
    let live = Arg::new(LIVE).long(LIVE).action(ArgAction::SetTrue);
    Command::new(NAME)
        .about("Ask the running process whether it is ready: exits 0 or 1")
        .arg(live.help("Ask only whether it answers at all"))
}

/// What the subcommand's flags select.
pub(crate) fn path(matches: &ArgMatches) -> &'static str {
    if matches.get_flag(LIVE) { "/healthz" } else { "/readyz" }
}

/// Asks on METRICS_PORT. An error: nobody answers there, or the status is not 200.
pub fn ask(settings: &Settings, path: &str) -> anyhow::Result<()> {
    let addresses = settings.host.addresses(settings.metrics_port).context("resolving HOST")?;
    let mut failed = None;
    for address in addresses.into_iter().flat_map(reachable) {
        match get(address, path) {
            Ok((200, _)) => return Ok(()),
            Ok((status, body)) => anyhow::bail!("{path} answers {status}: {body}"),
            Err(error) => failed = Some(anyhow::Error::from(error).context(format!("asking {address}"))),
        }
    }
    Err(failed.unwrap_or_else(|| anyhow::anyhow!("HOST has no address")))
}

/// A server that listens on every address also listens on loopback, at least for its address family.
fn reachable(bound: SocketAddr) -> Vec<SocketAddr> {
    let at = |ip: IpAddr| SocketAddr::new(ip, bound.port());
    match bound.ip() {
        ip if !ip.is_unspecified() => vec![at(ip)],
        IpAddr::V4(_) => vec![at(Ipv4Addr::LOCALHOST.into())],
        IpAddr::V6(_) => vec![at(Ipv6Addr::LOCALHOST.into()), at(Ipv4Addr::LOCALHOST.into())],
    }
}

fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(MOST_BYTES).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is no HTTP"))?;
    Ok((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cli::CliSettings;
    use crate::health::HealthServer;
    use crate::readiness::Readiness;
    use crate::settings::{Environment, Role};

    fn settings(host: &str, port: u16) -> Settings {
        let variables = [("DATABASE_URL", "postgres://db/x"), ("HOST", host), ("METRICS_PORT", &port.to_string())]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = Environment { variables: BTreeMap::from(variables), dotenv: None, terminal: false };
        Settings::load(Role::FeedWorker, &CliSettings::default(), &environment).unwrap()
    }

    async fn asked(host: &str, port: u16, path: &'static str) -> Result<(), String> {
        let settings = settings(host, port);
        let asked = tokio::task::spawn_blocking(move || ask(&settings, path)).await.unwrap();
        asked.map_err(|error| format!("{error:#}"))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn it_tells_what_the_process_tells_wherever_it_listens() {
        for host in ["127.0.0.1", "0.0.0.0", "::", "localhost"] {
            let readiness = Readiness::default();
            let metrics = crate::telemetry::recorder().unwrap().handle();
            let bound = settings(host, 1).host.addresses(0).unwrap();
            let server = HealthServer::start(&bound, &readiness, &metrics).unwrap();
            let port = server.addresses()[0].port();

            let starting = asked(host, port, "/readyz").await.unwrap_err();
            assert_eq!(starting, r#"/readyz answers 503: {"status":"starting","failing":[]}"#);
            asked(host, port, "/healthz").await.unwrap();
            readiness.serve();
            asked(host, port, "/readyz").await.unwrap();
            readiness.drain();
            assert!(asked(host, port, "/readyz").await.unwrap_err().contains("draining"));
            asked(host, port, "/healthz").await.unwrap();

            server.stop().await.unwrap();
            let gone = asked(host, port, "/healthz").await.unwrap_err();
            assert!(gone.starts_with("asking "), "{gone}");
        }
    }
}
