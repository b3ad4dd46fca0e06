//! Fetching a page without being led astray: every hop is checked before it is asked, everything is bounded.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::metadata::{FetchFailure, Metadata};
use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Client, Response, StatusCode, redirect};
use tokio::time::timeout;
use url::Url;

use super::address::{AddressPolicy, Refusal};
use super::parse;

/// What a fetch may cost.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    pub bytes: usize,
    /// From the first look-up to the last byte, redirects included.
    pub time: Duration,
    pub redirects: usize,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self { bytes: 2 * 1024 * 1024, time: Duration::from_secs(10), redirects: 5 }
    }
}

/// From a name to addresses.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// As the system resolves.
pub fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) })
    })
}

/// Fetches pages and reads what they say about themselves.
#[derive(Clone)]
pub struct PageFetcher {
    client: Client,
    policy: Arc<AddressPolicy>,
    limits: FetchLimits,
}

/// Asks for no name that leads to a forbidden address: what is connected to is what was checked.
struct CheckedResolver {
    lookup: Lookup,
    policy: Arc<AddressPolicy>,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (found, policy) = ((self.lookup)(name.as_str().to_owned()), self.policy.clone());
        Box::pin(async move {
            let ips = found.await?;
            // One forbidden address among others is no accident either.
            for ip in &ips {
                policy.check_ip(*ip)?;
            }
            if ips.is_empty() {
                return Err("the name has no address".into());
            }
            let addresses: Addrs = Box::new(ips.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}

impl PageFetcher {
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(policy: AddressPolicy, limits: FetchLimits, lookup: Lookup) -> reqwest::Result<Self> {
        // An error means that the process has chosen its provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let policy = Arc::new(policy);
        let client = Client::builder()
            .user_agent(concat!("Cardwire/", env!("CARGO_PKG_VERSION"), " (link preview)"))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .dns_resolver(CheckedResolver { lookup, policy: policy.clone() })
            .connect_timeout(limits.time)
            // A page is asked rarely; a kept connection would only be one to a host that has changed.
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { client, policy, limits })
    }

    /// If the future is dropped, the connection is closed.
    pub async fn fetch(&self, url: &str) -> Result<Metadata, FetchFailure> {
        match timeout(self.limits.time, self.follow(url)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(retryable(format!("not read within {} s", self.limits.time.as_secs_f32()))),
        }
    }

    async fn follow(&self, url: &str) -> Result<Metadata, FetchFailure> {
        let mut url = Url::parse(url).map_err(|error| lasting(format!("no URL: {error}")))?;
        for _ in 0..=self.limits.redirects {
            self.policy.check_url(&url).map_err(|refusal| lasting(refusal.to_string()))?;
            let request =
                self.client.get(url.clone()).header(ACCEPT, "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5");
            let response = request.send().await.map_err(|error| failed(&error))?;
            let status = response.status();
            if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                let target = response.headers().get(LOCATION).and_then(|target| target.to_str().ok());
                let target = target.ok_or_else(|| lasting("redirected to nowhere".into()))?;
                url = url.join(target).map_err(|_| lasting("redirected to what is no URL".into()))?;
                continue;
            }
            if !status.is_success() {
                return Err(refused(status));
            }
            return self.read(response, url).await;
        }
        Err(lasting(format!("more than {} redirects", self.limits.redirects)))
    }

    async fn read(&self, mut response: Response, url: Url) -> Result<Metadata, FetchFailure> {
        let content_type = header(response.headers(), CONTENT_TYPE.as_str());
        if let Some(metadata) = parse::by_content_type(&content_type) {
            return Ok(metadata);
        }
        if !matches!(header(response.headers(), CONTENT_ENCODING.as_str()).as_str(), "" | "identity") {
            return Err(lasting("the answer is packed although that was not asked for".into()));
        }
        let too_large = || lasting(format!("more than {} bytes", self.limits.bytes));
        let limit = self.limits.bytes;
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        let parsed = tokio::task::spawn_blocking(move || parse::html(&body, &content_type, &url)).await;
        parsed.map_err(|error| lasting(format!("the page could not be read: {error}")))
    }
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim().to_ascii_lowercase()
}

fn refused(status: StatusCode) -> FetchFailure {
    let retryable = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
    FetchFailure { reason: format!("answered {}", status.as_u16()), retryable }
}

/// A refusal of ours lies somewhere below what the client says.
fn failed(error: &reqwest::Error) -> FetchFailure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut deepest = String::new();
    while let Some(current) = cause {
        if let Some(refusal) = current.downcast_ref::<Refusal>() {
            return lasting(refusal.to_string());
        }
        deepest = current.to_string();
        cause = current.source();
    }
    retryable(format!("could not be fetched: {deepest}"))
}

fn lasting(reason: String) -> FetchFailure {
    FetchFailure { reason, retryable: false }
}

fn retryable(reason: String) -> FetchFailure {
    FetchFailure { reason, retryable: true }
}
