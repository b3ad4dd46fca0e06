//! Fetches pages safely: every hop is checked before it is requested, and everything is bounded.

use std::sync::Arc;

use cardwire_domain::metadata::{FetchFailure, Metadata, PageKind};
use cardwire_guard::{AddressPolicy, FetchLimits, Lookup};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, COOKIE, HeaderMap, REFRESH};
use reqwest::{Client, Response};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::content_type::ContentType;
use super::cookies::Jar;
use super::parse::{self, Page};
use super::unpack::{self, Cut};
use super::{hop, refresh};

const PICTURES: &str = "image/webp,image/png,image/jpeg,image/gif,image/x-icon;q=0.9,*/*;q=0.1";

/// Fetches pages and reads what they say about themselves.
#[derive(Clone)]
pub struct PageFetcher {
    client: Client,
    policy: Arc<AddressPolicy>,
    limits: FetchLimits,
}

/// A page's bytes, as far as they arrived.
struct Received {
    body: Vec<u8>,
    /// Why that is not everything.
    cut: Option<Short>,
}

/// Why a body is incomplete. That is a failure unless the part that was read says enough.
struct Short {
    failure: FetchFailure,
    /// It was cut only because of its size. Then there is nothing more to get; otherwise another attempt may bring
    /// more.
    by_size: bool,
}

impl PageFetcher {
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(policy: AddressPolicy, limits: FetchLimits, lookup: Lookup) -> reqwest::Result<Self> {
        let policy = Arc::new(policy);
        let user_agent = concat!("Cardwire/", env!("CARGO_PKG_VERSION"), " (link preview)");
        let client = cardwire_guard::client(user_agent, &policy, lookup, limits.time)?;
        Ok(Self { client, policy, limits })
    }

    /// If the future is dropped, the connection is closed.
    pub async fn fetch(&self, url: &str) -> Result<Metadata, FetchFailure> {
        let deadline = Instant::now() + self.limits.time;
        let mut url = Url::parse(url).map_err(|error| FetchFailure::lasting(format!("no URL: {error}")))?;
        let mut jar = Jar::default();
        let mut redirects_left = self.limits.redirects;
        loop {
            let answer = timeout_at(deadline, self.ask(&url, &jar)).await;
            let response = answer.map_err(|_| self.too_slow())??;
            let has_new_cookie = jar.keep(&url, response.headers());
            let next = match hop::next(&url, response.status(), response.headers())? {
                Some(next) => next,
                None => {
                    let Page { metadata, sends_to } = self.read(response, &url, deadline).await?;
                    // A page that just reloads itself is the page, unless it wants to see its cookie.
                    match sends_to.filter(|next| !is_same(next, &url) || has_new_cookie) {
                        Some(next) if redirects_left > 0 => next,
                        _ => {
                            return Ok(Metadata {
                                icon: metadata.icon.clone().or_else(|| usual_icon(&url)),
                                ..metadata
                            });
                        }
                    }
                }
            };
            redirects_left = redirects_left
                .checked_sub(1)
                .ok_or_else(|| FetchFailure::lasting(format!("more than {} redirects", self.limits.redirects)))?;
            url = next;
        }
    }

    async fn ask(&self, url: &Url, jar: &Jar) -> Result<Response, FetchFailure> {
        self.policy.check_url(url).map_err(|refusal| FetchFailure::lasting(refusal.to_string()))?;
        let mut request = self
            .client
            .get(url.clone())
            .header(ACCEPT, "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5")
            .header(ACCEPT_ENCODING, unpack::ACCEPTED);
        if let Some(cookies) = jar.header(url) {
            request = request.header(COOKIE, cookies);
        }
        request.send().await.map_err(|error| failed(&error))
    }

    /// The bytes of a picture, whatever its declared type. Every hop is checked as for pages; cookies are neither kept
    /// nor sent, and nothing is unpacked. If the future is dropped, the connection is closed.
    pub async fn picture(&self, url: &str, limits: FetchLimits) -> Result<Vec<u8>, FetchFailure> {
        let deadline = Instant::now() + limits.time;
        let too_slow = || FetchFailure::passing(format!("not read within {} s", limits.time.as_secs_f32()));
        let too_large = || FetchFailure::lasting(format!("more than {} bytes", limits.bytes));
        let mut url = Url::parse(url).map_err(|error| FetchFailure::lasting(format!("no URL: {error}")))?;
        for _ in 0..=limits.redirects {
            self.policy.check_url(&url).map_err(|refusal| FetchFailure::lasting(refusal.to_string()))?;
            let asked = self.client.get(url.clone()).header(ACCEPT, PICTURES).header(ACCEPT_ENCODING, "identity");
            let answer = timeout_at(deadline, asked.send()).await.map_err(|_| too_slow())?;
            let mut response = answer.map_err(|error| failed(&error))?;
            if let Some(next) = hop::next(&url, response.status(), response.headers())? {
                url = next;
                continue;
            }
            let told = response.content_length().unwrap_or_default();
            if told > limits.bytes as u64 {
                return Err(too_large());
            }
            let mut bytes = Vec::new();
            while let Some(chunk) =
                timeout_at(deadline, response.chunk()).await.map_err(|_| too_slow())?.map_err(|error| failed(&error))?
            {
                if bytes.len() + chunk.len() > limits.bytes {
                    return Err(too_large());
                }
                bytes.extend_from_slice(&chunk);
            }
            return Ok(bytes);
        }
        Err(FetchFailure::lasting(format!("more than {} redirects", limits.redirects)))
    }

    async fn read(&self, response: Response, url: &Url, deadline: Instant) -> Result<Page, FetchFailure> {
        let content_type = ContentType::of(response.headers());
        if let Some(metadata) = content_type.metadata() {
            // A picture is its own cover.
            let image = (metadata.kind == Some(PageKind::Image)).then(|| url.to_string());
            let metadata = Metadata { image, ..metadata };
            return Ok(Page { metadata, sends_to: None });
        }
        let packings = unpack::packings(response.headers())
            .map_err(|name| FetchFailure::lasting(format!("packed in a way that is not read ({name})")))?;
        let refresh = header_refresh(response.headers(), url);
        let Received { body, cut } = self.receive(response, deadline).await;
        let (url, limit) = (url.clone(), self.limits.bytes);
        let parsed = tokio::task::spawn_blocking(move || {
            let unpacked = unpack::unpack(body, &packings, limit);
            let is_whole = cut.is_none() && unpacked.cut.is_none();
            let page = parse::html(&unpacked.body, &content_type, &url, is_whole);
            (page, cut, unpacked.cut)
        });
        let (page, cut, unpacked) =
            parsed.await.map_err(|error| FetchFailure::lasting(format!("the page could not be read: {error}")))?;
        let page = page.map_err(FetchFailure::lasting)?;
        // An incomplete body cannot be unpacked completely, so the first cut says more.
        match cut.or_else(|| unpacked.map(|cut| self.short_of(cut))) {
            Some(Short { failure, by_size }) if !says_enough(&page, by_size) => Err(failure),
            _ => Ok(Page { sends_to: refresh.or(page.sends_to), ..page }),
        }
    }

    /// Reads up to the limit of bytes or time.
    async fn receive(&self, mut response: Response, deadline: Instant) -> Received {
        let mut body = Vec::new();
        let cut = loop {
            match timeout_at(deadline, response.chunk()).await {
                Ok(Ok(Some(chunk))) => {
                    let room = self.limits.bytes - body.len();
                    body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if chunk.len() > room {
                        break Some(self.short_of(Cut::TooLarge));
                    }
                }
                Ok(Ok(None)) => break None,
                Ok(Err(error)) => break Some(Short { failure: failed(&error), by_size: false }),
                Err(_) => break Some(Short { failure: self.too_slow(), by_size: false }),
            }
        };
        Received { body, cut }
    }

    fn short_of(&self, cut: Cut) -> Short {
        match cut {
            Cut::TooLarge => {
                let failure = FetchFailure::lasting(format!("more than {} bytes", self.limits.bytes));
                Short { failure, by_size: true }
            }
            Cut::Broken(error) => {
                let failure = FetchFailure::lasting(format!("the answer could not be unpacked: {error}"));
                Short { failure, by_size: false }
            }
        }
    }

    fn too_slow(&self) -> FetchFailure {
        FetchFailure::passing(format!("not read within {} s", self.limits.time.as_secs_f32()))
    }
}

/// The part of a page that arrived, if it was cut.
fn says_enough(page: &Page, by_size: bool) -> bool {
    page.metadata.title.is_some() || page.sends_to.is_some() || (by_size && page.metadata != Metadata::default())
}

/// Where browsers look for an icon if the page names none.
fn usual_icon(page: &Url) -> Option<String> {
    page.join("/favicon.ico").ok().map(String::from)
}

fn is_same(one: &Url, other: &Url) -> bool {
    let [one, other] = [one, other].map(|url| {
        let mut url = url.clone();
        url.set_fragment(None);
        url
    });
    one == other
}

/// As in a `meta` of the same name.
fn header_refresh(headers: &HeaderMap, url: &Url) -> Option<Url> {
    refresh::target(&String::from_utf8_lossy(headers.get(REFRESH)?.as_bytes()), url)
}

fn failed(error: &reqwest::Error) -> FetchFailure {
    match cardwire_guard::refusal_of(error) {
        Some(refusal) => FetchFailure::lasting(refusal.to_string()),
        None => FetchFailure::passing(format!("could not be fetched: {}", cardwire_guard::root_of(error))),
    }
}
