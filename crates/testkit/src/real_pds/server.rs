//! Starting and killing the server.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::net::{free_port, http_client};

const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// The server and the directory of identities that it asks, on loopback, with a folder of their own.
pub struct RealPds {
    server: Child,
    #[expect(dead_code, reason = "it runs as long as this is kept")]
    directory: Child,
    place: Place,
}

/// Where the two of them are.
struct Place {
    program: PathBuf,
    port: u16,
    plc_port: u16,
    folder: tempfile::TempDir,
    /// How long access tokens of OAuth are good. `None`: as long as the server has it.
    tokens_for: Option<Duration>,
}

impl RealPds {
    /// # Errors
    /// When `CARDWIRE_PDS` does not name the folder of the installation, or the server does not start.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(None).await
    }

    /// With access tokens of OAuth that are good for so long.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn with_tokens_for(time: Duration) -> anyhow::Result<Self> {
        Self::start_with(Some(time)).await
    }

    async fn start_with(tokens_for: Option<Duration>) -> anyhow::Result<Self> {
        let program =
            std::env::var_os("CARDWIRE_PDS").context("CARDWIRE_PDS is the folder in which a PDS is installed")?;
        let (program, folder) = (PathBuf::from(program), tempfile::tempdir()?);
        let place = Place { program, port: free_port(), plc_port: free_port(), folder, tokens_for };
        let (directory, server) = (place.launch("plc")?, place.launch("pds")?);
        let pds = Self { server, directory, place };
        pds.ready().await?;
        Ok(pds)
    }

    /// Its origin, as the documents of its people have it.
    pub fn service(&self) -> String {
        format!("http://localhost:{}", self.place.port)
    }

    /// The origin of the directory of did:plc.
    pub fn directory(&self) -> String {
        format!("http://localhost:{}", self.place.plc_port)
    }

    /// SIGKILL, and the same again over the same folder.
    ///
    /// # Errors
    /// When it does not start again.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.server.kill().await?;
        self.server = self.place.launch("pds")?;
        self.ready().await
    }

    async fn ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + STARTS_WITHIN;
        let (client, url) = (http_client(), format!("{}/xrpc/_health", self.service()));
        while Instant::now() < deadline {
            if client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            sleep(Duration::from_millis(100)).await;
        }
        bail!("the PDS does not start")
    }
}

impl Place {
    fn launch(&self, role: &str) -> anyhow::Result<Child> {
        let program: &Path = &self.program;
        let mut command = Command::new(program.join("node"));
        if let Some(time) = self.tokens_for {
            command.env("PDS_TOKENS_FOR_S", time.as_secs().to_string());
        }
        command
            .arg(program.join("start.mjs"))
            .arg(role)
            .env("PDS_PORT", self.port.to_string())
            .env("PLC_PORT", self.plc_port.to_string())
            .env("PDS_DATA", self.folder.path())
            .current_dir(program)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting the {role}"))
    }
}
