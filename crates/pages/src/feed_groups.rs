//! Several saves of one person in a row are shown as one group.

use cardwire_domain::Position;
use cardwire_domain::feed::FeedItem;
use jiff::Timestamp;

use crate::links::person;
use crate::shown::Activity;

/// Saves on one page of the feed at most.
pub const PER_PAGE: usize = 30;
/// Saves of a group that are shown; the rest is folded up.
const SHOWN: usize = 3;

/// Saves of one person in a row, newest first.
#[derive(Debug, Default)]
pub struct Group {
    pub actor_id: String,
    pub actor: String,
    pub href: String,
    pub shown: Vec<Activity>,
    pub folded: Vec<Activity>,
}

impl Group {
    pub fn count(&self) -> usize {
        self.shown.len() + self.folded.len()
    }
}

/// What a page shows of the items that were read, and where the next page begins. `more`: where reading goes on. A group that the end of the page
/// would cut in two begins the next page instead, unless it is longer than a page, so groups are the same however one comes to them.
pub fn cut(mut items: Vec<FeedItem>, more: Option<Position>) -> (Vec<FeedItem>, Option<Position>) {
    if items.len() <= PER_PAGE {
        return (items, more);
    }
    let continued = &items[PER_PAGE].actor.id;
    let start = items[..PER_PAGE].iter().rposition(|item| item.actor.id != *continued).map_or(0, |last| last + 1);
    let end = if start == 0 { PER_PAGE } else { start };
    items.truncate(end);
    let next = items.last().map(place);
    (items, next)
}

/// Its place in the feed.
pub fn place(item: &FeedItem) -> Position {
    Position { key: item.created_at.as_microsecond(), id: item.id.to_string() }
}

pub fn groups(items: Vec<FeedItem>, now: Timestamp) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for item in items {
        let actor_id = item.actor.id.to_string();
        if groups.last().is_none_or(|group| group.actor_id != actor_id) {
            let (href, actor) = (person(&item.actor.handle), item.actor.handle.clone());
            groups.push(Group { actor_id, actor, href, ..Group::default() });
        }
        if let Some(group) = groups.last_mut() {
            group.shown.push(Activity::of(item, now));
        }
    }
    for group in &mut groups {
        // One alone is not worth folding up.
        if group.shown.len() > SHOWN + 1 {
            group.folded = group.shown.split_off(SHOWN);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use cardwire_domain::feed::CardView;
    use cardwire_domain::user::User;
    use cardwire_domain::{ActivityId, CardId, UserId};

    use super::*;

    /// One item for each letter, saved by the person of that letter.
    fn feed(people: &str) -> Vec<FeedItem> {
        let item = |name: char| FeedItem {
            id: ActivityId::generate(),
            actor: User { id: UserId::parse(&format!("did:plc:{name}")).unwrap(), handle: name.to_string() },
            card: CardView::public(CardId::generate(), "https://example.com/".into(), None),
            collections: Vec::new(),
            description: None,
            is_pending: false,
            created_at: Timestamp::UNIX_EPOCH,
        };
        people.chars().map(item).collect()
    }

    #[test]
    fn saves_in_a_row_are_one_group_and_long_ones_are_folded_up() {
        let check = |people: &str, expected: &[(&str, usize, usize)]| {
            let groups = groups(feed(people), Timestamp::UNIX_EPOCH);
            let told: Vec<_> =
                groups.iter().map(|group| (group.actor.as_str(), group.shown.len(), group.folded.len())).collect();
            assert_eq!(told, expected, "{people}");
        };
        check("", &[]);
        check("aba", &[("a", 1, 0), ("b", 1, 0), ("a", 1, 0)]);
        check("aaaab", &[("a", 4, 0), ("b", 1, 0)]);
        check("aaaaab", &[("a", 3, 2), ("b", 1, 0)]);
    }

    #[test]
    fn no_group_is_cut_by_the_end_of_a_page_unless_it_is_longer_than_one() {
        let check = |people: &str, kept: usize| {
            let items = feed(people);
            let expected = items.get(kept.wrapping_sub(1)).map(place).filter(|_| kept < items.len());
            let (cut, next) = cut(items, None);
            assert_eq!((cut.len(), next), (kept, expected), "{people}");
        };
        check("", 0);
        check(&"a".repeat(30), 30);
        check(&"ab".repeat(16), 30);
        check(&"a".repeat(31), 30);
        check(&format!("{}{}", "ab".repeat(14), "ccc"), 28);
        check(&format!("{}{}", "a", "b".repeat(30)), 1);
        // Where reading goes on is passed along if the page is not full.
        let more = Some(Position { key: 1, id: "x".into() });
        assert_eq!(cut(feed("ab"), more.clone()).1, more);
    }
}
