//! The real binaries as processes of their own, to be killed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::net::free_port;

/// How long a process may take to become ready, or to end.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running binary. Killed when dropped, so that nothing outlives its test.
pub struct Process {
    name: String,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    /// Of the web process.
    pub port: u16,
    pub metrics_port: u16,
}

/// A freshly built binary of this workspace.
///
/// # Panics
/// When it was not built: `scripts/test.sh` builds all of them first.
pub fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a program knows its own path");
    let folder = own.parent().expect("a program is in a folder");
    // Tests are in target/<profile>/deps, binaries one folder up.
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let path = folder.join(name);
    assert!(path.is_file(), "{} is missing: run `cargo build --workspace --bins` first", path.display());
    path
}

/// Where Debian and others keep the library that makes a process's clock lie.
pub const FAKETIME: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// The environment of a process whose wall clock is off by `offset`, such as `+10s`. Its timers are right.
///
/// # Panics
/// When libfaketime is not installed.
pub fn faketime(offset: &str) -> BTreeMap<String, String> {
    let library = FAKETIME.into_iter().find(|path| std::path::Path::new(path).exists());
    let library = library.expect("libfaketime is missing: install the package libfaketime");
    [("LD_PRELOAD", library), ("FAKETIME", offset), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

impl Process {
    /// Starts a binary with this environment and no other setting, on free ports unless it names them.
    pub fn start(name: &str, environment: &BTreeMap<String, String>) -> Self {
        Self::start_with(name, &[], environment)
    }

    pub fn start_with(name: &str, arguments: &[&str], environment: &BTreeMap<String, String>) -> Self {
        let port = |name: &str| environment.get(name).and_then(|port| port.parse().ok()).unwrap_or_else(free_port);
        let (port, metrics_port) = (port("PORT"), port("METRICS_PORT"));
        let mut command = Command::new(binary(name));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LOG_FORMAT", "json")
            .env("HOST", "127.0.0.1")
            .env("PORT", port.to_string())
            .env("METRICS_PORT", metrics_port.to_string())
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let log = Arc::default();
        let readers = vec![read(child.stdout.take(), &log), read(child.stderr.take(), &log)];
        Self { name: name.to_owned(), child, log, readers, port, metrics_port }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has written so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Sends a signal; a process that has ended gets none.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("process ids are small"));
        // It may have ended meanwhile, which is not the sender's business.
        let _ = kill(pid, signal);
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.child.wait().unwrap_or_else(|error| panic!("{} cannot be waited for: {error}", self.name));
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    /// # Panics
    /// When it does not end in time.
    pub async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                // Its last words may still be in the pipes.
                for reader in self.readers.drain(..) {
                    reader.join().expect("a reader does not panic");
                }
                return status;
            }
            assert!(Instant::now() < deadline, "{} does not end:\n{}", self.name, self.log());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until `/readyz` on its metrics port says that it can work.
    ///
    /// # Panics
    /// When it does not become ready in time, or ends.
    pub async fn ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while readyz(self.metrics_port).await != Some(200) {
            assert!(self.is_running(), "{} ended:\n{}", self.name, self.log());
            assert!(Instant::now() < deadline, "{} does not become ready:\n{}", self.name, self.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What `/readyz` on its metrics port says; `None` when nobody answers.
    pub async fn ready_report(&self) -> Option<Value> {
        asked(self.metrics_port).await?.json().await.ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        // Nobody is left to tell.
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.name, self.log());
        }
    }
}

/// The status that `/readyz` answers; `None` when nobody does.
pub async fn readyz(metrics_port: u16) -> Option<u16> {
    asked(metrics_port).await.map(|answer| answer.status().as_u16())
}

async fn asked(metrics_port: u16) -> Option<reqwest::Response> {
    let url = format!("http://127.0.0.1:{metrics_port}/readyz");
    crate::net::http_client().get(url).timeout(Duration::from_secs(3)).send().await.ok()
}

fn read(pipe: Option<impl Read + Send + 'static>, log: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let (pipe, log) = (pipe.expect("the pipe was asked for"), Arc::clone(log));
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    })
}
