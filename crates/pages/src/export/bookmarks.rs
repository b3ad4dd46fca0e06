//! A bookmark file, as every browser reads it (Netscape's format).
//!
//! Collections are folders. A card that is in several stands in the first of them by name, and once only: browsers would show it twice, and
//! an import would tell of a link that is there already. All that it is in are its `TAGS`, which other services read. What cannot be
//! written as a tag is in `COLLECTIONS`, a list as JSON, which our import reads, and so is `PRIVATE_COLLECTIONS`: which of them are private. It
//! is left out where nothing is private, as new collections are public then anyway.

use std::collections::VecDeque;

use cardwire_domain::exports::{ExportedCard, Namesakes};
use cardwire_domain::{Position, UserId};
use cardwire_http::problem::Problem;
use cardwire_http::state::AppState;

use super::portion::portion;

/// Names of folders read at once.
const NAMES: usize = 100;

const HEAD: &str = "<!DOCTYPE NETSCAPE-Bookmark-file-1>\n\
    <META HTTP-EQUIV=\"Content-Type\" CONTENT=\"text/html; charset=UTF-8\">\n\
    <TITLE>Bookmarks</TITLE>\n<H1>Bookmarks</H1>\n<DL><p>\n";
const TAIL: &str = "</DL><p>\n";
const PRIVATE: &str = " PRIVATE=\"1\"";

pub(super) enum Step {
    Head,
    /// The next folders, behind the one of this name.
    Names(Option<String>),
    Folder(Folder),
    /// Cards that are in no folder, behind this one.
    Unfiled(Option<Position>),
    Tail,
    End,
}

/// What stands at this step, and the step behind it.
pub(super) async fn part(state: AppState, owner: UserId, step: Step) -> Result<Option<(String, Step)>, Problem> {
    Ok(Some(match step {
        Step::Head => (HEAD.to_owned(), Step::Names(None)),
        Step::Names(after) => {
            let names = state.library.names_of_collections(&owner, after.as_deref(), NAMES).await?;
            (String::new(), Folder::first_of(names.into()).map_or(Step::Unfiled(None), Step::Folder))
        }
        Step::Folder(folder) => folder.part(&state, &owner).await?,
        Step::Unfiled(after) => {
            let page = portion(&state, &owner, None, after).await?;
            let unfiled = page.items.iter().filter(|card| folder_of(card).is_none());
            let text = unfiled.map(|card| item(card, "    ")).collect::<Result<String, Problem>>()?;
            (text, page.next.map_or(Step::Tail, |next| Step::Unfiled(Some(next))))
        }
        Step::Tail => (TAIL.to_owned(), Step::End),
        Step::End => return Ok(None),
    }))
}

/// A file of these cards alone, without folders: the collections are tags.
pub(super) fn whole(cards: &[ExportedCard]) -> Result<String, Problem> {
    let items = cards.iter().map(|card| item(card, "    ")).collect::<Result<String, Problem>>()?;
    Ok(format!("{HEAD}{items}{TAIL}"))
}

/// A collection, by its name: several of one name are one folder.
pub(super) struct Folder {
    of: Namesakes,
    /// Those that come next.
    others: VecDeque<Namesakes>,
    after: Option<Position>,
    /// A card was in it, so it has begun.
    is_open: bool,
}

impl Folder {
    fn first_of(mut others: VecDeque<Namesakes>) -> Option<Self> {
        let of = others.pop_front()?;
        Some(Self { of, others, after: None, is_open: false })
    }

    async fn part(mut self, state: &AppState, owner: &UserId) -> Result<(String, Step), Problem> {
        if !is_heading(&self.of.name) {
            return Ok((String::new(), self.then()));
        }
        let page = portion(state, owner, Some(&self.of.collections), self.after.take()).await?;
        let mut text = String::new();
        for card in page.items.iter().filter(|card| folder_of(card) == Some(&self.of.name)) {
            if !self.is_open {
                let is_private = card.collections.get(&self.of.name).is_some_and(|visibility| visibility.is_private());
                let mark = if is_private { PRIVATE } else { "" };
                text.push_str(&format!("    <DT><H3{mark}>{}</H3>\n    <DL><p>\n", escaped(&self.of.name)));
                self.is_open = true;
            }
            text.push_str(&item(card, "        ")?);
        }
        if let Some(next) = page.next {
            return Ok((text, Step::Folder(Self { after: Some(next), ..self })));
        }
        if self.is_open {
            text.push_str("    </DL><p>\n");
        }
        Ok((text, self.then()))
    }

    fn then(self) -> Step {
        match Self::first_of(self.others) {
            Some(folder) => Step::Folder(folder),
            None => Step::Names(Some(self.of.name)),
        }
    }
}

/// The one that it stands in.
fn folder_of(card: &ExportedCard) -> Option<&String> {
    card.collections.keys().find(|name| is_heading(name))
}

/// Readers take a heading for words on one line, with single blanks between them.
fn is_heading(name: &str) -> bool {
    !name.contains(char::is_control) && name.split_whitespace().eq(name.split(' '))
}

/// Between commas, where readers may drop quotation marks; what linkding has archived is marked by a tag.
fn is_tag(name: &str) -> bool {
    is_heading(name) && !name.contains(',') && !name.starts_with(['"', '\'']) && !name.starts_with("linkding:")
}

fn item(card: &ExportedCard, indent: &str) -> Result<String, Problem> {
    let url = card.url.given();
    let mut text = format!("{indent}<DT><A HREF=\"{}\" ADD_DATE=\"{}\"", escaped(url), card.added_at.as_second());
    if card.visibility.is_private() {
        text.push_str(PRIVATE);
    }
    let names = card.collections.keys().map(String::as_str);
    let (tags, others): (Vec<&str>, Vec<&str>) = names.partition(|name| is_tag(name));
    if !tags.is_empty() {
        text.push_str(&format!(" TAGS=\"{}\"", escaped(&tags.join(","))));
    }
    if !others.is_empty() {
        text.push_str(&format!(" COLLECTIONS=\"{}\"", listed(&others)?));
    }
    let private = card.private_collections();
    if !private.is_empty() || card.visibility.is_private() && !card.collections.is_empty() {
        text.push_str(&format!(" PRIVATE_COLLECTIONS=\"{}\"", listed(&private)?));
    }
    text.push_str(&format!(">{}</A>\n", escaped(card.title.as_deref().unwrap_or(url))));
    if let Some(note) = &card.note {
        // Breaks are read as one character, unless they are written so.
        text.push_str(&format!("{indent}<DD>{}\n", escaped(note.as_str()).replace('\r', "&#13;")));
    }
    Ok(text)
}

fn listed(names: &[&str]) -> Result<String, Problem> {
    let names = serde_json::to_string(names).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(escaped(&names))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use cardwire_domain::note::NoteText;
    use cardwire_domain::url::CardUrl;
    use cardwire_domain::{CardId, Visibility};

    use super::*;

    fn card(names: &[&str]) -> ExportedCard {
        ExportedCard {
            id: CardId::generate(),
            url: CardUrl::from_stored("https://example.com/?a=1&b=\"2\"".into(), String::new()),
            title: Some("</A><script>alert(1)</script>".into()),
            note: NoteText::parse("a <note> & more\r\nin two lines").unwrap(),
            collections: names.iter().map(|name| ((*name).to_owned(), Visibility::of(*name == "Winter"))).collect(),
            visibility: Visibility::Private,
            added_at: "2010-01-01T00:00:00.75Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_card_is_a_link_that_nothing_breaks_out_of() {
        assert_eq!(
            item(&card(&["Garden", "Winter & snow"]), "").unwrap(),
            "<DT><A HREF=\"https://example.com/?a=1&amp;b=&quot;2&quot;\" ADD_DATE=\"1262304000\" PRIVATE=\"1\" \
             TAGS=\"Garden,Winter &amp; snow\" PRIVATE_COLLECTIONS=\"[]\">&lt;/A&gt;&lt;script&gt;alert(1)&lt;/script&gt;</A>\n\
             <DD>a &lt;note&gt; &amp; more&#13;\nin two lines\n"
        );
        let bare = ExportedCard { title: None, note: None, visibility: Visibility::Public, ..card(&[]) };
        let url = "https://example.com/?a=1&amp;b=&quot;2&quot;";
        let expected = format!("<DT><A HREF=\"{url}\" ADD_DATE=\"1262304000\">{url}</A>\n");
        assert_eq!(item(&bare, "").unwrap(), expected);
    }

    #[test]
    fn a_card_stands_in_the_first_of_its_folders() {
        let check = |names: &[&str], folder: Option<&str>, written: &str| {
            let card = card(names);
            assert_eq!(folder_of(&card).map(String::as_str), folder, "{names:?}");
            let item = item(&card, "").unwrap();
            assert!(item.contains(written), "{names:?}: {item}");
        };
        check(
            &["Winter", "Garden"],
            Some("Garden"),
            " TAGS=\"Garden,Winter\" PRIVATE_COLLECTIONS=\"[&quot;Winter&quot;]\">",
        );
        check(&[], None, " PRIVATE=\"1\">");
        check(
            &["a, b", "c"],
            Some("a, b"),
            " TAGS=\"c\" COLLECTIONS=\"[&quot;a, b&quot;]\" PRIVATE_COLLECTIONS=\"[]\">",
        );
        let others =
            " TAGS=\"z\" COLLECTIONS=\"[&quot;a\\nb&quot;,&quot;two  blanks&quot;]\" PRIVATE_COLLECTIONS=\"[]\">";
        check(&["two  blanks", "a\nb", "z"], Some("z"), others);
        check(&["'a'"], Some("'a'"), " COLLECTIONS=\"[&quot;'a'&quot;]\" PRIVATE_COLLECTIONS=\"[]\">");
        check(&["two  blanks"], None, " COLLECTIONS=");
    }
}
