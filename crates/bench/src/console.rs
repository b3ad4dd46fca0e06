//! Operators who have the console open meanwhile.

use std::time::Duration;

use anyhow::ensure;
use cardwire_testkit::process::Process;
use tokio::task::JoinSet;
use tokio::time::interval;

/// How often the page updates itself.
const EVERY: Duration = Duration::from_secs(5);

/// So many of them, until dropped. Each looks at once, and fails the run if there is nothing to see.
pub async fn open(web: &Process, consoles: u16) -> anyhow::Result<JoinSet<()>> {
    let mut open = JoinSet::new();
    for _ in 0..consoles {
        let (client, url) = (cardwire_testkit::net::http_client(), web.url("/admin"));
        look(&client, &url).await?;
        open.spawn(async move {
            let mut tick = interval(EVERY);
            loop {
                tick.tick().await;
                if let Err(error) = look(&client, &url).await {
                    eprintln!("  a console: {error:#}");
                }
            }
        });
    }
    Ok(open)
}

async fn look(client: &reqwest::Client, url: &str) -> anyhow::Result<()> {
    let request = client.get(url).header("accept", "text/html").header("cookie", "session=did:plc:mock123");
    let answer = request.send().await?;
    ensure!(answer.status().is_success(), "the console answers {}", answer.status());
    let page = answer.text().await?;
    ensure!(page.contains("id=\"live\""), "it is not the console");
    Ok(())
}
