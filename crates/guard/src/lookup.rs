//! HTTP clients that connect only to addresses that were checked.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, redirect};

use crate::address::{AddressPolicy, Refusal};

/// What a fetch may cost.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// Of one answer, packed and unpacked.
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

/// A client that follows no redirect and checks what names resolve to. It does not check addresses that stand in a URL: call
/// [`AddressPolicy::check_url`] before each request.
///
/// # Errors
/// When TLS cannot be set up.
pub fn client(
    user_agent: &str,
    policy: &Arc<AddressPolicy>,
    lookup: Lookup,
    connect_timeout: Duration,
) -> reqwest::Result<Client> {
    // An error means that the process has chosen its provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(user_agent)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .dns_resolver(CheckedResolver { lookup, policy: policy.clone() })
        .connect_timeout(connect_timeout)
        // A server is asked rarely; a kept connection would only be one to a host that has changed.
        .pool_max_idle_per_host(0)
        .build()
}

/// A refusal of ours lies somewhere below what the client says.
pub fn refusal_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Refusal> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// The deepest cause, which says most.
pub fn root_of(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        error.source()
    })
}
