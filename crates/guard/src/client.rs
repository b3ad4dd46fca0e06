//! Small requests whose answers are read whole: JSON, or a line of text.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, LOCATION};
use reqwest::{Method, Response};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::address::{AddressPolicy, Refusal};
use crate::lookup::{self, FetchLimits, Lookup};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    #[error("no answer within {} s", .0.as_secs_f32())]
    TooSlow(Duration),
    #[error("more than {0} redirects")]
    Redirects(usize),
    #[error("not reached: {0}")]
    Away(String),
}

/// What to ask.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub url: Url,
    pub headers: Vec<(HeaderName, String)>,
    pub body: Option<Vec<u8>>,
}

impl Asked {
    pub fn get(url: Url) -> Self {
        Self { method: Method::GET, url, headers: Vec::new(), body: None }
    }

    pub fn post(url: Url, content_type: &str, body: Vec<u8>) -> Self {
        let headers = vec![(reqwest::header::CONTENT_TYPE, content_type.to_owned())];
        Self { method: Method::POST, url, headers, body: Some(body) }
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What came back, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Clones share connections.
#[derive(Clone)]
pub struct Client {
    client: reqwest::Client,
    policy: Arc<AddressPolicy>,
    limits: FetchLimits,
}

impl Client {
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(user_agent: &str, policy: AddressPolicy, limits: FetchLimits, lookup: Lookup) -> reqwest::Result<Self> {
        let policy = Arc::new(policy);
        let client = lookup::client(user_agent, &policy, lookup, limits.time)?;
        Ok(Self { client, policy, limits })
    }

    /// Follows no redirect: it is an answer like any other. If the future is dropped, the connection is closed; the server may have done
    /// what it was asked.
    pub async fn send(&self, asked: Asked) -> Result<Answer, Error> {
        self.send_by(asked, Instant::now() + self.limits.time).await
    }

    /// A GET that follows as many redirects as the limits allow, each checked like the first address.
    pub async fn get_following(&self, url: Url) -> Result<Answer, Error> {
        let deadline = Instant::now() + self.limits.time;
        let mut asked = Asked::get(url);
        for _ in 0..=self.limits.redirects {
            let answer = self.send_by(asked.clone(), deadline).await?;
            let target = answer.headers.get(LOCATION).and_then(|target| target.to_str().ok());
            match (answer.status, target) {
                (301..=303 | 307 | 308, Some(target)) => {
                    let next =
                        asked.url.join(target).map_err(|_| Error::Away("redirected to what is no URL".into()))?;
                    if asked.url.scheme() == "https" && next.scheme() != "https" {
                        return Err(Refusal::Scheme(next.scheme().to_owned()).into());
                    }
                    asked.url = next;
                }
                _ => return Ok(answer),
            }
        }
        Err(Error::Redirects(self.limits.redirects))
    }

    async fn send_by(&self, asked: Asked, deadline: Instant) -> Result<Answer, Error> {
        self.policy.check_url(&asked.url)?;
        let mut request = self.client.request(asked.method, asked.url);
        for (name, value) in asked.headers {
            request = request.header(name, value);
        }
        if let Some(body) = asked.body {
            request = request.body(body);
        }
        let too_slow = |_| Error::TooSlow(self.limits.time);
        let response = timeout_at(deadline, request.send()).await.map_err(too_slow)?.map_err(|error| told(&error))?;
        timeout_at(deadline, self.read(response)).await.map_err(too_slow)?
    }

    async fn read(&self, mut response: Response) -> Result<Answer, Error> {
        let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| told(&error))? {
            if body.len() + chunk.len() > self.limits.bytes {
                return Err(Error::TooLarge(self.limits.bytes));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body })
    }
}

/// Without the URL, which may carry what is nobody else's business.
fn told(error: &reqwest::Error) -> Error {
    match lookup::refusal_of(error) {
        Some(refusal) => refusal.clone().into(),
        None => Error::Away(lookup::root_of(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers every request with these bytes, and then stays silent.
    async fn server(answer: String) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4_096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                open.push(stream);
            }
        });
        address
    }

    fn client(exempt: &[SocketAddr]) -> Client {
        let policy = AddressPolicy { exempt: BTreeSet::from_iter(exempt.iter().copied()), ..AddressPolicy::default() };
        let limits = FetchLimits { bytes: 100, time: Duration::from_millis(500), redirects: 1 };
        let inside: Lookup = Arc::new(|_| Box::pin(async { Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]) }));
        Client::new("test", policy, limits, inside).unwrap()
    }

    fn url(address: SocketAddr) -> Url {
        Url::parse(&format!("http://{address}/")).unwrap()
    }

    #[tokio::test]
    async fn each_hop_is_checked() {
        let inner = server("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret".into()).await;
        let outer =
            server(format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", url(inner))).await;
        let refused = |answer: Result<Answer, Error>| matches!(answer, Err(Error::Refused(_)));
        let client_of_outer = client(&[outer]);
        assert!(refused(client_of_outer.send(Asked::get(url(inner))).await), "the address in the URL");
        assert!(refused(client_of_outer.get_following(url(outer)).await), "the address in a redirect");
        let named = Url::parse("http://inside.example/").unwrap();
        assert!(refused(client_of_outer.send(Asked::get(named)).await), "what a name resolves to");
        // Not followed unless asked to.
        assert_eq!(client_of_outer.send(Asked::get(url(outer))).await.unwrap().status, 302);
        let answer = client(&[outer, inner]).get_following(url(outer)).await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"secret"[..]));
    }

    #[tokio::test]
    async fn answers_are_bounded() {
        let large =
            server(format!("HTTP/1.1 200 OK\r\ncontent-length: 101\r\nconnection: close\r\n\r\n{}", "x".repeat(101)))
                .await;
        let answer = client(&[large]).send(Asked::get(url(large))).await;
        assert!(matches!(answer, Err(Error::TooLarge(100))), "{answer:?}");
        let slow = server("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx".into()).await;
        let answer = client(&[slow]).send(Asked::get(url(slow))).await;
        assert!(matches!(answer, Err(Error::TooSlow(_))), "{answer:?}");
        let around = server("HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n".into()).await;
        let answer = client(&[around]).get_following(url(around)).await;
        assert!(matches!(answer, Err(Error::Redirects(1))), "{answer:?}");
    }
}
