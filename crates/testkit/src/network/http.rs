//! Just enough of HTTP for small requests and answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::message::{Asked, Reply};
use super::world::World;

pub(super) type Answer = fn(&mut World, &Asked) -> Reply;

/// Until the set is dropped. One request for each connection. While the listener is kept, connections to it are accepted.
pub(super) async fn serve(
    servers: &mut JoinSet<()>,
    world: Arc<Mutex<World>>,
    answer: Answer,
) -> anyhow::Result<Arc<TcpListener>> {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await?);
    let bound = listener.clone();
    servers.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = bound.accept().await {
            connections.spawn(converse(stream, world.clone(), answer));
            while connections.try_join_next().is_some() {}
        }
    });
    Ok(listener)
}

async fn converse(mut stream: TcpStream, world: Arc<Mutex<World>>, answer: Answer) {
    let Some(asked) = receive(&mut stream).await else { return };
    let (reply, gate) = {
        let mut world = world.lock();
        world.log.push(asked.clone());
        let (told, leads) = (world.overrides.get(&asked.path).cloned(), world.redirects.get(&asked.path).cloned());
        let reply = match (told, leads) {
            (_, Some(to)) => Reply { status: 302, ..Reply::text("") }.with("location", &to),
            (Some((status, body)), None) => Reply::json(status, &body),
            (None, None) => answer(&mut world, &asked),
        };
        let gate = world.gate_at.as_ref().filter(|(path, _)| *path == asked.path);
        (reply, gate.map(|(_, gate)| gate.clone()))
    };
    // Whatever was done is done; its answer may have to wait.
    if let Some(gate) = gate {
        let _opened = gate.acquire().await;
    }
    let headers: String = reply.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("HTTP/1.1 {} X\r\ncontent-length: {}\r\nconnection: close\r\n", reply.status, reply.body.len());
    // Who does not listen any more does not matter.
    let _ = stream.write_all(format!("{head}{headers}\r\n{}", reply.body).as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn receive(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?);
    let pairs = lines.filter_map(|line| line.split_once(':'));
    let headers: BTreeMap<String, String> =
        pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let length: usize = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or_default();
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let path = target.split('?').next()?.to_owned();
    Some(Asked { method, path, headers, body: String::from_utf8(body).ok()? })
}
