//! Signing up, and who may.

use cardwire_domain::accounts::{Account, Admission, Handle, Registration, SignedUp};
use cardwire_domain::user::User;
use cardwire_domain::{UserId, password};
use secrecy::{ExposeSecret, SecretString};

use super::client::Client;
use super::error::Error;
use super::sign_in::Accounts;
use super::tokens::token_hash;

const CLOSED: Error = Error::NotLetIn("Registration is closed. Nobody can sign up here at the moment.");
const INVITE_NEEDED: Error =
    Error::NotLetIn("You need an invite to sign up here. Ask an administrator of this site for one.");
const INVITE_VOID: Error = Error::NotLetIn(
    "This invite is not valid, has been used or has expired. Ask an administrator of this site for a new one.",
);

/// A person who wants an account. Without `Debug`, as an invite is a secret.
pub struct SignUp<'a> {
    pub handle: &'a str,
    pub password: SecretString,
    /// The code of an invite. Blank is as good as none.
    pub invite: Option<&'a str>,
}

/// What a person who wants to sign up is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Welcome {
    /// Nobody ever had an account: the first person to sign up becomes the administrator.
    First,
    Open,
    /// The invite lets them in.
    Invited,
    /// No invite was shown.
    InviteNeeded,
    /// The invite is unknown, used or expired.
    InviteVoid,
    Closed,
}

impl Welcome {
    pub fn may_sign_up(self) -> bool {
        self.refusal().is_none()
    }

    fn refusal(self) -> Option<Error> {
        match self {
            Self::First | Self::Open | Self::Invited => None,
            Self::InviteNeeded => Some(INVITE_NEEDED),
            Self::InviteVoid => Some(INVITE_VOID),
            Self::Closed => Some(CLOSED),
        }
    }
}

fn code(invite: Option<&str>) -> Option<&str> {
    invite.map(str::trim).filter(|code| !code.is_empty())
}

impl Accounts {
    pub fn registration(&self) -> Registration {
        self.settings.registration
    }

    /// Who may sign up now, with this invite if there is one. It is not used up.
    pub async fn welcome(&self, invite: Option<&str>) -> Result<Welcome, Error> {
        if self.repository.is_fresh().await? {
            return Ok(Welcome::First);
        }
        Ok(match (self.settings.registration, code(invite)) {
            (Registration::Open, _) => Welcome::Open,
            (Registration::Closed, _) => Welcome::Closed,
            (Registration::Invite, None) => Welcome::InviteNeeded,
            (Registration::Invite, Some(code)) => match self.repository.is_invited(&token_hash(code)).await? {
                true => Welcome::Invited,
                false => Welcome::InviteVoid,
            },
        })
    }

    /// Dropped, the account is there or not.
    pub async fn sign_up(&self, new: SignUp<'_>, client: &Client) -> Result<UserId, Error> {
        Ok(self.create(new, client).await?.user.id)
    }

    /// Makes an account and opens the session of its owner's browser, as [`Accounts::log_in_browser`] does. It is no sign-in: whoever just chose
    /// a password need not show it, and nobody else's wrong tries keep them out.
    ///
    /// Dropped, the account is there or not, and perhaps a session that nobody has the token of.
    pub async fn sign_up_browser(&self, new: SignUp<'_>, client: &Client) -> Result<SecretString, Error> {
        let account = self.create(new, client).await?;
        self.open_in_browser(&account, client).await
    }

    async fn create(&self, new: SignUp<'_>, client: &Client) -> Result<Account, Error> {
        let SignUp { handle, password, invite } = new;
        // A refused sign-up costs no hash and does not count against the limit.
        self.refuse_who_is_not_let_in(invite).await?;
        let handle = Handle::parse(handle)?;
        if handle.is_reserved() {
            return Err(
                cardwire_domain::Error::invalid("handle", "This handle is reserved. Choose another one.").into()
            );
        }
        password::check(password.expose_secret())?;
        // Hashing is dear: nobody gets to keep the others from signing in.
        self.count_sign_up(client)?;
        let password_hash = self.passwords.hash(password).await?;
        let user = User { id: UserId::generate(), handle: handle.as_str().to_owned() };
        let account = Account { user, password_hash };
        if !self.add(&account, invite).await? {
            let taken = format!("The handle {} is taken. Choose another one.", handle.as_str());
            return Err(cardwire_domain::Error::Conflict(taken).into());
        }
        self.attempts.remember(client.address, &handle);
        Ok(account)
    }

    pub(super) async fn refuse_who_is_not_let_in(&self, invite: Option<&str>) -> Result<(), Error> {
        if self.settings.registration == Registration::Open {
            return Ok(());
        }
        self.welcome(invite).await?.refusal().map_or(Ok(()), Err)
    }

    pub(super) fn count_sign_up(&self, client: &Client) -> Result<(), Error> {
        self.sign_ups.admit(client.address).map_err(|retry_after| Error::TooManySignUps { retry_after })
    }

    /// Creates the account. False: its handle is taken.
    pub(super) async fn add(&self, account: &Account, invite: Option<&str>) -> Result<bool, Error> {
        match self.repository.create_account(account, &self.admission(invite)).await? {
            SignedUp::First => {
                let User { id, handle } = &account.user;
                tracing::info!(%id, handle, "the first account was made; it is an administrator's");
            }
            SignedUp::Member => {}
            // Somebody else was the first meanwhile, or used the invite.
            SignedUp::Refused => return Err(self.welcome(invite).await?.refusal().unwrap_or(INVITE_VOID)),
            SignedUp::Taken => return Ok(false),
        }
        Ok(true)
    }

    fn admission(&self, invite: Option<&str>) -> Admission {
        match (self.settings.registration, code(invite)) {
            (Registration::Open, _) => Admission::Open,
            (Registration::Invite, Some(code)) => Admission::Invited(token_hash(code)),
            (Registration::Invite, None) | (Registration::Closed, _) => Admission::FirstOnly,
        }
    }
}
