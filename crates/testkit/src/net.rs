//! Ports for servers that a test starts, and a client to ask them.

use std::net::{Ipv4Addr, TcpListener};

/// A client of the test's own. TLS is in every build, so it needs its provider, though no test talks TLS.
pub fn http_client() -> reqwest::Client {
    // An error means that it was installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// A loopback port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a loopback port is free")
        .port()
}
