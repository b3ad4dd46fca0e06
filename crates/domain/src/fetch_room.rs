//! How many more fetches one process takes on, so that neither a slow host nor a busy person keeps others waiting.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::ids::UserId;

/// What a fetch takes places of.
pub trait Fetch {
    /// The hosts that it asks, each once.
    fn hosts(&self) -> impl Iterator<Item = &str>;
    /// The registrable domain of its page.
    fn domain(&self) -> Cow<'_, str>;
    /// `None`: it takes nobody's share.
    fn person(&self) -> Option<&UserId>;
}

/// How much more a fetcher can take on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRoom<Job> {
    pub free: usize,
    /// What it is fetching now.
    pub running: Vec<Job>,
    /// The most that it fetches of one host at once.
    pub per_host: usize,
    /// The most that it fetches at once for one person, and for pages of one registrable domain. The rest is kept free for others, so that
    /// nobody has to wait until slow pages have timed out.
    pub share: usize,
}

impl<Job> FetchRoom<Job> {
    /// Of a fetcher that has nothing to do, one fetch of each host.
    pub const fn idle(free: usize) -> Self {
        Self { free, running: Vec::new(), per_host: 1, share: free }
    }
}

impl<Job: Fetch> FetchRoom<Job> {
    /// Of those in front of the line: the ones to fetch now, and the ones whose hosts, domains and people have all their places.
    pub fn choose(&self, front: Vec<Job>) -> (Vec<Job>, Vec<Job>) {
        let mut taken = Taken::default();
        self.running.iter().for_each(|job| taken.add(job));
        let (mut chosen, mut blocked) = (Vec::new(), Vec::new());
        for job in front {
            if !taken.leaves_room(self, &job) {
                blocked.push(job);
            } else if chosen.len() < self.free {
                taken.add(&job);
                chosen.push(job);
            }
        }
        (chosen, blocked)
    }
}

/// How many places each has.
#[derive(Default)]
struct Taken {
    hosts: BTreeMap<String, usize>,
    domains: BTreeMap<String, usize>,
    people: BTreeMap<UserId, usize>,
}

impl Taken {
    fn add(&mut self, job: &impl Fetch) {
        for host in job.hosts() {
            *self.hosts.entry(host.to_owned()).or_default() += 1;
        }
        *self.domains.entry(job.domain().into_owned()).or_default() += 1;
        if let Some(person) = job.person() {
            *self.people.entry(person.clone()).or_default() += 1;
        }
    }

    fn leaves_room<Job: Fetch>(&self, room: &FetchRoom<Job>, job: &Job) -> bool {
        let of_domain = self.domains.get(&*job.domain()).copied().unwrap_or_default();
        let of_person = job.person().and_then(|person| self.people.get(person)).copied().unwrap_or_default();
        let has_place = |host: &str| self.hosts.get(host).copied().unwrap_or_default() < room.per_host;
        job.hosts().all(has_place) && of_domain < room.share && of_person < room.share
    }
}
