//! Ids in bodies that lead nowhere: a rule, an option or an emoji for what the guild does not have.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Case, GUILD, code};

const NOWHERE: &str = "5";

// Auto moderation resource: `exempt_roles`, `exempt_channels` and the `channel_id` of an action are of
// the guild.
#[test]
fn rules_exempt_and_alert_what_is_there() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/auto-moderation/rules");
    let (general, regular) = (case.channel("general"), case.role("Regular"));
    let rule = |extra: Value| {
        let mut body = json!({"name": "r", "event_type": 1, "trigger_type": 1,
            "trigger_metadata": {"keyword_filter": ["x"]}, "actions": [{"type": 1}]});
        let fields = extra.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(fields);
        body
    };
    let alert =
        |channel: Value| json!({"actions": [{"type": 2, "metadata": {"channel_id": channel}}]});
    let wrong = [
        json!({"exempt_roles": [regular, NOWHERE]}),
        json!({"exempt_channels": [NOWHERE]}),
        alert(json!(NOWHERE)),
    ];
    for extra in &wrong {
        let refused = case.bot(Method::POST, &path, rule(extra.clone()));
        assert_eq!(code(&refused), 50035, "{extra}");
    }
    let right = json!({"exempt_roles": [regular], "exempt_channels": [general]});
    let made = case.bot(Method::POST, &path, rule(right));
    assert_eq!(made.status, 200, "{}", made.json());
    let one = format!("{path}/{}", made.json()["id"].as_str().unwrap());
    for extra in wrong {
        let refused = case.bot(Method::PATCH, &one, extra.clone());
        assert_eq!(code(&refused), 50035, "{extra}");
    }
    let alerted = case.bot(Method::PATCH, &one, alert(json!(general)));
    assert_eq!(alerted.status, 200, "{}", alerted.json());
    case.finish();
}

// Guild resource, "Prompt Option Structure": roles and channels of the guild.
#[test]
fn options_of_onboarding_lead_to_what_is_there() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/onboarding");
    for (roles, channels) in [(json!([NOWHERE]), json!([])), (json!([]), json!([NOWHERE]))] {
        let prompts = json!([{"id": "1", "title": "?", "options": [
            {"title": "x", "role_ids": roles, "channel_ids": channels, "emoji_name": "⛵"}]}]);
        let refused = case.bot(Method::PUT, &path, json!({"prompts": prompts}));
        assert_eq!(code(&refused), 50035, "{}", refused.json());
    }
    case.finish();
}

// Emoji resource: `roles` are roles that may use the emoji.
#[test]
fn emojis_are_for_roles_that_are_there() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/emojis");
    let image = "data:image/gif;base64,R0lGODlhAQABAAAAACw=";
    let make = |roles: Value| {
        let body = json!({"name": "wave", "image": image, "roles": roles});
        case.bot(Method::POST, &path, body)
    };
    assert_eq!(code(&make(json!([NOWHERE]))), 10011);
    let made = make(json!([case.role("Regular")]));
    assert_eq!(made.status, 201, "{}", made.json());
    let one = format!("{path}/{}", made.json()["id"].as_str().unwrap());
    let edited = case.bot(Method::PATCH, &one, json!({"roles": [NOWHERE]}));
    assert_eq!(code(&edited), 10011);
    case.finish();
}
