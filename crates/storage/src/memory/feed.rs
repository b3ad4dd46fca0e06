//! Activities, written by the saga and read by everybody.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound::{Excluded, Unbounded};

use async_trait::async_trait;
use cardwire_domain::activity::{regroup, regroup_from};
use cardwire_domain::feed::{FeedItem, FeedRepository, StreamCursor};
use cardwire_domain::{Activity, ActivityId, CollectedWindow, Member, Page, PageRequest, Position, Result, UserId};
use cardwire_events::Queue;
use jiff::Timestamp;
use ulid::Ulid;

use super::kept::{Feed, Pair};
use super::state::{State, behind, newest_first};
use super::store::InMemoryStore;

impl Feed {
    /// The pair's activities whose window starts at or after `from`.
    fn starting(&self, pair: &Pair, from: Timestamp) -> Vec<Activity> {
        let near = self.by_pair.get(pair).into_iter().flat_map(|known| known.range((from, lowest())..));
        near.filter_map(|(_, id)| self.activities.get(id)).cloned().collect()
    }

    fn insert(&mut self, activity: Activity) {
        let (id, key) = (activity.id, activity.created_at.as_microsecond());
        self.timeline.insert((key, id));
        self.by_actor.entry(activity.actor_id.clone()).or_default().insert((key, id));
        self.stream.insert(StreamCursor { epoch: self.epoch, id });
        self.put(activity);
    }

    /// Replaces its members; everything else of an activity stays as it is.
    fn put(&mut self, activity: Activity) {
        let windows = self.by_pair.entry((activity.card_id, activity.actor_id.clone())).or_default();
        if let Some(before) = self.activities.get(&activity.id) {
            windows.remove(&(before.window_start(), before.id));
        }
        windows.insert((activity.window_start(), activity.id));
        self.activities.insert(activity.id, activity);
    }
}

#[async_trait]
impl FeedRepository for InMemoryStore {
    async fn add_activities(&self, windows: &[CollectedWindow]) -> Result<usize> {
        let mut state = self.lock().await;
        let mut taken: BTreeMap<Pair, Vec<Member>> = BTreeMap::new();
        let mut count = 0;
        for id in windows.iter().flat_map(|window| &window.members).map(|member| member.event_id) {
            let Some(event) = state.ledger.recorded(id) else { continue };
            if let (Some(member), Some(card_id)) = (Member::of(&event), event.event.card_id())
                && state.ledger.take(Queue::Feeds, id)
            {
                count += 1;
                taken.entry((card_id, event.event.actor_id().clone())).or_default().push(member);
            }
        }
        let known = state.feed.activities.len();
        state.feed.epoch += 1;
        for (pair, members) in taken {
            let from = regroup_from(&members).unwrap_or(Timestamp::MIN);
            let regrouped = regroup(pair.0, &pair.1, state.feed.starting(&pair, from), members);
            for activity in regrouped.updated {
                state.feed.put(activity);
            }
            for activity in regrouped.inserted {
                state.feed.insert(activity);
            }
        }
        if state.feed.activities.len() > known {
            self.news.notify_waiters();
        }
        Ok(count)
    }

    async fn feed(&self, actor: Option<&UserId>, page: &PageRequest) -> Result<Page<FeedItem>> {
        let state = self.lock().await;
        let timeline = match actor {
            Some(actor) => state.feed.by_actor.get(actor),
            None => Some(&state.feed.timeline),
        };
        let items: Vec<FeedItem> = newest_first(timeline, behind(page.after.as_ref())?)
            .filter_map(|(_, id)| state.shown(id))
            .take(page.limit.get() + 1)
            .collect();
        Ok(Page::cut(items, page.limit, |item| Position {
            key: item.created_at.as_microsecond(),
            id: item.id.to_string(),
        }))
    }

    async fn stream_end(&self) -> Result<StreamCursor> {
        let state = self.lock().await;
        Ok(state.feed.stream.last().copied().unwrap_or(StreamCursor { epoch: 0, id: lowest() }))
    }

    async fn stream(&self, after: StreamCursor, limit: usize) -> Result<Vec<(StreamCursor, FeedItem)>> {
        let state = self.lock().await;
        let behind = state.feed.stream.range((Excluded(after), Unbounded));
        Ok(behind.filter_map(|cursor| Some((*cursor, state.shown(cursor.id)?))).take(limit).collect())
    }

    async fn stream_hint(&self) {
        self.news.notified().await;
    }
}

impl State {
    /// `None` when no link of the activity is left.
    fn shown(&self, id: ActivityId) -> Option<FeedItem> {
        let activity = self.feed.activities.get(&id)?;
        let stored = self.card(activity.card_id)?;
        let lives = |member: &&Member| match member.collection_id {
            None => stored.card.library_link == Some(member.link_id),
            Some(collection) => {
                self.collection(collection).is_some()
                    && stored.card.collection_links.iter().any(|link| link.id == member.link_id)
            }
        };
        let live: Vec<&Member> = activity.members.iter().filter(lives).collect();
        if live.is_empty() {
            return None;
        }
        let mut seen = HashSet::new();
        let collections = live.iter().filter_map(|member| member.collection_id).filter(|id| seen.insert(*id));
        Some(FeedItem {
            id,
            actor: self.accounts.user(&activity.actor_id),
            card: self.view(stored),
            collections: self.names(collections),
            created_at: activity.created_at,
        })
    }
}

impl InMemoryStore {
    /// Every activity with all its members, shown or not, in no order.
    pub async fn activities(&self) -> Vec<Activity> {
        self.lock().await.feed.activities.values().cloned().collect()
    }
}

fn lowest() -> ActivityId {
    ActivityId::from_ulid(Ulid::nil())
}
