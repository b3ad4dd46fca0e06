//! Every page is valid HTML: signed out and signed in, with and without content, and when something is wrong. The Nu HTML checker reads
//! them all in one run, as starting Java takes longer than reading.

use std::path::Path;
use std::process::Command;

use cardwire_testkit::net::{http_client, http_client_that_stays};
use cardwire_testkit::process::Process;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::scene::{EMPTY, SIGNED_OUT, operators_scene, scene};
use crate::server::{Durable, in_memory, save};

/// Somebody with a browser, or nobody in particular.
struct Reader<'w> {
    web: &'w Process,
    cookies: Vec<String>,
}

impl<'w> Reader<'w> {
    fn signed_out(web: &'w Process) -> Self {
        Self { web, cookies: Vec::new() }
    }

    /// With mock authentication.
    fn named(web: &'w Process, person: &str) -> Self {
        Self { web, cookies: vec![format!("session=did:plc:{person}")] }
    }

    async fn read(&mut self, request: RequestBuilder) -> String {
        let answer = self.ask(request).await;
        let address = answer.url().clone();
        let page = answer.text().await.unwrap();
        assert!(page.to_lowercase().starts_with("<!doctype html>"), "{address}: {page}");
        page
    }

    async fn ask(&mut self, request: RequestBuilder) -> Response {
        let request = request.header("accept", "text/html").header("cookie", self.cookies.join("; "));
        let answer = request.send().await.unwrap();
        let set = answer.headers().get_all("set-cookie").iter().filter_map(|cookie| cookie.to_str().ok());
        let new: Vec<String> = set.filter_map(|cookie| cookie.split(';').next()).map(str::to_owned).collect();
        self.cookies.extend(new);
        answer
    }

    async fn open(&mut self, path: &str) -> String {
        self.read(http_client().get(self.web.url(path))).await
    }

    /// What answers a form of the page at `from` that is sent with these fields, each fit for a form as it is.
    async fn send(&mut self, from: &str, to: &str, fields: &str) -> String {
        let request = self.form(http_client(), from, to, fields).await;
        self.read(request).await
    }

    async fn form(&mut self, client: Client, from: &str, to: &str, fields: &str) -> RequestBuilder {
        let csrf = csrf(from, &self.open(from).await);
        let request = client.post(self.web.url(to)).header("origin", self.web.url(""));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.body(format!("csrf={csrf}&{fields}"))
    }

    /// The cookie comes with a redirect.
    async fn sign_up(&mut self, handle: &str) {
        let fields = format!("handle={handle}&password=correct+horse+battery+staple");
        let request = self.form(http_client_that_stays(), "/sign-up", "/sign-up", &fields).await;
        assert_eq!(self.ask(request).await.status(), 303);
    }

    /// The page of an import.
    async fn import(&mut self, file: &str) -> String {
        let csrf = csrf("/import", &self.open("/import").await);
        let parts =
            [("csrf", "", csrf.as_str()), ("visibility", "", "PRIVATE"), ("file", "; filename=\"links.txt\"", file)];
        let mut body = String::new();
        for (name, more, value) in parts {
            body.push_str(&format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{value}\r\n"));
        }
        body.push_str("--x--\r\n");
        let request = http_client().post(self.web.url("/import")).header("origin", self.web.url(""));
        self.read(request.header("content-type", "multipart/form-data; boundary=x").body(body)).await
    }
}

fn csrf(path: &str, page: &str) -> String {
    let (_, behind) = page.split_once("name=\"csrf\" value=\"").unwrap_or_else(|| panic!("{path} has no form: {page}"));
    behind.split('"').next().unwrap_or_default().to_owned()
}

/// What the checker calls an error, each with its page. These are the pages' names and texts.
fn errors(pages: &[(String, String)]) -> Vec<String> {
    let jar = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/node_modules/vnu-jar/build/dist/vnu.jar");
    assert!(jar.is_file(), "the Nu HTML checker is installed: see scripts/test-browser.sh");
    let folder = tempfile::tempdir().unwrap();
    for (index, (_, page)) in pages.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{index}.html")), page).unwrap();
    }
    let mut command = Command::new("java");
    command.arg("-jar").arg(jar).args(["--format", "json", "--exit-zero-always", "--skip-non-html"]).arg(folder.path());
    let answer = command.output().expect("Java is installed: see scripts/test-browser.sh");
    let told = String::from_utf8_lossy(&answer.stderr);
    let found: Value = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"));
    let messages = found["messages"].as_array().unwrap_or_else(|| panic!("{found}"));
    let wrong = messages.iter().filter(|message| message["type"] != "info");
    let tell = |message: &Value| {
        let file = message["url"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
        let index = file.strip_suffix(".html").and_then(|index| index.parse::<usize>().ok());
        let name = index.and_then(|index| pages.get(index)).map_or(file, |(name, _)| name.as_str());
        format!("{name}: {} {}", message["message"], message["extract"])
    };
    wrong.map(tell).collect()
}

#[test]
fn what_is_invalid_is_found() {
    let page = "<!doctype html><html lang=en><title>x</title><p hx-get=\"/\">x <time datetime=\"2026-03-05T12:00:00.123456Z\">then</time>";
    let found = errors(&[("broken".to_owned(), page.to_owned())]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|error| error.starts_with("broken: ")), "{found:?}");
}

#[tokio::test]
async fn every_page_is_valid_html() {
    let mut pages = Vec::new();
    let mut keep = |name: &str, page: String| pages.push((name.to_owned(), page));

    let web = in_memory(&[]).await;
    let mut newcomer = Reader::named(&web, "newcomer");
    for (name, path) in EMPTY {
        keep(name, newcomer.open(path).await);
    }
    let with_content = scene(&web).await;
    let mut reader = Reader::named(&web, "mock123");
    for (name, path) in &with_content {
        keep(name, reader.open(path).await);
    }
    let card = save(&web, "alice", "https://example.com/of-alice").await;
    let card = format!("/cards/{card}");
    for (name, path) in [("a card of somebody else", card.as_str()), ("a person", "/@alice")] {
        keep(name, reader.open(path).await);
    }
    let collection = &with_content.iter().find(|(name, _)| *name == "collection").expect("it is in the list").1;
    let sends = [
        ("an invalid link", "/library", "/library", "url=nonsense&visibility=PUBLIC".to_owned()),
        (
            "a collection without a name",
            "/collections",
            "/collections",
            "name=&access=OPEN&visibility=PUBLIC&once=x".to_owned(),
        ),
        (
            "an unknown collaborator",
            collection,
            &format!("{collection}/collaborators"),
            "people=nobody-like-that".to_owned(),
        ),
        ("deletion to confirm", collection, &format!("{collection}/delete"), String::new()),
        ("a pause to confirm", "/admin/queues/feeds", "/admin/confirm", "action=pause&queue=feeds".to_owned()),
        ("an unknown account", "/admin/people", "/admin/people", "action=suspend&who=nobody-like-that".to_owned()),
    ];
    for (name, from, to, fields) in &sends {
        keep(name, reader.send(from, to, fields).await);
    }
    keep("an import", reader.import("https://example.com/1\njavascript:alert(1)\n").await);
    keep("an import that fails", reader.import("%PDF-1.7").await);
    for (name, path) in [("a parameter out of range", "/trends?days=999"), ("not an operator", "/admin")] {
        keep(name, newcomer.open(path).await);
    }

    let web = in_memory(&[("USE_MOCK_AUTH", "false")]).await;
    let mut nobody = Reader::signed_out(&web);
    for (name, path) in SIGNED_OUT {
        keep(name, nobody.open(path).await);
    }
    keep("a short handle", nobody.send("/sign-up", "/sign-up", "handle=a&password=short").await);
    let without_a_name = "name=&scope=read&expiresInDays=x";
    let mut alice = Reader::signed_out(&web);
    alice.sign_up("alice").await;
    keep("tokens, with a password", alice.open("/account/tokens").await);
    keep("a token without a name", alice.send("/account/tokens", "/account/tokens", without_a_name).await);
    keep("a wrong password", nobody.send("/sign-in", "/sign-in", "handle=alice&password=wrong-one&next=/").await);

    let server = Durable::with(&[("APP__QUEUES__SEARCH__ATTEMPTS", "1")]).await;
    let stops = operators_scene(&server).await;
    let mut operator = Reader::named(&server.web, "mock123");
    for stop in &stops {
        keep(stop.name, operator.open(&stop.path).await);
    }

    assert!(pages.len() >= 85, "{}", pages.len());
    assert_eq!(errors(&pages), Vec::<String>::new());
    println!("{} pages, no error", json!(pages.len()));
}
