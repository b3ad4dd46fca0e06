//! A small AT Protocol network on loopback: a directory of DIDs, a person's server and a server that signs people in. It does what it is told,
//! also what no good server does.

mod http;
mod message;
mod servers;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

pub use message::{Asked, Reply};
pub use servers::APP_PASSWORD;
pub use world::{Granted, World};

/// The handle and the DID of whoever is there from the beginning.
pub const HANDLE: &str = "alice.example.net";
pub const DID: &str = "did:plc:alice";

/// Ends when it is dropped.
pub struct Network {
    pub directory: SocketAddr,
    /// The person's server.
    pub pds: SocketAddr,
    /// The server that signs people in.
    pub issuer: SocketAddr,
    world: Arc<Mutex<World>>,
    servers: JoinSet<()>,
    _listeners: Vec<Arc<TcpListener>>,
}

/// As an origin of the web.
pub fn origin(address: SocketAddr) -> String {
    format!("http://{address}")
}

impl Network {
    /// # Errors
    /// When no port is free.
    pub async fn start() -> anyhow::Result<Self> {
        let world = Arc::new(Mutex::new(World::default()));
        let mut servers = JoinSet::new();
        let (mut addresses, mut listeners) = (Vec::new(), Vec::new());
        for answer in [servers::directory, servers::pds, servers::issuer] {
            let listener = http::serve(&mut servers, world.clone(), answer).await?;
            addresses.push(listener.local_addr()?);
            listeners.push(listener);
        }
        let [directory, pds, issuer] = addresses[..] else { anyhow::bail!("there are three servers") };
        let network = Self { directory, pds, issuer, world, servers, _listeners: listeners };
        network.with(|world| (world.pds, world.issuer) = (origin(pds), origin(issuer)));
        network.add(DID, HANDLE);
        Ok(network)
    }

    /// Whoever has this DID has this handle, and a repository on the person's server.
    pub fn add(&self, did: &str, handle: &str) {
        let document = json!({
            "id": did,
            "alsoKnownAs": [format!("at://{handle}")],
            "service": [{ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": origin(self.pds) }],
        });
        self.with(|world| {
            world.documents.insert(did.to_owned(), document);
            world.handles.insert(handle.to_owned(), did.to_owned());
        });
    }

    /// From now on connections are accepted and nothing is answered: so servers look that were stopped (SIGSTOP).
    pub async fn freeze(&mut self) {
        self.servers.shutdown().await;
    }

    /// Where a handle's own server tells its DID, instead of by HTTPS.
    pub fn well_known(&self) -> String {
        format!("{}/well-known/{{handle}}", origin(self.pds))
    }

    pub fn servers(&self) -> [SocketAddr; 3] {
        [self.directory, self.pds, self.issuer]
    }

    /// What the server that signs people in says of itself.
    pub fn metadata(&self) -> Value {
        servers::metadata(&origin(self.issuer))
    }

    /// Looks at the world, or changes it.
    pub fn with<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.world.lock())
    }

    /// From now on this path is answered like this, on whichever server.
    pub fn answer(&self, path: &str, status: u16, body: Value) {
        self.with(|world| world.overrides.insert(path.to_owned(), (status, body)));
    }

    /// The requests for this path so far.
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        self.with(|world| world.log.iter().filter(|asked| asked.path == path).cloned().collect())
    }

    /// Whoever is sent to this address signs in there as this person. What their browser brings back: `state`, `iss` and `code`.
    ///
    /// # Panics
    /// When the address is not one that this network gave out.
    pub fn sign_in(&self, address: &Url, did: &str) -> (String, String, String) {
        let request = address.query_pairs().find(|(name, _)| name == "request_uri").expect("it names a request").1;
        self.with(|world| world.authorize(&request, did)).expect("the request was pushed before")
    }
}
