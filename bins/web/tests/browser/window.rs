//! A window of headless Chromium, and what it has logged.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cardwire_testkit::net::{free_port, http_client};
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::wd::WindowHandle;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// How long anything may take to show. What a killed process had published is published again after 30 s.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Killed with all its windows when dropped.
pub struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    pub async fn start() -> Self {
        let port = free_port();
        let child = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed: see scripts/test-browser.sh");
        let driver = Self { child, port };
        let deadline = Instant::now() + PATIENCE;
        while http_client().get(driver.url("/status")).send().await.is_err() {
            assert!(Instant::now() < deadline, "chromedriver does not answer");
            sleep(Duration::from_millis(20)).await;
        }
        driver
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A browser of its own, of this width, that prefers light or dark.
    pub async fn window(&self, width: u32, dark: bool) -> Window {
        self.window_with(width, dark, &[]).await
    }

    /// The same, started with these arguments, too.
    pub async fn window_with(&self, width: u32, dark: bool, more: &[String]) -> Window {
        let mut arguments =
            vec!["--headless=new".to_owned(), "--disable-gpu".into(), format!("--window-size={width},900")];
        arguments.extend(
            ["--disable-background-networking", "--disable-component-update", "--no-first-run"].map(Into::into),
        );
        arguments.extend_from_slice(more);
        if dark {
            arguments.push("--force-dark-mode".into());
        }
        // Chromium's own sandbox needs another user than root.
        if nix::unistd::geteuid().is_root() {
            arguments.push("--no-sandbox".into());
        }
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("it is an object") };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&self.url(""))
            .await
            .expect("chromium starts");
        let session = client.session_id().await.unwrap().expect("a window has a session");
        Window { client, session: self.url(&format!("/session/{session}")) }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Asked to, it ends its browsers first, those of a test that failed as well. A signal leaves them running.
        let asked = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
            stream.read_to_end(&mut Vec::new())
        });
        if asked.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

pub struct Window {
    pub client: Client,
    session: String,
}

impl Window {
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// By way of the sign-in page at this address.
    pub async fn sign_in(&self, url: &str, person: &str) {
        self.open(url).await;
        self.wait("#handle").await.send_keys(&format!("{person}\n")).await.unwrap();
        self.wait(".who a[href='/account']").await;
    }

    /// The element, once it is there.
    pub async fn wait(&self, selector: &str) -> Element {
        let found = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await;
        match found {
            Ok(element) => element,
            Err(error) => panic!("no {selector}: {error}\n{}", self.client.source().await.unwrap_or_default()),
        }
    }

    /// Until the script, an expression, is true.
    pub async fn until(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.evaluate(expression).await != json!(true) {
            let page = self.client.source().await.unwrap_or_default();
            assert!(Instant::now() < deadline, "never: {expression}\n{page}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// All that are open, once there are so many.
    pub async fn windows(&self, count: usize) -> Vec<WindowHandle> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let open = self.client.windows().await.unwrap();
            if open.len() == count {
                return open;
            }
            assert!(Instant::now() < deadline, "{} windows are open, not {count}", open.len());
            sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn evaluate(&self, expression: &str) -> Value {
        self.client.execute(&format!("return ({expression});"), vec![]).await.unwrap()
    }

    /// Sends keys to whatever has the focus.
    pub async fn keys(&self, keys: &str) {
        self.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// Presses Tab until this has the focus.
    pub async fn tab_to(&self, selector: &str) {
        for _ in 0..60 {
            if self.evaluate(&format!("document.activeElement.matches({selector:?})")).await == json!(true) {
                return;
            }
            self.keys(&String::from(char::from(Key::Tab))).await;
        }
        panic!("Tab does not lead to {selector}");
    }

    /// Everything logged since it was asked last.
    async fn log(&self, kind: &str) -> Vec<Value> {
        let answer = self.command("se/log", json!({ "type": kind })).await;
        answer.as_array().unwrap_or_else(|| panic!("no {kind} log: {answer}")).clone()
    }

    /// A command of Chromium's own protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.command("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    async fn command(&self, path: &str, body: Value) -> Value {
        let answer = http_client().post(format!("{}/{path}", self.session)).json(&body).send().await.unwrap();
        let status = answer.status();
        let answer: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {answer}");
        answer["value"].clone()
    }

    /// What the console told, other than for information.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.log("browser").await;
        let bad = log.iter().filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")));
        bad.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The addresses of all requests.
    pub async fn requests(&self) -> Vec<String> {
        let messages = self.log("performance").await;
        let parse = |entry: &Value| serde_json::from_str::<Value>(entry["message"].as_str()?).ok();
        let sent = messages.iter().filter_map(parse).map(|entry| entry["message"].clone());
        let sent = sent.filter(|message| message["method"] == "Network.requestWillBeSent");
        sent.filter_map(|message| message["params"]["request"]["url"].as_str().map(str::to_owned)).collect()
    }

    /// How many pages were loaded since it was asked last.
    pub async fn loads(&self) -> usize {
        let messages = self.log("performance").await;
        let parse = |entry: &Value| serde_json::from_str::<Value>(entry["message"].as_str()?).ok();
        let sent = messages.iter().filter_map(parse).map(|entry| entry["message"].clone());
        sent.filter(|message| {
            message["method"] == "Network.requestWillBeSent" && message["params"]["type"] == "Document"
        })
        .count()
    }

    pub async fn close(self) {
        self.client.close().await.unwrap();
    }
}
