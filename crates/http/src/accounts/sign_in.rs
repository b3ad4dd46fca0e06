//! Signing in and out.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use cardwire_domain::account_store::AccountStore;
use cardwire_domain::accounts::{Account, Handle, Registration};
use cardwire_domain::sessions::{NewSession, Opening, SessionTokens};
use cardwire_domain::{Clock, SessionId, SystemClock, UserId};
use secrecy::{ExposeSecret, SecretString};

use super::attempts::{Attempts, Purpose, SignUps};
use super::client::{self, Client};
use super::error::{Error, WRONG_CREDENTIALS};
use super::passwords::{Argon2id, PasswordScheme, Passwords};
use super::tokens::{Tokens, new_token, token_hash};
use crate::session::KEPT_DAYS;

#[derive(Clone, Debug)]
pub struct AccountSettings {
    pub registration: Registration,
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

impl AccountSettings {
    pub fn of(registration: Registration) -> Self {
        Self {
            registration,
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
    pub(super) repository: Arc<dyn AccountStore>,
    pub(super) passwords: Passwords,
    pub(super) attempts: Arc<Attempts>,
    pub(super) sign_ups: Arc<SignUps>,
    pub(super) settings: AccountSettings,
    /// Tells how long ago somebody signed in; the store stamped it by its own.
    pub(super) clock: Arc<dyn Clock>,
}

impl Accounts {
    /// Hashes a password, which takes some ten milliseconds.
    pub fn new(repository: Arc<dyn AccountStore>, settings: AccountSettings) -> Result<Self, Error> {
        Self::with_scheme(repository, settings, Arc::new(Argon2id::default()))
    }

    pub fn with_scheme(
        repository: Arc<dyn AccountStore>,
        settings: AccountSettings,
        scheme: Arc<dyn PasswordScheme>,
    ) -> Result<Self, Error> {
        let passwords = Passwords::new(scheme, settings.hashing)?;
        let attempts = Arc::new(Attempts::default());
        let sign_ups = Arc::new(SignUps::new(settings.sign_ups_per_minute));
        Ok(Self { repository, passwords, attempts, sign_ups, settings, clock: Arc::new(SystemClock) })
    }

    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Dropped, there may be a session that nobody has the tokens of.
    pub async fn log_in(&self, handle: &str, password: SecretString, client: &Client) -> Result<Tokens, Error> {
        let account = self.recognise(handle, password, client).await?;
        let (tokens, hashes) = self.new_tokens();
        self.open(&account, hashes, client).await?;
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
        client: &Client,
    ) -> Result<SecretString, Error> {
        let account = self.recognise(handle, password, client).await?;
        self.open_in_browser(&account, client).await
    }

    pub(super) async fn open_in_browser(&self, account: &Account, client: &Client) -> Result<SecretString, Error> {
        let (tokens, hashes) = self.new_tokens();
        let kept = Duration::from_secs(u64::from(KEPT_DAYS) * 86_400);
        self.open(account, SessionTokens { access_for: kept, refresh_for: kept, ..hashes }, client).await?;
        Ok(tokens.access)
    }

    async fn open(&self, account: &Account, tokens: SessionTokens, client: &Client) -> Result<(), Error> {
        let session = NewSession { id: SessionId::generate(), tokens, client: client.name.clone() };
        match self.repository.open_session(account, &session).await? {
            Opening::Opened => Ok(()),
            Opening::Suspended => Err(Error::Suspended),
            Opening::Outdated => Err(WRONG_CREDENTIALS),
        }
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
    async fn recognise(&self, handle: &str, password: SecretString, client: &Client) -> Result<Account, Error> {
        let handle = Handle::parse(handle).ok();
        let check = async {
            let account = match &handle {
                Some(handle) => self.repository.account(handle).await?,
                None => None,
            };
            // Without an account a password is checked all the same: the answer's time must not tell that there is none.
            let hash = account.as_ref().filter(|account| account.has_password());
            let hash = hash.map(|account| account.password_hash.clone());
            let right = self.passwords.matches(password, hash).await?;
            Ok::<_, Error>(account.filter(|_| right))
        };
        self.attempt(Purpose::SignIn(handle.as_ref()), client, check).await?.ok_or(WRONG_CREDENTIALS)
    }

    /// Counts a check of a password, which finds something if the password is right.
    pub(super) async fn attempt<T>(
        &self,
        purpose: Purpose<'_>,
        client: &Client,
        check: impl Future<Output = Result<Option<T>, Error>>,
    ) -> Result<Option<T>, Error> {
        let address = client.address.map(tracing::field::display);
        // What is no handle may be a password, typed into the wrong field.
        let handle = purpose.handle().map_or("(no handle)", Handle::as_str);
        let attempt = self.attempts.begin(client.address, purpose).map_err(|retry_after| match purpose {
            Purpose::SignIn(_) => {
                tracing::warn!(address, handle, "a sign-in was refused: too many failed before it");
                Error::TooManySignIns { retry_after }
            }
            Purpose::Confirm(..) => {
                tracing::warn!(address, handle, "a current password was not checked: too many were wrong before it");
                Error::TooManyWrongPasswords { retry_after }
            }
        })?;
        match check.await {
            Ok(Some(found)) => {
                attempt.succeeded();
                Ok(Some(found))
            }
            Ok(None) => {
                attempt.failed();
                match purpose {
                    Purpose::SignIn(_) => tracing::warn!(address, handle, "a sign-in failed: wrong handle or password"),
                    Purpose::Confirm(..) => tracing::warn!(address, handle, "a current password was wrong"),
                }
                Ok(None)
            }
            Err(error) => {
                attempt.unchecked();
                Err(error)
            }
        }
    }

    /// Dropped, the token may be spent, and then showing it again ends the session.
    pub async fn refresh(&self, refresh: &SecretString) -> Result<Tokens, Error> {
        let (tokens, hashes) = self.new_tokens();
        match self.repository.refresh_session(&token_hash(refresh.expose_secret()), &hashes).await? {
            Some(_) => Ok(tokens),
            None => {
                Err(Error::Refused("This refresh token is unknown, or it has expired or been used. Sign in again."))
            }
        }
    }

    /// Ends the session of this access token, even of one that has expired; false: there is none.
    pub async fn log_out(&self, access: &str) -> Result<bool, Error> {
        Ok(self.repository.close_session(&token_hash(access)).await?)
    }

    pub fn client(&self, request: &HttpRequest) -> Client {
        Client { address: self.client_address(request), name: client::name(request) }
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
