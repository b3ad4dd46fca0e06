//! The acts of the command line that are about people. That `web user` comes to these is shown by `bins/web/tests/process/people.rs`.

use cardwire_domain::UserId;
use cardwire_http::operations::command_line::CommandLine;
use serde_json::{Value, json};

use crate::scene::Scene;

const BY: &str = "command line";

#[tokio::test(start_paused = true)]
async fn what_the_command_line_does_to_accounts_is_written_down_once() {
    let scene = Scene::new().await;
    let state = &scene.api.state;
    let command_line = CommandLine::new(state.accounts.clone(), state.operations.operator.clone());
    let bob = UserId::parse(&scene.bob).unwrap();
    let link = command_line.reset_link(&bob).await.unwrap().path();
    scene.has_written(0, BY, &json!(["user.reset-password", null, bob, {}, 1])).await;
    assert!(command_line.make_admin(&bob).await.unwrap());
    scene.has_written(1, BY, &json!(["user.make-admin", null, bob, {}, 1])).await;
    assert!(!command_line.make_admin(&bob).await.unwrap());
    scene.has_written(2, BY, &json!(["user.make-admin", null, bob, {}, 0])).await;

    let nobody = UserId::parse("did:plc:nobody").unwrap();
    assert!(command_line.make_admin(&nobody).await.is_err());
    scene.has_written(3, BY, &json!(["user.make-admin", null, nobody, {}, 0])).await;
    assert!(command_line.reset_link(&nobody).await.is_err());
    scene.has_written(4, BY, &json!(["user.reset-password", null, nobody, {}, 0])).await;

    let (_, token) = link.split_once("token=").unwrap();
    let log = Value::from(scene.entries().await).to_string();
    assert!(!log.contains(token), "the link's secret is not written down: {log}");
}
