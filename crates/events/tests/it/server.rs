//! A Redis that may lose a queue is refused at start.

use cardwire_events::Error;
use cardwire_events::redis::{Connection, RedisSettings};
use cardwire_testkit::redis::RedisServer;

use crate::support::{connect, hasty, open};

#[tokio::test]
async fn an_evicting_redis_is_refused_unless_accepted() {
    let server = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let connection = connect(&server);
    let error = connection.check_server(false).await.unwrap_err();
    assert!(matches!(error, Error::Misconfigured(..)), "{error}");
    assert!(
        error.to_string().contains("maxmemory-policy is allkeys-lru, so that it may delete a whole queue"),
        "{error}"
    );
    let report = connection.check_server(true).await.unwrap();
    assert_eq!(report.warnings.len(), 1, "{report:?}");
}

#[tokio::test]
async fn a_redis_that_evicts_nothing_is_fine() {
    let server = RedisServer::start();
    let report = connect(&server).check_server(false).await.unwrap();
    assert_eq!(report.warnings, Vec::<String>::new());
    assert!(report.version.split('.').count() >= 2, "{report:?}");
}

#[tokio::test]
async fn a_redis_that_hides_its_settings_is_a_warning() {
    let renamed = RedisServer::start_with(&["--rename-command", "CONFIG", ""]);
    let report = connect(&renamed).check_server(false).await.unwrap();
    assert!(report.warnings[0].contains("hides CONFIG"), "{report:?}");

    let forbidden = RedisServer::start();
    forbidden.command(&["ACL", "SETUSER", "default", "-config"]);
    let report = connect(&forbidden).check_server(false).await.unwrap();
    assert!(report.warnings[0].contains("hides CONFIG"), "{report:?}");

    // It may still show it elsewhere.
    let evicting = RedisServer::start_with(&["--rename-command", "CONFIG", "", "--maxmemory-policy", "allkeys-lru"]);
    assert!(matches!(connect(&evicting).check_server(false).await.unwrap_err(), Error::Misconfigured(..)));
}

#[tokio::test]
async fn a_password_is_used_and_a_wrong_one_is_named_as_the_reason() {
    let server = RedisServer::start_with(&["--requirepass", "s3cret"]);
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}", server.port());
    let with = |password| {
        Connection::open(RedisSettings { timings: hasty(), ..RedisSettings::from_url(&url(password)).unwrap() })
            .unwrap()
    };
    with("s3cret").ping().await.unwrap();
    let error = with("wrong").ping().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(..)), "{error}");
    assert!(error.to_string().contains("WRONGPASS") && !error.to_string().contains("wrong "), "{error}");
}

#[tokio::test]
async fn without_a_server_nothing_hangs_and_the_reason_is_told() {
    let connection = open(cardwire_testkit::net::free_port(), hasty());
    let error = connection.ping().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(..)), "{error}");
    assert!(error.to_string().to_lowercase().contains("refused"), "{error}");
}
