//! How many more fetches one process takes on, so that neither a slow host nor a busy person keeps others waiting.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::ids::UserId;

/// What the limits on a fetch depend on.
pub trait Fetch {
    /// The hosts that it asks, each once.
    fn hosts(&self) -> impl Iterator<Item = &str>;
    /// The registrable domain of its page.
    fn domain(&self) -> Cow<'_, str>;
    /// Whose share it counts towards, if anyone's.
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
    /// For an idle fetcher: one fetch per host.
    pub const fn idle(free: usize) -> Self {
        Self { free, running: Vec::new(), per_host: 1, share: free }
    }
}

impl<Job: Fetch> FetchRoom<Job> {
    /// Splits the front of the line into jobs to fetch now and jobs whose host, domain or person is at its limit. Jobs that only lack a free place
    /// are in neither.
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

/// How many fetches of each host, domain and person there are.
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

#[cfg(test)]
mod tests {
    use ulid::Ulid;

    use super::*;
    use crate::pictures::PictureJob;

    fn job(page: &str, cover: &str, icon: &str) -> PictureJob {
        PictureJob {
            url: format!("https://{page}/"),
            host: page.to_owned(),
            keeper: None,
            cover: Some(format!("https://{cover}/c")).filter(|_| !cover.is_empty()),
            icon: Some(format!("https://{icon}/i")).filter(|_| !icon.is_empty()),
            lease: Ulid::nil(),
            tries: 1,
        }
    }

    fn room(running: Vec<PictureJob>) -> FetchRoom<PictureJob> {
        FetchRoom { free: 4, running, per_host: 2, share: 3 }
    }

    #[test]
    fn a_host_that_many_pages_have_their_pictures_on_keeps_no_others_waiting() {
        let busy = |n: usize| job(&format!("site{n}.example"), "cdn.example", "");
        let front: Vec<_> = (0..5).map(busy).chain([job("other.example", "", "other.example")]).collect();
        let (chosen, blocked) = room(Vec::new()).choose(front.clone());
        assert_eq!(chosen, [front[0].clone(), front[1].clone(), front[5].clone()]);
        assert_eq!(blocked, front[2..5]);
        let (chosen, _) = room(vec![busy(7), busy(8)]).choose(front.clone());
        assert_eq!(chosen, [front[5].clone()]);
    }

    #[test]
    fn domains_and_people_have_their_share() {
        let sub = |n: usize| job(&format!("a{n}.example.com"), &format!("c{n}.net"), "");
        let (chosen, blocked) = room(Vec::new()).choose((0..4).map(sub).collect());
        assert_eq!((chosen.len(), blocked), (3, vec![sub(3)]));
        let alice = UserId::parse("did:plc:alice").unwrap();
        let hers = |n: usize| PictureJob {
            keeper: Some(alice.clone()),
            ..job(&format!("s{n}.org"), "", &format!("s{n}.org"))
        };
        let front: Vec<_> = (0..4).map(hers).chain([job("x.org", "", "x.org")]).collect();
        let (chosen, _) = room(Vec::new()).choose(front.clone());
        assert_eq!(chosen, [&front[..3], &front[4..]].concat());
        let (chosen, blocked) = FetchRoom { free: 1, ..room(Vec::new()) }.choose(front[..2].to_vec());
        assert_eq!((chosen.len(), blocked.len()), (1, 0), "what only waits is not blocked");
    }
}
