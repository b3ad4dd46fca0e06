//! Imports: every row once, whoever works on it, and a report of each.

use std::time::Duration;

use cardwire_domain::imports::{ImportRow, LeasedRows, NewImport, ReportRow, RowOutcome};
use cardwire_domain::use_cases::ImportUrls;
use cardwire_domain::{AccessType, CardId, CollectionId, Error, ImportId, UserId};
use cardwire_events::Queue;

use super::scene::{all_pages, page, person};
use super::{Stores, Tested};

const LEASE: Duration = Duration::from_secs(60);

fn new(owner: &UserId, rows: usize) -> NewImport {
    let rows = (1..=rows).map(|n| ImportRow::new(&format!("https://example.com/{n}"), Some("note"))).collect();
    NewImport {
        id: ImportId::generate(),
        owner: owner.clone(),
        file_name: "bookmarks.html".into(),
        collection: None,
        rows,
    }
}

fn numbers(leased: &LeasedRows) -> Vec<u32> {
    leased.rows.iter().map(|(number, _)| *number).collect()
}

/// Every leased row is refused.
fn refused(leased: &LeasedRows) -> Vec<(u32, RowOutcome)> {
    leased.rows.iter().map(|(number, _)| (*number, RowOutcome::Refused("no".into()))).collect()
}

impl Stores {
    async fn lease(&self, limit: usize) -> anyhow::Result<Option<LeasedRows>> {
        Ok(self.imports.lease_rows(limit, LEASE).await?)
    }

    async fn some_rows(&self, limit: usize) -> anyhow::Result<LeasedRows> {
        self.lease(limit).await?.ok_or_else(|| anyhow::anyhow!("no import has rows to lease"))
    }

    async fn report(&self, owner: &UserId, id: ImportId) -> anyhow::Result<Vec<ReportRow>> {
        all_pages(3, |page| async move { self.imports.import_report(owner, id, false, &page).await }).await
    }
}

pub async fn rows_are_leased_in_order_and_reported(stores: Stores) -> Tested {
    let alice = person("alice");
    assert_eq!(stores.lease(10).await?, None);
    let import = new(&alice, 5);
    stores.imports.begin_import(&import).await?;
    let first = stores.some_rows(3).await?;
    assert_eq!((first.import, &first.owner, numbers(&first)), (import.id, &alice, vec![1, 2, 3]));
    assert_eq!(first.rows[0].1, import.rows[0]);
    assert_eq!(stores.lease(10).await?, None, "it is leased as a whole");
    let card = CardId::generate();
    let outcomes = [(1, RowOutcome::Saved(card)), (3, RowOutcome::Refused("url: must not be empty".into()))];
    assert!(stores.imports.finish_rows(&first, &outcomes).await?);
    let view = stores.imports.import(&alice, import.id).await?;
    assert_eq!((view.total, view.saved, view.known, view.refused, view.finished_at), (5, 1, 0, 1, None));
    let second = stores.some_rows(10).await?;
    assert_eq!(numbers(&second), [2, 4, 5], "what had no outcome comes again");
    let known = |number| (number, RowOutcome::Known(card));
    assert!(stores.imports.finish_rows(&second, &[known(2), known(4), known(5)]).await?);
    assert_eq!(stores.lease(10).await?, None);
    let view = stores.imports.import(&alice, import.id).await?;
    assert_eq!((view.done(), view.known), (5, 3));
    assert!(view.finished_at.is_some());
    let told: Vec<_> =
        stores.report(&alice, import.id).await?.into_iter().map(|row| (row.number, row.outcome)).collect();
    let [saved, refused] = outcomes.map(|(_, outcome)| Some(outcome));
    let known = Some(RowOutcome::Known(card));
    assert_eq!(told, [(1, saved), (2, known.clone()), (3, refused), (4, known.clone()), (5, known)]);
    Ok(())
}

pub async fn a_lost_lease_counts_nothing(stores: Stores) -> Tested {
    let alice = person("alice");
    let import = new(&alice, 2);
    stores.imports.begin_import(&import).await?;
    let lost = stores.some_rows(10).await?;
    stores.time.advance(LEASE + Duration::from_secs(1)).await;
    let held = stores.some_rows(10).await?;
    assert_eq!(numbers(&held), [1, 2]);
    assert!(!stores.imports.finish_rows(&lost, &refused(&lost)).await?);
    assert_eq!(stores.imports.import(&alice, import.id).await?.done(), 0);
    assert!(stores.imports.finish_rows(&held, &refused(&held)).await?);
    assert!(!stores.imports.finish_rows(&held, &refused(&held)).await?, "it is given back");
    assert_eq!(stores.imports.import(&alice, import.id).await?.refused, 2);
    Ok(())
}

pub async fn imports_take_turns_and_a_person_has_one_at_a_time(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let (long, short) = (new(&alice, 6), new(&bob, 2));
    stores.imports.begin_import(&long).await?;
    // Else chance would say who is first.
    stores.time.advance(Duration::from_millis(10)).await;
    stores.imports.begin_import(&short).await?;
    let again = stores.imports.begin_import(&new(&alice, 1)).await;
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    let mut order = Vec::new();
    while let Some(leased) = stores.lease(2).await? {
        order.push(if leased.owner == alice { "alice" } else { "bob" });
        stores.time.advance(Duration::from_millis(10)).await;
        assert!(stores.imports.finish_rows(&leased, &refused(&leased)).await?);
    }
    assert_eq!(order, ["alice", "bob", "alice", "alice"]);
    stores.imports.begin_import(&new(&alice, 1)).await?;
    let listed = stores.imports.imports_of(&alice, 10).await?;
    assert_eq!(listed.iter().map(|import| import.total).collect::<Vec<_>>(), [1, 6], "newest first");
    assert_eq!(stores.imports.imports_of(&alice, 1).await?.len(), 1);
    Ok(())
}

pub async fn an_import_is_its_owners_alone(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let import = new(&alice, 1);
    stores.imports.begin_import(&import).await?;
    assert!(matches!(stores.imports.import(&bob, import.id).await, Err(Error::NotFound { .. })));
    assert_eq!(stores.imports.imports_of(&bob, 10).await?, []);
    assert_eq!(stores.report(&bob, import.id).await?, []);
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
    let collection_id = Some(collection.to_string());
    let before = stores.owed(Queue::Feeds).await?;
    let outcomes = stores.run(&alice, &ImportUrls { rows: rows.clone(), collection_id }).await?.0;
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
    assert!(no_url.starts_with("url: ") && too_long.starts_with("note: "), "{outcomes:?}");
    for (card, note) in [(kept, "mine"), (new, "from the file"), (last, "from the file")] {
        let card = stores.library.library_card(*card, Some(&alice)).await?;
        assert_eq!(card.note.map(|note| note.text.as_str().to_owned()).as_deref(), Some(note));
        assert_eq!(card.collections.len(), 1);
    }
    // Three came into the collection, two of them into the library.
    assert_eq!(stores.owed(Queue::Feeds).await? - before, 3 + 2);
    for (person, collection) in [("bob", collection), ("alice", CollectionId::generate())] {
        let command = ImportUrls { rows: rows.clone(), collection_id: Some(collection.to_string()) };
        let outcomes = stores.run(&self::person(person), &command).await?.0;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, RowOutcome::Refused(_))), "{person}: {outcomes:?}");
    }
    assert_eq!(stores.owed(Queue::Feeds).await? - before, 3 + 2, "what is refused raises nothing");
    Ok(())
}

pub async fn a_report_is_read_in_pages(stores: Stores) -> Tested {
    let alice = person("alice");
    let import = new(&alice, 10);
    stores.imports.begin_import(&import).await?;
    let leased = stores.some_rows(10).await?;
    let outcomes: Vec<_> = refused(&leased).into_iter().filter(|(number, _)| number % 2 == 0).collect();
    assert!(stores.imports.finish_rows(&leased, &outcomes).await?);
    let whole: Vec<u32> = stores.report(&alice, import.id).await?.iter().map(|row| row.number).collect();
    assert_eq!(whole, (1..=10).collect::<Vec<_>>());
    let first = stores.imports.import_report(&alice, import.id, true, &page(2, None)).await?;
    let rest = stores.imports.import_report(&alice, import.id, true, &page(100, first.next)).await?;
    let numbers: Vec<u32> = first.items.iter().chain(&rest.items).map(|row| row.number).collect();
    assert_eq!((numbers, rest.next), (vec![2, 4, 6, 8, 10], None));
    Ok(())
}
