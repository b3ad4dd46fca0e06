//! What a save has to do with its page: nothing.

use std::time::Duration;

use cardwire_testkit::net::{free_port, http_client};
use cardwire_testkit::process::Process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;

const EACH: usize = 100;
const PAGE: &str = "<title>A page</title>";

/// A server that answers at once, or never. Returns its port.
async fn site(answers: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4_096];
                if !answers {
                    std::future::pending::<()>().await;
                }
                // A client that turns away is no matter here.
                let _ = stream.read(&mut request).await;
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{PAGE}",
                    PAGE.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_takes_as_long_whether_its_page_is_fast_slow_or_dead() {
    let mut environment = super::mock();
    environment.insert("METADATA_ALLOW_PRIVATE_HOSTS".to_owned(), "true".to_owned());
    let mut web = Process::start("web", &environment);
    web.ready().await;
    let client = http_client();
    let ports = [("fast", site(true).await), ("slow", site(false).await), ("dead", free_port())];
    let mut times = [const { Vec::new() }; 3];
    // In turns, so that whatever else the machine does meets all three alike.
    for n in 0..EACH {
        for ((_, port), times) in ports.iter().zip(&mut times) {
            let started = Instant::now();
            super::save(&client, &web, &format!("http://127.0.0.1:{port}/{n}")).await;
            times.push(started.elapsed());
        }
    }
    let medians = times.map(|mut times| {
        times.sort_unstable();
        times[EACH / 2]
    });
    for ((name, _), median) in ports.iter().zip(medians) {
        println!("{name}: median {median:?}");
    }
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    // A page that is waited for takes 10 s.
    assert!(*most < *least * 3 + Duration::from_millis(5), "{medians:?}");

    // And they are fetched, the fast ones as if the others were not there.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let found = client.get(web.url("/api/search?q=page&limit=1")).send().await.unwrap();
        let found: serde_json::Value = found.json().await.unwrap();
        if found["items"].as_array().is_some_and(|items| !items.is_empty()) {
            assert_eq!(found["items"][0]["title"], "A page");
            break;
        }
        assert!(Instant::now() < deadline, "no page was fetched");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
