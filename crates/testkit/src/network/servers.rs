//! What each of the servers answers.

use serde_json::{Value, json};

use super::message::{Asked, Reply};
use super::world::{Granted, Pushed, World, challenge, proof};

/// Of everybody on the person's server.
pub const APP_PASSWORD: &str = "hunter2-hunter2";

const XRPC: &str = "/xrpc/";

fn nothing() -> Reply {
    Reply::json(404, &json!({ "error": "NotFound" }))
}

fn wrong(status: u16, error: &str) -> Reply {
    Reply::json(status, &json!({ "error": error, "message": "no" }))
}

pub(super) fn directory(world: &mut World, asked: &Asked) -> Reply {
    match world.documents.get(asked.path.trim_start_matches('/')) {
        Some(document) => Reply::json(200, document),
        None => nothing(),
    }
}

pub(super) fn pds(world: &mut World, asked: &Asked) -> Reply {
    if let Some(handle) = asked.path.strip_prefix("/well-known/") {
        return world.handles.get(handle).map_or_else(nothing, |did| Reply::text(&format!("{did}\n")));
    }
    if asked.path == "/.well-known/oauth-protected-resource" {
        let body = json!({ "resource": world.pds, "authorization_servers": [world.issuer] });
        return Reply::json(200, &body);
    }
    match asked.path.strip_prefix(XRPC) {
        Some("com.atproto.server.createSession") => create_session(world, &asked.json()),
        Some("com.atproto.server.refreshSession") => refresh_session(world, asked),
        Some("com.atproto.server.deleteSession") => {
            world.revoked.insert(bearer(asked).to_owned());
            Reply::json(200, &Value::Null)
        }
        Some(method) => procedure(world, asked, method),
        None => nothing(),
    }
}

fn bearer(asked: &Asked) -> &str {
    asked.header("authorization").split_once(' ').map_or("", |(_, token)| token)
}

fn session(world: &mut World, did: &str) -> Reply {
    let (access, refresh) = world.grant(&Granted { did: did.to_owned(), key: String::new() });
    Reply::json(200, &json!({ "did": did, "accessJwt": access, "refreshJwt": refresh }))
}

fn create_session(world: &mut World, body: &Value) -> Reply {
    let name = body["identifier"].as_str().unwrap_or_default();
    let did = world.handles.get(name).cloned().unwrap_or_else(|| name.to_owned());
    match body["password"] == APP_PASSWORD && world.documents.contains_key(&did) {
        true => session(world, &did),
        false => wrong(401, "AuthenticationRequired"),
    }
}

fn refresh_session(world: &mut World, asked: &Asked) -> Reply {
    match world.refresh.remove(bearer(asked)) {
        Some(granted) => session(world, &granted.did),
        None => wrong(400, "ExpiredToken"),
    }
}

/// Says who asked for what.
fn procedure(world: &mut World, asked: &Asked, method: &str) -> Reply {
    let Some(granted) = world.access.get(bearer(asked)).cloned() else { return wrong(401, "invalid_token") };
    if !granted.key.is_empty() {
        let url = format!("{}{XRPC}{method}", world.pds);
        let Some((claims, key)) = proof(asked, &url) else { return wrong(401, "invalid_dpop_proof") };
        if claims["nonce"] != world.nonce_text() {
            let told = "DPoP error=\"use_dpop_nonce\"";
            return wrong(401, "use_dpop_nonce").with("www-authenticate", told).with("dpop-nonce", &world.nonce_text());
        }
        if key != granted.key || claims["ath"] != challenge(bearer(asked)) {
            return wrong(401, "invalid_dpop_proof");
        }
    }
    Reply::json(200, &json!({ "by": granted.did, "method": method, "body": asked.json() }))
        .with("dpop-nonce", &world.nonce_text())
}

pub(super) fn issuer(world: &mut World, asked: &Asked) -> Reply {
    let issuer = world.issuer.clone();
    match asked.path.as_str() {
        "/.well-known/oauth-authorization-server" => Reply::json(200, &metadata(&issuer)),
        "/par" | "/token" => {
            let Some((claims, key)) = proof(asked, &format!("{issuer}{}", asked.path)) else {
                return wrong(400, "invalid_dpop_proof");
            };
            if claims["nonce"] != world.nonce_text() {
                return wrong(400, "use_dpop_nonce").with("dpop-nonce", &world.nonce_text());
            }
            if asked.path == "/par" { push(world, asked) } else { token(world, asked, key) }
        }
        "/revoke" => {
            world.revoked.insert(asked.field("token"));
            Reply::json(200, &json!({}))
        }
        _ => nothing(),
    }
}

/// What a good server says of itself.
pub(super) fn metadata(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "pushed_authorization_request_endpoint": format!("{issuer}/par"),
        "token_endpoint": format!("{issuer}/token"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "scopes_supported": ["atproto"],
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": ["ES256"],
        "authorization_response_iss_parameter_supported": true,
    })
}

fn push(world: &mut World, asked: &Asked) -> Reply {
    let request = world.new_word("urn:request");
    let pushed = Pushed {
        state: asked.field("state"),
        challenge: asked.field("code_challenge"),
        redirect: asked.field("redirect_uri"),
    };
    world.pushed.insert(request.clone(), pushed);
    Reply::json(201, &json!({ "request_uri": request, "expires_in": 60 }))
}

fn token(world: &mut World, asked: &Asked, key: String) -> Reply {
    let granted = match asked.field("grant_type").as_str() {
        // Each is good once.
        "authorization_code" => world.codes.remove(&asked.field("code")).and_then(|(pushed, did)| {
            let is_right = pushed.challenge == challenge(&asked.field("code_verifier"))
                && pushed.redirect == asked.field("redirect_uri");
            is_right.then_some(Granted { did, key })
        }),
        "refresh_token" => world.refresh.remove(&asked.field("refresh_token")).filter(|granted| granted.key == key),
        _ => None,
    };
    let Some(granted) = granted else { return wrong(400, "invalid_grant") };
    let (access, refresh) = world.grant(&granted);
    let body = json!({
        "access_token": access,
        "refresh_token": refresh,
        "token_type": "DPoP",
        "expires_in": world.expires_in.unwrap_or(3_600),
        "scope": "atproto",
        "sub": world.sub.clone().unwrap_or(granted.did),
    });
    Reply::json(200, &body).with("dpop-nonce", &world.nonce_text())
}
