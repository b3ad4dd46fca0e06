//! Undoing an import: what it made goes, unless somebody changed it since.

use std::collections::BTreeSet;

use cardwire_domain::accounts::{Account, Admission};
use cardwire_domain::imports::{ImportRow, UndoView};
use cardwire_domain::use_cases::{UpdateCollection, undo_imports};
use cardwire_domain::user::User;
use cardwire_domain::{AccessType, Error, ImportId, UserId};
use cardwire_events::Queue;

use super::bringing::{row, url};
use super::scene::{PLENTY, at_once, begin_import, person, saving};
use super::{Stores, Tested};

impl Stores {
    /// In small portions.
    async fn undo(&self, owner: &UserId, id: ImportId) -> anyhow::Result<UndoView> {
        self.imports.ask_to_undo(owner, id).await?;
        for _ in 0..PLENTY {
            if !undo_imports(&*self.store, 2).await? {
                self.let_all_go(10).await?;
                let view = self.imports.import(owner, id).await?;
                return view.undo.ok_or_else(|| anyhow::anyhow!("nobody asked for it: {view:?}"));
            }
        }
        anyhow::bail!("the portions do not end")
    }

    async fn urls_of(&self, owner: &UserId) -> anyhow::Result<BTreeSet<String>> {
        Ok(self.library_of(owner).await?.into_iter().map(|kept| kept.card.url).collect())
    }
}

fn in_folder(name: &str, row: ImportRow) -> ImportRow {
    let (title, note) = (Some("From the file".into()), Some("from the file".into()));
    ImportRow { title, note, collections: vec![name.into()], ..row }
}

pub async fn an_import_is_undone_with_what_it_made(stores: Stores) -> Tested {
    let alice = person("alice");
    stores.save(&alice, &url("before")).await?;
    let mine = stores.collection(&alice, "Mine", AccessType::Closed).await?;
    let mut rows: Vec<ImportRow> = (0..7).map(|n| in_folder("Folder", row(n))).collect();
    rows.push(ImportRow { same_as: Some(1), ..in_folder("Other", row(0)) });
    rows.push(in_folder("Mine", row("before")));
    rows.push(ImportRow::new("javascript:void(0)", None));
    let import = stores.bring(&alice, &rows).await?.id;
    stores.index_all().await?;
    stores.flush_feed().await?;
    let owed = stores.owed(Queue::Search).await?;
    let undone = stores.undo(&alice, import).await?;
    assert_eq!(undone, UndoView { is_finished: true, removed: 7, kept: 0 });
    assert_eq!(stores.urls_of(&alice).await?, BTreeSet::from([url("before")]));
    assert_eq!(stores.shelves(&alice).await?, BTreeSet::from([("Mine".to_owned(), false)]));
    assert_eq!(stores.collections.collection(mine, Some(&alice)).await?.card_count, 1, "what was there stays there");
    assert_eq!(stores.owed(Queue::Search).await? - owed, 7, "each card goes with its event");
    stores.index_all().await?;
    let marks: Vec<bool> = stores.report(&alice, import).await?.iter().map(|row| row.is_undone).collect();
    assert_eq!(marks, [true, true, true, true, true, true, true, false, false, false]);
    // Asking again changes nothing, and the same file can be imported again.
    assert_eq!(stores.undo(&alice, import).await?, undone);
    stores.bring(&alice, &rows).await?;
    assert_eq!(stores.urls_of(&alice).await?.len(), 8);
    Ok(())
}

pub async fn what_was_changed_since_stays(stores: Stores) -> Tested {
    let alice = person("alice");
    let folder = |n: usize| if n < 4 || n == 8 { "Changed" } else { "Plain" };
    let rows: Vec<ImportRow> = (0..9).map(|n| in_folder(folder(n), row(n))).collect();
    let import = stores.bring(&alice, &rows).await?.id;
    let card = async |n: usize| -> anyhow::Result<_> {
        let kept = stores.library_of(&alice).await?;
        Ok(kept.into_iter().find(|kept| kept.card.url == url(n)).expect("it was imported").card.id)
    };
    let shelf = stores.collection(&alice, "Shelf", AccessType::Closed).await?;
    stores.save_with(&alice, &url(0), Some("a note of my own"), &[]).await?;
    stores.collect(&alice, card(1).await?, &[shelf]).await?;
    let plain = stores.shelf(&alice, "Plain").await?;
    stores.uncollect(&alice, card(4).await?, &[plain]).await?;
    stores.remove(&alice, card(5).await?).await?;
    stores.remove(&alice, card(6).await?).await?;
    stores.run(&alice, &saving(&url(6), None, &[])).await?;
    stores.call(&alice, card(8).await?, "A title of my own").await?;
    let undone = stores.undo(&alice, import).await?;
    assert_eq!(undone, UndoView { is_finished: true, removed: 3, kept: 5 }, "2, 3 and 7 go; 5 is gone");
    assert_eq!(stores.urls_of(&alice).await?, BTreeSet::from([0, 1, 4, 6, 8].map(url)));
    let names: BTreeSet<String> = stores.shelves(&alice).await?.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, BTreeSet::from(["Changed", "Shelf"].map(str::to_owned)), "a collection with a card in it stays");
    Ok(())
}

pub async fn what_was_changed_while_the_import_ran_stays(stores: Stores) -> Tested {
    let alice = person("alice");
    let import = super::imports::new(&alice);
    let again = |first: u32, n: usize| ImportRow { same_as: Some(first), ..in_folder("Other", row(n)) };
    let rows = [row(0), row(1), again(1, 0), again(2, 1), again(1, 0), again(2, 1)];
    begin_import(&*stores.imports, &import, &rows).await?;
    stores.work_on(&stores.some_rows(2).await?).await?;
    stores.save_with(&alice, &url(0), Some("a note of my own"), &[]).await?;
    stores.work_off_imports().await?;
    let undone = stores.undo(&alice, import.id).await?;
    assert_eq!(undone, UndoView { is_finished: true, removed: 1, kept: 1 });
    let kept = stores.library_of(&alice).await?;
    let notes: Vec<Option<&str>> = kept.iter().map(|kept| kept.note.as_ref().map(|note| note.text.as_str())).collect();
    assert_eq!(notes, [Some("a note of my own")]);
    Ok(())
}

/// A later row saves the link of an earlier one.
pub async fn a_card_is_undone_by_the_row_that_saved_it(stores: Stores) -> Tested {
    let alice = person("alice");
    let import = super::imports::new(&alice);
    let too_long = ImportRow { note: Some("x".repeat(10_001)), ..row("refused") };
    let again = |first: u32, name: &str| ImportRow { same_as: Some(first), ..in_folder("Other", row(name)) };
    let rows = [
        row("removed"),
        too_long,
        again(1, "removed"),
        again(2, "refused"),
        again(1, "removed"),
        in_folder("Third", again(2, "refused")),
    ];
    begin_import(&*stores.imports, &import, &rows).await?;
    stores.work_on(&stores.some_rows(2).await?).await?;
    let removed = stores.library_of(&alice).await?.remove(0).card.id;
    stores.remove(&alice, removed).await?;
    stores.work_on(&stores.some_rows(2).await?).await?;
    stores.work_off_imports().await?;
    assert_eq!(stores.imports.import(&alice, import.id).await?.saved, 3);
    let undone = stores.undo(&alice, import.id).await?;
    assert_eq!(undone, UndoView { is_finished: true, removed: 2, kept: 0 });
    assert!(stores.library_of(&alice).await?.is_empty());
    Ok(())
}

pub async fn collections_that_their_owner_changed_stay(stores: Stores) -> Tested {
    let alice = person("alice");
    let rows: Vec<ImportRow> =
        ["Plain", "Named", "Described"].into_iter().map(|name| in_folder(name, row(name))).collect();
    let import = stores.bring(&alice, &rows).await?.id;
    for (before, name, description) in [("Named", "Mine", None), ("Described", "Described", Some("about it"))] {
        let command = UpdateCollection {
            id: stores.shelf(&alice, before).await?.to_string(),
            name: name.into(),
            description: description.map(str::to_owned),
            access: AccessType::Closed,
            visibility: None,
        };
        stores.run(&alice, &command).await?;
    }
    assert_eq!(stores.undo(&alice, import).await?.removed, 3);
    let names: BTreeSet<String> = stores.shelves(&alice).await?.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, BTreeSet::from(["Described", "Mine"].map(str::to_owned)));
    Ok(())
}

pub async fn an_import_is_undone_in_portions_by_several_at_once(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let rows: Vec<ImportRow> = (0..30).map(|n| in_folder(&format!("Folder {}", n % 5), row(n))).collect();
    let (hers, his) = (stores.bring(&alice, &rows).await?.id, stores.bring(&bob, &rows).await?.id);
    stores.index_all().await?;
    for (owner, import) in [(&alice, hers), (&bob, his)] {
        stores.imports.ask_to_undo(owner, import).await?;
    }
    let work = || {
        let store = stores.store.clone();
        async move {
            let mut portions = 0;
            while portions < PLENTY {
                portions += 1;
                match undo_imports(&*store, 4).await {
                    Ok(true) | Err(Error::Stale) => {}
                    // Nothing is left, or others are at it.
                    Ok(false) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            Err(Error::Unavailable("the portions do not end".into()))
        }
    };
    for worked in at_once((0..4).map(|_| work())).await? {
        worked?;
    }
    // The last one may have left what others held.
    while undo_imports(&*stores.store, 4).await? {}
    for (owner, import) in [(&alice, hers), (&bob, his)] {
        let undo = stores.imports.import(owner, import).await?.undo;
        assert_eq!(undo, Some(UndoView { is_finished: true, removed: 30, kept: 0 }));
        assert!(stores.library_of(owner).await?.is_empty() && stores.shelves(owner).await?.is_empty());
    }
    assert_eq!(stores.owed(Queue::Search).await?, 60, "each card goes once");
    Ok(())
}

pub async fn what_saved_nothing_cannot_be_undone(stores: Stores) -> Tested {
    let alice = person("alice");
    stores.save(&alice, &url("kept")).await?;
    let import = super::imports::new(&alice);
    begin_import(&*stores.imports, &import, &[row("kept")]).await?;
    let conflict = async || {
        let asked = stores.imports.ask_to_undo(&alice, import.id).await;
        assert!(matches!(asked, Err(Error::Conflict(_))), "{asked:?}");
    };
    conflict().await;
    stores.work_off_imports().await?;
    conflict().await;
    assert!(!undo_imports(&*stores.store, 10).await?);
    Ok(())
}

pub async fn nothing_is_undone_for_somebody_who_is_leaving(stores: Stores) -> Tested {
    let user = User { id: UserId::generate(), handle: "alice.in.chains".into() };
    let account = Account { user, password_hash: "$argon2id$".into() };
    stores.accounts.create_account(&account, &Admission::Open).await?;
    let import = stores.bring(&account.user.id, &[row(1), row(2)]).await?.id;
    stores.imports.ask_to_undo(&account.user.id, import).await?;
    assert!(stores.accounts.delete_account(&account).await?);
    assert!(!undo_imports(&*stores.store, 10).await?, "it all goes anyway");
    Ok(())
}
