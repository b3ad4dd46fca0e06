//! TLS, users with few permissions, IPv6.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use cardwire_testkit::net::free_port;
use cardwire_testkit::postgres::Postgres;
use cardwire_testkit::redis::RedisServer;
use cardwire_testkit::stack::{Plan, Stack};
use tempfile::TempDir;

use crate::start::{environment, refuses};

const SETTLE: Duration = Duration::from_secs(30);

fn openssl(folder: &Path, args: &str) {
    let output = Command::new("openssl")
        .args(args.split(' '))
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("openssl is installed");
    assert!(output.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Certificates of an authority of the test's own.
struct Authority(TempDir);

impl Authority {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key";
        openssl(folder.path(), &format!("req -x509 {key} -out ca.pem -days 2 -subj /CN={name}"));
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A certificate for a server at 127.0.0.1, and at no other name.
    fn sign(&self) {
        fs::write(self.path("names"), "subjectAltName=IP:127.0.0.1").unwrap();
        openssl(
            self.0.path(),
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=server",
        );
        openssl(
            self.0.path(),
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile names",
        );
    }

    /// Listens for TLS as well.
    fn server(&self) -> (RedisServer, u16) {
        self.sign();
        let port = free_port();
        let [certificate, key, ca] = ["server.pem", "server.key", "ca.pem"].map(|name| self.text(name));
        let (port_text, rest) = (port.to_string(), ["--tls-auth-clients", "no"]);
        let files = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
        let server = RedisServer::start_with(&[&["--tls-port", &port_text], &files[..], &rest].concat());
        (server, port)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_over_tls_and_an_untrusted_certificate_is_refused_in_one_line() {
    let authority = Authority::new("ours");
    let (server, port) = authority.server();
    let url = format!("rediss://127.0.0.1:{port}");
    let settings = |url: &str, ca: String| vec![("REDIS_URL", url.to_owned()), ("APP__REDIS__CA_FILE", ca)];
    let right = settings(&url, authority.text("ca.pem"));
    let stack = Stack::start(&Plan { settings: right, ..Plan::default() }).await;
    let history = stack.client().load(5, 5, Duration::ZERO).await;
    let settled = stack.settled(SETTLE).await;
    println!("over TLS: settled {settled:?}: {:?}", stack.check(&history).await);
    assert_eq!(stack.redis.command(&["DBSIZE"]), "0", "nothing went elsewhere");
    assert_ne!(server.command(&["DBSIZE"]), "0");

    let postgres = Postgres::start().unwrap();
    let database = postgres.database().await.unwrap();
    let start = |url: &str, ca: String| environment(&database, &settings(url, ca));
    let other = Authority::new("another");
    refuses(&start(&url, other.text("ca.pem")), "its certificate is not trusted: UnknownIssuer").await;
    refuses(&start(&url, String::new()), "its certificate is not trusted: UnknownIssuer").await;
    refuses(&start(&url, authority.text("nowhere.pem")), "APP__REDIS__CA_FILE: ").await;
    let elsewhere = format!("rediss://localhost:{port}");
    refuses(&start(&elsewhere, authority.text("ca.pem")), "its certificate is not trusted: NotValidForName").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_few_permissions_is_enough_also_over_ipv6() {
    // As docs/operate/REDIS.md has it. The server's default user stays for the test itself.
    let user = ["--user", "cardwire", "on", ">s@crt", "~*", "+@all", "-@dangerous", "+info", "+config|get", "+role"];
    let server = RedisServer::start_with(&[&["--bind", "127.0.0.1", "::1"], &user[..]].concat());
    let url = |password: &str| format!("redis://cardwire:{password}@[::1]:{}/2", server.port());
    let settings = vec![("REDIS_URL", url("s%40crt"))];
    let stack = Stack::start(&Plan { settings, ..Plan::default() }).await;
    let history = stack.client().load(5, 5, Duration::ZERO).await;
    let settled = stack.settled(SETTLE).await;
    println!("over IPv6, with a user of few permissions: settled {settled:?}: {:?}", stack.check(&history).await);
    let keyspace = server.command(&["INFO", "keyspace"]);
    assert!(keyspace.contains("db2:") && !keyspace.contains("db0:"), "{keyspace}");

    let postgres = Postgres::start().unwrap();
    let database = postgres.database().await.unwrap();
    refuses(&environment(&database, &[("REDIS_URL", url("wrong"))]), "WRONGPASS").await;
    server.command(&["ACL", "SETUSER", "cardwire", "-info"]);
    refuses(&environment(&database, &[("REDIS_URL", url("s%40crt"))]), "NOPERM").await;
}
