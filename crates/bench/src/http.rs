//! A lean HTTP/1.1 client: one kept connection, one request at a time. On a small machine a comfortable one would cost as
//! much as the server that is measured.

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Larger heads and bodies are nobody's here.
const AT_MOST: usize = 4 << 20;

pub struct Client {
    stream: TcpStream,
    port: u16,
    buffer: Vec<u8>,
}

impl Client {
    pub async fn connect(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.context("connecting to web")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, port, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Dropped: the connection is in the middle of something and of no use any more.
    pub async fn post(&mut self, path: &str, person: &str, body: &str) -> anyhow::Result<(u16, Value)> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nauthorization: Bearer {person}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        );
        self.exchange(&request).await
    }

    /// As [`Client::post`].
    pub async fn get(&mut self, path: &str) -> anyhow::Result<(u16, Value)> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n\r\n", self.port);
        self.exchange(&request).await
    }

    async fn exchange(&mut self, request: &str) -> anyhow::Result<(u16, Value)> {
        self.stream.write_all(request.as_bytes()).await.context("sending a request")?;
        self.buffer.clear();
        loop {
            if let Some((status, body)) = complete(&self.buffer)? {
                return Ok((status, serde_json::from_slice(body).context("an answer's body")?));
            }
            if self.stream.read_buf(&mut self.buffer).await.context("reading an answer")? == 0 {
                bail!("web closed a connection in the middle of an answer");
            }
        }
    }
}

/// Status and body, once all of an answer is there.
fn complete(bytes: &[u8]) -> anyhow::Result<Option<(u16, &[u8])>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end]).context("an answer's head")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("an answer without status")?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .context("an answer without length")?;
    let length: usize = length.1.trim().parse().context("an answer's length")?;
    if length > AT_MOST {
        bail!("an answer of {length} bytes");
    }
    let body = &bytes[end + 4..];
    Ok(match body.get(..length) {
        Some(body) => Some((status.parse()?, body)),
        None => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nx: y\r\n\r\n{}";
        for cut in 0..answer.len() {
            assert_eq!(complete(&answer[..cut]).unwrap(), None, "{cut}");
        }
        assert_eq!(complete(answer).unwrap(), Some((201, &b"{}"[..])));
        assert!(complete(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
