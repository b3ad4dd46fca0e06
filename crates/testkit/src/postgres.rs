//! PostgreSQL servers of a test's own.
//!
//! [`Postgres::start`] runs `initdb` and `postgres` in a temporary folder, on a free loopback port. The server ends with the test,
//! also after a panic (`Drop`), and when the test's thread is killed (`setpriv --pdeathsig`). Run by root, it belongs to the user
//! `postgres`. With `TEST_DATABASE_URL`, [`Postgres::shared`] uses that server instead of starting one.

use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use cardwire_storage::PostgresStore;
use cardwire_storage::postgres::PoolSettings;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tempfile::TempDir;
use ulid::Ulid;

use crate::net::free_port;

const START_PATIENCE: Duration = Duration::from_secs(20);
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// A server, and the databases that a test makes in it.
pub struct Postgres {
    /// `None`: somebody else's, that runs on.
    server: Option<Server>,
    url: String,
}

/// fsync guards against power cuts, which no test makes.
const HASTY: [&str; 4] = ["fsync=off", "full_page_writes=off", "max_wal_size=4GB", "checkpoint_timeout=30min"];

struct Server {
    bin: PathBuf,
    /// Holds the data; removed at the end.
    folder: TempDir,
    port: u16,
    settings: &'static [&'static str],
    process: Option<Child>,
}

/// A database with Cardwire's schema; dropped at the end.
pub struct Database {
    url: String,
    server_url: String,
    name: String,
}

impl Database {
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Statements, for a test that breaks the database on purpose.
    pub async fn run(&self, sql: &str) -> anyhow::Result<()> {
        let options: PgConnectOptions = self.url.parse()?;
        let mut connection = options.connect().await?;
        run(&mut connection, sql.to_owned()).await?;
        Ok(connection.close().await?)
    }
}

impl Postgres {
    /// A server of the test's own. Takes about a second. Call it in the test's own thread: the server ends with the thread.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_as(&HASTY)
    }

    /// As [`Self::start`], as durable as PostgreSQL is by default, with these settings besides. For measurements.
    pub fn start_durable(settings: &'static [&'static str]) -> anyhow::Result<Self> {
        Self::start_as(settings)
    }

    /// Somebody else's server, by the URL of a database from which others can be created.
    pub fn at(url: &str) -> Self {
        Self { server: None, url: url.to_owned() }
    }

    /// Another server that copies this one, which from now on commits nothing before the other has it.
    pub async fn synchronous_standby(&self) -> anyhow::Result<Self> {
        let primary = self.server.as_ref().context("this server is not the test's own")?;
        let folder = owned_folder()?;
        // Only some of the programs may be linked into a folder of PATH.
        let initdb = primary.bin.join("initdb").canonicalize()?;
        let made = as_owner(&initdb.with_file_name("pg_basebackup"))?
            .args([
                "--host=127.0.0.1",
                "--username=postgres",
                "--write-recovery-conf",
                "--checkpoint=fast",
                "--no-sync",
            ])
            .arg(format!("--port={}", primary.port))
            .arg(format!("--pgdata={}", folder.path().join("data").display()))
            .current_dir(folder.path())
            .output()
            .context("pg_basebackup does not run")?;
        ensure!(made.status.success(), "pg_basebackup failed: {}", String::from_utf8_lossy(&made.stderr));
        let (bin, port) = (primary.bin.clone(), free_port());
        let mut server = Server { bin, folder, port, settings: primary.settings, process: None };
        server.run()?;
        let mut admin = self.admin().await?;
        run(&mut admin, "ALTER SYSTEM SET synchronous_standby_names = '*'".to_owned()).await?;
        run(&mut admin, "SELECT pg_reload_conf()".to_owned()).await?;
        let deadline = Instant::now() + START_PATIENCE;
        let sql = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        while sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut admin).await? == 0 {
            ensure!(Instant::now() < deadline, "the standby does not follow");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { server: Some(server), url: format!("postgres://postgres@127.0.0.1:{port}/postgres") })
    }

    /// Makes a standby a primary; returns when it takes writes.
    pub async fn promote(&self) -> anyhow::Result<()> {
        let promoted: bool = sqlx::query_scalar("SELECT pg_promote()").fetch_one(&mut self.admin().await?).await?;
        ensure!(promoted, "the standby was not promoted in time");
        Ok(())
    }

    fn start_as(settings: &'static [&'static str]) -> anyhow::Result<Self> {
        let bin = binaries()?;
        let folder = owned_folder()?;
        let data = folder.path().join("data");
        let made = as_owner(&bin.join("initdb"))?
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-D"])
            .arg(&data)
            .current_dir(folder.path())
            .output()
            .context("initdb does not run")?;
        ensure!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let mut server = Server { bin, folder, port, settings, process: None };
        server.run()?;
        Ok(Self { server: Some(server), url: format!("postgres://postgres@127.0.0.1:{port}/postgres") })
    }

    /// The server of `TEST_DATABASE_URL`, or one of the test's own. It must not be stopped.
    pub fn shared() -> anyhow::Result<Self> {
        match std::env::var("TEST_DATABASE_URL") {
            Ok(url) => Ok(Self::at(&url)),
            Err(_) => Self::start(),
        }
    }

    /// Of the maintenance database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Of a server of the test's own.
    pub fn port(&self) -> Option<u16> {
        self.server.as_ref().map(|server| server.port)
    }

    /// A new database, cloned from one that was migrated once for each server and schema.
    pub async fn database(&self) -> anyhow::Result<Database> {
        let mut admin = self.admin().await?;
        let template = template(&mut admin, &self.url).await?;
        let name = format!("test_{}", Ulid::generate().to_string().to_lowercase());
        run(&mut admin, format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
        admin.close().await?;
        let url = with_database(&self.url, &name)?;
        Ok(Database { url, server_url: self.url.clone(), name })
    }

    async fn admin(&self) -> anyhow::Result<PgConnection> {
        let options: PgConnectOptions = self.url.parse()?;
        Ok(options.connect().await?)
    }

    /// As after a power cut, but for the disk: no checkpoint, no farewell to clients. Back on the same port when it returns.
    pub fn restart_immediate(&mut self) -> anyhow::Result<()> {
        let server = self.own()?;
        server.end(Signal::SIGQUIT)?;
        server.run()
    }

    /// Ends it at once and leaves it down.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.own()?.end(Signal::SIGQUIT)
    }

    /// Starts it after [`Self::stop`], on the same port.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.own()?.run()
    }

    /// To the server and every process it started: `SIGSTOP` makes it hang, `SIGCONT` go on.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.server.as_ref().context("this server is not the test's own")?.signal(signal)
    }

    fn own(&mut self) -> anyhow::Result<&mut Server> {
        self.server.as_mut().context("this server is not the test's own")
    }
}

impl Server {
    fn run(&mut self) -> anyhow::Result<()> {
        ensure!(self.process.is_none(), "the server runs already");
        let log = fs::File::options().create(true).append(true).open(self.log())?;
        let child = as_owner(&self.bin.join("postgres"))?
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            .args(["-c", "max_connections=200", "-c", "shared_buffers=128MB"])
            .args(self.settings.iter().flat_map(|setting| ["-c", setting]))
            .arg("-p")
            .arg(self.port.to_string())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("postgres does not run")?;
        self.process = Some(child);
        let deadline = Instant::now() + START_PATIENCE;
        while !self.accepts()? {
            if Instant::now() > deadline {
                bail!("postgres does not answer: {}", fs::read_to_string(self.log()).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Whether it takes clients; an error if it ended.
    fn accepts(&mut self) -> anyhow::Result<bool> {
        let process = self.process.as_mut().context("the server was not started")?;
        if let Some(status) = process.try_wait()? {
            self.process = None;
            bail!("postgres ended with {status}: {}", fs::read_to_string(self.log()).unwrap_or_default());
        }
        if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            return Ok(false);
        }
        // The last line of postmaster.pid says what the server is about.
        let pid = fs::read_to_string(self.folder.path().join("data/postmaster.pid")).unwrap_or_default();
        Ok(pid.lines().last().is_some_and(|state| ["ready", "standby"].contains(&state.trim())))
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn end(&mut self, signal: Signal) -> anyhow::Result<()> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        let pid = Pid::from_raw(i32::try_from(process.id())?);
        let _ = kill(pid, Signal::SIGCONT);
        kill(pid, signal)?;
        let deadline = Instant::now() + STOP_PATIENCE;
        while process.try_wait()?.is_none() {
            if Instant::now() > deadline {
                process.kill()?;
                process.wait()?;
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let process = self.process.as_ref().context("the server is down")?;
        let server = i32::try_from(process.id())?;
        let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children"))?;
        kill(Pid::from_raw(server), signal)?;
        for child in children.split_whitespace() {
            match kill(Pid::from_raw(child.parse()?), signal) {
                // A process that has just ended needs no signal.
                Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_some() {
            let _ = self.signal(Signal::SIGCONT);
            if let Err(error) = self.end(Signal::SIGQUIT) {
                eprintln!("a test's PostgreSQL did not end: {error:#}");
            }
        }
    }
}

impl Drop for Database {
    /// In a thread, since the test's runtime may be ending. A server that is down has nothing to drop.
    fn drop(&mut self) {
        let (url, name) = (self.server_url.clone(), self.name.clone());
        let dropped = std::thread::spawn(move || -> anyhow::Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                tokio::time::timeout(Duration::from_secs(5), async {
                    let options: PgConnectOptions = url.parse()?;
                    let mut admin = options.connect().await?;
                    run(&mut admin, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
                })
                .await?
            })
        });
        if !matches!(dropped.join(), Ok(Ok(()))) && std::env::var_os("TEST_DATABASE_URL").is_some() {
            eprintln!("the test database {} was not dropped", self.name);
        }
    }
}

/// The name of the migrated database; the first to need it makes it.
async fn template(admin: &mut PgConnection, url: &str) -> anyhow::Result<String> {
    const LOCK: i64 = 0x6361_7264_7769_7265;
    let name = format!("template_{:016x}", PostgresStore::schema_fingerprint());
    sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(&mut *admin).await?;
    let known = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1").bind(&name).fetch_optional(&mut *admin);
    if known.await?.is_none() {
        // Under another name until it is whole.
        run(admin, format!("DROP DATABASE IF EXISTS {name}_new")).await?;
        run(admin, format!("CREATE DATABASE {name}_new")).await?;
        let settings = PoolSettings { max_connections: 1, acquire_ms: 10_000, ..PoolSettings::default() };
        let store = PostgresStore::connect(&with_database(url, &format!("{name}_new"))?, settings, Default::default())?;
        store.migrate().await?;
        store.pool().close().await;
        run(admin, format!("ALTER DATABASE {name}_new RENAME TO {name}")).await?;
    }
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(LOCK).execute(&mut *admin).await?;
    Ok(name)
}

/// Statements about databases take no parameters; the names are made here, or written in a test.
async fn run(admin: &mut PgConnection, sql: String) -> anyhow::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(admin).await?;
    Ok(())
}

fn with_database(url: &str, name: &str) -> anyhow::Result<String> {
    let (base, query) = url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
    let authority = base.find("://").context("no URL")? + 3;
    let end = base[authority..].find('/').map_or(base.len(), |slash| authority + slash);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(format!("{}/{name}{query}", &base[..end]))
}

/// Where `initdb` and `postgres` are: in `PATH`, or the newest of Debian's folders.
fn binaries() -> anyhow::Result<PathBuf> {
    let whole = |bin: &Path| bin.join("initdb").is_file() && bin.join("postgres").is_file();
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(bin) = std::env::split_paths(&path).find(|bin| whole(bin)) {
        return Ok(bin);
    }
    let versions = fs::read_dir("/usr/lib/postgresql").context("PostgreSQL is not installed")?;
    let mut bins: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| entry.ok())
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| whole(bin))
        .collect();
    bins.sort();
    Ok(bins.pop().context("PostgreSQL is not installed")?.1)
}

/// Whom the server runs as, when we are root: it refuses to run as root.
pub(crate) fn owner() -> anyhow::Result<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    Ok(Some(User::from_name("postgres")?.context("there is no user postgres")?))
}

fn owned_folder() -> anyhow::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("cardwire-pg-").tempdir()?;
    if let Some(user) = owner()? {
        std::os::unix::fs::chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700))?;
    Ok(folder)
}

/// Ends with the calling thread, where `setpriv` is there to see to it.
pub(crate) fn as_owner(program: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new("setpriv");
    if owner()?.is_some() {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.args([OsStr::new("--pdeathsig=KILL"), OsStr::new("--"), program.as_os_str()]);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gets_another_database() {
        let check = |url: &str, expected: &str| assert_eq!(with_database(url, "x").unwrap(), expected);
        check("postgres://a:b@h:1/old", "postgres://a:b@h:1/x");
        check("postgres://h", "postgres://h/x");
        check("postgres://h/old?sslmode=disable", "postgres://h/x?sslmode=disable");
    }
}
