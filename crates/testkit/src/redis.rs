//! A real `redis-server` on a free port, in a directory of its own, that ends with the test.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::net::free_port;

const START_WITHIN: Duration = Duration::from_secs(20);

/// A running server without persistence, unless the arguments say otherwise. It is killed when dropped.
#[derive(Debug)]
pub struct RedisServer {
    folder: TempDir,
    port: u16,
    args: Vec<String>,
    child: Option<Child>,
}

impl RedisServer {
    /// A server that keeps nothing on disk and refuses writes when full.
    ///
    /// # Panics
    /// When there is no `redis-server`, or it does not come up.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`RedisServer::start`], with further arguments such as `["--maxmemory", "4mb"]`; later ones win.
    pub fn start_with(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        let mut server =
            Self { folder, port: 0, args: args.iter().map(|arg| (*arg).to_owned()).collect(), child: None };
        // A free port may be taken by somebody else before the server binds it.
        for _ in 0..5 {
            server.port = free_port();
            if server.launch() {
                return server;
            }
        }
        panic!("redis-server did not start: {}", server.log());
    }

    /// A sentinel that watches the master on `master_port` under the name `mymaster` and decides alone.
    pub fn start_sentinel(master_port: u16) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        // It writes what it learns into this file.
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "sentinel monitor mymaster 127.0.0.1 {master_port} 1\nsentinel down-after-milliseconds mymaster 1000\n\
             sentinel failover-timeout mymaster 5000\n"
        );
        std::fs::write(&file, text).expect("a file can be written");
        let file = file.to_str().expect("a temporary path is text").to_owned();
        let mut server = Self { folder, port: free_port(), args: vec![file, "--sentinel".into()], child: None };
        assert!(server.launch(), "the sentinel did not start: {}", server.log());
        server
    }

    /// Three masters that share the slots of one cluster.
    ///
    /// # Panics
    /// When they do not find each other.
    pub fn start_cluster() -> [Self; 3] {
        let nodes = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)].map(|(first, last)| {
            let bus = free_port().to_string();
            let node = Self::start_with(&["--cluster-enabled", "yes", "--cluster-port", &bus]);
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
            (node, bus)
        });
        for (node, bus) in &nodes[1..] {
            nodes[0].0.command(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string(), bus]);
        }
        let deadline = Instant::now() + START_WITHIN;
        while !nodes.iter().all(|(node, _)| node.command(&["CLUSTER", "INFO"]).contains("cluster_state:ok")) {
            assert!(Instant::now() < deadline, "the nodes did not become a cluster");
            thread::sleep(Duration::from_millis(20));
        }
        nodes.map(|(node, _)| node)
    }

    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What the server has written to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// SIGKILL. What is not on disk is lost.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server was started by this process");
            child.wait().expect("the server was started by this process");
        }
    }

    /// Starts it again on the same port and in the same directory, killing it first if it runs.
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.launch(), "redis-server did not start again: {}", self.log());
    }

    /// Sends a signal, such as SIGSTOP and SIGCONT.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the server runs");
        let pid = i32::try_from(child.id()).expect("a process id is small");
        signal::kill(Pid::from_raw(pid), signal).expect("the server was started by this process");
    }

    pub fn flushall(&self) {
        self.command(&["FLUSHALL"]);
    }

    /// Runs one command and returns the answer as `redis-cli` prints it: elements on lines of their own, nothing for nil.
    ///
    /// # Panics
    /// When the server answers with an error.
    pub fn command(&self, args: &[&str]) -> String {
        self.try_command(args).unwrap_or_else(|error| panic!("{args:?}: {error}"))
    }

    /// As [`RedisServer::command`], with the server's error as a value.
    pub fn try_command(&self, args: &[&str]) -> Result<String, String> {
        let output = Command::new("redis-cli")
            .args(["-e", "-p", &self.port.to_string()])
            .args(args)
            .stdin(Stdio::null())
            .output()
            .expect("redis-cli is installed");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(format!("{}{}", text(&output.stdout), text(&output.stderr))),
        }
    }

    /// True when it answers; false when it ended by itself.
    fn launch(&mut self) -> bool {
        let log = self.folder.path().join("log");
        let (file, options) = match self.args.split_first() {
            Some((file, options)) if !file.starts_with("--") => (Some(file), options),
            _ => (None, self.args.as_slice()),
        };
        let mut child = Command::new("redis-server")
            .args(file)
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", "", "--appendonly", "no"])
            .args(["--maxmemory-policy", "noeviction", "--daemonize", "no"])
            .arg("--dir")
            .arg(self.folder.path())
            .arg("--logfile")
            .arg(log)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let deadline = Instant::now() + START_WITHIN;
        loop {
            if child.try_wait().expect("the server was started by this process").is_some() {
                return false;
            }
            // A server that wants a password is up as well.
            if ping(self.port).is_some_and(|answer| answer.starts_with("+PONG") || answer.starts_with("-NOAUTH")) {
                self.child = Some(child);
                return true;
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn ping(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    stream.write_all(b"PING\r\n").ok()?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer[..length]).into_owned())
}
