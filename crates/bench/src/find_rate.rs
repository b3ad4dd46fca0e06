//! The highest rate of `e2e` at which activities are seen soon.

use anyhow::bail;

use crate::cli::{E2e, Store};
use crate::report::Figures;
use crate::servers::Servers;
use crate::{e2e, one_file};

/// What the search for the highest rate asks of a rate.
const FAST_MS: f64 = 500.0;
/// It ends when the next rate would be as close as this.
const CLOSE: f64 = 1.05;
const SEARCHED_FOR_S: usize = 15;

/// The highest rate that holds: doubled until one does not, then halved in between.
pub async fn find_rate(servers: &Servers, case: E2e) -> anyhow::Result<Figures> {
    let (mut holds, mut fails) = (None, None);
    let mut rate = case.rate;
    loop {
        let ground = servers.ground().await?;
        let (count, case) = (rate as usize * SEARCHED_FOR_S, E2e { rate, ..case });
        let figures = match case.store {
            Store::Postgres => e2e::run(servers, &ground, count, case).await,
            Store::Sqlite => one_file::e2e(&ground, count, case).await,
        };
        match figures {
            Ok(figures) if figures.latency_ms.is_some_and(|latency| latency.p99 < FAST_MS) => {
                eprintln!("  {rate}/s holds");
                holds = Some((rate, figures));
            }
            Ok(figures) => {
                eprintln!("  {rate}/s is too much: p99 {:.0} ms", figures.latency_ms.map_or(f64::NAN, |l| l.p99));
                fails = Some(rate);
            }
            Err(error) => {
                eprintln!("  {rate}/s is too much: {error:#}");
                fails = Some(rate);
            }
        }
        ground.clear().await?;
        rate = match (&holds, fails) {
            (Some((holds, _)), None) => holds * 2,
            (Some((holds, _)), Some(fails)) => (f64::from(*holds) * f64::from(fails)).sqrt() as u32,
            (None, Some(fails)) => fails / 2,
            (None, None) => rate,
        };
        match (&holds, fails) {
            (Some((held, figures)), Some(fails)) if f64::from(fails) < f64::from(*held) * CLOSE * CLOSE => {
                return Ok(figures.clone());
            }
            (None, Some(_)) if rate == 0 => bail!("no rate holds"),
            _ => {}
        }
    }
}
