//! What imports make: cards with the dates of their file, in its order, and collections; and what a check makes: nothing.

use std::collections::{BTreeMap, BTreeSet};

use cardwire_domain::imports::{FileRow, ImportRow, LeasedRows, NewImport, RowOutcome};
use cardwire_domain::search::SearchRequest;
use cardwire_domain::use_cases::{ImportUrls, check_urls};
use cardwire_domain::{AccessType, CollectionId, Error, ImportId, UserId, Visibility};
use cardwire_events::Queue;
use jiff::Timestamp;

use super::imports::new;
use super::scene::{PLENTY, begin_import, creating, importing, page, person};
use super::{Stores, Tested};

pub(super) fn url(name: impl std::fmt::Display) -> String {
    format!("https://example.com/{name}")
}

pub(super) fn row(name: impl std::fmt::Display) -> ImportRow {
    ImportRow::new(&url(name), None)
}

fn within(names: &[&str], row: ImportRow) -> ImportRow {
    ImportRow { collections: names.iter().map(ToString::to_string).collect(), ..row }
}

impl Stores {
    /// What the worker does with all rows that wait, three in a commit.
    pub(super) async fn work_off_imports(&self) -> anyhow::Result<()> {
        for _ in 0..PLENTY {
            let Ok(leased) = self.some_rows(3).await else { return Ok(()) };
            self.work_on(&leased).await?;
        }
        anyhow::bail!("the imports do not end")
    }

    /// Saves these rows, or checks them, and reports what became of them.
    pub(super) async fn work_on(&self, leased: &LeasedRows) -> anyhow::Result<()> {
        let mut outcomes = if leased.is_check {
            check_urls(&*self.store, &leased.owner, &leased.rows, leased.collection).await?
        } else {
            self.save_rows(leased).await?
        };
        outcomes.extend(leased.saved.iter().map(|(number, card)| (*number, RowOutcome::Saved(*card))));
        assert!(self.imports.finish_rows(leased, &outcomes).await?);
        Ok(())
    }

    /// In one commit, without a report.
    pub(super) async fn save_rows(&self, leased: &LeasedRows) -> anyhow::Result<Vec<(u32, RowOutcome)>> {
        let command = ImportUrls {
            import: leased.import,
            rows: leased.rows.clone(),
            collection_id: leased.collection.map(|id| id.to_string()),
            begun_at: Some(leased.begun_at),
        };
        let outcomes = self.run(&leased.owner, &command).await?.0;
        Ok(leased.rows.iter().map(|(number, _)| *number).zip(outcomes).collect())
    }

    /// Begins an import of these rows and works it off.
    pub(super) async fn bring(&self, owner: &UserId, rows: &[ImportRow]) -> anyhow::Result<NewImport> {
        let import = new(owner);
        begin_import(&*self.imports, &import, rows).await?;
        self.work_off_imports().await?;
        Ok(import)
    }

    /// Names and whether they are private, of one's own collections.
    pub(super) async fn shelves(&self, owner: &UserId) -> anyhow::Result<BTreeSet<(String, bool)>> {
        let views = self.collections.collections_of(owner, &page(100, None)).await?.items;
        Ok(views.into_iter().map(|view| (view.name, view.visibility.is_private())).collect())
    }

    /// Of one's own collections, the one with this name.
    pub(super) async fn shelf(&self, owner: &UserId, name: &str) -> anyhow::Result<CollectionId> {
        let views = self.collections.collections_of(owner, &page(100, None)).await?.items;
        let found: Vec<CollectionId> = views.iter().filter(|view| view.name == name).map(|view| view.id).collect();
        assert_eq!(found.len(), 1, "{name}: {views:?}");
        Ok(found[0])
    }
}

fn shelf(name: &str, is_private: bool) -> (String, bool) {
    (name.to_owned(), is_private)
}

pub async fn links_keep_their_dates_and_the_order_of_the_file(stores: Stores) -> Tested {
    let alice = person("alice");
    let date = |seconds: i64| Timestamp::from_second(1_600_000_000 + seconds);
    let dated = |name: &str, seconds: i64| -> anyhow::Result<ImportRow> {
        Ok(ImportRow { added_at: Some(date(seconds)?), ..within(&["All"], row(name)) })
    };
    let far = ImportRow { added_at: Some("2150-01-01T00:00:00Z".parse()?), ..row("from the future") };
    let rows = [
        within(&["All"], row("undated 1")),
        dated("old 1", 0)?,
        dated("newer", 5)?,
        dated("old 2", 0)?,
        dated("old 3", 0)?,
        within(&["All"], row("undated 2")),
        far,
        within(&["All"], row("undated 3")),
    ]
    .map(|row| ImportRow { url: row.url.replace(' ', "-"), ..row });
    let import = stores.bring(&alice, &rows).await?;
    let begun_at = stores.imports.import(&alice, import.id).await?.begun_at;
    let kept = stores.library_of(&alice).await?;
    let told: Vec<(String, Timestamp)> = kept.into_iter().map(|kept| (kept.card.url, kept.added_at)).collect();
    let expected = [
        (url("undated-1"), begun_at),
        (url("undated-2"), begun_at),
        (url("from-the-future"), begun_at),
        (url("undated-3"), begun_at),
        (url("newer"), date(5)?),
        (url("old-1"), date(0)?),
        (url("old-2"), date(0)?),
        (url("old-3"), date(0)?),
    ];
    assert_eq!(told, expected, "newest first; of equally old ones, as in the file");
    let all = stores.shelf(&alice, "All").await?;
    let cards = stores.collections.cards_in(all, Some(&alice), &page(100, None)).await?.items;
    let told: Vec<(String, Timestamp)> = cards.into_iter().map(|card| (card.card.url, card.added_at)).collect();
    let in_all = expected.into_iter().filter(|(url, _)| !url.ends_with("future")).collect::<Vec<_>>();
    assert_eq!(told, in_all, "the same in a collection");
    Ok(())
}

pub async fn titles_of_the_file_are_those_of_its_cards(stores: Stores) -> Tested {
    let alice = person("alice");
    stores.save_called(&alice, &url("kept"), "Mine").await?;
    let called = |title: &str, row: ImportRow| ImportRow { title: Some(title.into()), ..row };
    let rows = [
        called(" A \u{202e}title ", row("new")),
        called("Theirs", row("kept")),
        row("plain"),
        ImportRow { same_as: Some(1), ..called("Another", row("new")) },
    ];
    stores.bring(&alice, &rows).await?;
    let kept = stores.library_of(&alice).await?.into_iter().map(|kept| (kept.card.url, kept.own_title));
    let told: BTreeSet<(String, Option<String>)> = kept.collect();
    let expected = [("new", Some("A title")), ("kept", Some("Mine")), ("plain", None)];
    assert_eq!(told, expected.map(|(name, title)| (url(name), title.map(str::to_owned))).into());
    // Nothing is known of its page, which may be gone for good.
    stores.index_all().await?;
    let asked = SearchRequest { text: "title".into(), ..SearchRequest::default() };
    let found = stores.search.search(&asked, &page(10, None)).await?.items;
    let told: Vec<(String, Option<String>)> = found.into_iter().map(|hit| (hit.url, hit.title)).collect();
    assert_eq!(told, [(url("new"), Some("A title".to_owned()))]);
    Ok(())
}

pub async fn folders_and_tags_become_collections(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let tea = stores.collection(&alice, "Tea", AccessType::Closed).await?;
    stores.collection(&alice, "tea", AccessType::Closed).await?;
    stores.collection(&bob, "Coffee", AccessType::Open).await?;
    let rows: Vec<ImportRow> = (0..7)
        .map(|n| match n {
            0..5 => within(&["Tea", "Kitchen / Drinks"], row(n)),
            _ => within(&["Coffee"], row(n)),
        })
        .collect();
    stores.bring(&alice, &rows).await?;
    let expected = ["Tea", "tea", "Kitchen / Drinks", "Coffee"].map(|name| shelf(name, false));
    assert_eq!(stores.shelves(&alice).await?, BTreeSet::from(expected));
    assert_eq!(stores.shelf(&alice, "Tea").await?, tea, "the one that is there");
    assert_eq!(stores.collections.collection(tea, Some(&alice)).await?.card_count, 5);
    let coffee = stores.shelf(&alice, "Coffee").await?;
    let view = stores.collections.collection(coffee, Some(&alice)).await?;
    assert_eq!((view.author.id, view.card_count, view.access), (alice.clone(), 2, AccessType::Closed), "not Bob's");
    // Of several with one name, the first; and none that is deleted.
    stores.run(&alice, &creating("Tea", AccessType::Closed)).await?;
    stores.bring(&alice, &[within(&["Tea"], row("more"))]).await?;
    assert_eq!(stores.collections.collection(tea, Some(&alice)).await?.card_count, 6);
    let long = within(&["x".repeat(101).as_str()], row("long"));
    let outcomes = stores.run(&alice, &importing(vec![long])).await?.0;
    assert!(matches!(&outcomes[..], [RowOutcome::Refused(why)] if why.starts_with("name: ")), "{outcomes:?}");
    Ok(())
}

pub async fn a_link_in_several_folders_is_in_several_collections(stores: Stores) -> Tested {
    let alice = person("alice");
    stores.save(&alice, &url("kept")).await?;
    let again = |first: u32, row: ImportRow| ImportRow { same_as: Some(first), ..row };
    let rows = [
        within(&["One"], row("twice")),
        within(&["Two"], again(1, row("twice"))),
        within(&["Three"], row("kept")),
        row("between"),
        within(&["Four"], again(1, row("twice"))),
    ];
    let import = stores.bring(&alice, &rows).await?;
    let view = stores.imports.import(&alice, import.id).await?;
    assert_eq!((view.saved, view.known, view.refused), (2, 3, 0));
    for kept in stores.library_of(&alice).await? {
        let names: BTreeSet<&str> = kept.collections.iter().map(|collection| collection.name.as_str()).collect();
        let expected = match kept.card.url.rsplit('/').next() {
            Some("twice") => BTreeSet::from(["One", "Two", "Four"]),
            Some("kept") => BTreeSet::from(["Three"]),
            _ => BTreeSet::new(),
        };
        assert_eq!(names, expected, "{}", kept.card.url);
    }
    Ok(())
}

pub async fn collections_are_as_private_as_what_they_are_made_for(stores: Stores) -> Tested {
    let alice = person("alice");
    stores.collection(&alice, "There", AccessType::Closed).await?;
    let rows = [
        within(&["Mine", "There"], row("a").private()),
        within(&["Ours"], row("b")),
        within(&["Ours", "Mine"], row("c").private()),
    ];
    stores.bring(&alice, &rows).await?;
    let expected = [shelf("Mine", true), shelf("Ours", false), shelf("There", false)];
    assert_eq!(stores.shelves(&alice).await?, BTreeSet::from(expected));
    Ok(())
}

pub async fn collections_are_as_private_as_the_file_says(stores: Stores) -> Tested {
    let alice = person("alice");
    let told = |name: &str, visibility: Visibility, row: ImportRow| ImportRow {
        visibilities: BTreeMap::from([(name.to_owned(), visibility)]),
        ..within(&[name], row)
    };
    let rows = [
        told("Mine", Visibility::Private, row("a")),
        told("Ours", Visibility::Public, row("b").private()),
        within(&["Mine", "Ours"], row("c")),
    ];
    stores.bring(&alice, &rows).await?;
    assert_eq!(stores.shelves(&alice).await?, BTreeSet::from([shelf("Mine", true), shelf("Ours", false)]));
    Ok(())
}

pub async fn an_import_is_found_and_counted_but_no_news(stores: Stores) -> Tested {
    let alice = person("alice");
    let rows: Vec<ImportRow> = (0..5).map(|n| within(&["Gherkins"], row(format!("gherkin/{n}")))).collect();
    stores.bring(&alice, &rows).await?;
    assert_eq!(stores.owed(Queue::Feeds).await?, 0);
    assert_eq!((stores.owed(Queue::Search).await?, stores.owed(Queue::Analytics).await?), (5, 5));
    stores.flush_feed().await?;
    stores.index_all().await?;
    assert_eq!(stores.feed_told().await?, []);
    let asked = SearchRequest { text: "gherkin".into(), ..SearchRequest::default() };
    assert_eq!(stores.search.search(&asked, &page(10, None)).await?.items.len(), 5);
    // What somebody does with it afterwards is news again.
    let card = stores.library_of(&alice).await?[0].card.clone();
    let pickles = stores.collection(&alice, "Pickles", AccessType::Closed).await?;
    stores.collect(&alice, card.id, &[pickles]).await?;
    stores.flush_feed().await?;
    assert_eq!(stores.feed_told().await?, [(card.url, vec!["Pickles".to_owned()])]);
    Ok(())
}

pub async fn a_link_that_comes_back_is_no_news_until_its_owner_collects_it(stores: Stores) -> Tested {
    let alice = person("alice");
    let card = stores.save(&alice, &url("back")).await?.url_card_id;
    stores.flush_feed().await?;
    stores.remove(&alice, card).await?;
    stores.flush_feed().await?;
    stores.bring(&alice, &[row("back")]).await?;
    assert_eq!(stores.library_of(&alice).await?[0].card.id, card, "it is the same card");
    stores.flush_feed().await?;
    assert_eq!(stores.feed_told().await?, []);
    let shelf = stores.collection(&alice, "Shelf", AccessType::Closed).await?;
    stores.collect(&alice, card, &[shelf]).await?;
    stores.flush_feed().await?;
    assert_eq!(stores.feed_told().await?.len(), 1);
    Ok(())
}

async fn checked(stores: &Stores, alice: &UserId) -> anyhow::Result<ImportId> {
    stores.save(alice, &url("kept")).await?;
    let gone = stores.save(alice, &url("gone")).await?.url_card_id;
    stores.remove(alice, gone).await?;
    let import = NewImport { is_check: true, ..new(alice) };
    let mut rows: Vec<FileRow> = [
        within(&["Folder"], ImportRow::new(&url("new"), Some("a note"))),
        row("kept"),
        ImportRow { same_as: Some(1), ..row("new") },
        row("gone"),
        ImportRow::new("nonsense", None),
    ]
    .map(FileRow::Link)
    .into();
    rows.push(FileRow::Refused { url: String::new(), why: "There is no link in it.".into() });
    stores.imports.open_import(&import).await?;
    stores.imports.add_rows(import.id, 1, &rows).await?;
    stores.imports.start_import(import.id).await?;
    Ok(import.id)
}

pub async fn a_check_saves_nothing(stores: Stores) -> Tested {
    let alice = person("alice");
    let id = checked(&stores, &alice).await?;
    let before = (stores.library_of(&alice).await?, stores.owed(Queue::Search).await?);
    stores.work_off_imports().await?;
    assert_eq!((stores.library_of(&alice).await?, stores.owed(Queue::Search).await?), before);
    assert!(stores.shelves(&alice).await?.is_empty());
    let view = stores.imports.import(&alice, id).await?;
    assert_eq!((view.is_check, view.total, view.saved, view.known, view.refused), (true, 6, 2, 2, 2));
    assert!(view.finished_at.is_some());
    let told: Vec<_> = stores.report(&alice, id).await?.into_iter().map(|row| row.outcome).collect();
    let kept = before.0[0].card.id;
    assert_eq!(
        told[..4],
        [Some(RowOutcome::New), Some(RowOutcome::Known(kept)), Some(RowOutcome::Again), Some(RowOutcome::New)]
    );
    assert!(matches!(&told[4], Some(RowOutcome::Refused(why)) if why.ends_with('.')), "{told:?}");
    assert_eq!(told[5], Some(RowOutcome::Refused("There is no link in it.".into())));
    let undo = stores.imports.ask_to_undo(&alice, id).await;
    assert!(matches!(undo, Err(Error::Conflict(_))), "{undo:?}");
    Ok(())
}

pub async fn a_check_is_carried_out(stores: Stores) -> Tested {
    let alice = person("alice");
    let id = checked(&stores, &alice).await?;
    let early = stores.imports.carry_out(&alice, id).await;
    assert!(matches!(early, Err(Error::Conflict(_))), "{early:?}");
    stores.work_off_imports().await?;
    stores.imports.carry_out(&alice, id).await?;
    let twice = stores.imports.carry_out(&alice, id).await;
    assert!(matches!(twice, Err(Error::Conflict(_))), "{twice:?}");
    stores.work_off_imports().await?;
    let view = stores.imports.import(&alice, id).await?;
    assert_eq!((view.is_check, view.total, view.saved, view.known, view.refused), (false, 6, 2, 2, 2));
    let kept = stores.library_of(&alice).await?;
    assert_eq!(kept.iter().map(|kept| kept.card.url.clone()).collect::<BTreeSet<_>>().len(), 3);
    let new = kept.iter().find(|kept| kept.card.url == url("new")).expect("it is new");
    assert_eq!(new.note.as_ref().map(|note| note.text.as_str()), Some("a note"), "the check kept it");
    assert_eq!(stores.shelves(&alice).await?, BTreeSet::from([shelf("Folder", false)]));
    let told: Vec<_> = stores.report(&alice, id).await?.into_iter().map(|row| row.outcome).collect();
    assert!(matches!(told[2], Some(RowOutcome::Known(card)) if card == new.card.id), "{told:?}");
    Ok(())
}
