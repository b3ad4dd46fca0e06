//! `/metrics`, `/healthz` and `/readyz` on a separate port; the latter two also on the web process's port.
//!
//! `/healthz` says that the process runs and answers, `/readyz` whether it can do its work. Neither reveals details for
//! operators, since the web port is public.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{App, HttpResponse, HttpServer, Route, guard, web};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::task::JoinHandle;

use crate::readiness::Readiness;

/// Histogram samples pile up until they are drained into buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// Adds `/healthz` and `/readyz`.
pub fn routes(readiness: Readiness) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config.route("/healthz", get_or_head().to(healthz)).route(
            "/readyz",
            get_or_head().to(move || {
                let readiness = readiness.clone();
                async move { readyz(&readiness).await }
            }),
        );
    }
}

/// Monitors use either method.
fn get_or_head() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(serde_json::json!({ "status": "ok" }))
}

async fn readyz(readiness: &Readiness) -> HttpResponse {
    let report = readiness.report().await;
    let mut response = if report.is_ready() { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.insert_header((CACHE_CONTROL, "no-store")).json(report)
}

/// The running server. It answers until [`HealthServer::stop`], so that a draining process can still be watched.
pub struct HealthServer {
    addresses: Vec<SocketAddr>,
    handle: ServerHandle,
    server: JoinHandle<io::Result<()>>,
    upkeep: JoinHandle<()>,
}

impl HealthServer {
    /// Listens on the addresses, in a separate thread, and runs the metrics' upkeep.
    ///
    /// # Errors
    /// If none of them can be bound.
    pub fn start(addresses: &[SocketAddr], readiness: &Readiness, metrics: &PrometheusHandle) -> io::Result<Self> {
        let (readiness, shown) = (readiness.clone(), metrics.clone());
        let server = HttpServer::new(move || {
            let metrics = shown.clone();
            App::new().configure(routes(readiness.clone())).route(
                    "/metrics",
                    get_or_head().to(move || {
                        let text = metrics.render();
                        async move {
                            HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/plain; version=0.0.4")).body(text)
                        }
                    }),
                )
        })
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .client_request_timeout(Duration::from_secs(5))
        .bind(addresses)?;
        let addresses = server.addrs();
        let server = server.run();
        let (handle, metrics) = (server.handle(), metrics.clone());
        let upkeep = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(UPKEEP);
            loop {
                ticks.tick().await;
                metrics.run_upkeep();
            }
        });
        Ok(Self { addresses, handle, server: tokio::spawn(server), upkeep })
    }

    /// The address it listens on.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops it within about a second. If the future is dropped, the server may go on until the runtime ends.
    ///
    /// # Errors
    /// When the server had failed.
    pub async fn stop(self) -> io::Result<()> {
        self.upkeep.abort();
        self.handle.stop(true).await;
        self.server.await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    async fn get(address: SocketAddr, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    #[tokio::test]
    async fn the_server_tells_health_readiness_and_metrics_until_it_is_stopped() {
        let recorder = crate::telemetry::recorder().unwrap();
        let metrics = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            metrics::counter!("cardwire_dead_letters_total", "queue" => "feeds").increment(2);
            metrics::histogram!("cardwire_relay_publish_seconds").record(0.2);
        });
        let readiness = Readiness::default();
        readiness.check("postgres", || async { Ok(()) });
        let server = HealthServer::start(&["127.0.0.1:0".parse().unwrap()], &readiness, &metrics).unwrap();
        let address = server.addresses()[0];
        let check = async |path: &str, status: u16, body: &str| {
            assert_eq!(get(address, path).await, (status, body.to_owned()), "{path}");
        };

        check("/healthz", 200, r#"{"status":"ok"}"#).await;
        check("/readyz", 503, r#"{"status":"starting","failing":[]}"#).await;
        readiness.serve();
        check("/readyz", 200, r#"{"status":"ready","failing":[]}"#).await;
        readiness.drain();
        check("/readyz", 503, r#"{"status":"draining","failing":[]}"#).await;
        check("/healthz", 200, r#"{"status":"ok"}"#).await;
        assert_eq!(get(address, "/").await.0, 404);

        let (status, text) = get(address, "/metrics").await;
        assert_eq!(status, 200);
        assert!(text.contains(r#"cardwire_dead_letters_total{queue="feeds"} 2"#), "{text}");
        assert!(text.contains(r#"cardwire_relay_publish_seconds_bucket{le="0.25"} 1"#), "{text}");

        server.stop().await.unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "still listening");
    }

    #[tokio::test]
    async fn a_failing_check_is_named_and_its_reason_kept() {
        let readiness = Readiness::default();
        readiness.check("redis", || async { Err("refused by 10.0.0.3".to_owned()) });
        readiness.serve();
        let response = readyz(&readiness).await;
        assert_eq!(response.status(), 503);
        let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
        assert_eq!(body, r#"{"status":"failing","failing":["redis"]}"#);
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_at_start() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let metrics = crate::telemetry::recorder().unwrap().handle();
        let result = HealthServer::start(&[taken.local_addr().unwrap()], &Readiness::default(), &metrics);
        assert!(result.is_err());
    }
}
