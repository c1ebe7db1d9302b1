//! Emojis, and when threads are archived.

use http::Method;
use serde_json::{Value, json};

use super::accepts;
use crate::harness::{Case, GUILD};

// Emojis of at most 256 KiB, threads archived after one of four times.
#[test]
fn emojis_and_threads_have_bounds() {
    let case = Case::unlimited();
    let png = |n: usize| {
        use base64::Engine;
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        bytes.resize(n, 0);
        format!(
            "data:image/png;base64,{}",
            base64::engine::general_purpose::STANDARD.encode(bytes)
        )
    };
    accepts(
        &case,
        &Method::POST,
        &format!("/guilds/{GUILD}/emojis"),
        &[
            (json!({"name": "big", "image": png(256 * 1024)}), 201),
            (json!({"name": "big", "image": png(256 * 1024 + 1)}), 400),
            (json!({"name": "x", "image": png(9)}), 400),
            (json!({"name": "a-b", "image": png(9)}), 400),
            (
                json!({"name": "bad", "image": "data:image/png;base64,!!"}),
                400,
            ),
        ],
    );
    let threads = format!("/channels/{}/threads", case.channel("general"));
    let rows: Vec<(Value, u16)> = [
        (60, 201),
        (1440, 201),
        (4320, 201),
        (10_080, 201),
        (61, 400),
        (0, 400),
    ]
    .map(|(minutes, status)| {
        (
            json!({"name": "t", "type": 11, "auto_archive_duration": minutes}),
            status,
        )
    })
    .into();
    let before = case
        .get(&format!("/guilds/{GUILD}/channels"))
        .json()
        .as_array()
        .unwrap()
        .len();
    accepts(&case, &Method::POST, &threads, &rows);
    assert_eq!(
        case.get(&format!("/guilds/{GUILD}/channels"))
            .json()
            .as_array()
            .unwrap()
            .len(),
        before,
        "threads are no channels"
    );
    case.finish();
}
