//! The pages on which the server signs people in and asks whether a site may come in. They are drawn by its script, step by step.

use std::time::Duration;

use cardwire_testkit::real_pds::PASSWORD;
use fantoccini::Locator;
use tokio::time::{Instant, sleep};

use crate::window::{PATIENCE, Window};

/// Makes an account, and lets the site in.
pub async fn sign_up(window: &Window, name: &str) {
    press(window, "Create a new account").await;
    window.wait("input[name=handle]").await.send_keys(name).await.unwrap();
    press(window, "Next").await;
    window.wait("input[name=email]").await.send_keys(&format!("{name}@example.com")).await.unwrap();
    window.wait("input[name=password]").await.send_keys(PASSWORD).await.unwrap();
    press(window, "Sign up").await;
    press(window, "Authorize").await;
}

/// The same for somebody who already has this name.
pub async fn sign_in(window: &Window, name: &str) {
    press(window, "Sign in").await;
    window.wait("input[name=username]").await.send_keys(&format!("{name}.test")).await.unwrap();
    window.wait("input[name=password]").await.send_keys(PASSWORD).await.unwrap();
    press(window, "Sign in").await;
    press(window, "Authorize").await;
}

/// As soon as it can be pressed: it may be about to be drawn, and move until it is.
async fn press(window: &Window, words: &str) {
    let button = format!("//button[normalize-space()='{words}']");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let pressed = async { window.client.find(Locator::XPath(&button)).await?.click().await };
        let Err(error) = pressed.await else { return };
        let page = window.client.source().await.unwrap_or_default();
        assert!(Instant::now() < deadline, "{words} cannot be pressed: {error}\n{page}");
        sleep(Duration::from_millis(50)).await;
    }
}
