//! From the adapters that the settings chose to the state that the handlers work with.

use std::num::NonZeroU32;
use std::sync::Arc;

use actix_web::http::header::HeaderName;
use actix_web::web::ServiceConfig;
use async_trait::async_trait;
use cardwire_domain::SystemClock;
use cardwire_events::Queue;
use cardwire_http::origin::PublicUrl;
use cardwire_http::{
    AccountSettings, Accounts, AppState, Authenticator, Live, LiveSettings, MockAuthenticator, OperatedQueue,
    Operations, Places, Readiness, Reads, Searches, TokenAuthenticator, Uploads, Writes,
};
use cardwire_runtime::adapters::Adapters;
use cardwire_runtime::{Settings, SettingsError};
use tokio_util::sync::CancellationToken;

pub fn state(
    adapters: &Adapters,
    settings: &Settings,
    readiness: &cardwire_runtime::Readiness,
    stop: CancellationToken,
) -> anyhow::Result<AppState> {
    let mut queues = Vec::new();
    for queue in Queue::ALL {
        queues.push(OperatedQueue { queue, subscriber: adapters.subscriber(queue)?, settings: settings.queue(queue) });
    }
    let address_header = settings.address_header.as_deref().map(HeaderName::try_from).transpose();
    let address_header =
        address_header.map_err(|_| SettingsError::value("APP__WEB__ADDRESS_HEADER", "must be the name of a header"))?;
    let of_accounts = AccountSettings { address_header, ..AccountSettings::of(settings.registration) };
    let accounts = Accounts::new(adapters.accounts.clone(), of_accounts)?;
    let mut authenticator: Arc<dyn Authenticator> = Arc::new(
        TokenAuthenticator::new(adapters.accounts.clone(), settings.admins.clone())
            .observed_by(settings.observers.clone()),
    );
    if settings.use_mock_auth {
        authenticator = Arc::new(MockAuthenticator {
            accounts: authenticator,
            profiles: adapters.accounts.clone(),
            observers: settings.observers.clone(),
            host: public_host(settings),
        });
    }
    Ok(AppState {
        store: adapters.store.clone(),
        library: adapters.library.clone(),
        pages: adapters.pages.clone(),
        pictures: adapters.pictures.clone(),
        collections: adapters.collections.clone(),
        feed: adapters.feed.clone(),
        public: adapters.public.clone(),
        search: adapters.search.clone(),
        // The other connections are for everything else.
        searches: Searches::at_once(settings.max_connections as usize / 3),
        analytics: adapters.analytics.clone(),
        imports: adapters.imports.clone(),
        uploads: Uploads::default(),
        exports: Places::new(1, 16),
        writes: Writes::per_second(NonZeroU32::new(settings.writes_per_second)),
        quotas: settings.quotas,
        reads: Reads::per_second(NonZeroU32::new(settings.anonymous_reads_per_second)),
        accounts,
        authenticator,
        agents: adapters.agents.clone(),
        records: adapters.records.clone(),
        readiness: Arc::new(Ready(readiness.clone())),
        live: Live::new(adapters.feed.clone(), cardwire_api::feed::to_json, LiveSettings::default(), stop),
        operations: Operations {
            log: adapters.log.clone(),
            operator: adapters.operator.clone(),
            finder: adapters.finder.clone(),
            history: adapters.history.clone(),
            rebuilds: adapters.rebuilds.clone(),
            replays: adapters.replays.clone(),
            analytics: adapters.analytics.clone(),
            saga: adapters.saga_store.clone(),
            registry: adapters.registry.clone(),
            queues: queues.into(),
            clock: Arc::new(SystemClock),
            trace_url: settings.traces.shown_at.as_deref().map(Into::into),
        },
        public_url: PublicUrl(settings.public.url.clone()),
        cors_origins: settings.public.cors_origins.clone().into(),
    })
}

/// The host of `APP__PUBLIC_URL`.
fn public_host(settings: &Settings) -> Option<String> {
    settings.public.url.as_ref()?.host_str().map(str::to_owned)
}

/// The process's readiness, as the handlers know it.
struct Ready(cardwire_runtime::Readiness);

#[async_trait]
impl Readiness for Ready {
    async fn check(&self) -> Result<(), String> {
        let report = self.0.report().await;
        if report.is_ready() {
            Ok(())
        } else {
            Err(format!("{:?}: {}", report.status, report.failing.join(", ")).to_lowercase())
        }
    }
}

/// Everything that this process answers.
pub fn resources(config: &mut ServiceConfig) {
    cardwire_api::configure(config);
    cardwire_pages::configure(config);
}
