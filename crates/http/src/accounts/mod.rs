//! Accounts: signing up, in and out, and telling who a token belongs to.
//!
//! Passwords are kept as argon2id hashes. Tokens are 256 random bits of which the store sees the SHA-256; what it holds lets
//! nobody in. Passwords are compared in one Unicode form (NFC). A sign-in does the same work and is refused in the same words whether the handle or the password is wrong.

mod attempts;
mod error;
mod passwords;
mod tokens;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use async_trait::async_trait;
use cardwire_domain::accounts::{Account, AccountRepository, Handle, SessionTokens};
use cardwire_domain::user::User;
use cardwire_domain::{UserId, password};
use secrecy::{ExposeSecret, SecretString};

pub use self::error::Error;
pub use self::passwords::{Argon2id, PasswordScheme, SchemeError};
pub use self::tokens::Tokens;

use self::attempts::{Attempts, SignUps};
use self::error::WRONG_CREDENTIALS;
use self::passwords::Passwords;
use self::tokens::{new_token, token_hash};
use crate::auth::{self, Authenticator, Credential, Identity};
use crate::session::KEPT_DAYS;

#[derive(Clone, Debug)]
pub struct AccountSettings {
    pub access_for: Duration,
    pub refresh_for: Duration,
    /// Accounts made from each address.
    pub sign_ups_per_minute: NonZeroU32,
    /// How many passwords are hashed at once.
    pub hashing: usize,
    /// The header in which a proxy of ours says who connected to it, such as `Fly-Client-IP`. Only for a server that nobody
    /// reaches past that proxy, as anybody can send it. `None`: the address at the other end of the connection.
    pub address_header: Option<HeaderName>,
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self {
            access_for: Duration::from_secs(3_600),
            refresh_for: Duration::from_secs(30 * 86_400),
            sign_ups_per_minute: NonZeroU32::new(60).expect("60 is not 0"),
            hashing: available_parallelism().map_or(1, usize::from),
            address_header: None,
        }
    }
}

/// One for the whole process, since it counts sign-ins: clones share it.
#[derive(Clone)]
pub struct Accounts {
    repository: Arc<dyn AccountRepository>,
    passwords: Passwords,
    attempts: Arc<Attempts>,
    sign_ups: Arc<SignUps>,
    settings: AccountSettings,
}

impl Accounts {
    /// Hashes a password, which takes some ten milliseconds.
    pub fn new(repository: Arc<dyn AccountRepository>, settings: AccountSettings) -> Result<Self, Error> {
        Self::with_scheme(repository, settings, Arc::new(Argon2id::default()))
    }

    pub fn with_scheme(
        repository: Arc<dyn AccountRepository>,
        settings: AccountSettings,
        scheme: Arc<dyn PasswordScheme>,
    ) -> Result<Self, Error> {
        let passwords = Passwords::new(scheme, settings.hashing)?;
        let attempts = Arc::new(Attempts::default());
        let sign_ups = Arc::new(SignUps::new(settings.sign_ups_per_minute));
        Ok(Self { repository, passwords, attempts, sign_ups, settings })
    }

    /// Dropped, the account is there or not.
    pub async fn sign_up(
        &self,
        handle: &str,
        password: SecretString,
        address: Option<IpAddr>,
    ) -> Result<UserId, Error> {
        Ok(self.create(handle, password, address).await?.id)
    }

    /// Makes an account and opens the session of its owner's browser, as [`Accounts::log_in_browser`] does. It is no sign-in: whoever just chose
    /// a password need not show it, and nobody else's wrong tries keep them out.
    ///
    /// Dropped, the account is there or not, and perhaps a session that nobody has the token of.
    pub async fn sign_up_browser(
        &self,
        handle: &str,
        password: SecretString,
        address: Option<IpAddr>,
    ) -> Result<SecretString, Error> {
        let user = self.create(handle, password, address).await?;
        self.open_in_browser(&user.id).await
    }

    async fn create(&self, handle: &str, password: SecretString, address: Option<IpAddr>) -> Result<User, Error> {
        let handle = Handle::parse(handle)?;
        if handle.is_reserved() {
            return Err(cardwire_domain::Error::invalid("handle", "is reserved; choose another").into());
        }
        password::check(password.expose_secret())?;
        // Hashing is dear: nobody gets to keep the others from signing in.
        self.sign_ups.admit(address).map_err(|retry_after| Error::TooManySignUps { retry_after })?;
        let password_hash = self.passwords.hash(password).await?;
        let user = User { id: UserId::generate(), handle: handle.as_str().to_owned() };
        self.repository.create_account(&Account { user: user.clone(), password_hash }).await?;
        self.attempts.remember(address, &handle);
        Ok(user)
    }

    /// Dropped, there may be a session that nobody has the tokens of.
    pub async fn log_in(&self, handle: &str, password: SecretString, address: Option<IpAddr>) -> Result<Tokens, Error> {
        let user = self.recognise(handle, password, address).await?;
        let (tokens, hashes) = self.new_tokens();
        self.repository.open_session(&user.id, &hashes).await?;
        Ok(tokens)
    }

    /// Opens the session of a browser and gives its one token. Nothing refreshes it: pages ask for several things at once, and of two
    /// refreshes the second would look like theft.
    ///
    /// Dropped, there may be a session that nobody has the token of.
    pub async fn log_in_browser(
        &self,
        handle: &str,
        password: SecretString,
        address: Option<IpAddr>,
    ) -> Result<SecretString, Error> {
        let user = self.recognise(handle, password, address).await?;
        self.open_in_browser(&user.id).await
    }

    async fn open_in_browser(&self, id: &UserId) -> Result<SecretString, Error> {
        let (tokens, hashes) = self.new_tokens();
        let kept = Duration::from_secs(u64::from(KEPT_DAYS) * 86_400);
        self.repository.open_session(id, &SessionTokens { access_for: kept, refresh_for: kept, ..hashes }).await?;
        Ok(tokens.access)
    }

    /// The person that a handle or a DID names. `None`: nobody has that handle.
    pub async fn person(&self, handle_or_did: &str) -> Result<Option<UserId>, Error> {
        let text = handle_or_did.trim();
        if let Ok(id) = UserId::parse(text) {
            return Ok(Some(id));
        }
        let Ok(handle) = Handle::parse(text.trim_start_matches('@')) else { return Ok(None) };
        Ok(self.repository.account(&handle).await?.map(|account| account.user.id))
    }

    /// The people among these who have no account here.
    pub async fn unknown(&self, people: &[UserId]) -> Result<Vec<UserId>, Error> {
        Ok(self.repository.without_account(people).await?)
    }

    /// Whose handle and password these are.
    async fn recognise(&self, handle: &str, password: SecretString, address: Option<IpAddr>) -> Result<User, Error> {
        let handle = Handle::parse(handle).ok();
        // What is no handle may be a password, typed into the wrong field.
        let name = handle.as_ref().map_or("(no handle)", Handle::as_str);
        let attempt = self.attempts.begin(address, handle.as_ref()).map_err(|retry_after| {
            tracing::warn!(
                address = address.map(display),
                handle = name,
                "a sign-in was refused: too many failed before it"
            );
            Error::TooManySignIns { retry_after }
        })?;
        match self.check(handle.as_ref(), password).await {
            Ok(Some(user)) => {
                attempt.succeeded();
                Ok(user)
            }
            Ok(None) => {
                attempt.failed();
                tracing::warn!(
                    address = address.map(display),
                    handle = name,
                    "a sign-in failed: wrong handle or password"
                );
                Err(WRONG_CREDENTIALS)
            }
            Err(error) => {
                attempt.unchecked();
                Err(error)
            }
        }
    }

    async fn check(&self, handle: Option<&Handle>, password: SecretString) -> Result<Option<User>, Error> {
        let account = match handle {
            Some(handle) => self.repository.account(handle).await?,
            None => None,
        };
        // Without an account a password is checked all the same: the answer's time must not tell that there is none.
        let hash = account.as_ref().map(|account| account.password_hash.clone());
        let right = self.passwords.matches(password, hash).await?;
        Ok(account.filter(|_| right).map(|account| account.user))
    }

    /// Dropped, the token may be spent, and then showing it again ends the session.
    pub async fn refresh(&self, refresh: &SecretString) -> Result<Tokens, Error> {
        let (tokens, hashes) = self.new_tokens();
        match self.repository.refresh_session(&token_hash(refresh.expose_secret()), &hashes).await? {
            Some(_) => Ok(tokens),
            None => Err(Error::Refused("the refresh token is unknown, expired or used; sign in again")),
        }
    }

    /// Ends the session of this access token, even of one that has expired; false: there is none.
    pub async fn log_out(&self, access: &str) -> Result<bool, Error> {
        Ok(self.repository.close_session(&token_hash(access)).await?)
    }

    /// Whom to count a sign-in or a live reader against.
    pub fn client_address(&self, request: &HttpRequest) -> Option<IpAddr> {
        let Some(name) = &self.settings.address_header else { return request.peer_addr().map(|peer| peer.ip()) };
        let told = request.headers().get(name).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        // Whoever the proxy does not name shares an address with all such: that of the proxy may be one that is not counted.
        Some(told.unwrap_or(Ipv4Addr::UNSPECIFIED.into()))
    }

    fn new_tokens(&self) -> (Tokens, SessionTokens) {
        let AccountSettings { access_for, refresh_for, .. } = self.settings;
        let (access, refresh) = (new_token(), new_token());
        let hashes = SessionTokens {
            access: token_hash(access.expose_secret()),
            access_for,
            refresh: token_hash(refresh.expose_secret()),
            refresh_for,
        };
        (Tokens { access, refresh, access_for }, hashes)
    }
}

/// Takes access tokens of live sessions.
pub struct TokenAuthenticator {
    accounts: Arc<dyn AccountRepository>,
    admins: BTreeSet<UserId>,
}

impl TokenAuthenticator {
    pub fn new(accounts: Arc<dyn AccountRepository>, admins: BTreeSet<UserId>) -> Self {
        Self { accounts, admins }
    }
}

#[async_trait]
impl Authenticator for TokenAuthenticator {
    async fn authenticate(&self, credential: Option<Credential<'_>>) -> Result<Option<Identity>, auth::Error> {
        let Some(credential) = credential else { return Ok(None) };
        let found = self.accounts.session_user(&token_hash(credential.token())).await;
        match found.map_err(|error| auth::Error::Unavailable(error.to_string()))? {
            Some(user) => Ok(Some(Identity { admin: self.admins.contains(&user.id), user })),
            None => Err(auth::Error::Refused("the token is unknown or expired; refresh it or sign in again")),
        }
    }
}
