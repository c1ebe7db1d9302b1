//! While a guild is down nothing in it can be asked or done, and that it will pass can be seen.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::people;
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{Door, Id, User};

use crate::harness::{Case, GUILD, code};

// Gateway, "Guild availability": unavailable "due to an outage". What REST says then is not documented; a
// server error is what clients try again.
#[test]
fn everything_in_a_guild_that_is_down_is_down() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let stage = case.channel("Stage");
    let down = |on: bool| case.sandbox.with_world(|w| w.set_outage(GUILD, on));
    down(true);
    for path in [
        format!("/guilds/{GUILD}"),
        format!("/guilds/{GUILD}/roles"),
        format!("/guilds/{GUILD}/members/{}", small::MEMBER),
        format!("/channels/{general}"),
        format!("/channels/{general}/messages"),
    ] {
        let answer = case.get(&path);
        assert_eq!((answer.status, code(&answer)), (503, 0), "{path}");
    }
    let stages = json!({"channel_id": stage, "topic": "x"});
    let answer = case.bot(Method::POST, "/stage-instances", stages);
    assert_eq!(answer.status, 503, "{}", answer.json());
    // Another guild is not concerned.
    let other = format!("/guilds/{}", small::GUILDS[1]);
    assert_eq!(case.get(&other).status, 200);
    let raider = Id(1_250_000_000_000_000_000);
    let joins = || {
        case.sandbox.with_world(|w| {
            w.users.insert(raider, User::new(raider, "raider"));
            people::join(w, raider, Door::Guild(GUILD), "").map_err(|e| e.status)
        })
    };
    let adds_a_bot = || {
        case.sandbox.with_world(|w| {
            let added = people::add_bot(w, small::OWNER, GUILD, small::APPLICATION, 0);
            added.map_err(|e| e.status)
        })
    };
    let accepts_rules = || {
        case.sandbox
            .with_world(|w| people::accept_rules(w, small::MEMBER, GUILD).map_err(|e| e.status))
    };
    assert_eq!(joins(), Err(503));
    assert_eq!((adds_a_bot(), accepts_rules()), (Err(503), Err(503)));
    down(false);
    assert_eq!((adds_a_bot(), accepts_rules()), (Ok(()), Ok(())));
    assert_eq!(case.get(&format!("/channels/{general}")).status, 200);
    assert!(joins().is_ok_and(|member: Option<Value>| member.is_some()));
    case.finish();
}
