//! A TCP proxy that misbehaves when told to: it loses replies, is slow, hangs, or cuts connections.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What the proxy does with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Requests arrive, replies do not. TCP loses no byte in the middle, so a connection that lost one stays mute
    /// until it is closed, whatever is set later.
    DropReplies,
    /// Each piece of a reply comes this much later.
    Delay(Duration),
    /// Nothing is forwarded either way and nothing is closed; goes on where it stopped when the fault is lifted.
    HalfOpen,
}

/// Forwards a loopback port to another. Stops and closes everything when dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    fault: watch::Sender<Fault>,
    generation: watch::Sender<u64>,
    hung: watch::Sender<usize>,
    accepted: Arc<AtomicUsize>,
    upstream: watch::Sender<u16>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// # Panics
    /// When no loopback port is free.
    pub async fn start(upstream_port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port is free");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let (fault, faults) = watch::channel(Fault::None);
        let (generation, generations) = watch::channel(0);
        let (hung, hangs) = watch::channel(0);
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&accepted);
        let (upstream, upstreams) = watch::channel(upstream_port);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::Relaxed);
                let weather = Weather { number, faults: faults.clone(), hangs: hangs.clone() };
                let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, *upstreams.borrow()));
                connections.spawn(forward(client, upstream, weather, generations.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { port, fault, generation, hung, accepted, upstream, task }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Holds for all connections, old and new, until set otherwise.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Resets every open connection; new ones are welcome.
    pub fn reset(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// New connections lead to another port, as after a failover; open ones are reset.
    pub fn lead_to(&self, upstream_port: u16) {
        self.upstream.send_replace(upstream_port);
        self.reset();
    }

    /// Every connection open now hangs for ever, as after a router lost its state; new ones are fine.
    pub fn hang_open_connections(&self) {
        self.hung.send_replace(self.accepted());
    }

    /// How many connections were ever accepted.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What one connection is told to do.
#[derive(Clone)]
struct Weather {
    number: usize,
    faults: watch::Receiver<Fault>,
    hangs: watch::Receiver<usize>,
}

impl Weather {
    /// Returns when bytes may pass; never, on a connection that hangs.
    async fn clear(&mut self) -> Fault {
        // The senders live as long as the task that runs this.
        let fault =
            self.faults.wait_for(|fault| *fault != Fault::HalfOpen).await.map_or(Fault::HalfOpen, |fault| *fault);
        if fault == Fault::HalfOpen || *self.hangs.borrow() > self.number {
            std::future::pending::<()>().await;
        }
        fault
    }
}

async fn forward(client: TcpStream, upstream: SocketAddr, weather: Weather, mut generations: watch::Receiver<u64>) {
    generations.mark_unchanged();
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    for stream in [&client, &server] {
        // Without lingering, closing is a reset.
        if stream.set_nodelay(true).is_err() || stream.set_zero_linger().is_err() {
            return;
        }
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = requests(from_client, to_server, weather.clone()) => {}
        () = replies(from_server, to_client, weather) => {}
        _ = generations.changed() => {}
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut weather: Weather) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        weather.clear().await;
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn replies(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut weather: Weather) {
    let mut buffer = vec![0; 64 * 1024];
    let mut mute = false;
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        match weather.clear().await {
            Fault::DropReplies => mute = true,
            Fault::Delay(by) => tokio::time::sleep(by).await,
            Fault::None | Fault::HalfOpen => {}
        }
        if !mute && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
