//! Ports for servers that a test starts, and a client to ask them.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// A client of the test's own. TLS is in every build, so it needs its provider, though no test talks TLS.
pub fn http_client() -> reqwest::Client {
    // An error means that it was installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// The same, but a redirect is an answer like any other.
pub fn http_client_that_stays() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    client.build().expect("a client needs nothing but its provider")
}

/// A loopback port that the system hands to nobody, that this process is not told again, and that other test processes do not take.
pub fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let own = std::process::id() % 600 * 20;
    loop {
        let next = u32::from(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(20_000 + (own + next) % 12_000).expect("it is below 32,000");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
