//! The connection to Redis. All commands of the project go through here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fred::clients::Client;
use fred::error::{Error as FredError, ErrorKind};
use fred::interfaces::ClientLike;
use fred::types::config::Options;
use fred::types::{ClusterHash, CustomCommand, FromValue, Value};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::clients::Clients;
use super::deployment::Deployment;
use super::script::Script;
use super::sentinel::{self, Sentinels};
use super::settings::{RedisSettings, Timings, Topology};
use super::watchdog::{OwnedTask, Trouble, Watched};
use crate::error::{Error, Result};

/// Commands in flight in one process. More wait, and fail if they wait too long.
const IN_FLIGHT: usize = 512;
/// How long `ping` waits for an answer.
const PING_WITHIN: Duration = Duration::from_secs(1);

/// Whether a command may be sent again when its reply was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Running it twice is the same as running it once.
    Harmless,
    Never,
}

/// A few connections that commands are spread over. Cheap to clone; closed when the last clone is dropped.
///
/// The future of a command may be dropped at any time. It is then unknown whether Redis runs the command.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
}

struct Shared {
    settings: RedisSettings,
    spread: Vec<Arc<Watched>>,
    next: AtomicUsize,
    permits: Semaphore,
    clients: Arc<Clients>,
    sentinels: Arc<Sentinels>,
    _tasks: Vec<OwnedTask<()>>,
}

impl Connection {
    /// Starts to connect and returns at once: Redis may come up later. Call it on the main runtime, since connections
    /// end with the runtime that made them.
    ///
    /// # Errors
    /// `Misconfigured` when the settings can never work.
    pub fn open(settings: RedisSettings) -> Result<Self> {
        let clients = Arc::new(Clients::default());
        let mut spread = Vec::new();
        let mut tasks = Vec::new();
        for _ in 0..settings.clients.max(1) {
            let (watched, task) = Watched::start(settings.build()?, settings.timings);
            clients.add(&watched);
            spread.push(watched);
            tasks.push(task);
        }
        let mut sentinels = Arc::default();
        if let Topology::Sentinel { master, .. } = &settings.topology {
            let (known, following) = sentinel::spawn(settings.build_sentinels(), master, &clients, settings.timings);
            sentinels = known;
            tasks.extend(following);
        }
        let permits = Semaphore::new(IN_FLIGHT);
        let next = AtomicUsize::new(0);
        Ok(Self { shared: Arc::new(Shared { settings, spread, next, permits, clients, sentinels, _tasks: tasks }) })
    }

    /// Runs a script by its digest, or by its text if Redis does not know it.
    ///
    /// # Errors
    /// `Unavailable` without an answer in time, after one repetition if that is harmless; `Full` if Redis is out of
    /// memory; `Corrupt` if a key has another type or the answer is not an `R`.
    pub async fn script<R: FromValue>(
        &self,
        script: &Script,
        keys: Vec<Value>,
        args: Vec<Value>,
        repeat: Repeat,
    ) -> Result<R> {
        let what = || format!("script {} on {}", script.name, name(&keys));
        let count = i64::try_from(keys.len()).expect("keys fit into memory");
        let mut line = Vec::with_capacity(2 + keys.len() + args.len());
        line.extend([Value::from(script.sha1()), Value::from(count)]);
        line.extend(keys.iter().cloned());
        line.extend(args);
        // Without keys any node will do.
        let hash = if keys.is_empty() { ClusterHash::Random } else { ClusterHash::Offset(2) };
        let answer = match self.send("EVALSHA", hash.clone(), line.clone(), repeat).await {
            // Sending the text makes exactly the node that needs it remember it.
            Err(error) if error.details().contains("NOSCRIPT") => {
                line[0] = Value::from(script.lua);
                self.send("EVAL", hash, line, repeat).await
            }
            answer => answer,
        };
        convert(answer, what)
    }

    /// Runs one command. Its first argument is the key, if it has arguments at all.
    ///
    /// # Errors
    /// As [`Connection::script`].
    pub async fn command<R: FromValue>(&self, command: &'static str, args: Vec<Value>, repeat: Repeat) -> Result<R> {
        let hash = if args.is_empty() { ClusterHash::Random } else { ClusterHash::FirstKey };
        let what = format!("{command} {}", args.first().map_or(String::new(), |key| name(std::slice::from_ref(key))));
        convert(self.send(command, hash, args, repeat).await, || what.clone())
    }

    /// Like [`Connection::command`], for commands without a key and with any arguments.
    ///
    /// # Errors
    /// As [`Connection::script`].
    pub async fn server_command<R: FromValue>(&self, command: &'static str, args: Vec<Value>) -> Result<R> {
        convert(self.send(command, ClusterHash::Random, args, Repeat::Harmless).await, || command.into())
    }

    /// Whether Redis answers now.
    ///
    /// # Errors
    /// `Unavailable`, with what is known about why.
    pub async fn ping(&self) -> Result<()> {
        match timeout(PING_WITHIN, self.server_command::<Value>("PING", Vec::new())).await {
            Ok(answer) => answer.map(|_| ()),
            Err(_) => {
                let why = self.trouble().map(|trouble| trouble.why);
                Err(Error::Unavailable("Redis", why.unwrap_or_else(|| "no answer within a second".into())))
            }
        }
    }

    /// Why Redis cannot be reached now, as far as is known.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        let sentinels = self.shared.sentinels.trouble();
        sentinels.or_else(|| self.shared.spread.iter().find_map(|watched| watched.trouble()))
    }

    /// A separate connection, for a loop that blocks. Must be called on the main runtime.
    ///
    /// # Errors
    /// `Misconfigured` when the settings can never work.
    pub fn dedicated(&self) -> Result<DedicatedConnection> {
        let (watched, task) = Watched::start(self.shared.settings.build()?, self.timings());
        self.shared.clients.add(&watched);
        Ok(DedicatedConnection { watched, timings: self.timings(), _task: task })
    }

    pub fn timings(&self) -> Timings {
        self.shared.settings.timings
    }

    /// `None`: nobody else uses the Redis.
    pub(super) fn deployment(&self) -> Option<&Deployment> {
        self.shared.settings.deployment.as_ref()
    }

    /// Whether keys with different tags live on different nodes.
    pub fn is_cluster(&self) -> bool {
        matches!(self.shared.settings.topology, Topology::Cluster { .. })
    }

    async fn send(
        &self,
        command: &'static str,
        hash: ClusterHash,
        args: Vec<Value>,
        repeat: Repeat,
    ) -> Result<Value, FredError> {
        let patience = self.timings().command;
        let Ok(permit) = timeout(patience, self.shared.permits.acquire()).await else {
            return Err(FredError::new(ErrorKind::Backpressure, "too many commands are under way"));
        };
        let _permit = permit.expect("the semaphore is never closed");
        let options = Options {
            timeout: Some(patience),
            // Within the time-out: after a connection that broke.
            max_attempts: Some(if repeat == Repeat::Harmless { 3 } else { 1 }),
            // Set here only: fred overlooks the one in CustomCommand, and would find the node through redirects.
            cluster_hash: Some(hash),
            ..Options::default()
        };
        let watched = self.next();
        let answer = run(watched, &options, custom(command, false), args.clone()).await;
        match &answer {
            Err(error) if repeat == Repeat::Harmless && *error.kind() == ErrorKind::Timeout => {}
            _ => return answer,
        }
        // The connection may hang: try another one, if it is any better.
        let other = self.next();
        if !other.is_connected() {
            return answer;
        }
        let answer = run(other, &options, custom(command, false), args).await;
        if matches!(&answer, Err(error) if *error.kind() == ErrorKind::Timeout) {
            // Two time-outs in a row, even if on different connections.
            watched.reconnect();
            other.reconnect();
        }
        answer
    }

    fn next(&self) -> &Watched {
        let turn = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let all = &self.shared.spread;
        // A connection that is down is skipped while there is another.
        (0..all.len())
            .map(|n| &all[(turn + n) % all.len()])
            .find(|one| one.is_connected())
            .unwrap_or(&all[turn % all.len()])
    }
}

/// For one caller that blocks; anything else sent here would queue behind it.
pub struct DedicatedConnection {
    watched: Arc<Watched>,
    timings: Timings,
    _task: OwnedTask<()>,
}

impl DedicatedConnection {
    /// Waits up to `Timings::block` for an element in one of the lists and takes it. False: nothing came.
    ///
    /// Dropping the future may lose the element that is being taken, so the lists should hold no data.
    ///
    /// # Errors
    /// `Unavailable` when Redis does not even answer that nothing came. The connection is then replaced.
    pub async fn pop_any(&mut self, lists: &[String]) -> Result<bool> {
        let block = self.timings.block;
        let mut args: Vec<Value> = lists.iter().map(|list| Value::from(list.as_str())).collect();
        args.push(Value::from(block.as_secs_f64().to_string()));
        let late = block + self.timings.block_grace;
        let options = Options {
            // Longer than the block; otherwise fred forgets who waits and an element is taken for nobody.
            timeout: Some(late + Duration::from_millis(500)),
            max_attempts: Some(1),
            cluster_hash: Some(ClusterHash::FirstKey),
            ..Options::default()
        };
        let call = run(&self.watched, &options, custom("BLPOP", true), args);
        match timeout(late, call).await {
            Ok(Ok(answer)) => Ok(!matches!(answer, Value::Null)),
            Ok(Err(error)) => Err(error_of(&error, || "BLPOP".into(), &self.watched)),
            Err(_) => {
                self.watched.reconnect();
                let why = self
                    .watched
                    .trouble()
                    .map_or_else(|| "a blocking call did not return".into(), |trouble| trouble.why);
                Err(Error::Unavailable("Redis", why))
            }
        }
    }
}

fn custom(command: &'static str, blocking: bool) -> CustomCommand {
    CustomCommand::new_static(command, ClusterHash::FirstKey, blocking)
}

async fn run(
    watched: &Watched,
    options: &Options,
    command: CustomCommand,
    args: Vec<Value>,
) -> Result<Value, FredError> {
    let client: &Client = &watched.client;
    let answer = client.with_options(options).custom::<Value, Value>(command, args).await;
    watched.note(&answer);
    answer.map_err(|error| match watched.trouble() {
        Some(trouble) if *error.kind() == ErrorKind::Timeout => {
            FredError::new(ErrorKind::Timeout, format!("{} ({})", error.details(), trouble.why))
        }
        _ => error,
    })
}

fn convert<R: FromValue>(answer: Result<Value, FredError>, what: impl Fn() -> String) -> Result<R> {
    let value = answer.map_err(|error| meaning(&error, &what))?;
    value.convert().map_err(|error| Error::Corrupt("Redis", format!("{}: {error}", what())))
}

fn error_of(error: &FredError, what: impl Fn() -> String, watched: &Watched) -> Error {
    match watched.trouble() {
        Some(trouble) if *error.kind() == ErrorKind::Timeout => Error::Unavailable("Redis", trouble.why),
        _ => meaning(error, what),
    }
}

/// What callers can do about an error. Inside a script, Redis 6.2 wraps the error's code in other words, hence
/// `contains`.
fn meaning(error: &FredError, what: impl Fn() -> String) -> Error {
    let details = error.details();
    if details.contains("OOM command not allowed") {
        return Error::Full("Redis");
    }
    let theirs = ["WRONGTYPE", "ERR ", "Error compiling script"].iter().any(|code| details.contains(code));
    match error.kind() {
        ErrorKind::InvalidArgument | ErrorKind::InvalidCommand | ErrorKind::Parse | ErrorKind::Protocol => {
            Error::Corrupt("Redis", format!("{}: {details}", what()))
        }
        ErrorKind::Unknown if theirs => Error::Corrupt("Redis", format!("{}: {details}", what())),
        _ => Error::Unavailable("Redis", format!("{}: {error}", what())),
    }
}

/// A few keys, for messages.
fn name(keys: &[Value]) -> String {
    let mut names: Vec<_> =
        keys.iter().take(5).map(|key| key.as_str_lossy().unwrap_or_default().into_owned()).collect();
    if keys.len() > names.len() {
        names.push("...".into());
    }
    names.join(" ")
}
