//! Rules of AutoMod.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{Channel, Id, Role};

use super::{accepts, x};
use crate::harness::{Case, GUILD, code};

// AutoMod: six keyword rules and one of each other kind; words 1000×60, patterns 10×260.
#[test]
fn rules_have_bounds() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/auto-moderation/rules");
    let rule = |trigger: u8, metadata: Value| {
        json!({"name": "r", "event_type": 1, "trigger_type": trigger, "trigger_metadata": metadata,
            "actions": [{"type": 1, "metadata": {}}]})
    };
    let words = |list: Vec<String>| rule(1, json!({"keyword_filter": list}));
    let patterns = |list: Vec<String>| rule(1, json!({"regex_patterns": list}));
    let with = |key: &str, value: Value| {
        let mut body = words(vec!["x".into()]);
        body[key] = value;
        body
    };
    let timeout = |seconds: i64| {
        with(
            "actions",
            json!([{"type": 3, "metadata": {"duration_seconds": seconds}}]),
        )
    };
    let ids = |n: u64| json!((1..=n).map(|n| n.to_string()).collect::<Vec<_>>());
    case.sandbox.with_world(|w| {
        for n in (1..=51).map(Id) {
            w.add_role(GUILD, Role::new(n, "r", 0, 1));
            w.add_channel(Channel::new(n, 0, Some(GUILD), "c"));
        }
    });
    accepts(
        &case,
        &Method::POST,
        &path,
        &[
            (words(vec![x(61)]), 400),
            (words(vec!["x".into(); 1001]), 400),
            (patterns(vec![x(261)]), 400),
            (patterns(vec!["x".into(); 11]), 400),
            (patterns(vec!["(?<=look)behind".into()]), 400),
            (with("exempt_roles", ids(21)), 400),
            (with("exempt_channels", ids(51)), 400),
            (timeout(2_419_201), 400),
            (words(vec![x(60); 1000]), 200),
            (patterns(vec![x(260); 10]), 200),
            (with("exempt_roles", ids(20)), 200),
            (with("exempt_channels", ids(50)), 200),
            (timeout(2_419_200), 200),
            (words(vec!["six".into()]), 200),
            (words(vec!["seven".into()]), 400),
            (rule(3, json!({})), 200),
            (rule(3, json!({})), 400),
            (rule(4, json!({"presets": [4]})), 400),
            (rule(4, json!({"presets": [1, 2, 3]})), 200),
            (rule(5, json!({"mention_total_limit": 51})), 400),
            (rule(5, json!({"mention_total_limit": 50})), 200),
        ],
    );
    assert_eq!(
        code(&case.user(small::MEMBER, Method::GET, &path, Value::Null)),
        50013
    );
    case.finish();
}
