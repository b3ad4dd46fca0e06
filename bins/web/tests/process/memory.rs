//! What it costs in memory to let people in.

use std::time::Duration;

use cardwire_testkit::process::Process;
use futures_util::future::join_all;
use serde_json::json;

/// Resident now, in MiB.
fn resident(web: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", web.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() / 1_024
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_hundred_sign_ups_and_sign_ins_leave_no_memory_behind() {
    let mut environment = super::mock();
    environment.insert("USE_MOCK_AUTH".into(), "false".into());
    environment.insert("APP__REGISTRATION".into(), "open".into());
    environment.insert("APP__WEB__ADDRESS_HEADER".into(), "Fly-Client-IP".into());
    let mut web = Process::start("web", &environment);
    web.ready().await;
    let before = resident(&web);
    let client = cardwire_testkit::net::http_client();
    join_all((0..8).map(|connection| {
        let (client, web) = (&client, &web);
        async move {
            for n in 0..13 {
                let body =
                    json!({ "handle": format!("person{connection}x{n}"), "password": "a battery staple, correctly" });
                for (path, status) in [("/api/users", 201), ("/api/users/login", 200)] {
                    let request = client.post(web.url(path)).header("Fly-Client-IP", format!("10.0.{connection}.{n}"));
                    let answer = request.json(&body).timeout(Duration::from_secs(60)).send().await.unwrap();
                    assert_eq!(answer.status().as_u16(), status, "{path}: {}", answer.text().await.unwrap());
                }
            }
        }
    }))
    .await;
    let after = resident(&web);
    println!("{before} MiB before, {after} MiB after");
    assert!(after <= before + 64, "{before} MiB before, {after} MiB after");
}
