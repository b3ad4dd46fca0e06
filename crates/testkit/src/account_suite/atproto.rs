//! Connections to the AT Protocol network.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use cardwire_domain::accounts::{Account, Admission};
use cardwire_domain::atproto::{
    Connecting, ConnectionKind, MAX_REASON_CHARS, NewConnection, REFRESH_WITHIN, SIGN_IN_WITHIN, Sealed, SignInRequest,
};
use cardwire_domain::user::User;
use cardwire_domain::{Error, LinkId, UserId};

use super::{Accounts, token};
use crate::store_suite::Tested;

fn sealed(number: u8) -> Sealed {
    Sealed(vec![1, 0, number])
}

fn connection(person: &UserId, did: &str, session: u8) -> anyhow::Result<NewConnection> {
    Ok(NewConnection {
        person: person.clone(),
        did: UserId::parse(did)?,
        handle: Some("alice.example.com".into()),
        service: "https://pds.example.com".into(),
        kind: ConnectionKind::OAuth,
        session: sealed(session),
    })
}

pub async fn a_sign_in_is_taken_once_and_in_time(accounts: Accounts) -> Tested {
    let request = |number: u32| SignInRequest { state: token(number), sealed: sealed(7) };
    let first = token(1);
    accounts.store.keep_sign_in(&request(1)).await?;
    ensure!(accounts.store.take_sign_in(&token(2)).await?.is_none(), "never kept");
    let (one, other) = tokio::join!(accounts.store.take_sign_in(&first), accounts.store.take_sign_in(&first));
    let taken: Vec<_> = [one?, other?].into_iter().flatten().collect();
    ensure!(taken == [request(1)], "{taken:?}");
    ensure!(accounts.store.take_sign_in(&token(1)).await?.is_none());
    accounts.store.keep_sign_in(&request(3)).await?;
    accounts.store.keep_sign_in(&request(4)).await?;
    accounts.time.advance(SIGN_IN_WITHIN - Duration::from_secs(60)).await;
    ensure!(accounts.store.take_sign_in(&token(3)).await?.is_some());
    accounts.time.advance(Duration::from_secs(61)).await;
    ensure!(accounts.store.take_sign_in(&token(4)).await?.is_none(), "it has expired");
    Ok(())
}

pub async fn a_connection_is_kept_replaced_and_forgotten(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    ensure!(accounts.store.connection(&alice.id).await?.is_none());
    let first = accounts.store.connect(&connection(&alice.id, "did:plc:alice", 1)?).await?;
    ensure!(first == Connecting::Connected { replaced: None }, "{first:?}");
    let kept = accounts.store.connection(&alice.id).await?.context("it was kept")?;
    ensure!((kept.did.as_str(), kept.service.as_str()) == ("did:plc:alice", "https://pds.example.com"), "{kept:?}");
    ensure!(kept.handle.as_deref() == Some("alice.example.com") && kept.kind == ConnectionKind::OAuth, "{kept:?}");
    ensure!(kept.session == Some(sealed(1)) && kept.ended.is_none() && kept.last_error.is_none(), "{kept:?}");
    accounts.store.note_connection(&alice.id, Some("the server is away")).await?;
    let noted = accounts.store.connection(&alice.id).await?.context("it is kept")?;
    ensure!(noted.last_error.as_deref() == Some("the server is away") && noted.version == kept.version, "{noted:?}");
    let new =
        NewConnection { handle: None, kind: ConnectionKind::AppPassword, ..connection(&alice.id, "did:plc:other", 2)? };
    let second = accounts.store.connect(&new).await?;
    ensure!(second == Connecting::Connected { replaced: Some(noted) }, "{second:?}");
    let kept_now = accounts.store.connection(&alice.id).await?.context("it was replaced")?;
    ensure!(
        kept_now.version > kept.version && kept_now.last_error.is_none() && kept_now.handle.is_none(),
        "{kept_now:?}"
    );
    ensure!(accounts.store.person_of(&kept.did).await?.is_none());
    ensure!(accounts.store.person_of(&kept_now.did).await? == Some(alice.id.clone()));
    ensure!(accounts.store.disconnect(&alice.id).await? == Some(kept_now));
    ensure!(accounts.store.disconnect(&alice.id).await?.is_none());
    ensure!(accounts.store.connection(&alice.id).await?.is_none());
    Ok(())
}

pub async fn a_connection_that_ended_is_told_from_none(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    accounts.store.connect(&connection(&alice.id, "did:plc:alice", 1)?).await?;
    let version = accounts.store.connection(&alice.id).await?.context("it is kept")?.version;
    ensure!(!accounts.store.end_connection(&alice.id, version + 1, "x").await?, "of another session");
    let long = format!("revoked{}", "\0x".repeat(MAX_REASON_CHARS));
    ensure!(accounts.store.end_connection(&alice.id, version, &long).await?);
    ensure!(!accounts.store.end_connection(&alice.id, version, "again").await?);
    let ended = accounts.store.connection(&alice.id).await?.context("it is still told")?;
    let why = ended.ended.context("it has ended")?;
    ensure!(why.starts_with("revoked") && why.chars().count() == MAX_REASON_CHARS && !why.contains('\0'), "{why}");
    ensure!(ended.session.is_none());
    ensure!(
        !accounts.store.lease_refresh(&alice.id, version, LinkId::generate()).await?,
        "there is nothing to refresh"
    );
    accounts.store.connect(&connection(&alice.id, "did:plc:alice", 2)?).await?;
    let again = accounts.store.connection(&alice.id).await?.context("it is connected again")?;
    ensure!(again.ended.is_none() && again.session == Some(sealed(2)) && again.version > version, "{again:?}");
    Ok(())
}

pub async fn a_did_belongs_to_one_account(accounts: Accounts) -> Tested {
    let (alice, bob) = (accounts.sign_up("alice").await?, accounts.sign_up("bob").await?);
    accounts.store.connect(&connection(&alice.id, "did:plc:alice", 1)?).await?;
    let taken = accounts.store.connect(&connection(&bob.id, "did:plc:alice", 2)?).await?;
    ensure!(taken == Connecting::Taken, "{taken:?}");
    ensure!(accounts.store.connection(&bob.id).await?.is_none());
    // The id of an account belongs to it, connected or not.
    let carol = User { id: UserId::parse("did:plc:carol")?, handle: "carol".into() };
    let account = Account { user: carol.clone(), password_hash: Account::NO_PASSWORD.into() };
    accounts.store.create_account(&account, &Admission::Open).await?;
    ensure!(accounts.store.person_of(&carol.id).await? == Some(carol.id.clone()));
    let taken = accounts.store.connect(&connection(&bob.id, "did:plc:carol", 2)?).await?;
    ensure!(taken == Connecting::Taken, "{taken:?}");
    let own = accounts.store.connect(&connection(&carol.id, "did:plc:carol", 3)?).await?;
    ensure!(own == Connecting::Connected { replaced: None }, "{own:?}");
    accounts.store.disconnect(&alice.id).await?;
    let free = accounts.store.connect(&connection(&bob.id, "did:plc:alice", 4)?).await?;
    ensure!(free == Connecting::Connected { replaced: None }, "{free:?}");
    Ok(())
}

pub async fn suspended_and_leaving_accounts_are_not_connected(accounts: Accounts) -> Tested {
    let (alice, bob) = (accounts.sign_up("alice").await?, accounts.sign_up("bob").await?);
    accounts.store.suspend(&alice.id).await?;
    let refused = accounts.store.connect(&connection(&alice.id, "did:plc:alice", 1)?).await;
    ensure!(matches!(&refused, Err(Error::Forbidden(why)) if why.contains("suspended")), "{refused:?}");
    let account = accounts.store.account_of(&bob.id).await?.context("Bob has one")?;
    ensure!(accounts.store.delete_account(&account).await?);
    let refused = accounts.store.connect(&connection(&bob.id, "did:plc:bob", 1)?).await;
    ensure!(matches!(&refused, Err(Error::Forbidden(why)) if why.contains("deleted")), "{refused:?}");
    Ok(())
}

pub async fn one_refreshes_a_session_at_a_time(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?.id;
    accounts.store.connect(&connection(&alice, "did:plc:alice", 1)?).await?;
    let version = accounts.store.connection(&alice).await?.context("it is kept")?.version;
    let leases = [LinkId::generate(), LinkId::generate()];
    let (one, other) = tokio::join!(
        accounts.store.lease_refresh(&alice, version, leases[0]),
        accounts.store.lease_refresh(&alice, version, leases[1])
    );
    let (one, other) = (one?, other?);
    ensure!(one != other, "{one} {other}");
    let (winner, loser) = if one { (leases[0], leases[1]) } else { (leases[1], leases[0]) };
    ensure!(!accounts.store.finish_refresh(&alice, loser, &sealed(9)).await?);
    ensure!(accounts.store.finish_refresh(&alice, winner, &sealed(2)).await?);
    let refreshed = accounts.store.connection(&alice).await?.context("it is kept")?;
    ensure!(refreshed.session == Some(sealed(2)) && refreshed.version == version + 1, "{refreshed:?}");
    ensure!(!accounts.store.lease_refresh(&alice, version, loser).await?, "that version is refreshed already");
    ensure!(accounts.store.lease_refresh(&alice, version + 1, loser).await?);
    accounts.store.release_refresh(&alice, winner).await?;
    ensure!(!accounts.store.lease_refresh(&alice, version + 1, winner).await?, "only who has it gives it back");
    accounts.store.release_refresh(&alice, loser).await?;
    ensure!(accounts.store.lease_refresh(&alice, version + 1, winner).await?);
    Ok(())
}

pub async fn a_refresh_that_lost_its_lease_stores_nothing(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?.id;
    accounts.store.connect(&connection(&alice, "did:plc:alice", 1)?).await?;
    let version = accounts.store.connection(&alice).await?.context("it is kept")?.version;
    let [slow, next] = [LinkId::generate(), LinkId::generate()];
    ensure!(accounts.store.lease_refresh(&alice, version, slow).await?);
    accounts.time.advance(REFRESH_WITHIN + Duration::from_secs(1)).await;
    ensure!(accounts.store.lease_refresh(&alice, version, next).await?, "whoever had it is taken for dead");
    ensure!(!accounts.store.finish_refresh(&alice, slow, &sealed(9)).await?);
    // Nor is there anything to store after a new connection, or without one.
    accounts.store.connect(&connection(&alice, "did:plc:alice", 3)?).await?;
    ensure!(!accounts.store.finish_refresh(&alice, next, &sealed(9)).await?);
    let kept = accounts.store.connection(&alice).await?.context("it is kept")?;
    ensure!(kept.session == Some(sealed(3)), "{kept:?}");
    ensure!(accounts.store.lease_refresh(&alice, kept.version, next).await?);
    accounts.store.disconnect(&alice).await?;
    ensure!(!accounts.store.finish_refresh(&alice, next, &sealed(9)).await?);
    Ok(())
}
