//! A real PgBouncer in front of a server of PostgreSQL.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::net::free_port;
use crate::postgres::{as_owner, owner};

pub struct PgBouncer {
    port: u16,
    process: Child,
    _folder: TempDir,
}

impl PgBouncer {
    /// In front of the server on this port of the loopback, with these lines of its configuration besides.
    pub fn start(server: u16, lines: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("cardwire-pgbouncer-").tempdir()?;
        let port = free_port();
        let users = folder.path().join("users.txt");
        fs::write(&users, "\"postgres\" \"\"\n")?;
        let settings = folder.path().join("pgbouncer.ini");
        fs::write(
            &settings,
            format!(
                "[databases]\n* = host=127.0.0.1 port={server}\n\
                 [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 auth_type = trust\nauth_file = {}\n{lines}\n",
                users.display()
            ),
        )?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        if let Some(user) = owner()? {
            chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
        let process = as_owner(Path::new("pgbouncer"))?
            .arg(&settings)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("pgbouncer does not run; scripts/test.sh installs it")?;
        Ok(Self { port, process, _folder: folder })
    }

    /// The URL of a database of the server, by way of the pooler.
    pub fn url(&self, database: &str) -> anyhow::Result<String> {
        let (_, name) = database.rsplit_once('/').context("the URL ends in the database")?;
        Ok(format!("postgres://postgres@127.0.0.1:{}/{name}", self.port))
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
