//! What is trending, with charts.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_domain::analytics::{DayCounts, TopDomain};
use cardwire_domain::metadata::PageKind;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use crate::chart::Chart;
use crate::shown::Link;
use crate::visit::{Chrome, Section, Visit};

const PERIODS: [u16; 3] = [7, 30, 90];
const SHOWN_LINKS: usize = 20;
const SHOWN_DOMAINS: usize = 15;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/trends").get(trends).register(config);
}

#[derive(Template)]
#[template(path = "trends.html")]
struct TrendsPage {
    chrome: Chrome,
    periods: [u16; 3],
    days: u16,
    saves: u64,
    new_cards: u64,
    /// As in "12% more".
    change: Option<String>,
    charts: [Chart; 2],
    top: Vec<(Link, u64)>,
    domains: Vec<TopDomain>,
    kinds: Vec<(&'static str, u64)>,
}

async fn trends(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    let asked = params.number("days", 1..=366)?.and_then(|days| u16::try_from(days).ok());
    let days = asked.filter(|days| PERIODS.contains(days)).unwrap_or(PERIODS[1]);
    let analytics = &state.analytics;
    let counts = analytics.summary(days).await?;
    let weeks = analytics.weeks(2).await?;
    let top = analytics.top_urls(days, SHOWN_LINKS).await?;
    let domains = analytics.top_domains(days, SHOWN_DOMAINS).await?;
    let kinds = analytics.by_kind(days).await?;
    let bars = |count: fn(&DayCounts) -> u64| {
        let bar = |day: &DayCounts| (day.day.to_string(), day.day.strftime("%m-%d").to_string(), Some(count(day)));
        counts.iter().map(bar).collect::<Vec<_>>()
    };
    visit.page(&TrendsPage {
        chrome: visit.chrome(Section::Trends),
        periods: PERIODS,
        days,
        saves: counts.iter().map(|day| day.saves).sum(),
        new_cards: counts.iter().map(|day| day.new_cards).sum(),
        change: match weeks.as_slice() {
            [before, now] => change(before.saves, now.saves),
            _ => None,
        },
        charts: [
            Chart::of("saves", "Saves", "Day", bars(|day| day.saves)).with_sum(),
            Chart::of("curators", "People who saved", "Day", bars(|day| day.active_curators)),
        ],
        top: top.into_iter().map(|top| (Link::to(top.url, top.title), top.saves)).collect(),
        domains,
        kinds: kinds.into_iter().map(|count| (count.kind.map_or("unknown", PageKind::name), count.saves)).collect(),
    })
}

/// In per cent; `None` where there was nothing before.
fn change(before: u64, now: u64) -> Option<String> {
    if before == 0 {
        return None;
    }
    let percent = (now as f64 / before as f64 - 1.0) * 100.0;
    let more = if percent < 0.0 { "fewer" } else { "more" };
    Some(format!("{:.0}% {more}", percent.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_words() {
        assert_eq!(change(100, 112).as_deref(), Some("12% more"));
        assert_eq!(change(4, 1).as_deref(), Some("75% fewer"));
        assert_eq!(change(0, 5), None);
    }
}
