//! Signing up, in and out.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::{Answer, Api};
use cardwire_domain::UserId;
use cardwire_domain::accounts::{Account, AccountRepository as _, Admission, Registration};
use cardwire_domain::user::User;
use cardwire_http::accounts::{Client, PasswordScheme, SchemeError};
use cardwire_http::{AccountSettings, Accounts, TokenAuthenticator};
use parking_lot::Mutex;
use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "correct horse battery staple";
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Without mock authentication, over the real password scheme.
fn api() -> Api {
    let mut api = Api::new();
    authenticate_by_token(&mut api, &[]);
    api
}

fn authenticate_by_token(api: &mut Api, admins: &[&str]) {
    let admins: BTreeSet<_> = admins.iter().map(|id| UserId::parse(id).unwrap()).collect();
    api.state.authenticator = Arc::new(TokenAuthenticator::new(Arc::new(api.store.clone()), admins));
}

pub(crate) fn settings() -> AccountSettings {
    AccountSettings::of(Registration::Open)
}

pub(crate) fn api_with(settings: AccountSettings, scheme: Arc<dyn PasswordScheme>) -> Api {
    let mut api = api();
    api.state.accounts = Accounts::with_scheme(Arc::new(api.store.clone()), settings, scheme).unwrap();
    api
}

pub(crate) fn post(path: &str, body: &Value) -> TestRequest {
    TestRequest::post().uri(path).set_json(body)
}

pub(crate) async fn sign_up(api: &Api, handle: &str) -> String {
    let answer = api.send(post("/api/users", &json!({ "handle": handle, "password": PASSWORD }))).await.expect(201);
    assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
    answer["id"].as_str().unwrap().to_owned()
}

async fn try_log_in(api: &Api, handle: &str, password: &str) -> Answer {
    api.send(post("/api/users/login", &json!({ "handle": handle, "password": password }))).await
}

/// Access and refresh token.
pub(crate) async fn log_in(api: &Api, handle: &str) -> (String, String) {
    tokens(&try_log_in(api, handle, PASSWORD).await.expect(200))
}

async fn refresh(api: &Api, token: &str) -> Answer {
    api.send(post("/api/users/oauth/refresh", &json!({ "refreshToken": token }))).await
}

fn tokens(answer: &Value) -> (String, String) {
    assert_eq!(answer["expiresIn"], 3_600);
    assert_eq!(answer.as_object().unwrap().len(), 3, "{answer}");
    let token = |name: &str| {
        let token = answer[name].as_str().unwrap();
        assert_eq!(token.len(), 43, "256 bits in base64");
        token.to_owned()
    };
    (token("accessToken"), token("refreshToken"))
}

async fn with_token(api: &Api, token: &str, method: Method, path: &str) -> Answer {
    let request = TestRequest::default().method(method).uri(path);
    api.send(request.insert_header(("authorization", format!("Bearer {token}")))).await
}

async fn me(api: &Api, token: &str) -> Answer {
    with_token(api, token, Method::GET, "/api/users/me").await
}

#[tokio::test(start_paused = true)]
async fn from_sign_up_to_sign_out() {
    let api = api();
    let id = sign_up(&api, "Alice").await;
    assert!(id.starts_with("did:cardwire:"), "{id}");
    let (access, first_refresh) = log_in(&api, " aLICE ").await;
    let alice = me(&api, &access).await.expect(200);
    assert_eq!((&alice["id"], &alice["handle"]), (&json!(id), &json!("alice")));
    assert_eq!(me(&api, &first_refresh).await.expect_problem(401, "unauthenticated")["field"], Value::Null);

    let (newer, newer_refresh) = tokens(&refresh(&api, &first_refresh).await.expect(200));
    assert_eq!(BTreeSet::from([&access, &first_refresh, &newer, &newer_refresh]).len(), 4);
    assert_eq!(me(&api, &newer).await.expect(200), alice);
    me(&api, &access).await.expect_problem(401, "unauthenticated");

    let (other, _) = log_in(&api, "alice").await;
    let gone = with_token(&api, &newer, Method::POST, "/api/users/logout").await;
    assert_eq!(gone.expect(204), Value::Null);
    me(&api, &newer).await.expect_problem(401, "unauthenticated");
    refresh(&api, &newer_refresh).await.expect_problem(401, "unauthenticated");
    with_token(&api, &newer, Method::POST, "/api/users/logout").await.expect_problem(401, "unauthenticated");
    api.send(TestRequest::post().uri("/api/users/logout")).await.expect_problem(401, "unauthenticated");
    assert_eq!(me(&api, &other).await.expect(200), alice, "other sessions stay");
}

#[tokio::test(start_paused = true)]
async fn what_a_person_does_bears_their_handle() {
    let api = api();
    let id = sign_up(&api, "alice").await;
    let (access, _) = log_in(&api, "alice").await;
    let request = post("/api/cards/library/urls", &json!({ "url": "https://example.com/a" }));
    api.send(request.insert_header(("authorization", format!("Bearer {access}")))).await.expect(201);
    api.deliver().await;
    let feed = api.get("/api/feeds/global").await.expect(200);
    assert_eq!(feed["items"][0]["actor"], json!({ "id": id, "handle": "alice" }));
}

#[tokio::test(start_paused = true)]
async fn admins_are_whom_the_configuration_names() {
    let mut api = api();
    sign_up(&api, "first").await;
    let id = sign_up(&api, "alice").await;
    let (access, _) = log_in(&api, "alice").await;
    assert_eq!(me(&api, &access).await.expect(200)["admin"], false);
    authenticate_by_token(&mut api, &["did:plc:bob", &id]);
    assert_eq!(me(&api, &access).await.expect(200)["admin"], true);
}

#[tokio::test(start_paused = true)]
async fn access_ends_after_an_hour_and_the_session_after_thirty_days() {
    let api = api();
    sign_up(&api, "alice").await;
    let (access, first) = log_in(&api, "alice").await;
    tokio::time::advance(HOUR - Duration::from_secs(1)).await;
    me(&api, &access).await.expect(200);
    tokio::time::advance(Duration::from_secs(1)).await;
    me(&api, &access).await.expect_problem(401, "unauthenticated");
    // Even where signing in is not required.
    with_token(&api, &access, Method::GET, "/api/feeds/global").await.expect_problem(401, "unauthenticated");
    tokio::time::advance(29 * DAY).await;
    let (access, second) = tokens(&refresh(&api, &first).await.expect(200));
    me(&api, &access).await.expect(200);
    tokio::time::advance(30 * DAY).await;
    refresh(&api, &second).await.expect_problem(401, "unauthenticated");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_shown_twice_ends_the_session() {
    let api = api();
    sign_up(&api, "alice").await;
    let (_, stolen) = log_in(&api, "alice").await;
    let (_, second) = tokens(&refresh(&api, &stolen).await.expect(200));
    let (access, third) = tokens(&refresh(&api, &second).await.expect(200));
    refresh(&api, &stolen).await.expect_problem(401, "unauthenticated");
    me(&api, &access).await.expect_problem(401, "unauthenticated");
    refresh(&api, &third).await.expect_problem(401, "unauthenticated");
    log_in(&api, "alice").await;
}

#[tokio::test(start_paused = true)]
async fn a_handle_is_given_once() {
    let api = api();
    sign_up(&api, "alice").await;
    for handle in ["alice", "ALICE", " alice"] {
        let again = api.send(post("/api/users", &json!({ "handle": handle, "password": "another password" }))).await;
        again.expect_problem(409, "conflict");
    }
    try_log_in(&api, "alice", "another password").await.expect_problem(401, "unauthenticated");
    log_in(&api, "alice").await;
}

#[tokio::test(start_paused = true)]
async fn what_breaks_a_rule_names_the_field_and_never_the_password() {
    let api = api();
    let check = async |path: &str, body: Value, field: &str| {
        let problem = api.send(post(path, &body)).await.expect_problem(422, "invalid-value");
        assert_eq!(problem["field"], field, "{path} {body}");
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    };
    for handle in ["", "ab", "-ab", "al ice", "älice", "al\0ice", &"x".repeat(31)] {
        check("/api/users", json!({ "handle": handle, "password": PASSWORD }), "handle").await;
    }
    for password in
        [json!("hunter2"), json!("x".repeat(257)), json!("hunter2\0hunter2"), json!(["hunter2"]), json!(null)]
    {
        check("/api/users", json!({ "handle": "alice", "password": password }), "password").await;
    }
    for path in ["/api/users", "/api/users/login"] {
        check(path, json!({ "password": PASSWORD }), "handle").await;
        check(path, json!({ "handle": "alice" }), "password").await;
        check(path, json!({ "handle": "alice", "password": PASSWORD, "admin": true }), "admin").await;
    }
    check("/api/users/login", json!({ "handle": "alice", "password": { "hunter2": 1 } }), "password").await;
    check("/api/users/oauth/refresh", json!({}), "refreshToken").await;
    check("/api/users/oauth/refresh", json!({ "refreshToken": 5 }), "refreshToken").await;
    // No account was created.
    sign_up(&api, "alice").await;
}

/// Counts, and hashes badly.
#[derive(Default)]
pub(crate) struct Counting(Mutex<Vec<String>>);

impl PasswordScheme for Counting {
    fn hash(&self, password: &str) -> Result<String, SchemeError> {
        Ok(format!("hash of {password}"))
    }

    fn matches(&self, password: &str, hash: &str) -> Result<bool, SchemeError> {
        self.0.lock().push(hash.to_owned());
        Ok(hash == format!("hash of {password}"))
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_handle_and_a_wrong_password_are_the_same_work_and_the_same_answer() {
    let scheme = Arc::new(Counting::default());
    let api = api_with(settings(), scheme.clone());
    sign_up(&api, "alice").await;
    let mut answers = Vec::new();
    for (handle, password) in
        [("alice", "wrong password"), ("nobody", PASSWORD), ("no handle at all", PASSWORD), ("", ""), ("alice", "")]
    {
        let answer = try_log_in(&api, handle, password).await;
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        let mut problem = answer.expect_problem(401, "unauthenticated");
        problem.as_object_mut().unwrap().remove("traceId");
        answers.push(problem);
        assert_eq!(scheme.0.lock().len(), answers.len(), "each checks one password: {handle:?}");
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let checked = scheme.0.lock().clone();
    assert_eq!(checked[0], format!("hash of {PASSWORD}"), "alice's");
    assert!(checked[1] == checked[2] && checked[1] != checked[0], "nobody's: {checked:?}");
    log_in(&api, "alice").await;
}

#[tokio::test(start_paused = true)]
async fn nobodys_password_opens_nothing_even_if_it_were_guessed() {
    struct Credulous;
    impl PasswordScheme for Credulous {
        fn hash(&self, _: &str) -> Result<String, SchemeError> {
            Ok("hash".into())
        }
        fn matches(&self, _: &str, _: &str) -> Result<bool, SchemeError> {
            Ok(true)
        }
    }
    let api = api_with(settings(), Arc::new(Credulous));
    try_log_in(&api, "nobody", PASSWORD).await.expect_problem(401, "unauthenticated");
}

#[tokio::test(start_paused = true)]
async fn signing_up_on_the_page_signs_in_although_sign_ins_are_slowed_down() {
    let scheme = Arc::new(Counting::default());
    let api = api_with(settings(), scheme.clone());
    for _ in 0..10 {
        try_log_in(&api, "alice", PASSWORD).await.expect_problem(401, "unauthenticated");
    }
    try_log_in(&api, "alice", PASSWORD).await.expect_problem(429, "too-many-requests");
    let mut browser = Browser::new(&api);
    browser.open("/sign-up").await;
    browser.submit("/sign-up", &[("handle", "alice"), ("password", PASSWORD)]).await;
    assert_eq!((browser.path.as_str(), browser.text(".who a").as_str()), ("/", "alice"));
    assert_eq!(scheme.0.lock().len(), 10, "of the sign-ins before: what was just chosen is not checked");
}

#[tokio::test(start_paused = true)]
async fn signing_up_on_the_page_ends_the_session_before_it() {
    let api = api();
    let mut browser = Browser::new(&api);
    for handle in ["alice", "bob"] {
        browser.open("/sign-up").await;
        let old = browser.cookies.get("__Host-session").cloned();
        browser.submit("/sign-up", &[("handle", handle), ("password", PASSWORD)]).await;
        assert_eq!(browser.text(".who a"), handle);
        if let Some(old) = old {
            me(&api, &old).await.expect_problem(401, "unauthenticated");
        }
    }
    me(&api, &browser.cookies["__Host-session"]).await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn an_expired_access_token_still_ends_its_session() {
    let api = api();
    sign_up(&api, "alice").await;
    let (access, token) = log_in(&api, "alice").await;
    tokio::time::advance(2 * HOUR).await;
    me(&api, &access).await.expect_problem(401, "unauthenticated");
    with_token(&api, &access, Method::POST, "/api/users/logout").await.expect(204);
    refresh(&api, &token).await.expect_problem(401, "unauthenticated");
    with_token(&api, &access, Method::POST, "/api/users/logout").await.expect_problem(401, "unauthenticated");
}

#[tokio::test(start_paused = true)]
async fn reserved_handles_and_common_passwords_are_refused_on_sign_up() {
    let api = api();
    let refused = async |handle: &str, password: &str, field: &str, rule: &str| {
        let body = json!({ "handle": handle, "password": password });
        let problem = api.send(post("/api/users", &body)).await.expect_problem(422, "invalid-value");
        assert_eq!(problem["field"], field);
        assert!(problem["detail"].as_str().unwrap().contains(rule), "{problem}");
    };
    for handle in ["admin", "Root", "support", "a.d-m_in"] {
        refused(handle, PASSWORD, "handle", "is reserved").await;
    }
    for password in ["password", "PassWord1", "1234567890"] {
        refused("alice", password, "password", "one of the most common passwords").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_is_the_same_however_its_accents_are_written() {
    let scheme = Arc::new(Counting::default());
    let api = api_with(settings(), scheme.clone());
    let (one, two) = ("caf\u{e9} au lait", "cafe\u{301} au lait");
    api.send(post("/api/users", &json!({ "handle": "alice", "password": two }))).await.expect(201);
    for password in [one, two] {
        try_log_in(&api, "alice", password).await.expect(200);
    }
    // An account from before passwords were normalised.
    let user = User { id: UserId::generate(), handle: "bob".into() };
    let bob = Account { user, password_hash: scheme.hash(two).unwrap() };
    api.store.create_account(&bob, &Admission::Open).await.unwrap();
    scheme.0.lock().clear();
    try_log_in(&api, "bob", two).await.expect(200);
    try_log_in(&api, "bob", one).await.expect_problem(401, "unauthenticated");
    try_log_in(&api, "nobody", two).await.expect_problem(401, "unauthenticated");
    assert_eq!(scheme.0.lock().len(), 2 + 1 + 2, "the form as typed is tried where it differs, for nobody as well");
}

#[tokio::test(start_paused = true)]
async fn collaborators_are_people_who_are_here() {
    let api = api();
    sign_up(&api, "alice").await;
    let bob = sign_up(&api, "bob").await;
    let (access, _) = log_in(&api, "alice").await;
    let send = |method: Method, path: &str, body: Value| {
        let request = TestRequest::default().method(method).uri(path).set_json(body);
        api.send(request.insert_header(("authorization", format!("Bearer {access}"))))
    };
    let made = send(Method::POST, "/api/collections", json!({ "name": "n" })).await.expect(201);
    let path = format!("/api/collections/{}/collaborators", made["id"].as_str().unwrap());
    let unknown = send(Method::PUT, &path, json!({ "userIds": [bob, "did:plc:zed"] })).await;
    let problem = unknown.expect_problem(422, "invalid-value");
    assert_eq!(problem["field"], "userIds");
    assert!(problem["detail"].as_str().unwrap().contains("did:plc:zed"), "{problem}");
    let set = send(Method::PUT, &path, json!({ "userIds": [bob] })).await.expect(200);
    assert_eq!((&set["collaborators"], &set["invited"]), (&json!([]), &json!([{ "id": bob, "handle": "bob" }])));
}

/// Lets two run at once, and records the maximum.
struct InPairs {
    pair: Barrier,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl PasswordScheme for InPairs {
    fn hash(&self, _: &str) -> Result<String, SchemeError> {
        Ok("hash".into())
    }

    fn matches(&self, _: &str, _: &str) -> Result<bool, SchemeError> {
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        self.pair.wait();
        self.now.fetch_sub(1, Ordering::SeqCst);
        Ok(true)
    }
}

#[tokio::test(start_paused = true)]
async fn passwords_are_checked_beside_each_other_but_no_more_than_there_are_cores() {
    let scheme = Arc::new(InPairs { pair: Barrier::new(2), now: AtomicUsize::new(0), most: AtomicUsize::new(0) });
    let api = api_with(AccountSettings { hashing: 2, ..settings() }, scheme.clone());
    let tries = (0..8).map(|number| {
        let accounts = api.state.accounts.clone();
        async move { accounts.log_in(&format!("person{number}"), PASSWORD.into(), &Client::default()).await.is_err() }
    });
    assert_eq!(futures_util::future::join_all(tries).await, [true; 8], "nobody has an account");
    assert_eq!(scheme.most.load(Ordering::SeqCst), 2);
}

/// Tells the test when it has begun, and hangs until the test lets it go.
struct Hanging {
    begun: std::sync::mpsc::Sender<()>,
    ended: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl PasswordScheme for Hanging {
    fn hash(&self, _: &str) -> Result<String, SchemeError> {
        Ok("hash".into())
    }

    fn matches(&self, _: &str, _: &str) -> Result<bool, SchemeError> {
        self.begun.send(()).map_err(|error| SchemeError(error.to_string()))?;
        self.ended.lock().recv().map_err(|error| SchemeError(error.to_string()))?;
        Ok(false)
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_for_a_core_is_told_to_come_again() {
    let ((begin, begun), (end, ended)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
    let settings = AccountSettings { hashing: 1, ..settings() };
    let api = api_with(settings, Arc::new(Hanging { begun: begin, ended: Mutex::new(ended) }));
    let accounts = api.state.accounts.clone();
    let first =
        tokio::spawn(async move { accounts.log_in("alice", PASSWORD.into(), &Client::default()).await.is_err() });
    while begun.try_recv().is_err() {
        tokio::task::yield_now().await;
    }
    // The clock stands still while the first one works, so the test has to move it.
    let second = tokio::select! {
        second = try_log_in(&api, "bob", PASSWORD) => second,
        () = async {
            loop {
                tokio::time::advance(Duration::from_millis(100)).await;
            }
        } => unreachable!(),
    };
    assert_eq!(second.header("retry-after"), "1");
    second.expect_problem(503, "unavailable");
    end.send(()).unwrap();
    assert!(first.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn with_mock_authentication_people_sign_up_and_in_and_a_did_is_a_token_too() {
    let api = Api::new();
    sign_up(&api, "alice").await;
    let (access, token) = log_in(&api, "alice").await;
    assert_eq!(me(&api, &access).await.expect(200)["handle"], "alice");
    let refused = me(&api, "nonsense").await.expect_problem(401, "unauthenticated");
    assert!(refused["detail"].as_str().unwrap().contains("did:plc:alice"), "{refused}");
    refresh(&api, &token).await.expect(200);
    with_token(&api, "did:plc:alice", Method::POST, "/api/users/logout").await.expect(204);
}

#[tokio::test(start_paused = true)]
async fn neither_passwords_nor_tokens_are_shown_by_debug_or_kept_in_the_store() {
    let api = api();
    sign_up(&api, "alice").await;
    let issued = api.state.accounts.log_in("alice", PASSWORD.into(), &Client::default()).await.unwrap();
    let access = secrecy::ExposeSecret::expose_secret(&issued.access);
    assert!(!format!("{issued:?}").contains(access));
    let handle = cardwire_domain::accounts::Handle::parse("alice").unwrap();
    let account = cardwire_domain::accounts::AccountRepository::account(&api.store, &handle).await.unwrap().unwrap();
    assert!(account.password_hash.starts_with("$argon2id$"), "{}", account.password_hash);
    assert!(!account.password_hash.contains(PASSWORD));
}
