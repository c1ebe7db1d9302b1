//! The sandbox's page in a real Chromium, on the running platform with its real bot, and with a
//! second application that has what the bot does not: autocompletion, a form, a private answer.

mod guestbook;

use splashtail_e2e::browser;
use splashtail_e2e::platform::{Engines, Platform};
use tempfile::TempDir;

use guestbook::Guestbook;

#[tokio::test]
#[ignore = "needs node, Chromium and the built website; `make test` provides them"]
async fn an_operator_plays_with_the_page_by_keyboard() {
    assert!(
        browser::website().join("build-sandbox/index.html").exists(),
        "build the website first: make website"
    );
    let platform = Platform::start(TempDir::new().unwrap(), Engines::Embedded, &[])
        .await
        .unwrap();
    let guestbook = Guestbook::open(&platform).await;

    let sandbox = platform.ready.sandbox.as_ref().unwrap();
    let variables = [
        ("CONTROL_URL", sandbox.control.as_str()),
        ("CDN_URL", sandbox.rest.as_str()),
    ];
    let accessible = browser::run(&platform, "sandbox-accessibility.mjs", &variables);
    assert_eq!(accessible.await.unwrap()["states"], 9);
    let report = browser::run(&platform, "sandbox.mjs", &variables)
        .await
        .unwrap();
    // What the page sent is what the application got.
    assert_eq!(
        guestbook.close().await,
        [
            "greet Ada Lovelace 2",
            "feedback",
            "form Calm and quick.",
            "button again"
        ],
        "{report}"
    );
    assert!(platform.stop().await.unwrap().is_empty());
}
