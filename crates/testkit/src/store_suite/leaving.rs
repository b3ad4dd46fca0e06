//! Deleting an account, and all that goes with it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use cardwire_domain::accounts::{Account, Admission, Handle, SignedUp, TokenHash};
use cardwire_domain::atproto::{ConnectionKind, NewConnection, Sealed};
use cardwire_domain::changes::{Changes, Idempotency, IdempotencyKey};
use cardwire_domain::collection::AccessType;
use cardwire_domain::imports::{ImportRow, NewImport};
use cardwire_domain::profile::{Bio, DisplayName, Edit, ProfileChange};
use cardwire_domain::search::SearchRequest;
use cardwire_domain::sessions::{NewSession, Opening, SessionTokens};
use cardwire_domain::tokens::{NewToken, Scope, TokenName};
use cardwire_domain::url::CardUrl;
use cardwire_domain::use_cases::{
    AddUrlToLibrary, BlockPerson, CreateCollection, DeleteCollection, Parting, Request, execute, let_person_go,
};
use cardwire_domain::user::User;
use cardwire_domain::{Card, CollectionId, DomainEvent, Error, ImportId, SessionId, TokenId, UserId, Visibility};
use cardwire_events::operations::Action;
use cardwire_events::{DeadSelection, Failure, Queue, QueueSettings, Verdict};

use super::scene::{PLENTY, begin_import, creating, page, refused, saving};
use super::{Stores, Tested};

/// Handles that occur in nothing else.
const ALICE: &str = "alice.in.chains";
const BOB: &str = "bob.the.builder";
const SHARED: &str = "https://example.com/shared";

fn hash(number: u8) -> TokenHash {
    TokenHash([number; 32])
}

/// Refused because the account is being deleted, or has been.
pub fn is_leaving(error: &Error) -> bool {
    matches!(error, Error::Forbidden(why) if why.contains("being deleted"))
}

impl Stores {
    pub async fn sign_up(&self, handle: &str) -> anyhow::Result<Account> {
        let user = User { id: UserId::generate(), handle: handle.into() };
        let account = Account { user, password_hash: "$argon2id$".into() };
        let signed_up = self.accounts.create_account(&account, &Admission::Open).await?;
        ensure!(matches!(signed_up, SignedUp::First | SignedUp::Member), "{handle}: {signed_up:?}");
        Ok(account)
    }

    async fn is_free(&self, handle: &str) -> anyhow::Result<bool> {
        let user = User { id: UserId::generate(), handle: handle.into() };
        let account = Account { user, password_hash: String::new() };
        Ok(self.accounts.create_account(&account, &Admission::Open).await? != SignedUp::Taken)
    }

    /// What names this person, but for what operators did.
    pub async fn naming(&self, account: &Account) -> Vec<String> {
        let mut found = self.time.holding(account.user.id.as_str()).await;
        found.extend(self.time.holding(&account.user.handle).await);
        found.retain(|column| !column.starts_with("audit_log."));
        found
    }

    /// Takes deletions to their end, in small portions.
    pub async fn let_leave(&self) -> Tested {
        for _ in 0..PLENTY {
            match let_person_go(&*self.store, 3).await? {
                Parting::Nobody => return Ok(()),
                Parting::Further => {}
                Parting::Waits => {
                    self.let_all_go(2).await?;
                    self.work_off().await?;
                }
                waits @ Parting::WaitsForDead { .. } => bail!("{waits:?}"),
            }
        }
        bail!("the portions do not end")
    }

    async fn hits(&self, text: &str, reader: &UserId) -> anyhow::Result<usize> {
        let request = SearchRequest { text: text.into(), reader: Some(reader.clone()), ..SearchRequest::default() };
        Ok(self.search.search(&request, &page(100, None)).await?.items.len())
    }

    /// What others see of somebody, and what they see themselves.
    async fn seen_by(&self, person: &UserId) -> anyhow::Result<Vec<String>> {
        let mut seen = vec![format!("{:?}", self.library_of(person).await?)];
        seen.push(format!("{:?}", self.feed_items(Some(person)).await?));
        seen.push(format!("{:?}", self.collections.collections_of(person, &page(100, None)).await?.items));
        for text in ["shared", "builders", "words"] {
            seen.push(format!("{text}: {}", self.hits(text, person).await?));
        }
        Ok(seen)
    }
}

/// All that somebody can have, most of it worked off. Returns Alice, Bob, and a collection of Bob's in which Alice keeps a card.
async fn everything(stores: &Stores) -> anyhow::Result<(Account, Account, CollectionId)> {
    let (alice, bob) = (stores.sign_up(ALICE).await?, stores.sign_up(BOB).await?);
    let (a, b) = (alice.user.id.clone(), bob.user.id.clone());
    let hers = stores.collection(&a, "Hers", AccessType::Open).await?;
    let his = stores.collection(&b, "His", AccessType::Open).await?;
    let doomed = stores.collection(&b, "Doomed", AccessType::Open).await?;
    let asked = stores.collection(&b, "Asked", AccessType::Closed).await?;
    stores.save_with(&b, SHARED, Some("words of builders"), &[hers, his]).await?;
    for number in 0..7 {
        stores.save_with(&a, &format!("https://example.com/own/{number}"), Some("her words"), &[hers, his]).await?;
    }
    stores.save_called(&a, SHARED, &format!("As {ALICE} calls it")).await?;
    stores.save_privately(&a, "https://example.com/secret", Some("for nobody else"), &[hers]).await?;
    let removed = stores.save(&a, "https://example.com/removed").await?.url_card_id;
    stores.remove(&a, removed).await?;
    // Her card is still in it when it is deleted.
    stores.save_with(&a, "https://example.com/doomed", None, &[doomed]).await?;
    stores.run(&b, &DeleteCollection { id: doomed.to_string() }).await?;
    stores.invite(&b, his, &[&a]).await?;
    stores.accept(&a, his).await?;
    stores.invite(&b, asked, &[&a]).await?;
    stores.invite(&a, hers, &[&b]).await?;
    stores.work_off().await?;
    stores.run(&a, &BlockPerson { person: UserId::parse("did:plc:mallory")? }).await?;
    stores.run(&UserId::parse("did:plc:carol")?, &BlockPerson { person: a.clone() }).await?;
    let kept = Idempotency { key: IdempotencyKey::of_client("once")?, fingerprint: "f".into() };
    let request = Request { idempotency: Some(kept), ..Request::by(a.clone()) };
    execute(&*stores.store, &request, &saving("https://example.com/once", None, &[])).await?;

    let rows = (0..10).map(|number| ImportRow::new(&format!("https://example.com/import/{number}"), Some("hers")));
    let import = NewImport {
        id: ImportId::generate(),
        owner: a.clone(),
        file_name: "bookmarks.html".into(),
        collection: Some(hers),
        is_check: false,
    };
    begin_import(&*stores.imports, &import, &rows.collect::<Vec<_>>()).await?;
    let connection = NewConnection {
        person: a.clone(),
        did: UserId::parse("did:plc:hers")?,
        handle: Some(ALICE.into()),
        service: "https://pds.example.com".into(),
        kind: ConnectionKind::OAuth,
        session: Sealed(vec![1]),
    };
    stores.accounts.connect(&connection).await?;
    stores.log.reject_entry(Queue::Feeds, &format!("nonsense|{a}"), "not an event").await?;
    let (queue, reason) = (Queue::Search, None);
    stores.operator.act(&a, &Action::Pause { queue, reason }).await?;
    stores.rebuilds.request(&a).await?;
    let change = ProfileChange {
        display_name: Edit::<DisplayName>::parse(Some(ALICE))?,
        bio: Edit::<Bio>::parse(Some("Reads."))?,
        default_visibility: Some(Visibility::Private),
    };
    stores.accounts.change_profile(&a, &change).await?;
    let day = Duration::from_secs(86_400);
    let tokens = SessionTokens { access: hash(1), access_for: day, refresh: hash(2), refresh_for: day };
    let session = NewSession { id: SessionId::generate(), tokens, client: "a browser".into() };
    ensure!(stores.accounts.open_session(&alice, &session).await? == Opening::Opened);
    let name = TokenName::parse("backup")?;
    let (id, secret, good_for) = (TokenId::generate(), hash(3), Some(day));
    let token = NewToken { id, name, scope: Scope::Read, hash: secret, good_for, asked_in: None };
    stores.accounts.create_token(&a, &token).await?;
    stores.accounts.create_invite(&a, &hash(4)).await?;
    stores.accounts.create_reset(&a, &hash(5)).await?;
    Ok((alice, bob, his))
}

/// Nothing names Alice, everything of Bob is as it was, and her handle can be had.
async fn is_gone(stores: &Stores, alice: &Account, bob: &Account, his: CollectionId) -> Tested {
    let named = stores.naming(alice).await;
    ensure!(named.is_empty(), "{} is named by {named:?}", alice.user.id);
    let connected = stores.time.holding("did:plc:hers").await;
    ensure!(connected.is_empty(), "her repository is named by {connected:?}");
    // A word of her title.
    let mut holding = stores.time.holding("chains").await;
    holding.retain(|column| !column.starts_with("audit_log."));
    ensure!(holding.is_empty(), "her word is held by {holding:?}");
    let b = &bob.user.id;
    let library = stores.library_of(b).await?;
    ensure!(library.len() == 1 && library[0].note.is_some() && library[0].collections.len() == 1, "{library:?}");
    let collection = stores.collections.collection(his, Some(b)).await?;
    ensure!(collection.card_count == 1 && collection.collaborators.is_empty(), "{collection:?}");
    let urls: Vec<String> = stores.feed_items(None).await?.into_iter().map(|item| item.card.url).collect();
    ensure!(urls == [SHARED], "{urls:?}");
    ensure!(stores.hits("shared", b).await? == 1 && stores.hits("builders", b).await? == 1);
    ensure!(stores.hits("own", b).await? == 0 && stores.hits("secret", b).await? == 0);
    ensure!(stores.hits("chains", b).await? == 0, "nobody finds what she called it");
    let today = stores.analytics.summary(1).await?.pop().context("a day")?;
    ensure!(today.active_curators == 1 && today.saves > 10, "the saves stay counted: {today:?}");
    let trending = stores.analytics.top_urls(7, 10).await?;
    ensure!(trending.len() == 1 && trending[0].saves == 1, "{trending:?}");
    let entry = stores.operator.audit(None, 100).await?.into_iter().find(|entry| entry.action == "user.delete");
    let entry = entry.context("it is written down")?;
    let told = (entry.by.as_str(), entry.target.as_deref(), entry.affected, entry.completed_at.is_some());
    ensure!(told == (alice.user.id.as_str(), Some(alice.user.id.as_str()), 1, true), "{entry:?}");
    let is_fit = stores.operator.pauses().await?.len() == 1 && stores.rebuilds.latest().await?.is_some();
    ensure!(is_fit, "what she did as an operator stays");
    Ok(())
}

pub async fn a_deleted_account_leaves_nothing_behind_but_its_audit_entry(stores: Stores) -> Tested {
    let (alice, bob, his) = everything(&stores).await?;
    ensure!(!stores.naming(&alice).await.is_empty());
    ensure!(stores.accounts.delete_account(&alice).await?);
    ensure!(stores.accounts.live_session(&hash(1)).await?.is_none());
    ensure!(stores.accounts.live_token(&hash(3)).await?.is_none());
    ensure!(!stores.accounts.is_invited(&hash(4)).await? && !stores.accounts.reset_works(&hash(5)).await?);
    stores.let_leave().await?;
    is_gone(&stores, &alice, &bob, his).await?;
    ensure!(stores.is_free(ALICE).await?, "her handle can be had");
    Ok(())
}

/// Drops the future while it waits for the `waits`-th time.
pub async fn dropped_at<F: Future>(future: F, waits: usize) -> Option<F::Output> {
    let (mut future, mut left) = (pin!(future), waits);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

pub async fn a_deletion_goes_on_wherever_it_was_stopped(stores: Stores) -> Tested {
    let (alice, bob, his) = everything(&stores).await?;
    ensure!(stores.accounts.delete_account(&alice).await?);
    for step in 0..PLENTY {
        // Whatever stops it, all of the portion is done or nothing.
        if dropped_at(let_person_go(&*stores.store, 3), step % 20).await.is_some() {
            stores.let_all_go(2).await?;
            stores.work_off().await?;
        }
        match let_person_go(&*stores.store, 3).await {
            Ok(Parting::Waits) => {
                stores.let_all_go(2).await?;
                stores.work_off().await?;
            }
            // A server may not know yet that the previous holder is gone.
            Ok(Parting::Nobody) if stores.naming(&alice).await.is_empty() => {
                return is_gone(&stores, &alice, &bob, his).await;
            }
            Ok(Parting::Nobody | Parting::Further) | Err(Error::Stale) => {}
            other => bail!("{other:?}"),
        }
    }
    bail!("it does not end")
}

pub async fn a_deletion_waits_for_dead_letters(stores: Stores) -> Tested {
    let (alice, bob) = (stores.sign_up(ALICE).await?, stores.sign_up(BOB).await?);
    for account in [&alice, &bob] {
        stores.save(&account.user.id, SHARED).await?;
    }
    for event in stores.deliver(Queue::Search).await? {
        let failure = Failure { event_id: event.id, error: "bad".into(), verdict: Verdict::Reject };
        stores.log.fail(Queue::Search, &[failure], &QueueSettings::of(Queue::Search)).await?;
    }
    ensure!(stores.accounts.delete_account(&alice).await?);
    let mut waits = 0;
    while waits < 3 {
        match let_person_go(&*stores.store, 100).await? {
            Parting::Further => {}
            Parting::Waits => stores.work_off().await?,
            Parting::WaitsForDead { person, .. } if person == alice.user.id => waits += 1,
            other => bail!("{other:?}"),
        }
    }
    ensure!(stores.library_of(&alice.user.id).await?.is_empty() && stores.feed_items(None).await?.len() == 1);
    ensure!(!stores.is_free(ALICE).await?, "she is not gone yet");
    // Bob's, which nobody waits for, stays dead.
    let letters = stores.log.dead_letters(Queue::Search, None, 10).await?;
    let hers = letters.iter().find(|letter| letter.envelope.data["actorId"] == alice.user.id.as_str());
    let hers = hers.context("one is hers")?.envelope.id;
    ensure!(stores.log.redrive(Queue::Search, &DeadSelection::Ids(vec![hers])).await? == 1);
    stores.let_leave().await?;
    ensure!(stores.naming(&alice).await.is_empty() && !stores.naming(&bob).await.is_empty());
    ensure!(stores.log.dead_letters(Queue::Search, None, 10).await?.len() == 1);
    Ok(())
}

pub async fn nobody_acts_for_an_account_that_is_being_deleted(stores: Stores) -> Tested {
    let (alice, bob) = (stores.sign_up(ALICE).await?, stores.sign_up(BOB).await?);
    let (a, b) = (&alice.user.id, &bob.user.id);
    let card = stores.save(a, SHARED).await?.url_card_id;
    let his = stores.collection(b, "His", AccessType::Open).await?;
    let rows = vec![ImportRow::new("https://example.com/import", None)];
    let (id, file_name) = (ImportId::generate(), "checked.html".to_owned());
    let checked = NewImport { id, owner: a.clone(), file_name, collection: None, is_check: true };
    begin_import(&*stores.imports, &checked, &rows).await?;
    stores.work_off_imports().await?;
    ensure!(stores.accounts.delete_account(&alice).await?);
    refused(stores.run(a, &saving("https://example.com/late", None, &[])).await, is_leaving)?;
    refused(stores.run(a, &saving(SHARED, Some("a late note"), &[his])).await, is_leaving)?;
    let private = AddUrlToLibrary { visibility: Some(Visibility::Private), ..saving(SHARED, None, &[]) };
    refused(stores.run(a, &private).await, is_leaving)?;
    refused(stores.run(a, &creating("Late", AccessType::Open)).await.map(drop), is_leaving)?;
    refused(stores.run(a, &BlockPerson { person: b.clone() }).await, is_leaving)?;
    let import = NewImport { id: ImportId::generate(), is_check: false, ..checked };
    refused(begin_import(&*stores.imports, &import, &rows).await, is_leaving)?;
    refused(stores.imports.carry_out(a, id).await, is_leaving)?;
    let library = stores.library_of(a).await?;
    ensure!(library.len() == 1 && library[0].card.id == card && library[0].note.is_none(), "{library:?}");
    // Others go on.
    let mine = CreateCollection { visibility: Visibility::Private, ..creating("Mine", AccessType::Closed) };
    stores.run(b, &mine).await?;
    stores.save(b, SHARED).await?;
    stores.let_leave().await?;
    ensure!(stores.naming(&alice).await.is_empty() && stores.library_of(b).await?.len() == 1);
    Ok(())
}

/// Nothing tells a store how long a request has been on its way.
pub async fn nobody_acts_for_an_account_that_is_gone(stores: Stores) -> Tested {
    let (alice, bob) = (stores.sign_up(ALICE).await?, stores.sign_up(BOB).await?);
    let (a, b) = (&alice.user.id, &bob.user.id);
    let his = stores.collection(b, "His", AccessType::Open).await?;
    let url = CardUrl::parse(SHARED)?;
    let mut begun = stores.store.begin().await?;
    ensure!(begun.card_by_url(a, url.normalised()).await?.is_none());
    ensure!(stores.accounts.delete_account(&alice).await?);
    stores.let_leave().await?;

    let mut changes = Changes::default();
    Card::create(a.clone(), url, None, &mut changes).add_to_library(Visibility::Public, &mut changes);
    refused(begun.commit(changes).await, is_leaving)?;
    refused(stores.run(a, &saving(SHARED, Some("a late note"), &[his])).await, is_leaving)?;
    refused(stores.run(a, &creating("Late", AccessType::Open)).await.map(drop), is_leaving)?;
    refused(stores.run(a, &BlockPerson { person: b.clone() }).await, is_leaving)?;
    let rows = vec![ImportRow::new("https://example.com/import", None)];
    let (id, file_name) = (ImportId::generate(), "late.html".to_owned());
    let import = NewImport { id, owner: a.clone(), file_name, collection: None, is_check: false };
    refused(begin_import(&*stores.imports, &import, &rows).await, is_leaving)?;
    let change = ProfileChange { default_visibility: Some(Visibility::Private), ..ProfileChange::default() };
    refused(stores.accounts.change_profile(a, &change).await, is_leaving)?;
    refused(stores.accounts.create_invite(a, &hash(1)).await, is_leaving)?;
    // It is done, by nobody.
    let (queue, reason) = (Queue::Search, None);
    ensure!(stores.operator.act(a, &Action::Pause { queue, reason }).await? == 1);
    ensure!(stores.rebuilds.request(a).await?.1);
    // Others cannot name them.
    stores.invite(b, his, &[a]).await?;
    stores.run(b, &BlockPerson { person: a.clone() }).await?;
    let named = stores.naming(&alice).await;
    ensure!(named.is_empty(), "{} is named by {named:?}", alice.user.id);
    Ok(())
}

pub async fn an_account_is_deleted_once_and_only_with_its_password(stores: Stores) -> Tested {
    let (alice, bob) = (stores.sign_up(ALICE).await?, stores.sign_up(BOB).await?);
    let outdated = Account { password_hash: "$another$".into(), ..alice.clone() };
    ensure!(!stores.accounts.delete_account(&outdated).await?);
    ensure!(stores.accounts.account_of(&alice.user.id).await?.is_some());
    let both = tokio::join!(stores.accounts.delete_account(&alice), stores.accounts.delete_account(&alice));
    let done = [both.0?, both.1?];
    ensure!(done.iter().filter(|done| **done).count() == 1, "{done:?}");

    let handle = Handle::parse(ALICE)?;
    ensure!(
        stores.accounts.account(&handle).await?.is_none()
            && stores.accounts.account_of(&alice.user.id).await?.is_none()
    );
    let people = stores.accounts.people(None, 10).await?;
    ensure!(people.len() == 1 && people[0].user == bob.user, "{people:?}");
    let gone = [alice.user.id.clone()];
    ensure!(stores.accounts.without_account(&gone).await? == gone);
    ensure!(!stores.accounts.change_password(&alice, "$new$", None).await?);
    let missing = |error: &Error| matches!(error, Error::NotFound { .. });
    refused(stores.accounts.restore(&alice.user.id).await, missing)?;
    refused(stores.accounts.make_admin(&alice.user.id).await, missing)?;
    let day = Duration::from_secs(86_400);
    let tokens = SessionTokens { access: hash(1), access_for: day, refresh: hash(2), refresh_for: day };
    let session = NewSession { id: SessionId::generate(), tokens, client: String::new() };
    ensure!(stores.accounts.open_session(&alice, &session).await? != Opening::Opened);
    ensure!(!stores.is_free(ALICE).await?, "the handle is taken until all is gone");
    stores.let_leave().await?;
    ensure!(stores.is_free(ALICE).await?);
    Ok(())
}

pub async fn the_effects_of_a_deleted_account_come_once(stores: Stores) -> Tested {
    let (alice, bob) = (stores.sign_up(ALICE).await?, stores.sign_up(BOB).await?);
    for account in [&alice, &bob] {
        stores.save(&account.user.id, SHARED).await?;
    }
    stores.work_off().await?;
    let before = stores.seen_by(&bob.user.id).await?;
    ensure!(stores.accounts.delete_account(&alice).await?);
    let mut told = Vec::new();
    while told.is_empty() {
        match let_person_go(&*stores.store, 100).await? {
            Parting::Further => {}
            Parting::Waits => {
                let events = stores.deliver(Queue::Analytics).await?;
                told = events
                    .iter()
                    .filter(|event| matches!(event.event, DomainEvent::AccountDeleted { .. }))
                    .cloned()
                    .collect();
                if told.is_empty() {
                    stores.analytics.count(&events).await?;
                    stores.records.owe(&stores.deliver(Queue::Records).await?, false).await?;
                    stores.flush_feed().await?;
                    stores.index_all().await?;
                }
            }
            other => bail!("{other:?}"),
        }
    }
    ensure!(told.len() == 1 && told[0].event.subject() == alice.user.id.as_str(), "{told:?}");
    let ids = [told[0].id];
    // A copy of it, and one that somebody altered on the way to name Bob.
    let mut forged = told[0].clone();
    forged.event = DomainEvent::AccountDeleted { actor_id: bob.user.id.clone() };
    for (events, expected) in [([forged], 1), ([told[0].clone()], 0)] {
        ensure!(stores.analytics.count(&events).await? == expected);
        ensure!(stores.search.index(&events).await? == expected);
        ensure!(stores.feed.forget_people(&ids).await? == expected);
    }
    let today = stores.analytics.summary(1).await?.pop().context("a day")?;
    ensure!((today.saves, today.active_curators) == (2, 1), "{today:?}");
    stores.let_leave().await?;
    ensure!(stores.seen_by(&bob.user.id).await? == before, "what is Bob's is as it was");
    let today = stores.analytics.summary(1).await?.pop().context("a day")?;
    ensure!((today.saves, today.active_curators) == (2, 1), "{today:?}");
    Ok(())
}

pub async fn positions_of_deleted_activities_are_not_given_out_again(stores: Stores) -> Tested {
    let (alice, bob) = (stores.sign_up(ALICE).await?, stores.sign_up(BOB).await?);
    let begin = stores.feed.stream_end().await?;
    stores.save(&bob.user.id, SHARED).await?;
    stores.work_off().await?;
    stores.save(&alice.user.id, SHARED).await?;
    stores.work_off().await?;
    let told = stores.feed.stream(begin, 10).await?;
    let (newest, item) = told.last().context("two activities")?;
    ensure!(told.len() == 2 && item.actor.id == alice.user.id);
    ensure!(stores.accounts.delete_account(&alice).await?);
    stores.let_leave().await?;
    let end = stores.feed.stream_end().await?;
    stores.save(&bob.user.id, "https://example.com/next").await?;
    stores.work_off().await?;
    for reader in [*newest, end] {
        let behind = stores.feed.stream(reader, 10).await?;
        ensure!(behind.len() == 1 && behind[0].0.epoch > newest.epoch, "{behind:?}");
    }
    Ok(())
}
