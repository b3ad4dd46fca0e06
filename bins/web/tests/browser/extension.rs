//! The browser extension, loaded unpacked, saves a tab.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::every_page::{axe, barriers};
use crate::server::{get, in_memory, post};
use crate::window::{Driver, Window};

/// A copy of the extension that may reach these hosts already. Nobody can answer the question that a browser without a screen asks.
fn copy() -> (TempDir, PathBuf) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/extension");
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().canonicalize().unwrap();
    for part in ["", "icons"] {
        fs::create_dir_all(to.join(part)).unwrap();
        for file in fs::read_dir(from.join(part)).unwrap().map(Result::unwrap) {
            if file.file_type().unwrap().is_file() {
                fs::copy(file.path(), to.join(part).join(file.file_name())).unwrap();
            }
        }
    }
    let path = to.join("manifest.json");
    let mut manifest: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert!(manifest.get("host_permissions").is_none(), "it asks for each server when it is entered");
    manifest["host_permissions"] = json!(["http://127.0.0.1/*", "http://page.example/*"]);
    fs::write(&path, manifest.to_string()).unwrap();
    (folder, to)
}

/// Chromium derives it from where the extension is.
fn id(folder: &Path) -> String {
    let digest = Sha256::digest(folder.to_str().unwrap());
    let half_bytes = digest.iter().take(16).flat_map(|byte| [byte >> 4, byte & 15]);
    half_bytes.map(|half| char::from(b'a' + half)).collect()
}

async fn told(window: &Window, text: &str) {
    window.until(&format!("document.querySelector('#told').textContent.includes({text:?})")).await;
}

/// The id of the tab with this page, as extensions know it.
async fn tab(window: &Window, page: &str) -> i64 {
    let find = "const done = arguments[1]; chrome.tabs.query({}).then(tabs => done(tabs.find(tab => tab.url === arguments[0])?.id ?? 0))";
    let id = window.client.execute_async(find, vec![json!(page)]).await.unwrap();
    let id = id.as_i64().unwrap();
    assert!(id > 0, "there is no tab with {page}");
    id
}

#[tokio::test]
async fn the_extension_saves_a_tab_with_note_collection_and_visibility() {
    const PAGE: &str = "http://page.example/read/me";
    let web = in_memory(&[]).await;
    let collection = post(&web, "alice", "/api/collections", json!({ "name": "<b>Reading" })).await;
    let driver = Driver::start().await;
    let (_folder, extension) = copy();
    let arguments = [
        format!("--load-extension={}", extension.display()),
        "--disable-features=DisableLoadExtensionCommandLineSwitch".to_owned(),
        // Every answer there is a page.
        format!("--host-resolver-rules=MAP page.example 127.0.0.1:{}", web.port),
    ];
    let window = driver.window_with(500, true, &arguments).await;
    let pages = format!("chrome-extension://{}", id(&extension));
    window.open(PAGE).await;
    let page = window.client.window().await.unwrap();

    let popup = window.client.new_window(true).await.unwrap();
    window.client.switch_to_window(popup.handle).await.unwrap();
    window.open(&format!("{pages}/popup.html")).await;
    told(&window, "in the options first").await;

    window.open(&format!("{pages}/options.html")).await;
    let axe = axe();
    assert_eq!(barriers(&window, &axe).await, Vec::<Value>::new());
    window.wait("#server").await.send_keys(&web.url("")).await.unwrap();
    window.wait("#token").await.send_keys("nonsense\n").await.unwrap();
    told(&window, "does not know this token").await;
    window.wait("#token").await.clear().await.unwrap();
    window.wait("#token").await.send_keys("did:plc:alice\n").await.unwrap();
    told(&window, "Connected as alice.").await;

    window.open(&format!("{pages}/popup.html")).await;
    told(&window, "Only web pages can be saved").await;
    let form = format!("{pages}/popup.html?tab={}", tab(&window, PAGE).await);
    window.open(&form).await;
    window.until("!document.querySelector('#save').hidden").await;
    assert_eq!(barriers(&window, &axe).await, Vec::<Value>::new());
    let name = window.evaluate("document.querySelector('#collections bdi').textContent").await;
    assert_eq!(name, json!("<b>Reading"), "names are text");
    window.wait("#note").await.send_keys("Worth a look").await.unwrap();
    window.wait("#collections input").await.click().await.unwrap();
    window.wait("input[value=PRIVATE]").await.click().await.unwrap();
    window.wait("#submit").await.click().await.unwrap();
    told(&window, "Saved. Only you can see it.").await;
    let card = window.evaluate("new URL(document.querySelector('#card').href).pathname").await;

    let cards = get(&web, "alice", "/api/cards/my").await;
    let kept = &cards["items"][0];
    assert_eq!((&kept["url"], &kept["visibility"]), (&json!(PAGE), &json!("PRIVATE")));
    assert_eq!(kept["note"]["text"], "Worth a look");
    assert_eq!(kept["collections"][0]["id"], collection["id"]);
    assert_eq!(card, json!(format!("/cards/{}", kept["id"].as_str().unwrap())));

    window.open(&form).await;
    told(&window, "You have saved this page already.").await;
    assert_eq!(window.evaluate("document.querySelector('#note').value").await, json!("Worth a look"));
    assert_eq!(window.evaluate("document.querySelector('#collections input').disabled").await, json!(true));
    window.client.switch_to_window(page).await.unwrap();
    window.close().await;
}
