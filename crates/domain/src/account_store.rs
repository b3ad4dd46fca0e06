//! Everything that is kept of accounts, as one port.

use crate::accounts::AccountRepository;
use crate::atproto::AtprotoRepository;
use crate::invites::InviteRepository;
use crate::profile::ProfileRepository;
use crate::resets::ResetRepository;
use crate::sessions::SessionRepository;
use crate::tokens::TokenRepository;

pub trait AccountStore:
    AccountRepository
    + SessionRepository
    + TokenRepository
    + ProfileRepository
    + InviteRepository
    + ResetRepository
    + AtprotoRepository
{
}

impl<S> AccountStore for S where
    S: AccountRepository
        + SessionRepository
        + TokenRepository
        + ProfileRepository
        + InviteRepository
        + ResetRepository
        + AtprotoRepository
{
}
