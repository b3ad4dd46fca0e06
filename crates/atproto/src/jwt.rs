//! Signed tokens: ES256 keys, DPoP proofs (RFC 9449) and client assertions (RFC 7523).

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use p256::ecdsa::signature::Signer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How long a client assertion is good.
const ASSERTION_S: i64 = 60;

/// A key of the curve P-256.
#[derive(Clone)]
pub struct SigningKey(p256::ecdsa::SigningKey);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.thumbprint())
    }
}

impl SigningKey {
    /// `None`: these bytes are no key.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        p256::ecdsa::SigningKey::from_slice(bytes).ok().map(Self)
    }

    pub fn generate() -> Self {
        loop {
            if let Some(key) = Self::from_bytes(&rand::random::<[u8; 32]>()) {
                return key;
            }
        }
    }

    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes().into()
    }

    /// The public half, as a JWK.
    pub fn public(&self) -> Value {
        let point = self.0.verifying_key().to_sec1_point(false);
        let bytes = point.as_bytes();
        json!({ "crv": "P-256", "kty": "EC", "x": encode(&bytes[1..33]), "y": encode(&bytes[33..65]) })
    }

    /// RFC 7638: the members in the order of their names, as `public` has them.
    pub fn thumbprint(&self) -> String {
        encode(&Sha256::digest(self.public().to_string()))
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let signature: p256::ecdsa::Signature = self.0.sign(signed.as_bytes());
        format!("{signed}.{}", encode(&signature.to_bytes()))
    }

    /// Proves that who sends this request has the key. `token`: the access token that goes with it.
    pub fn proof(&self, method: &str, url: &str, nonce: Option<&str>, token: Option<&str>) -> String {
        let mut claims = json!({ "jti": random(), "htm": method, "htu": url, "iat": now() });
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        if let Some(token) = token {
            claims["ath"] = encode(&Sha256::digest(token)).into();
        }
        self.sign(&json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.public() }), &claims)
    }

    /// Proves to this authorization server that the client asks.
    pub fn assertion(&self, client_id: &str, issuer: &str) -> String {
        let now = now();
        let claims = json!({
            "iss": client_id, "sub": client_id, "aud": issuer, "jti": random(), "iat": now, "exp": now + ASSERTION_S,
        });
        self.sign(&json!({ "typ": "JWT", "alg": "ES256", "kid": self.thumbprint() }), &claims)
    }
}

/// 256 random bits that fit into a URL.
pub fn random() -> String {
    encode(&rand::random::<[u8; 32]>())
}

pub fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// PKCE (RFC 7636), S256.
pub fn challenge(verifier: &str) -> String {
    encode(&Sha256::digest(verifier))
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::signature::Verifier;

    use super::*;

    fn read(part: &str) -> Value {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn proofs_are_signed_by_the_key_that_they_show() {
        let key = SigningKey::generate();
        let proof = key.proof("POST", "https://pds.example/token", Some("n"), Some("t"));
        let parts: Vec<&str> = proof.split('.').collect();
        let (header, claims) = (read(parts[0]), read(parts[1]));
        assert_eq!(header["jwk"], key.public());
        assert_eq!((&claims["htm"], &claims["nonce"]), (&json!("POST"), &json!("n")));
        assert_eq!(claims["ath"], json!(challenge("t")));
        let signature = BASE64_URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        let signature = p256::ecdsa::Signature::from_slice(&signature).unwrap();
        let signed = format!("{}.{}", parts[0], parts[1]);
        assert!(key.0.verifying_key().verify(signed.as_bytes(), &signature).is_ok());
        assert!(key.0.verifying_key().verify(b"something else", &signature).is_err());
        assert_ne!(read(key.proof("GET", "x", None, None).split('.').nth(1).unwrap())["jti"], claims["jti"]);
    }

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn a_key_is_named_by_its_public_half() {
        let key = SigningKey::generate();
        let again = SigningKey::from_bytes(&key.to_bytes()).unwrap();
        assert_eq!(key.thumbprint(), again.thumbprint());
        // RFC 7638 wants the members in this order.
        assert!(key.public().to_string().starts_with(r#"{"crv":"P-256","kty":"EC","x":""#));
        assert!(SigningKey::from_bytes(&[0; 32]).is_none());
    }
}
