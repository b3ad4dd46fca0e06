//! Traces of a real process, as a collector gets them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use cardwire_testkit::process::Process;
use nix::sys::signal::Signal;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

struct Request {
    /// First line and headers, in lower case.
    head: String,
    body: Vec<u8>,
}

/// Answers everything with 200 and an empty message, and keeps what it was sent.
async fn collector() -> (SocketAddr, Arc<Mutex<Vec<Request>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, kept) = (listener.local_addr().unwrap(), Arc::default());
    let keeping = Arc::clone(&kept);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&keeping)));
        }
    });
    (address, kept)
}

async fn serve(stream: TcpStream, kept: Arc<Mutex<Vec<Request>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.unwrap_or_default() == 0 {
                return;
            }
        }
        head.make_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        kept.lock().push(Request { head, body });
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

fn traced(endpoint: &str) -> BTreeMap<String, String> {
    let mut environment = crate::mock();
    environment.insert("OTEL_EXPORTER_OTLP_ENDPOINT".into(), endpoint.into());
    environment.insert("OTEL_EXPORTER_OTLP_HEADERS".into(), "authorization=Bearer%20token".into());
    environment
}

fn contains(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Saves a link, tells the process to stop, and returns what it logged.
async fn save_and_stop(environment: &BTreeMap<String, String>) -> String {
    let mut web = Process::start("web", environment);
    web.ready().await;
    crate::save(&cardwire_testkit::net::http_client(), &web, "https://card.invalid/").await;
    web.signal(Signal::SIGTERM);
    assert_eq!(web.ended().await.code(), Some(0), "{}", web.log());
    web.log()
}

#[tokio::test]
async fn a_process_sends_its_traces_to_the_last_one() {
    let (address, kept) = collector().await;
    let log = save_and_stop(&traced(&format!("http://{address}"))).await;
    assert!(log.contains(&format!(r#""traces":"http://{address}/""#)), "the start-up line tells: {log}");
    let kept = kept.lock();
    assert!(!kept.is_empty(), "{log}");
    for request in kept.iter() {
        assert!(request.head.starts_with("post /v1/traces http/1.1"), "{}", request.head);
        assert!(request.head.contains("content-type: application/x-protobuf"), "{}", request.head);
        assert!(request.head.contains("authorization: bearer token"), "{}", request.head);
    }
    // The flush happens while the process drains, and is there all the same.
    for span in ["POST /api/cards/library/urls", "publish search", "process analytics", "flush feeds", "web"] {
        assert!(kept.iter().any(|request| contains(&request.body, span)), "{span} is missing");
    }
    println!("{} requests, {} bytes", kept.len(), kept.iter().map(|request| request.body.len()).sum::<usize>());
}

#[tokio::test]
async fn a_collector_that_is_away_costs_one_line_of_the_log() {
    let nobody = cardwire_testkit::net::free_port();
    let log = save_and_stop(&traced(&format!("http://127.0.0.1:{nobody}"))).await;
    let lines: Vec<_> = log.lines().filter(|line| line.contains("the collector does not take traces")).collect();
    assert_eq!(lines.len(), 1, "{log}");
}

#[tokio::test]
async fn without_a_collector_there_are_no_traces() {
    let log = save_and_stop(&crate::mock()).await;
    let start = log.lines().find(|line| line.contains(r#""message":"starting""#)).unwrap();
    for told in [r#""traces":"off""#, r#""version":""#, r#""topology":"events in memory; repositories in memory""#] {
        assert!(start.contains(told), "{told}: {start}");
    }
    assert!(!log.contains("cardwire_trace"), "{log}");
}
