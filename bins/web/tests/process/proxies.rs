//! What proxies and monitors do that browsers do not.

use std::time::Duration;

use cardwire_testkit::process::Process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

async fn connect(port: u16, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// The whole answer, until the connection ends.
async fn answer(port: u16, request: &str) -> String {
    let mut stream = connect(port, request).await;
    let mut bytes = Vec::new();
    timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await.expect("the connection ends").unwrap();
    String::from_utf8_lossy(&bytes).to_lowercase()
}

#[tokio::test]
async fn http_1_0_gets_no_chunks() {
    let mut web = Process::start("web", &super::mock());
    web.ready().await;
    for encoding in ["identity", "gzip"] {
        let request = format!("GET /api/openapi.json HTTP/1.0\r\naccept-encoding: {encoding}\r\n\r\n");
        let answer = answer(web.port, &request).await;
        assert!(answer.contains("200 ok"), "{answer}");
        assert!(!answer.contains("transfer-encoding"), "{encoding}: {}", &answer[..600]);
    }
}

#[tokio::test]
async fn monitors_may_ask_with_head() {
    let mut web = Process::start("web", &super::mock());
    web.ready().await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        let request = format!("HEAD {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = answer(web.metrics_port, &request).await;
        assert!(answer.starts_with("http/1.1 200"), "{path}: {answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{path}: without a body: {answer}");
    }
}

fn sockets(web: &Process) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", web.id())).unwrap().flatten();
    let targets = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

#[tokio::test]
async fn readers_of_the_live_feed_who_leave_are_gone_at_once() {
    let mut web = Process::start("web", &super::mock());
    web.ready().await;
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut reader = connect(web.port, "GET /api/feeds/global/stream HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        let mut begun = [0; 12];
        reader.read_exact(&mut begun).await.unwrap();
        assert_eq!(&begun, b"HTTP/1.1 200");
        readers.push(reader);
    }
    let open = sockets(&web);
    drop(readers);
    // The next heartbeat comes after 15 s.
    let deadline = Instant::now() + Duration::from_secs(8);
    while sockets(&web) + 20 > open {
        assert!(Instant::now() < deadline, "{} sockets are open, {open} were", sockets(&web));
        sleep(Duration::from_millis(20)).await;
    }
}
