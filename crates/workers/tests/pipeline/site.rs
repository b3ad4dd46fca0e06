//! A test's own web server: it answers what the test says, and remembers the requests.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cardwire_workers::metadata::{AddressPolicy, FetchLimits, Lookup, PageFetcher};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// A request as received.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
}

impl Asked {
    fn parse(request: &str) -> Self {
        let headers = request.lines().skip(1).filter_map(|line| line.split_once(':'));
        Self {
            path: request.split_whitespace().nth(1).unwrap_or("/").to_owned(),
            headers: headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect(),
        }
    }

    /// Empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

type Answers = dyn Fn(&Asked) -> Option<Vec<u8>> + Send + Sync;

pub struct Site {
    pub address: SocketAddr,
    /// Of endless bodies.
    pub sent: Arc<AtomicUsize>,
    /// Requests that are never answered.
    pub silent: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Site {
    /// With the pages that every test site has: see [`answer`].
    pub async fn start() -> Self {
        Self::with(|_| None).await
    }

    /// Complete answers, as bytes; the pages of every site if there is none.
    pub async fn with(answers: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let answers: Arc<Answers> = Arc::new(answers);
        let site = Self {
            address: listener.local_addr().unwrap(),
            sent: Arc::default(),
            silent: Arc::default(),
            asked: Arc::default(),
        };
        let (sent, silent, asked) = (site.sent.clone(), site.silent.clone(), site.asked.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, asked) = (answers.clone(), asked.clone());
                let (sent, silent) = (sent.clone(), silent.clone());
                // These tests are about clients that leave in the middle of an answer.
                tokio::spawn(async move { drop(serve(stream, &*answers, &asked, &sent, &silent).await) });
            }
        });
        site
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }

    pub fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }

    /// May request this site although it is on this machine, but nothing else that is not public.
    pub fn fetcher(&self, time: Duration) -> PageFetcher {
        let policy = AddressPolicy { exempt: BTreeSet::from([self.address]), ..AddressPolicy::default() };
        PageFetcher::new(policy, FetchLimits { time, ..FetchLimits::default() }, names()).unwrap()
    }
}

/// An answer with the length of its body.
pub fn page(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut answer =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n", body.len()).into_bytes();
    for header in headers {
        answer.extend_from_slice(header.as_bytes());
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(body);
    answer
}

/// A page that declares HTML, but no encoding.
pub fn html(body: impl AsRef<[u8]>) -> Vec<u8> {
    page("200 OK", &["content-type: text/html"], body)
}

pub fn redirect(target: &str) -> Vec<u8> {
    page("302 Found", &[&format!("location: {target}")], "")
}

/// Names that resolve to where they should not.
fn names() -> Lookup {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let names = BTreeMap::from([
        ("inner.example", vec![ip("10.0.0.1")]),
        ("mixed.example", vec![ip("93.184.215.14"), ip("fd00::1")]),
        ("mapped.example", vec![ip("::ffff:127.0.0.1")]),
    ]);
    Arc::new(move |name| {
        let found = names.get(name.as_str()).cloned();
        Box::pin(async move { found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such name")) })
    })
}

async fn serve(
    mut stream: TcpStream,
    answers: &Answers,
    asked: &Mutex<Vec<Asked>>,
    sent: &AtomicUsize,
    silent: &AtomicUsize,
) -> io::Result<()> {
    let mut request = vec![0; 65_536];
    let length = stream.read(&mut request).await?;
    let request = Asked::parse(&String::from_utf8_lossy(&request[..length]));
    asked.lock().push(request.clone());
    match answers(&request) {
        Some(answer) => stream.write_all(&answer).await,
        None => answer(stream, &request.path, sent, silent).await,
    }
}

/// The pages of every site.
async fn answer(mut stream: TcpStream, path: &str, sent: &AtomicUsize, silent: &AtomicUsize) -> io::Result<()> {
    const HTML: &str = "content-type: text/html; charset=utf-8";
    if let Some(target) = path.strip_prefix("/to/") {
        return stream.write_all(&redirect(target)).await;
    }
    match path {
        "/good" => {
            let body = "<title>A good page</title><meta property=og:type content=article>";
            stream.write_all(&page("200 OK", &[HTML], body)).await
        }
        "/missing" => stream.write_all(&page("404 Not Found", &[], "")).await,
        "/busy" => stream.write_all(&page("503 Service Unavailable", &[], "")).await,
        "/loop" => stream.write_all(&page("301 Moved", &["location: /loop"], "")).await,
        "/huge" => {
            let head = format!("HTTP/1.1 200 OK\r\n{HTML}\r\ncontent-length: 1073741824\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            pour(&mut stream, sent).await
        }
        "/pours" => {
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{HTML}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
            pour(&mut stream, sent).await
        }
        "/drips" | "/drips-on" => {
            let begun = if path == "/drips" { "<title>" } else { "<title>Slow but there</title><p>" };
            let head = format!("HTTP/1.1 200 OK\r\n{HTML}\r\nconnection: close\r\n\r\n{begun}");
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(b"x").await?;
                sleep(Duration::from_millis(20)).await;
            }
        }
        // "/silent": never an answer.
        _ => {
            silent.fetch_add(1, Ordering::Relaxed);
            std::future::pending().await
        }
    }
}

/// A gigabyte, as far as the client reads it.
async fn pour(stream: &mut TcpStream, sent: &AtomicUsize) -> io::Result<()> {
    let portion = vec![b'x'; 64 * 1_024];
    while sent.load(Ordering::Relaxed) < 1 << 30 {
        stream.write_all(&portion).await?;
        sent.fetch_add(portion.len(), Ordering::Relaxed);
    }
    Ok(())
}
