//! The line in which due pages wait for their fetch.

use std::collections::{BTreeMap, BTreeSet};

use cardwire_domain::UserId;
use jiff::Timestamp;

#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) asked_by: UserId,
    pub(super) domain: String,
    due: Timestamp,
    by_person: i64,
    by_domain: i64,
}

impl Place {
    fn turn(&self) -> i64 {
        self.by_person.max(self.by_domain)
    }
}

/// Pages by their normalised URL. Each stands in the line of a person and in that of a registrable domain; the later place is its turn.
/// Both lines go on from the turn that is next, so that somebody who has nothing waiting comes next.
#[derive(Default)]
pub(super) struct FetchLine {
    places: BTreeMap<String, Place>,
    by_turn: BTreeSet<(i64, Timestamp, String)>,
    of_people: BTreeSet<(UserId, i64, String)>,
    of_domains: BTreeSet<(String, i64, i64, String)>,
}

impl FetchLine {
    /// A page that is in line already is moved unless its turn comes later this way.
    pub(super) fn join(&mut self, url: &str, asked_by: &UserId, domain: &str, due: Timestamp) {
        let before = self.places.get(url);
        if before.is_some_and(|place| place.asked_by == *asked_by) {
            return;
        }
        let head = self.by_turn.first().map_or(0, |(turn, ..)| *turn);
        let end = (asked_by.clone(), i64::MAX, String::new());
        let last = self.of_people.range(..end).next_back().filter(|(person, ..)| person == asked_by);
        let by_person = last.map_or(head, |(_, place, _)| head.max(place + 1));
        // After whatever comes at this place in other people's lines, rather than after all that one of them has waiting.
        let end = (domain.to_owned(), by_person + 1, i64::MIN, String::new());
        let last = self.of_domains.range(..end).next_back().filter(|(other, ..)| other == domain);
        let by_domain = last.map_or(head, |(_, _, place, _)| head.max(place + 1));
        let place = Place { asked_by: asked_by.clone(), domain: domain.to_owned(), due, by_person, by_domain };
        if before.is_some_and(|before| before.turn() < place.turn()) {
            return;
        }
        self.leave(url);
        let url = url.to_owned();
        self.by_turn.insert((place.turn(), due, url.clone()));
        self.of_people.insert((place.asked_by.clone(), by_person, url.clone()));
        self.of_domains.insert((place.domain.clone(), by_person, by_domain, url.clone()));
        self.places.insert(url, place);
    }

    pub(super) fn leave(&mut self, url: &str) -> Option<Place> {
        let place = self.places.remove(url)?;
        let url = url.to_owned();
        self.by_turn.remove(&(place.turn(), place.due, url.clone()));
        self.of_people.remove(&(place.asked_by.clone(), place.by_person, url.clone()));
        self.of_domains.remove(&(place.domain.clone(), place.by_person, place.by_domain, url));
        Some(place)
    }

    pub(super) fn place(&self, url: &str) -> Option<&Place> {
        self.places.get(url)
    }

    pub(super) fn in_order(&self) -> impl Iterator<Item = (&str, &Place)> {
        self.by_turn.iter().filter_map(|(.., url)| Some((url.as_str(), self.places.get(url)?)))
    }
}
