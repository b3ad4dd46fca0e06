//! What administrators see when somebody's own server does not take what they publish.

use std::time::Duration;

use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::Api;
use cardwire_domain::UserId;
use cardwire_domain::records::Ending;
use cardwire_events::{EventLog as _, Message, Queue};

const HOUR: Duration = Duration::from_secs(3_600);

/// Connects a repository, saves a link, and tries to publish it; ends like this.
async fn try_to_publish(api: &Api, name: &str, ending: Ending) {
    let who = UserId::parse(&format!("did:plc:{name}")).unwrap();
    let records = &api.state.records;
    records.connect(&who, who.as_str()).await.unwrap();
    api.save(name, "https://example.com/", &[]).await;
    let owed = api.store.lease(Queue::Records, 100, None).await.unwrap().events;
    let decode = |entry: String| Message::parse(&entry).unwrap().decode().unwrap();
    let events: Vec<_> = owed.iter().map(|owed| decode(owed.envelope.to_entry())).collect();
    records.owe(&events, false).await.unwrap();
    let turn = records.begin_turn(HOUR).await.unwrap().expect("somebody is due");
    assert_eq!(turn.person, who);
    records.owe_everything(&turn).await.unwrap();
    assert!(records.end_turn(&turn, &[], &ending).await.unwrap());
}

fn away() -> Ending {
    let reason = "<b>example.net</b> does not answer".to_owned();
    Ending::Paused { pause: HOUR, reason, is_asked: false }
}

#[tokio::test(start_paused = true)]
async fn the_overview_says_that_publishing_fails_and_leads_to_whom_and_why() {
    let api = Api::new();
    let mut browser = Browser::new(&api);
    // No worker runs here, which the overview says as well; what mends itself stands apart from that.
    let notes = async |browser: &mut Browser<'_>| {
        browser.open("/admin").await;
        browser.all("#matters .notice span").iter().map(|note| note.text().collect::<String>()).collect::<Vec<_>>()
    };
    assert!(notes(&mut browser).await.is_empty());
    try_to_publish(&api, "carol", Ending::Ended("the session was revoked".to_owned())).await;
    assert!(notes(&mut browser).await.is_empty(), "only Carol can connect again");

    try_to_publish(&api, "alice", away()).await;
    let said = "Publishing fails for 1 person. 1 change waits and will be tried again. Nothing is lost.";
    assert_eq!(notes(&mut browser).await, [said]);
    let link = browser.one("#matters .notice a").attr("href").unwrap().to_owned();
    browser.open(&link).await;
    assert_eq!(browser.path, "/admin/records");
    assert_eq!(browser.all(".items .item").len(), 1);
    assert!(browser.text(".items .line").contains("did:plc:alice"));
    assert_eq!(browser.text(".items .says"), "<b>example.net</b> does not answer", "shown as text");
    let facts = browser.text(".items .facts");
    for fact in ["just now, 1 failed attempt in a row", "Waiting changes1"] {
        assert!(facts.contains(fact), "{fact}: {facts}");
    }
    let next = browser.all(".items time").last().unwrap().text().collect::<String>();
    assert!(["in 59 min", "in 1 h 0 min"].contains(&next.as_str()), "{next}");
    browser.open("/admin/records?state=ended").await;
    assert!(browser.text(".items .line").contains("did:plc:carol"));
    assert_eq!(browser.text(".items .says"), "the session was revoked");

    try_to_publish(&api, "bob", away()).await;
    let said = "Publishing fails for 2 people. 2 changes wait and will be tried again. Nothing is lost.";
    assert_eq!(notes(&mut browser).await, [said]);
}

#[tokio::test(start_paused = true)]
async fn many_people_are_listed_on_several_pages() {
    let api = Api::new();
    for n in 0..51 {
        try_to_publish(&api, &format!("person{n:02}"), away()).await;
    }
    let mut browser = Browser::new(&api);
    browser.open("/admin/records").await;
    assert_eq!(browser.all(".items .item").len(), 50);
    let next = browser.one("a[rel=next]").attr("href").unwrap().to_owned();
    browser.open(&next).await;
    assert_eq!(browser.all(".items .item").len(), 1);
    assert!(browser.text(".items .line").contains("did:plc:person50"));
    assert!(browser.all("a[rel=next]").is_empty());
    browser.open("/admin/records?after=nobody").await;
    assert_eq!(browser.all(".items .item").len(), 50);
}
