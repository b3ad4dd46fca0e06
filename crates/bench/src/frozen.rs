//! People whose repositories are on a server that was stopped (SIGSTOP): it accepts connections, and answers nothing.

use anyhow::ensure;
use cardwire_testkit::network::{APP_PASSWORD, Network, origin};
use cardwire_testkit::process::Process;
use serde_json::json;
use sqlx::PgPool;

use crate::cli::{Case, E2e};
use crate::http::Client;
use crate::report::{Figures, median};
use crate::save::person;

const CONNECT: &str = "/api/users/me/atproto";

pub struct FrozenPds {
    network: Network,
}

impl FrozenPds {
    /// It still answers.
    pub async fn start() -> anyhow::Result<Self> {
        Ok(Self { network: Network::start().await? })
    }

    /// What Cardwire has to know of it.
    pub fn settings(&self) -> [(String, String); 4] {
        [
            ("APP__SECRET_KEY", "0123456789abcdef0123456789abcdef".to_owned()),
            ("APP__ATPROTO__ALLOW_APP_PASSWORDS", "true".to_owned()),
            ("APP__ATPROTO__ALLOW_PRIVATE_HOSTS", "true".to_owned()),
            ("APP__ATPROTO__PLC_URL", origin(self.network.directory)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    }

    /// Connects so many people, and stops.
    pub async fn connect(&mut self, web: &Process, people: usize) -> anyhow::Result<()> {
        let mut client = Client::connect(web.port).await?;
        let service = origin(self.network.pds);
        for did in (0..people).map(person) {
            // Without a handle, for which DNS would be asked.
            let server =
                json!({ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": service });
            let document = json!({ "id": did, "service": [server] });
            self.network.with(|world| world.documents.insert(did.clone(), document));
            let body = json!({ "service": service, "identifier": did, "appPassword": APP_PASSWORD });
            let (status, answer) = client.post(CONNECT, &did, &body.to_string()).await?;
            ensure!(status == 200, "connecting a repository was answered {status}: {answer}");
        }
        self.network.freeze().await;
        Ok(())
    }
}

/// How many records wait for their server. Fails unless all of them do, and record-workers have tried.
pub async fn waiting(pool: &PgPool, saves: usize) -> anyhow::Result<usize> {
    let sql = "SELECT (SELECT count(*) FROM record_owed), (SELECT count(*) FROM records WHERE cid IS NOT NULL), \
                      (SELECT count(*) FROM records WHERE in_doubt), \
                      (SELECT count(*) FROM record_people WHERE state = 'failing')";
    let (waiting, published, sent, failing): (i64, i64, i64, i64) = sqlx::query_as(sql).fetch_one(pool).await?;
    eprintln!(
        "  {waiting} records wait for a server that does not answer; {sent} of them were sent, for {failing} people it counts as failing"
    );
    let waiting = usize::try_from(waiting)?;
    ensure!(waiting == saves && published == 0, "{saves} links were saved, and {published} records published");
    ensure!(sent > 0, "nobody has tried to publish");
    Ok(waiting)
}

/// The feed with such a server beside the feed without. `None`: it was not measured.
pub fn side_by_side(cases: &[Case], figures: &[Figures]) -> Option<String> {
    let p99 = |case: Case| {
        let runs = figures.iter().filter(|run| run.scenario == case.name());
        median(runs.filter_map(|run| Some(run.latency_ms?.p99)).collect())
    };
    cases.iter().find_map(|case| {
        let Case::E2e(e2e @ E2e { frozen_pds: true, .. }) = *case else { return None };
        let (with, without) = (p99(*case)?, p99(Case::E2e(E2e { frozen_pds: false, ..e2e }))?);
        let ratio = with / without;
        Some(format!("p99 with a PDS that is frozen {with:.1} ms, without {without:.1} ms, ratio {ratio:.2}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Latency;

    #[test]
    fn medians_of_both_cases_are_compared() {
        let with = E2e { frozen_pds: true, ..E2e::default() };
        let cases = [Case::E2e(E2e::default()), Case::E2e(with)];
        let figures = |case: Case, p99| {
            let latency_ms = Some(Latency { p50: 0.0, p99, p999: 0.0 });
            Figures { scenario: case.name(), latency_ms, ..Figures::default() }
        };
        let runs = [(0, 50.0), (1, 60.0), (0, 40.0), (1, 66.0), (0, 60.0), (1, 55.0)];
        let runs = runs.map(|(case, p99)| figures(cases[case], p99));
        let told = side_by_side(&cases, &runs).unwrap();
        assert_eq!(told, "p99 with a PDS that is frozen 60.0 ms, without 50.0 ms, ratio 1.20");
        assert_eq!(side_by_side(&cases[..1], &runs), None);
    }
}
