//! Signing in and up by the AT Protocol network. Who somebody is has been proved before.

use cardwire_domain::UserId;
use cardwire_domain::accounts::{Account, Handle, is_leaving};
use cardwire_domain::user::User;
use secrecy::SecretString;

use super::client::Client;
use super::error::Error;
use super::sign_in::Accounts;

/// Somebody of the network who wants an account here.
pub struct Newcomer<'a> {
    pub did: &'a UserId,
    /// Their name there, if it was checked.
    pub handle: Option<&'a str>,
    /// The code of an invite.
    pub invite: Option<&'a str>,
}

impl Accounts {
    /// Opens the session of a browser whose owner has proved to be this person.
    ///
    /// Dropped, there may be a session that nobody has the token of.
    pub async fn enter_browser(&self, person: &UserId, client: &Client) -> Result<SecretString, Error> {
        let account = self.repository.account_of(person).await?.ok_or_else(is_leaving)?;
        self.open_in_browser(&account, client).await
    }

    /// Makes an account without a password, whose id is the DID. It is let in by the same rules as any other.
    ///
    /// Dropped, the account is there or not.
    pub async fn join(&self, new: Newcomer<'_>, client: &Client) -> Result<UserId, Error> {
        self.refuse_who_is_not_let_in(new.invite).await?;
        self.count_sign_up(client)?;
        for handle in handles(new.did, new.handle) {
            let user = User { id: new.did.clone(), handle: handle.as_str().to_owned() };
            let account = Account { user, password_hash: Account::NO_PASSWORD.to_owned() };
            if self.add(&account, new.invite).await? {
                return Ok(account.user.id);
            }
        }
        let taken = "All handles like yours are taken. Sign up with a password, then connect your AT Protocol account.";
        Err(cardwire_domain::Error::Conflict(taken.into()).into())
    }
}

/// What somebody may be called here, best first: their name in the network, if it fits, its first part, and names that nobody else asks for.
fn handles(did: &UserId, handle: Option<&str>) -> Vec<Handle> {
    let end: String = did.fallback_handle().chars().filter(char::is_ascii_alphanumeric).collect();
    let tail = |chars: usize| &end[end.len().saturating_sub(chars)..];
    let first = handle.and_then(|handle| handle.split('.').next());
    let told = first.map(|first| format!("{}-{}", &first[..first.len().min(20)], tail(8)));
    let names = [handle.map(str::to_owned), first.map(str::to_owned), told, Some(format!("at-{}", tail(24)))];
    let names = names.into_iter().flatten().filter_map(|name| Handle::parse(&name).ok());
    names.filter(|handle| !handle.is_reserved()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_keep_their_names_where_they_fit() {
        let did = UserId::parse("did:plc:ewvi7nxzyoun6zhxrhs64oiz").unwrap();
        let names = |handle: Option<&str>| {
            handles(&did, handle).iter().map(|handle| handle.as_str().to_owned()).collect::<Vec<_>>()
        };
        let own = "at-ewvi7nxzyoun6zhxrhs64oiz";
        assert_eq!(names(Some("alice.bsky.social")), ["alice.bsky.social", "alice", "alice-rhs64oiz", own]);
        assert_eq!(names(Some("admin.example.com"))[0], "admin.example.com");
        assert!(!names(Some("admin.example.com")).contains(&"admin".to_owned()), "it is reserved");
        let long = format!("{}.example.com", "a".repeat(40));
        assert_eq!(names(Some(&long)), [format!("{}-rhs64oiz", "a".repeat(20)), own.to_owned()]);
        assert_eq!(names(None), [own]);
    }
}
