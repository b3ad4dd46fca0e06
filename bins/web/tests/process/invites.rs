//! From a fresh site to its third person by invitation, with the commands of docs/operate/SELF-HOSTING.md, typed into a shell.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use cardwire_testkit::net::free_port;
use cardwire_testkit::process::{Process, faketime};
use serde_json::Value;

const SECTION: &str = "\n## Invite people with curl\n";
/// What the commands of the section say.
const SITE: &str = "http://127.0.0.1:8080";
const ALICE: (&str, &str) = ("alice", "a horse and a battery");
const BOB: (&str, &str) = ("bob", "a staple and a horse");
const WITH_CODE: &str = r#", \"invite\": \"$code\""#;

/// The commands of the section, block by block.
fn manual() -> [String; 4] {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operate/SELF-HOSTING.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once(SECTION).expect("the section is there");
    let section = section.split("\n## ").next().unwrap();
    let blocks: Vec<String> = section.split("```\n").skip(1).step_by(2).map(str::to_owned).collect();
    blocks.try_into().expect("the section has four blocks")
}

/// The commands with `new` instead of `old`, which is in them.
fn with(commands: &str, old: &str, new: &str) -> String {
    assert!(commands.contains(old), "{old} is not in {commands}");
    commands.replace(old, new)
}

/// Printed by the shell behind everything else.
const END: &str = "--- that was all of it";

/// A shell that somebody types into. It remembers what variables hold.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Shell {
    fn open(home: &Path) -> Self {
        // A server that hangs fails the test.
        fs::write(home.join(".curlrc"), "max-time = 30\n").unwrap();
        let mut child = Command::new("bash")
            .env("CURL_HOME", home)
            .env("no_proxy", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash is installed");
        let input = child.stdin.take().expect("it is a pipe");
        let output = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
        Self { child, input, output }
    }

    /// What the commands print.
    fn run(&mut self, commands: &str) -> String {
        writeln!(self.input, "{commands}\necho; echo '{END}'").unwrap();
        let lines = self.output.by_ref().map(Result::unwrap);
        let printed: Vec<String> = lines.take_while(|line| line != END).collect();
        printed.join("\n").trim().to_owned()
    }

    fn json(&mut self, commands: &str) -> Value {
        let printed = self.run(commands);
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {commands}\n{printed}"))
    }

    /// What the commands print is a refusal, and says so.
    fn is_refused(&mut self, commands: &str, why: &str) {
        let problem = self.json(commands);
        assert_eq!(problem["status"], 403, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(why)), "{problem}");
    }

    /// What the API answers the person who signed in last.
    fn get(&mut self, path: &str) -> Value {
        self.json(&format!("curl -s \"$site{path}\" -H \"authorization: Bearer $token\""))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // It may have ended by itself, which its reader has noticed then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn from_a_fresh_site_to_its_third_person_with_the_commands_of_the_manual() {
    let [first, sign_in, invite, join] = manual();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cardwire.db");
    let mut environment: BTreeMap<String, String> =
        [("DATABASE_URL", format!("sqlite:{}", file.display())), ("PORT", free_port().to_string())]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
    let mut web = Process::start("web", &environment);
    web.ready().await;
    let mut shell = Shell::open(folder.path());

    // The first person is let in, and is an administrator. The second is not let in.
    let alice = shell.json(&with(&first, SITE, &web.url("")))["id"].clone();
    assert!(alice.is_string());
    shell.run(&sign_in);
    let me = shell.get("/api/users/me");
    assert_eq!((&me["id"], &me["admin"]), (&alice, &Value::from(true)));
    shell.is_refused(&with(&join, WITH_CODE, ""), "You need an invite");

    // With an invite they are, once, and cannot invite others.
    let invited = shell.json(&invite);
    let code = invited["code"].as_str().unwrap();
    assert_eq!(invited["url"], web.url(&format!("/sign-up?invite={code}")));
    let bob = shell.json(&join)["id"].clone();
    assert!(bob.is_string() && bob != alice, "{bob}");
    let third = with(&join, BOB.0, "carol");
    shell.is_refused(&third, "This invite is not valid");
    shell.run(&with(&with(&sign_in, ALICE.0, BOB.0), ALICE.1, BOB.1));
    let me = shell.get("/api/users/me");
    assert_eq!((&me["id"], &me["admin"]), (&bob, &Value::from(false)));
    shell.is_refused(&invite, "Only administrators");

    // An invite that nobody used for eight days is no good; a new one is.
    shell.run(&sign_in);
    assert!(shell.json(&invite)["code"].is_string());
    web.kill();
    environment.extend(faketime("+8d"));
    let mut web = Process::start("web", &environment);
    web.ready().await;
    shell.is_refused(&third, "This invite is not valid");
    shell.run(&sign_in);
    assert!(shell.json(&invite)["code"].is_string());
    assert!(shell.json(&third)["id"].is_string());

    let log = shell.get("/api/admin/audit");
    let told: Vec<_> = log["items"].as_array().unwrap().iter().map(|entry| (&entry["action"], &entry["by"])).collect();
    assert_eq!(told, [(&Value::from("user.invite"), &alice); 3], "{log}");
}
