//! Servers and their pauses.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;

use super::{accepts, x};
use crate::harness::{Case, GUILD, code};

// Guilds: bots cannot create them; ownership goes to members only.
#[test]
fn guilds_have_bounds() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}");
    assert_eq!(
        case.bot(Method::POST, "/guilds", json!({"name": "mine"}))
            .status,
        404
    );
    accepts(
        &case,
        &Method::PATCH,
        &path,
        &[
            (json!({"name": "x"}), 400),
            (json!({"name": x(100)}), 200),
            (json!({"name": x(101)}), 400),
            (json!({"verification_level": 5}), 400),
            (json!({"preferred_locale": "xx"}), 400),
            (json!({"afk_timeout": 61}), 400),
            (json!({"system_channel_id": "2"}), 400),
        ],
    );
    assert_eq!(
        code(&case.bot(Method::PATCH, &path, json!({"owner_id": small::MEMBER}))),
        50013,
        "only the owner"
    );
    let given = case.user(
        small::OWNER,
        Method::PATCH,
        &path,
        json!({"owner_id": small::MEMBER}),
    );
    assert_eq!(
        (given.status, &given.json()["owner_id"]),
        (200, &json!(small::MEMBER))
    );
    case.finish();
}

// Incident actions: at most 24 hours ahead, null clears, joins by invite fail meanwhile.
#[test]
fn incident_actions_end_by_themselves() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/incident-actions");
    accepts(
        &case,
        &Method::PUT,
        &path,
        &[
            (
                json!({"invites_disabled_until": "2026-03-02T12:00:01Z"}),
                400,
            ),
            (json!({"dms_disabled_until": "2026-03-02T12:00:01Z"}), 400),
            (
                json!({"invites_disabled_until": "2026-03-02T12:00:00Z", "dms_disabled_until": "2026-03-01T13:00:00Z"}),
                200,
            ),
        ],
    );
    assert_eq!(
        code(&case.user(small::MEMBER, Method::PUT, &path, json!({}))),
        50013
    );
    let shown = case.get(&format!("/guilds/{GUILD}")).json()["incidents_data"].clone();
    assert_eq!(
        shown["invites_disabled_until"],
        "2026-03-02T12:00:00.000000+00:00"
    );
    accepts(
        &case,
        &Method::PUT,
        &path,
        &[(
            json!({"invites_disabled_until": null, "dms_disabled_until": null}),
            200,
        )],
    );
    assert_eq!(
        case.get(&format!("/guilds/{GUILD}")).json()["incidents_data"],
        Value::Null
    );
    case.finish();
}
