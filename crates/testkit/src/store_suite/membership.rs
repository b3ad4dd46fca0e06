//! Consent: invitations, what they allow, their bounds, and blocking.

use std::collections::BTreeSet;
use std::time::Duration;

use cardwire_domain::collection::{AccessType, Description, Name};
use cardwire_domain::membership::{MAX_COLLABORATIONS, MAX_OPEN_INVITATIONS, MAX_OPEN_INVITATIONS_BY_AUTHOR};
use cardwire_domain::use_cases::{BlockPerson, DeleteCollection, LeaveCollection, UnblockPerson};
use cardwire_domain::{Change, Changes, Collection, CollectionId, Error, UserId, Visibility};

use super::scene::{all_pages, at_once, page, person, refused, sorted};
use super::{Stores, Tested};

const URL: &str = "https://example.com/page";

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. })
}

fn is_forbidden(error: &Error) -> bool {
    matches!(error, Error::Forbidden(_))
}

/// Refused for this person, for a reason with these words in it.
fn names<'a>(person: &'a UserId, words: &'a str) -> impl Fn(&Error) -> bool + 'a {
    move |error| {
        let Error::Invalid { field, rule } = error else { return false };
        field == "userIds" && rule.starts_with(&format!("{person} ")) && rule.contains(words)
    }
}

impl Stores {
    async fn leave(&self, by: &UserId, id: CollectionId) -> cardwire_domain::Result<()> {
        self.run(by, &LeaveCollection { id: id.to_string() }).await?;
        Ok(())
    }

    async fn block(&self, by: &UserId, person: &UserId) -> cardwire_domain::Result<()> {
        self.run(by, &BlockPerson { person: person.clone() }).await
    }

    /// Names of the collections a person wrote or collaborates in, in their order.
    async fn theirs(&self, person: &UserId) -> anyhow::Result<Vec<String>> {
        let views = all_pages(7, |page| async move { self.collections.collections_of(person, &page).await }).await?;
        Ok(views.into_iter().map(|view| view.name).collect())
    }

    /// Names of the collections a person is invited to, in their order.
    async fn invited_to(&self, person: &UserId) -> anyhow::Result<Vec<String>> {
        let open = all_pages(7, |page| async move { self.collections.invitations_of(person, &page).await }).await?;
        Ok(open.into_iter().map(|invitation| invitation.collection.name).collect())
    }

    async fn closed(&self, by: &UserId, name: &str) -> anyhow::Result<CollectionId> {
        self.collection(by, name, AccessType::Closed).await
    }
}

fn empty(author: &UserId, name: &str) -> Collection {
    Collection {
        id: CollectionId::generate(),
        author: author.clone(),
        name: Name::parse(name).expect("cases name collections well"),
        description: Description::default(),
        access: AccessType::Closed,
        visibility: Visibility::Public,
        collaborators: BTreeSet::new(),
        invited: BTreeSet::new(),
    }
}

/// Stores these collections in one commit, so that they share their time.
async fn keep(stores: &Stores, collections: impl IntoIterator<Item = Collection>) -> Tested {
    let rows = collections.into_iter().map(Change::InsertCollection).collect();
    stores.store.begin().await?.commit(Changes { rows, ..Changes::default() }).await?;
    Ok(())
}

pub async fn invited_people_may_do_no_more_than_others_until_they_accept(stores: Stores) -> Tested {
    let (alice, bob, carol) = (person("alice"), person("bob"), person("carol"));
    let id = stores.closed(&alice, "shared").await?;
    let card = stores.save(&bob, URL).await?.url_card_id;
    stores.invite(&alice, id, &[&bob]).await?;

    let error = stores.collect(&bob, card, &[id]).await.expect_err("he has not accepted").downcast::<Error>()?;
    assert!(is_forbidden(&error), "{error}");
    assert_eq!(stores.theirs(&bob).await?, Vec::<String>::new());
    let open = stores.collections.invitations_of(&bob, &page(10, None)).await?.items;
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].collection.id, open[0].collection.name.as_str()), (id, "shared"));
    assert_eq!((&open[0].author.id, open[0].author.handle.as_str()), (&alice, "alice"));
    assert_eq!(stores.collections.collection(id, None).await?.collaborators, []);

    refused(stores.accept(&carol, id).await, is_missing)?;
    refused(stores.accept(&bob, CollectionId::generate()).await, is_missing)?;
    stores.accept(&bob, id).await?;
    let accepted = stores.collections.collection(id, None).await?;
    stores.accept(&bob, id).await?;
    stores.accept(&alice, id).await?;
    assert_eq!(stores.collections.collection(id, None).await?, accepted, "accepting again changes nothing");
    assert_eq!(accepted.collaborators.iter().map(|user| &user.id).collect::<Vec<_>>(), [&bob]);
    assert_eq!(stores.invited_to(&bob).await?, Vec::<String>::new());
    assert_eq!(stores.theirs(&bob).await?, ["shared"]);
    stores.collect(&bob, card, &[id]).await
}

pub async fn an_invitation_is_declined_and_a_collaborator_leaves(stores: Stores) -> Tested {
    let (alice, bob, carol) = (person("alice"), person("bob"), person("carol"));
    let id = stores.closed(&alice, "shared").await?;
    stores.invite(&alice, id, &[&bob, &carol]).await?;
    stores.leave(&bob, id).await?;
    assert_eq!(stores.invited_to(&bob).await?, Vec::<String>::new());
    refused(stores.accept(&bob, id).await, is_missing)?;
    assert_eq!(stores.invited_to(&carol).await?, ["shared"], "hers is still open");

    stores.accept(&carol, id).await?;
    let card = stores.save_with(&carol, URL, None, &[id]).await?.url_card_id;
    stores.leave(&carol, id).await?;
    let left = stores.collections.collection(id, Some(&alice)).await?;
    assert_eq!((left.collaborators.len(), left.invited, left.card_count), (0, Some(vec![]), 1), "her card stays");
    assert_eq!(stores.theirs(&carol).await?, Vec::<String>::new());
    stores.uncollect(&carol, card, &[id]).await?;
    let error = stores.collect(&carol, card, &[id]).await.expect_err("she has left").downcast::<Error>()?;
    assert!(is_forbidden(&error), "{error}");

    let before = stores.collections.collection(id, Some(&alice)).await?;
    stores.leave(&carol, id).await?;
    stores.leave(&person("stranger"), id).await?;
    assert_eq!(stores.collections.collection(id, Some(&alice)).await?, before);
    refused(stores.leave(&carol, CollectionId::generate()).await, is_missing)?;
    let says_what_to_do = |error: &Error| is_forbidden(error) && error.to_string().contains("Delete it instead");
    refused(stores.leave(&alice, id).await, says_what_to_do)
}

pub async fn a_new_list_keeps_those_who_accepted_and_drops_those_left_out(stores: Stores) -> Tested {
    let [alice, bob, carol, dave, erin] = ["alice", "bob", "carol", "dave", "erin"].map(person);
    let id = stores.closed(&alice, "shared").await?;
    stores.invite(&alice, id, &[&bob, &carol, &dave]).await?;
    stores.accept(&bob, id).await?;
    stores.time.advance(Duration::from_secs(60)).await;
    let since = stores.collections.invitations_of(&carol, &page(1, None)).await?.items[0].invited_at;
    stores.invite(&alice, id, &[&bob, &carol, &erin, &alice]).await?;
    let view = stores.collections.collection(id, Some(&alice)).await?;
    let ids = |users: &[cardwire_domain::user::User]| users.iter().map(|user| user.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&view.collaborators), std::slice::from_ref(&bob), "an author is no collaborator");
    assert_eq!(ids(&view.invited.unwrap_or_default()), [carol.clone(), erin.clone()]);
    let after = stores.collections.invitations_of(&carol, &page(1, None)).await?.items[0].invited_at;
    assert_eq!(after, since, "she was invited then, not now");
    refused(stores.accept(&dave, id).await, is_missing)?;

    stores.invite(&alice, id, &[]).await?;
    assert_eq!(stores.invited_to(&carol).await?, Vec::<String>::new());
    assert_eq!(stores.theirs(&bob).await?, Vec::<String>::new());
    stores.invite(&alice, id, &[&bob]).await?;
    assert_eq!(stores.theirs(&bob).await?, Vec::<String>::new(), "he was left out and is asked again");
    Ok(())
}

pub async fn only_the_author_sees_who_is_invited(stores: Stores) -> Tested {
    let (alice, bob, carol) = (person("alice"), person("bob"), person("carol"));
    let id = stores.closed(&alice, "shared").await?;
    stores.invite(&alice, id, &[&bob, &carol]).await?;
    stores.accept(&bob, id).await?;
    for reader in [None, Some(&bob), Some(&carol)] {
        assert_eq!(stores.collections.collection(id, reader).await?.invited, None, "{reader:?}");
    }
    assert_eq!(stores.collections.collections_of(&bob, &page(1, None)).await?.items[0].invited, None);
    let listed = stores.collections.collections_of(&alice, &page(1, None)).await?.items.remove(0);
    assert_eq!(listed, stores.collections.collection(id, Some(&alice)).await?);
    assert_eq!(listed.invited.unwrap_or_default().iter().map(|user| &user.id).collect::<Vec<_>>(), [&carol]);
    Ok(())
}

pub async fn a_deleted_collection_takes_its_invitations_along(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    for number in 0..=MAX_OPEN_INVITATIONS_BY_AUTHOR {
        let id = stores.closed(&alice, &number.to_string()).await?;
        stores.invite(&alice, id, &[&bob]).await?;
        stores.run(&alice, &DeleteCollection { id: id.to_string() }).await?;
        assert_eq!(stores.invited_to(&bob).await?, Vec::<String>::new());
        refused(stores.accept(&bob, id).await, is_missing)?;
    }
    stores.let_all_go(10).await
}

pub async fn an_author_has_ten_open_invitations_to_a_person(stores: Stores) -> Tested {
    let (mallory, bob) = (person("mallory"), person("bob"));
    let own = stores.closed(&bob, "bob's own").await?;
    let mut invited = Vec::new();
    // The attack: 110 collections that name one person.
    for number in 0..110 {
        let id = stores.closed(&mallory, &format!("forced {number}")).await?;
        let outcome = stores.invite(&mallory, id, &[&bob]).await;
        if number < MAX_OPEN_INVITATIONS_BY_AUTHOR {
            outcome?;
            invited.push(id);
        } else {
            refused(outcome, names(&bob, "10 open invitations from you"))?;
        }
    }
    assert_eq!(stores.theirs(&bob).await?, ["bob's own"]);
    assert_eq!(stores.collections.collections_of(&bob, &page(1, None)).await?.items[0].id, own);
    assert_eq!(stores.invited_to(&bob).await?.len(), MAX_OPEN_INVITATIONS_BY_AUTHOR);

    // A list that names somebody again who is invited already needs no more room.
    stores.invite(&mallory, invited[0], &[&bob, &person("carol")]).await?;
    // An answer makes room, and so does a withdrawal.
    let more = stores.closed(&mallory, "one more").await?;
    stores.accept(&bob, invited[0]).await?;
    stores.invite(&mallory, more, &[&bob]).await?;
    let yet_more = stores.closed(&mallory, "yet one more").await?;
    refused(stores.invite(&mallory, yet_more, &[&bob]).await, names(&bob, "10 open invitations from you"))?;
    assert_eq!(stores.collections.collection(yet_more, Some(&mallory)).await?.invited, Some(vec![]));
    stores.invite(&mallory, more, &[]).await?;
    stores.invite(&mallory, yet_more, &[&bob]).await?;
    assert_eq!(stores.theirs(&bob).await?, ["bob's own", "forced 0"], "his own comes first");
    Ok(())
}

pub async fn a_person_has_a_hundred_open_invitations(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let forced = |number: usize| {
        let author = person(&format!("author{}", number / MAX_OPEN_INVITATIONS_BY_AUTHOR));
        Collection { invited: [bob.clone()].into(), ..empty(&author, "forced") }
    };
    keep(&stores, (0..MAX_OPEN_INVITATIONS).map(forced)).await?;
    let id = stores.closed(&alice, "shared").await?;
    refused(
        stores.invite(&alice, id, &[&person("carol"), &bob]).await,
        names(&bob, "cannot be invited at the moment"),
    )?;
    assert_eq!(stores.invited_to(&person("carol")).await?, Vec::<String>::new(), "nobody was invited");
    let first = stores.collections.invitations_of(&bob, &page(1, None)).await?.items.remove(0);
    stores.leave(&bob, first.collection.id).await?;
    stores.invite(&alice, id, &[&person("carol"), &bob]).await?;
    assert_eq!(stores.invited_to(&bob).await?.len(), MAX_OPEN_INVITATIONS);
    Ok(())
}

pub async fn a_person_collaborates_in_a_bounded_number_of_collections(stores: Stores) -> Tested {
    let (alice, bob, carol) = (person("alice"), person("bob"), person("carol"));
    let shared = |_| Collection { collaborators: [bob.clone()].into(), ..empty(&carol, "shared") };
    for _ in 0..MAX_COLLABORATIONS / 50 {
        keep(&stores, (0..50).map(shared)).await?;
    }
    let id = stores.closed(&alice, "one more").await?;
    stores.invite(&alice, id, &[&bob]).await?;
    let is_refused = |error: &Error| matches!(error, Error::Conflict(why) if why.contains("1000 collections"));
    refused(stores.accept(&bob, id).await, is_refused)?;
    assert_eq!(stores.invited_to(&bob).await?, ["one more"], "it stays open");
    let one = stores.collections.collections_of(&bob, &page(1, None)).await?.items.remove(0);
    stores.leave(&bob, one.id).await?;
    stores.accept(&bob, id).await?;
    Ok(())
}

pub async fn a_blocked_author_invites_no_more(stores: Stores) -> Tested {
    let [alice, bob, mallory] = ["alice", "bob", "mallory"].map(person);
    let both = stores.closed(&mallory, "both work on it").await?;
    stores.invite(&mallory, both, &[&bob]).await?;
    stores.accept(&bob, both).await?;
    let mut forced = Vec::new();
    for name in ["one", "two"] {
        let id = stores.closed(&mallory, name).await?;
        stores.invite(&mallory, id, &[&bob, &alice]).await?;
        forced.push(id);
    }
    let hers = stores.closed(&alice, "hers").await?;
    stores.invite(&alice, hers, &[&bob]).await?;

    refused(stores.block(&bob, &bob).await, is_forbidden)?;
    stores.block(&bob, &mallory).await?;
    stores.block(&bob, &mallory).await?;
    assert_eq!(stores.invited_to(&bob).await?, ["hers"]);
    assert_eq!(sorted(stores.invited_to(&alice).await?), ["one", "two"], "those of others stay open");
    assert_eq!(stores.theirs(&bob).await?, ["both work on it"]);
    refused(stores.accept(&bob, forced[0]).await, is_missing)?;
    refused(stores.invite(&mallory, forced[0], &[&bob, &alice]).await, names(&bob, "cannot be invited at the moment"))?;
    stores.invite(&alice, hers, &[&bob, &mallory]).await?;
    let his = stores.closed(&bob, "his").await?;
    stores.invite(&bob, his, &[&mallory]).await?;

    let blocked = stores.collections.blocked_by(&bob, &page(10, None)).await?.items;
    assert_eq!(blocked.iter().map(|block| &block.person.id).collect::<Vec<_>>(), [&mallory]);
    assert_eq!(stores.collections.blocked_by(&mallory, &page(10, None)).await?.items, []);
    for _ in 0..2 {
        stores.run(&bob, &UnblockPerson { person: mallory.clone() }).await?;
    }
    assert_eq!(stores.collections.blocked_by(&bob, &page(10, None)).await?.items, []);
    stores.invite(&mallory, forced[0], &[&bob]).await?;
    Ok(())
}

pub async fn blocked_people_are_listed_newest_first_in_pages(stores: Stores) -> Tested {
    let bob = person("bob");
    let people: Vec<UserId> = (0..11).map(|number| person(&format!("person{number}"))).collect();
    let rows = people[..8].iter().map(|person| Change::Block { by: bob.clone(), person: person.clone() });
    stores.store.begin().await?.commit(Changes { rows: rows.collect(), ..Changes::default() }).await?;
    for person in &people[8..] {
        stores.block(&bob, person).await?;
    }
    let (repository, reader) = (&stores.collections, &bob);
    for limit in [1, 4, 11, 100] {
        let read = |page| async move { repository.blocked_by(reader, &page).await };
        let listed = all_pages(limit, read).await?;
        let order: Vec<_> = listed.iter().map(|block| (block.blocked_at, block.person.id.clone())).collect();
        assert!(order.is_sorted_by(|a, b| a > b), "in pages of {limit}: {order:?}");
        assert_eq!(order.len(), people.len());
    }
    Ok(())
}

pub async fn invitations_are_listed_newest_first_in_pages(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    keep(&stores, (0..8).map(|_| Collection { invited: [bob.clone()].into(), ..empty(&alice, "tie") })).await?;
    let id = stores.closed(&alice, "last").await?;
    stores.invite(&alice, id, &[&bob]).await?;
    let (repository, reader) = (&stores.collections, &bob);
    for limit in [1, 4, 9, 100] {
        let read = |page| async move { repository.invitations_of(reader, &page).await };
        let listed = all_pages(limit, read).await?;
        let order: Vec<_> = listed.iter().map(|open| (open.invited_at, open.collection.id)).collect();
        assert!(order.is_sorted_by(|a, b| a > b), "in pages of {limit}: {order:?}");
        assert_eq!(order.len(), 9);
    }
    Ok(())
}

pub async fn ones_own_collections_come_first_on_every_page(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    keep(&stores, (0..7).map(|_| empty(&bob, "own"))).await?;
    let shared = |_| Collection { collaborators: [bob.clone()].into(), ..empty(&alice, "shared") };
    keep(&stores, (0..23).map(shared)).await?;
    let newest = stores.closed(&alice, "newest").await?;
    stores.invite(&alice, newest, &[&bob]).await?;
    stores.accept(&bob, newest).await?;
    let (repository, reader) = (&stores.collections, &bob);
    for limit in [1, 3, 7, 8, 31, 100] {
        let read = |page| async move { repository.collections_of(reader, &page).await };
        let listed = all_pages(limit, read).await?;
        assert_eq!(listed.len(), 31, "in pages of {limit}");
        let (own, shared) = listed.split_at(7);
        assert!(own.iter().all(|view| view.author.id == bob), "in pages of {limit}");
        assert!(shared.iter().all(|view| view.author.id == alice), "in pages of {limit}");
        for part in [own, shared] {
            let order: Vec<_> = part.iter().map(|view| (view.created_at, view.id)).collect();
            assert!(order.is_sorted_by(|a, b| a > b), "in pages of {limit}: {order:?}");
        }
        assert!(shared.iter().any(|view| view.id == newest));
    }
    Ok(())
}

pub async fn parallel_acceptances_all_count(stores: Stores) -> Tested {
    let alice = person("alice");
    let people: Vec<UserId> = (0..6).map(|number| person(&format!("person{number}"))).collect();
    let id = stores.closed(&alice, "shared").await?;
    stores.invite(&alice, id, &people.iter().collect::<Vec<_>>()).await?;
    let acceptances = people.iter().cloned().map(|person| {
        let stores = stores.clone();
        async move { stores.accept(&person, id).await }
    });
    for outcome in at_once(acceptances).await? {
        outcome?;
    }
    let view = stores.collections.collection(id, Some(&alice)).await?;
    assert_eq!(view.collaborators.into_iter().map(|user| user.id).collect::<Vec<_>>(), people);
    assert_eq!(view.invited, Some(vec![]));
    Ok(())
}

pub async fn an_invitation_is_accepted_or_withdrawn_never_both(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    for _ in 0..10 {
        let id = stores.closed(&alice, "shared").await?;
        stores.invite(&alice, id, &[&bob]).await?;
        let [accepting, withdrawing] = [stores.clone(), stores.clone()];
        let (bob, alice) = (bob.clone(), alice.clone());
        let accepting = tokio::spawn(async move { accepting.accept(&bob, id).await });
        let withdrawing = tokio::spawn(async move { withdrawing.invite(&alice, id, &[]).await });
        let (accepted, withdrawn) = (accepting.await?, withdrawing.await?);
        withdrawn?;
        if let Err(error) = accepted {
            assert!(is_missing(&error), "{error}");
        }
        let view = stores.collections.collection(id, Some(&person("alice"))).await?;
        assert_eq!(
            (view.collaborators, view.invited),
            (vec![], Some(vec![])),
            "whoever came first, she has the last word"
        );
    }
    Ok(())
}
