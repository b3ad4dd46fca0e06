//! No server inside a private network is asked, at any hop.

use cardwire_atproto::Error;
use cardwire_domain::atproto::AtprotoRepository;
use cardwire_testkit::network::{DID, HANDLE, origin};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{BROWSER, Site, refused, sign_in};

const RESOURCE: &str = "/.well-known/oauth-protected-resource";
const SERVER: &str = "/.well-known/oauth-authorization-server";

/// A server that only this machine reaches. It must not hear of anything.
struct Inner(TcpListener);

impl Inner {
    async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// By its address, by a name, and by others that are private.
    fn origins(&self) -> Vec<String> {
        let address = self.0.local_addr().unwrap();
        let port = address.port();
        vec![
            origin(address),
            format!("http://[::ffff:127.0.0.1]:{port}"),
            "https://inner.example.net".into(),
            "https://192.168.1.1".into(),
            "http://169.254.169.254".into(),
        ]
    }

    #[track_caller]
    fn was_not_asked(&self) {
        let asked = futures_accept(&self.0);
        assert!(!asked, "somebody connected");
    }
}

fn futures_accept(listener: &TcpListener) -> bool {
    let waker = std::task::Waker::noop();
    listener.poll_accept(&mut std::task::Context::from_waker(waker)).is_ready()
}

#[track_caller]
fn is_private<T>(result: Result<T, Error>, what: &str) {
    let error = refused(result);
    assert!(matches!(error, Error::Refused { .. }), "{what}: {error}");
}

fn document(service: &str) -> Value {
    let service = json!({ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": service });
    json!({ "id": DID, "service": [service] })
}

#[tokio::test]
async fn the_server_of_a_handle() {
    let site = Site::start().await;
    let inner = Inner::start().await;
    // Redirects are followed here, so each is looked at.
    for origin in inner.origins() {
        site.network.with(|world| world.redirects.insert(format!("/well-known/{HANDLE}"), format!("{origin}/x")));
        is_private(site.agents.begin(HANDLE, BROWSER, sign_in()).await, &origin);
    }
    inner.was_not_asked();
}

#[tokio::test]
async fn the_server_of_a_did() {
    let site = Site::start().await;
    let refusal = refused(site.agents.begin("did:web:inner.example.net", BROWSER, sign_in()).await);
    assert!(matches!(refusal, Error::Refused { .. }), "{refusal}");
    for odd in ["did:web:127.0.0.1", "did:web:127.0.0.1%3A80", "did:web:example.net:path", "did:key:abc"] {
        let refusal = refused(site.agents.begin(odd, BROWSER, sign_in()).await);
        assert!(matches!(refusal, Error::Invalid(_)), "{odd}: {refusal}");
    }
}

#[tokio::test]
async fn the_persons_server_and_the_ones_it_names() {
    let site = Site::start().await;
    let inner = Inner::start().await;
    let (pds, issuer) = (origin(site.network.pds), origin(site.network.issuer));
    let good = site.network.with(|world| world.documents[DID].clone());
    for private in inner.origins() {
        is_private(site.agents.begin(&private, BROWSER, sign_in()).await, "typed");
        site.network.with(|world| world.documents.insert(DID.into(), document(&private)));
        is_private(site.agents.begin(DID, BROWSER, sign_in()).await, "the document");
        site.network.with(|world| world.documents.insert(DID.into(), good.clone()));

        site.network.answer(RESOURCE, 200, json!({ "resource": pds, "authorization_servers": [private] }));
        is_private(site.agents.begin(DID, BROWSER, sign_in()).await, "the resource's metadata");
        site.network.with(|world| world.forget_answers());

        let mut metadata = site.network.metadata();
        metadata["pushed_authorization_request_endpoint"] = json!(format!("{private}/par"));
        site.network.answer(SERVER, 200, metadata);
        is_private(site.agents.begin(DID, BROWSER, sign_in()).await, "where requests are pushed");

        let mut metadata = site.network.metadata();
        metadata["token_endpoint"] = json!(format!("{private}/token"));
        site.network.answer(SERVER, 200, metadata);
        let callback = site.away(DID, sign_in()).await;
        is_private(site.agents.finish(callback, BROWSER, None).await, "where tokens come from");
        site.network.with(|world| world.forget_answers());
        // A redirect is no way around it.
        site.network.with(|world| world.redirects.insert(RESOURCE.into(), format!("{private}/x")));
        let refusal = refused(site.agents.begin(DID, BROWSER, sign_in()).await);
        assert!(matches!(refusal, Error::Away { .. }), "{refusal}");
        site.network.with(|world| world.redirects.clear());
    }
    inner.was_not_asked();
    assert!(issuer.starts_with("http://127.0.0.1:"), "the servers of this test are exceptions");
}

#[tokio::test]
async fn the_server_of_an_app_password() {
    let site = Site::start().await;
    let inner = Inner::start().await;
    let person = site.person("alice").await;
    for private in inner.origins() {
        let refused = site.agents.connect_with_app_password(&person, &private, HANDLE, &"x".into()).await;
        is_private(refused, &private);
    }
    assert!(site.store.connection(&person).await.unwrap().is_none());
    inner.was_not_asked();
}
