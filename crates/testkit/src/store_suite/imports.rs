//! Imports: every row once, however many work on them, and a report of each.

use std::time::Duration;

use cardwire_domain::imports::{
    FileRow, ImportRow, LeasedRows, NewImport, ReportRow, RowOutcome, SILENT_AT_MOST, Wanted,
};
use cardwire_domain::use_cases::ImportUrls;
use cardwire_domain::{AccessType, CardId, CollectionId, Error, ImportId, UserId, Visibility};
use cardwire_events::Queue;

use super::scene::{all_pages, begin_import, importing, page, person};
use super::{Stores, Tested};

const LEASE: Duration = Duration::from_secs(60);

pub(super) fn new(owner: &UserId) -> NewImport {
    NewImport {
        id: ImportId::generate(),
        owner: owner.clone(),
        file_name: "bookmarks.html".into(),
        collection: None,
        is_check: false,
    }
}

fn rows(count: usize) -> Vec<ImportRow> {
    (1..=count).map(|n| ImportRow::new(&format!("https://example.com/{n}"), Some("note"))).collect()
}

fn numbers(leased: &LeasedRows) -> Vec<u32> {
    leased.rows.iter().map(|(number, _)| *number).collect()
}

/// Every leased row is refused.
fn refused(leased: &LeasedRows) -> Vec<(u32, RowOutcome)> {
    leased.rows.iter().map(|(number, _)| (*number, RowOutcome::Refused("no".into()))).collect()
}

impl Stores {
    async fn begin(&self, owner: &UserId, count: usize) -> anyhow::Result<ImportId> {
        let import = new(owner);
        begin_import(&*self.imports, &import, &rows(count)).await?;
        Ok(import.id)
    }

    async fn lease(&self, limit: usize) -> anyhow::Result<Option<LeasedRows>> {
        Ok(self.imports.lease_rows(limit, LEASE).await?)
    }

    pub(super) async fn some_rows(&self, limit: usize) -> anyhow::Result<LeasedRows> {
        self.lease(limit).await?.ok_or_else(|| anyhow::anyhow!("no import has rows to lease"))
    }

    pub(super) async fn report(&self, owner: &UserId, id: ImportId) -> anyhow::Result<Vec<ReportRow>> {
        all_pages(3, |page| async move { self.imports.import_report(owner, id, Wanted::All, &page).await }).await
    }
}

pub async fn rows_are_leased_in_order_and_reported(stores: Stores) -> Tested {
    let alice = person("alice");
    assert_eq!(stores.lease(10).await?, None);
    let import = stores.begin(&alice, 5).await?;
    let first = stores.some_rows(3).await?;
    assert_eq!((first.import, &first.owner, numbers(&first)), (import, &alice, vec![1, 2, 3]));
    assert_eq!(first.rows[0].1, rows(1)[0]);
    assert_eq!(stores.lease(10).await?, None, "it is leased as a whole");
    let card = CardId::generate();
    let outcomes = [(1, RowOutcome::Saved(card)), (3, RowOutcome::Refused("This cannot be empty.".into()))];
    assert!(stores.imports.finish_rows(&first, &outcomes).await?);
    let view = stores.imports.import(&alice, import).await?;
    assert_eq!((view.total, view.saved, view.known, view.refused, view.finished_at), (5, 1, 0, 1, None));
    let second = stores.some_rows(10).await?;
    assert_eq!(numbers(&second), [2, 4, 5], "what had no outcome comes again");
    let known = |number| (number, RowOutcome::Known(card));
    assert!(stores.imports.finish_rows(&second, &[known(2), known(4), known(5)]).await?);
    assert_eq!(stores.lease(10).await?, None);
    let view = stores.imports.import(&alice, import).await?;
    assert_eq!((view.done(), view.known), (5, 3));
    assert!(view.finished_at.is_some());
    let told: Vec<_> = stores.report(&alice, import).await?.into_iter().map(|row| (row.number, row.outcome)).collect();
    let [saved, refused] = outcomes.map(|(_, outcome)| Some(outcome));
    let known = Some(RowOutcome::Known(card));
    assert_eq!(told, [(1, saved), (2, known.clone()), (3, refused), (4, known.clone()), (5, known)]);
    Ok(())
}

pub async fn rows_are_kept_as_the_file_has_them(stores: Stores) -> Tested {
    let alice = person("alice");
    let whole = ImportRow {
        title: Some("A title".into()),
        added_at: Some("2010-01-02T03:04:05.000006Z".parse()?),
        collections: vec!["Kitchen / \"Tea\"".into(), "ü".into()],
        visibilities: [("ü".into(), Visibility::Private), ("Kitchen / \"Tea\"".into(), Visibility::Public)].into(),
        remark: Some("the note was cut".into()),
        same_as: Some(1),
        ..ImportRow::new("https://example.com/", Some("note")).private()
    };
    let bare = ImportRow::new("https://example.com/bare", None);
    let import = new(&alice);
    stores.imports.open_import(&import).await?;
    stores.imports.add_rows(import.id, 1, &[FileRow::Link(whole.clone())]).await?;
    let no_link = FileRow::Refused { url: "x".into(), why: "There is no link in it.".into() };
    stores.imports.add_rows(import.id, 2, &[no_link, FileRow::Link(bare.clone())]).await?;
    assert_eq!(stores.lease(10).await?, None, "it has not got all its rows yet");
    stores.imports.start_import(import.id).await?;
    let late = stores.imports.add_rows(import.id, 4, &[FileRow::Link(bare.clone())]).await;
    assert!(matches!(late, Err(Error::NotFound { .. })), "{late:?}");
    let view = stores.imports.import(&alice, import.id).await?;
    assert_eq!((view.total, view.refused, view.remarked, view.done()), (3, 1, 1, 1));
    let leased = stores.some_rows(10).await?;
    assert_eq!(leased.rows, [(1, whole), (3, bare)]);
    assert_eq!((leased.is_check, leased.begun_at), (false, view.begun_at));
    let report = stores.report(&alice, import.id).await?;
    assert_eq!(report[1].outcome, Some(RowOutcome::Refused("There is no link in it.".into())));
    assert_eq!(report[0].remark.as_deref(), Some("the note was cut"));
    let cut = stores.imports.import_report(&alice, import.id, Wanted::Remarked, &page(10, None)).await?.items;
    assert_eq!(cut.iter().map(|row| row.number).collect::<Vec<_>>(), [1]);
    Ok(())
}

pub async fn an_import_without_a_link_is_finished_at_once(stores: Stores) -> Tested {
    let alice = person("alice");
    let import = new(&alice);
    stores.imports.open_import(&import).await?;
    let no_link = FileRow::Refused { url: String::new(), why: "There is no link in it.".into() };
    stores.imports.add_rows(import.id, 1, &[no_link]).await?;
    stores.imports.start_import(import.id).await?;
    assert_eq!(stores.lease(10).await?, None);
    let view = stores.imports.import(&alice, import.id).await?;
    assert_eq!((view.total, view.refused), (1, 1));
    assert!(view.finished_at.is_some());
    stores.begin(&alice, 1).await?;
    Ok(())
}

pub async fn an_import_that_gets_no_rows_gives_way(stores: Stores) -> Tested {
    let alice = person("alice");
    let (lost, abandoned) = (new(&alice), new(&alice));
    stores.imports.open_import(&lost).await?;
    let row = FileRow::Link(ImportRow::new("https://example.com/", None));
    for number in 1..4 {
        stores.time.advance(SILENT_AT_MOST - Duration::from_secs(10)).await;
        stores.imports.add_rows(lost.id, number, std::slice::from_ref(&row)).await?;
        let again = stores.imports.open_import(&abandoned).await;
        assert!(matches!(again, Err(Error::Conflict(_))), "it still gets rows: {again:?}");
    }
    stores.time.advance(SILENT_AT_MOST + Duration::from_secs(1)).await;
    stores.imports.open_import(&abandoned).await?;
    assert!(matches!(stores.imports.import(&alice, lost.id).await, Err(Error::NotFound { .. })));
    stores.imports.abandon_import(abandoned.id).await?;
    let begun = stores.begin(&alice, 1).await?;
    stores.imports.abandon_import(begun).await?;
    assert_eq!(stores.imports.import(&alice, begun).await?.total, 1, "it has its rows");
    Ok(())
}

pub async fn a_lost_lease_counts_nothing(stores: Stores) -> Tested {
    let alice = person("alice");
    let import = stores.begin(&alice, 2).await?;
    let lost = stores.some_rows(10).await?;
    stores.time.advance(LEASE + Duration::from_secs(1)).await;
    let held = stores.some_rows(10).await?;
    assert_eq!(numbers(&held), [1, 2]);
    assert!(!stores.imports.finish_rows(&lost, &refused(&lost)).await?);
    assert_eq!(stores.imports.import(&alice, import).await?.done(), 0);
    assert!(stores.imports.finish_rows(&held, &refused(&held)).await?);
    assert!(!stores.imports.finish_rows(&held, &refused(&held)).await?, "it is given back");
    assert_eq!(stores.imports.import(&alice, import).await?.refused, 2);
    Ok(())
}

pub async fn rows_that_are_saved_and_not_reported_are_leased_as_saved(stores: Stores) -> Tested {
    let alice = person("alice");
    stores.save(&alice, "https://example.com/2").await?;
    let import = stores.begin(&alice, 5).await?;
    let lost = stores.some_rows(3).await?;
    assert_eq!(lost.saved, []);
    let cards: Vec<(u32, CardId)> = stores
        .save_rows(&lost)
        .await?
        .into_iter()
        .filter_map(|(number, outcome)| match outcome {
            RowOutcome::Saved(card) => Some((number, card)),
            _ => None,
        })
        .collect();
    stores.time.advance(LEASE + Duration::from_secs(1)).await;
    let found = stores.some_rows(4).await?;
    assert_eq!((numbers(&found), found.saved.clone()), (vec![2, 4], cards), "2 was in the library before");
    stores.work_on(&found).await?;
    stores.work_off_imports().await?;
    let view = stores.imports.import(&alice, import).await?;
    assert_eq!((view.saved, view.known, view.refused), (4, 1, 0));
    Ok(())
}

pub async fn imports_take_turns_and_a_person_has_one_at_a_time(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    stores.begin(&alice, 6).await?;
    // Else chance would say who is first.
    stores.time.advance(Duration::from_millis(10)).await;
    stores.begin(&bob, 2).await?;
    let again = begin_import(&*stores.imports, &new(&alice), &rows(1)).await;
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    let mut order = Vec::new();
    while let Some(leased) = stores.lease(2).await? {
        order.push(if leased.owner == alice { "alice" } else { "bob" });
        stores.time.advance(Duration::from_millis(10)).await;
        assert!(stores.imports.finish_rows(&leased, &refused(&leased)).await?);
    }
    assert_eq!(order, ["alice", "bob", "alice", "alice"]);
    stores.begin(&alice, 1).await?;
    let listed = stores.imports.imports_of(&alice, 10).await?;
    assert_eq!(listed.iter().map(|import| import.total).collect::<Vec<_>>(), [1, 6], "newest first");
    assert_eq!(stores.imports.imports_of(&alice, 1).await?.len(), 1);
    Ok(())
}

pub async fn an_import_is_its_owners_alone(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let import = stores.begin(&alice, 1).await?;
    assert!(matches!(stores.imports.import(&bob, import).await, Err(Error::NotFound { .. })));
    assert!(matches!(stores.imports.ask_to_undo(&bob, import).await, Err(Error::NotFound { .. })));
    assert!(matches!(stores.imports.carry_out(&bob, import).await, Err(Error::NotFound { .. })));
    assert_eq!(stores.imports.imports_of(&bob, 10).await?, []);
    assert_eq!(stores.report(&bob, import).await?, []);
    Ok(())
}

pub async fn a_link_that_is_kept_keeps_its_note(stores: Stores) -> Tested {
    let alice = person("alice");
    let collection = stores.collection(&alice, "Brought along", AccessType::Closed).await?;
    let row = |url: &str| ImportRow::new(url, Some("from the file"));
    stores.save_with(&alice, "https://example.com/kept", Some("mine"), &[]).await?;
    let long = ImportRow { note: Some("x".repeat(10_001)), ..row("https://example.com/long") };
    let rows =
        ["https://EXAMPLE.com/kept#part", "https://example.com/new", "nonsense", "https://example.com/new#again"];
    let rows: Vec<ImportRow> = rows.into_iter().map(row).chain([long, row("https://example.com/last")]).collect();
    let into = |collection: CollectionId| ImportUrls {
        collection_id: Some(collection.to_string()),
        ..importing(rows.clone())
    };
    let news = async || -> anyhow::Result<(u64, u64)> {
        Ok((stores.owed(Queue::Feeds).await?, stores.owed(Queue::Search).await?))
    };
    let before = news().await?;
    let outcomes = stores.run(&alice, &into(collection)).await?.0;
    let [
        RowOutcome::Known(kept),
        RowOutcome::Saved(new),
        RowOutcome::Refused(no_url),
        RowOutcome::Known(again),
        RowOutcome::Refused(too_long),
        RowOutcome::Saved(last),
    ] = &outcomes[..]
    else {
        panic!("{outcomes:?}");
    };
    assert_eq!(new, again);
    assert!(no_url.ends_with('.') && too_long.starts_with("note: "), "{outcomes:?}");
    for (card, note) in [(kept, "mine"), (new, "from the file"), (last, "from the file")] {
        let card = stores.library.library_card(*card, Some(&alice)).await?;
        assert_eq!(card.note.map(|note| note.text.as_str().to_owned()).as_deref(), Some(note));
        assert_eq!(card.collections.len(), 1);
    }
    // Three came into the collection, two of them into the library. The feed hears of none.
    let after = news().await?;
    assert_eq!((after.0 - before.0, after.1 - before.1), (0, 2));
    for (person, collection) in [("bob", collection), ("alice", CollectionId::generate())] {
        let outcomes = stores.run(&self::person(person), &into(collection)).await?.0;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, RowOutcome::Refused(_))), "{person}: {outcomes:?}");
    }
    assert_eq!(news().await?, after, "what is refused raises nothing");
    Ok(())
}

pub async fn a_report_is_read_in_pages(stores: Stores) -> Tested {
    let alice = person("alice");
    let import = stores.begin(&alice, 10).await?;
    let leased = stores.some_rows(10).await?;
    let outcomes: Vec<_> = refused(&leased).into_iter().filter(|(number, _)| number % 2 == 0).collect();
    assert!(stores.imports.finish_rows(&leased, &outcomes).await?);
    let whole: Vec<u32> = stores.report(&alice, import).await?.iter().map(|row| row.number).collect();
    assert_eq!(whole, (1..=10).collect::<Vec<_>>());
    let first = stores.imports.import_report(&alice, import, Wanted::Refused, &page(2, None)).await?;
    let rest = stores.imports.import_report(&alice, import, Wanted::Refused, &page(100, first.next)).await?;
    let numbers: Vec<u32> = first.items.iter().chain(&rest.items).map(|row| row.number).collect();
    assert_eq!((numbers, rest.next), (vec![2, 4, 6, 8, 10], None));
    Ok(())
}
