//! PostgreSQL fails over to a synchronous standby.

use std::time::Duration;

use cardwire_testkit::postgres::Postgres;
use cardwire_testkit::proxy::Proxy;
use cardwire_testkit::stack::{Plan, Stack};
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_standby_promoted_under_load_loses_and_doubles_nothing() {
    let primary = Postgres::start().unwrap();
    let standby = primary.synchronous_standby().await.unwrap();
    let port = |server: &Postgres| server.port().unwrap();
    let proxy = Proxy::start(port(&primary)).await;
    let mut stack = Stack::start_on(&Plan { feed_workers: 2, ..Plan::default() }, primary, proxy.port()).await;
    let client = stack.client();
    let load = tokio::spawn(async move { client.load(10, 100, Duration::from_millis(40)).await });
    sleep(Duration::from_secs(2)).await;
    stack.postgres.stop().unwrap();
    standby.promote().await.unwrap();
    proxy.lead_to(port(&standby));
    let history = load.await.unwrap();
    let took = stack.settled(Duration::from_secs(90)).await;
    println!("settled {took:?} after the load: {:?}", stack.check(&history).await);
    assert!(stack.web.is_running(), "web survives");
    for worker in &mut stack.workers {
        assert!(worker.process.is_running(), "the workers survive");
    }
}
