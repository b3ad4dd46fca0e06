//! What is under `deploy/`, run as local processes: the very files and commands, on other addresses, ports and folders.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::net::free_port;
use crate::redis::ping;

pub const REDIS_PASSWORD: &str = "the-password-of-Redis";
pub const SENTINEL_PASSWORD: &str = "the-password-of-the-sentinels";

/// The service that makes a cluster of the others, and ends.
const RUNS_ONCE: &str = "create";
const START_WITHIN: Duration = Duration::from_secs(30);

/// All services of one `compose.yaml`. They are killed when it is dropped.
#[derive(Debug)]
pub struct Deployment {
    folder: TempDir,
    services: BTreeMap<String, Service>,
}

#[derive(Debug)]
struct Service {
    command: Vec<String>,
    /// Of Redis or of the sentinel.
    port: u16,
    bus_port: u16,
    /// How the others call it.
    address: String,
    child: Option<Child>,
}

impl Deployment {
    /// Starts everything in `deploy/<name>`, and returns when all of it answers.
    ///
    /// # Panics
    /// When something is missing or does not come up.
    pub fn start(name: &str) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name);
        let compose = fs::read_to_string(source.join("compose.yaml")).expect("a deployment has a compose.yaml");
        let mut deployment = Self {
            folder: tempfile::tempdir().expect("a temporary directory can be made"),
            services: services(&compose),
        };
        assert!(!deployment.services.is_empty(), "no services in deploy/{name}/compose.yaml");
        let names: Vec<_> = deployment.services.keys().cloned().collect();
        for name in &names {
            deployment.write_files(name, &source);
        }
        // Those that are depended on are first by their names.
        for name in names.iter().filter(|name| *name != RUNS_ONCE) {
            deployment.launch(name);
        }
        if deployment.services.contains_key(RUNS_ONCE) {
            let output = deployment.process(RUNS_ONCE).output().expect("a shell can be started");
            assert!(output.status.success(), "{RUNS_ONCE}: {}", text(&output));
        }
        deployment
    }

    pub fn port(&self, service: &str) -> u16 {
        self.service(service).port
    }

    /// `127.0.0.1:port`.
    pub fn address(&self, service: &str) -> String {
        format!("127.0.0.1:{}", self.port(service))
    }

    /// The service that listens on this port.
    pub fn at_port(&self, port: &str) -> Option<&str> {
        self.services.iter().find(|(_, service)| service.port.to_string() == port).map(|(name, _)| name.as_str())
    }

    /// As [`crate::redis::RedisServer::try_command`], with the service's password.
    pub fn try_command(&self, service: &str, args: &[&str]) -> Result<String, String> {
        let password = if service.starts_with("sentinel") { SENTINEL_PASSWORD } else { REDIS_PASSWORD };
        let output = Command::new("timeout")
            .args(["5", "redis-cli", "-e", "-p", &self.port(service).to_string()])
            .args(args)
            .env("REDISCLI_AUTH", password)
            .stdin(Stdio::null())
            .output()
            .expect("redis-cli is installed");
        if output.status.success() { Ok(text(&output)) } else { Err(text(&output)) }
    }

    /// # Panics
    /// When the server answers with an error, or not at all.
    pub fn command(&self, service: &str, args: &[&str]) -> String {
        self.try_command(service, args).unwrap_or_else(|error| panic!("{service}: {args:?}: {error}"))
    }

    /// Sends a signal, such as SIGSTOP and SIGCONT.
    pub fn signal(&self, service: &str, signal: Signal) {
        let child = self.service(service).child.as_ref().expect("the service runs");
        let pid = i32::try_from(child.id()).expect("a process id is small");
        signal::kill(Pid::from_raw(pid), signal).expect("the service was started by this process");
    }

    /// SIGKILL.
    pub fn kill(&mut self, service: &str) {
        let service = self.services.get_mut(service).unwrap_or_else(|| panic!("there is no {service}"));
        if let Some(mut child) = service.child.take() {
            child.kill().expect("the service was started by this process");
            child.wait().expect("the service was started by this process");
        }
    }

    /// Starts it again, with the files that it left.
    pub fn restart(&mut self, service: &str) {
        self.kill(service);
        self.launch(service);
    }

    /// What a service has written so far.
    pub fn log(&self, service: &str) -> String {
        fs::read_to_string(self.folder(service).join("log")).unwrap_or_default()
    }

    fn service(&self, name: &str) -> &Service {
        self.services.get(name).unwrap_or_else(|| panic!("there is no service {name}"))
    }

    fn folder(&self, service: &str) -> PathBuf {
        self.folder.path().join(service)
    }

    /// The deployment's files as this service would find them.
    fn write_files(&self, service: &str, source: &Path) {
        let folder = self.folder(service);
        for part in ["etc", "data"] {
            fs::create_dir_all(folder.join(part)).expect("a folder can be made");
        }
        for file in fs::read_dir(source).expect("a deployment is a folder").map(|file| file.expect("it can be read")) {
            let name = file.file_name();
            if name == "compose.yaml" {
                continue;
            }
            let text = fs::read_to_string(file.path()).expect("a deployment's files are text");
            fs::write(folder.join("etc").join(name), self.localize(service, &text)).expect("a file can be written");
        }
    }

    /// Replaces addresses, ports and folders; nothing else.
    fn localize(&self, of: &str, text: &str) -> String {
        let own = self.service(of);
        let folder = self.folder(of);
        let mut text = text.replace("bind * -::*", "bind 127.0.0.1");
        for standard in ["6379", "26379"] {
            for service in self.services.values() {
                for between in [":", " "] {
                    let there = format!("{}{between}{standard}", service.address);
                    text = text.replace(&there, &format!("127.0.0.1{between}{}", service.port));
                }
            }
            text = text.replace(&format!("\nport {standard}\n"), &format!("\nport {}\n", own.port));
        }
        // Nobody calls the one that ends.
        for (_, service) in self.services.iter().filter(|(name, _)| *name != RUNS_ONCE) {
            text = text.replace(&service.address, "127.0.0.1");
        }
        // The folders last: their names have those of services in them.
        text.replace("\ncluster-port 16379\n", &format!("\ncluster-port {}\n", own.bus_port))
            .replace("/etc/cardwire", &folder.join("etc").to_string_lossy())
            .replace("/data", &folder.join("data").to_string_lossy())
    }

    fn process(&self, name: &str) -> Command {
        let service = self.service(name);
        let mut command = Command::new(&service.command[0]);
        command
            .args(service.command[1..].iter().map(|arg| self.localize(name, arg)))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("REDIS_PASSWORD", REDIS_PASSWORD)
            .env("REDIS_SENTINEL_PASSWORD", SENTINEL_PASSWORD)
            .stdin(Stdio::null());
        command
    }

    fn launch(&mut self, name: &str) {
        let log = File::options().create(true).append(true).open(self.folder(name).join("log"));
        let log = log.expect("a log can be written");
        let errors = log.try_clone().expect("a file can be shared");
        let mut child =
            self.process(name).stdout(log).stderr(errors).spawn().expect("a shell and redis-server are installed");
        let deadline = Instant::now() + START_WITHIN;
        let port = self.port(name);
        // They all want a password.
        while !ping(port).is_some_and(|answer| answer.starts_with("-NOAUTH")) {
            let ended = child.try_wait().expect("the service was started by this process");
            if ended.is_some() || Instant::now() > deadline {
                let _ = child.kill();
                panic!("{name} does not start: {ended:?}\n{}", self.log(name));
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.services.get_mut(name).expect("it is in the list").child = Some(child);
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        for name in self.services.keys().cloned().collect::<Vec<_>>() {
            self.kill(&name);
            if thread::panicking() {
                eprintln!("--- {name}\n{}", self.log(&name));
            }
        }
    }
}

/// The services with their commands. Commands are lists on one line, so that JSON reads them and no YAML parser is needed.
fn services(compose: &str) -> BTreeMap<String, Service> {
    let mut services: BTreeMap<String, Service> = BTreeMap::new();
    let mut current = None;
    let lines = compose.lines().skip_while(|line| *line != "services:").skip(1);
    for line in lines.take_while(|line| line.is_empty() || line.starts_with([' ', '#'])) {
        let depth = line.len() - line.trim_start().len();
        let line = line.trim();
        if depth == 2 && !line.starts_with('#') {
            current = line.strip_suffix(':').map(str::to_owned);
        }
        let Some(name) = &current else { continue };
        if let Some(list) = line.strip_prefix("command: ") {
            let command = serde_json::from_str(list).unwrap_or_else(|error| panic!("{name}: {list}: {error}"));
            let (port, bus_port) = (free_port(), free_port());
            let service = Service { command, port, bus_port, address: name.clone(), child: None };
            services.insert(name.clone(), service);
        } else if let Some((_, rest)) = line.split_once("ipv4_address: ") {
            let service = services.get_mut(name).expect("a command comes before the networks");
            rest.trim_end_matches([' ', '}']).clone_into(&mut service.address);
        }
    }
    services
}

fn text(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}
