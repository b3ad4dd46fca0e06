//! The first account ever, and a site on which nobody is left.

use anyhow::ensure;
use cardwire_domain::UserId;
use cardwire_domain::accounts::{Account, Admission, SignedUp, TokenHash};
use cardwire_domain::user::User;

use super::{Stores, Tested};

pub async fn a_site_that_everybody_has_left_is_not_fresh_again(stores: Stores) -> Tested {
    ensure!(stores.accounts.is_fresh().await?);
    let alice = stores.sign_up("alice.in.chains").await?;
    ensure!(stores.accounts.people(None, 10).await?[0].is_admin);
    let invite = TokenHash([4; 32]);
    stores.accounts.create_invite(&alice.user.id, &invite).await?;
    ensure!(stores.accounts.delete_account(&alice).await?);
    ensure!(!stores.accounts.is_fresh().await?, "she is on her way out");
    stores.let_leave().await?;
    ensure!(stores.naming(&alice).await.is_empty() && stores.accounts.people(None, 10).await?.is_empty());
    ensure!(!stores.accounts.is_fresh().await?, "she was here");

    let user = User { id: UserId::generate(), handle: "bob.the.builder".into() };
    let bob = Account { user, password_hash: "$argon2id$".into() };
    for admission in [Admission::FirstOnly, Admission::Invited(invite)] {
        let signed_up = stores.accounts.create_account(&bob, &admission).await?;
        ensure!(signed_up == SignedUp::Refused, "{admission:?}: {signed_up:?}");
    }
    let signed_up = stores.accounts.create_account(&bob, &Admission::Open).await?;
    ensure!(signed_up == SignedUp::Member, "{signed_up:?}");
    ensure!(!stores.accounts.people(None, 10).await?[0].is_admin);
    ensure!(stores.accounts.make_admin(&bob.user.id).await?);
    ensure!(stores.accounts.people(None, 10).await?[0].is_admin);
    Ok(())
}
