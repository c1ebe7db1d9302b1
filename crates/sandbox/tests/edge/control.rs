//! Sheet §11: acting as users, steering the clock, and seeing what went on.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use splashtail_sandbox::control::client::ControlError;
use splashtail_sandbox::control::types::{Act, ClockChange, EditApp, LoadWorld, NewGuild};
use splashtail_sandbox_world::seed::small;

use crate::client::{ALL_INTENTS, bench};

#[tokio::test]
async fn acts_run_through_rest_with_its_permissions() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let guild = small::GUILDS[0].to_string();
    let act = Act {
        guild_id: Some(guild),
        target_id: Some(small::SPARE.to_string()),
        reason: Some("spam – again".to_owned()),
        ..Act::default()
    };
    let refused = ctl
        .act(&small::MEMBER.to_string(), "ban", &act)
        .await
        .unwrap();
    assert_eq!(refused.results[0].status, 403);
    assert_eq!(refused.results[0].body["code"], 50013);
    let mut client = b.session(ALL_INTENTS).await;
    let done = ctl
        .act(&small::ADMIN.to_string(), "ban", &act)
        .await
        .unwrap();
    assert_eq!(
        (done.results[0].status, &done.results[0].body),
        (204, &Value::Null)
    );
    let entry = client.until("GUILD_AUDIT_LOG_ENTRY_CREATE").await;
    assert_eq!(entry["action_type"], 22);
    assert_eq!(entry["reason"], "spam – again");
    assert_eq!(entry["user_id"], small::ADMIN.to_string());
}

#[tokio::test]
async fn a_raid_is_one_call() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let guild = small::GUILDS[0].to_string();
    let actors: Vec<String> = (0..20u64)
        .map(|n| (1_200_000_000_000_000_000 + n).to_string())
        .collect();
    let act = Act {
        guild_id: Some(guild),
        actors: Some(actors.clone()),
        ..Act::default()
    };
    let mut client = b.session(ALL_INTENTS).await;
    let joined = ctl.act("0", "join", &act).await.unwrap();
    assert_eq!(joined.results.len(), 20);
    assert!(joined.results.iter().all(|r| r.status == 201));
    for actor in &actors {
        assert_eq!(
            client.until("GUILD_MEMBER_ADD").await["user"]["id"],
            **actor
        );
    }
    let channel = b.channel().await;
    let act = Act {
        channel_id: Some(channel),
        body: json!({"content": "raid {n}"}),
        times: Some(2),
        actors: Some(actors[..3].to_vec()),
        ..Act::default()
    };
    let said = ctl.act("0", "say", &act).await.unwrap();
    let contents: Vec<&str> = said
        .results
        .iter()
        .map(|r| r.body["content"].as_str().unwrap())
        .collect();
    assert_eq!(
        contents,
        ["raid 0", "raid 1", "raid 2", "raid 3", "raid 4", "raid 5"]
    );
}

#[tokio::test]
async fn a_newcomer_accepts_the_rules() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    b.running.edge.sandbox.with_world(|world| {
        let guild = world.guilds.get_mut(&small::GUILDS[0]).unwrap();
        guild
            .features
            .insert("MEMBER_VERIFICATION_GATE_ENABLED".into());
    });
    let act = Act {
        guild_id: Some(small::GUILDS[0].to_string()),
        actors: Some(vec!["1300000000000000000".to_owned()]),
        ..Act::default()
    };
    let joined = ctl.act("0", "join", &act).await.unwrap();
    assert_eq!(joined.results[0].body["pending"], true);
    let mut client = b.session(ALL_INTENTS).await;
    let accepted = ctl.act("0", "accept_rules", &act).await.unwrap();
    assert_eq!(accepted.results[0].status, 204);
    let update = client.until("GUILD_MEMBER_UPDATE").await;
    assert_eq!(update["pending"], false);
}

#[tokio::test]
async fn bad_calls_are_told_what_is_wrong() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let code = |result: Result<Value, ControlError>| match result.unwrap_err() {
        ControlError::Refused {
            status, message, ..
        } => (status, message),
        other => panic!("{other}"),
    };
    let owner = small::OWNER.to_string();
    let post = |path: String, body: Value| {
        let ctl = ctl.clone();
        async move { ctl.call::<Value>(http::Method::POST, &path, &body).await }
    };
    assert_eq!(
        code(post(format!("/ctl/as/{owner}/fly"), json!({})).await).0,
        404
    );
    assert_eq!(
        code(post("/ctl/as/5/say".into(), json!({"channel_id": "1"})).await).0,
        404
    );
    let (status, message) = code(post(format!("/ctl/as/{owner}/say"), json!({})).await);
    assert_eq!(status, 400);
    assert!(message.contains("channel_id"), "{message}");
    let (status, message) =
        code(post(format!("/ctl/as/{owner}/say"), json!({"chanel": "1"})).await);
    assert_eq!(status, 422);
    assert!(message.contains("chanel"), "{message}");
    assert_eq!(
        code(post("/ctl/clock".into(), json!({"rate": -1})).await).0,
        400
    );
    let refused = [
        json!({"set": "2027-03-01T00:00:00Z", "rate": 2e6}),
        json!({"set": "2027-03-01T00:00:00Z", "advance_ms": u64::MAX}),
        json!({"set": "1999-01-01T00:00:00Z"}),
        json!({"set": "2200-01-01T00:00:00Z"}),
        json!({"set": "tomorrow"}),
    ];
    for change in refused {
        assert_eq!(code(post("/ctl/clock".into(), change).await).0, 400);
    }
    let year_and_more = 366_i64 * 86_400_000;
    for (path, body, says) in [
        (
            "/ctl/limits",
            json!({"global": {"limit": 1, "per_ms": 0}}),
            "global",
        ),
        (
            "/ctl/limits",
            json!({"invalid": {"limit": 1, "per_ms": year_and_more}}),
            "invalid",
        ),
        (
            "/ctl/limits",
            json!({"buckets": {"say": {"limit": 1, "per_ms": 1}}}),
            "`say`",
        ),
        ("/ctl/users", json!({"id": "0"}), "`0`"),
        ("/ctl/users", json!({"username": ""}), "username"),
        (
            "/ctl/users",
            json!({"username": "x".repeat(33)}),
            "username",
        ),
        (
            "/ctl/guilds",
            json!({"id": "0", "name": "n", "owner_id": owner}),
            "`0`",
        ),
        (
            "/ctl/guilds",
            json!({"name": " ", "owner_id": owner}),
            "name",
        ),
    ] {
        let (status, message) = code(post(path.into(), body).await);
        assert_eq!(status, 400, "{message}");
        assert!(message.contains(says), "{message}");
    }
    let nobody = json!({"channel_id": "1", "actors": []});
    assert_eq!(
        code(post(format!("/ctl/as/{owner}/say"), nobody).await).0,
        400
    );
    let slower = json!({"buckets": {"create_message": {"limit": 1, "per_ms": 60_000},
        "delete_message_old": {"limit": 1, "per_ms": 1}}});
    assert!(post("/ctl/limits".into(), slower).await.is_ok());
    let now = ctl.now().await.unwrap();
    assert!(now.now.starts_with("2026-01-01"), "{now:?}: moved in half");
    assert_eq!(
        code(post("/ctl/world".into(), json!({"world": "none"})).await).0,
        400
    );
    assert_eq!(
        code(post("/ctl/faults".into(), json!({"action": {"type": "nope"}})).await).0,
        422
    );
}

/// `docs/sandbox.md`: errors are `{"code", "message", "context"?}`, whatever is wrong.
#[tokio::test]
async fn refusals_have_one_shape() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let owner = small::OWNER;
    for (method, path, status, code) in [
        (
            "GET",
            "/ctl/journal?since=-1".to_owned(),
            400,
            "bad_request",
        ),
        (
            "GET",
            "/ctl/guilds?limit=many".to_owned(),
            400,
            "bad_request",
        ),
        (
            "GET",
            format!("/ctl/as/{owner}/messages"),
            400,
            "bad_request",
        ),
        ("GET", "/ctl/faults/1".to_owned(), 405, "wrong_method"),
        ("DELETE", "/ctl/faults/one".to_owned(), 404, "not_found"),
        ("DELETE", "/ctl/world".to_owned(), 405, "wrong_method"),
        ("GET", "/ctl/nothing".to_owned(), 404, "not_found"),
        ("POST", "/ctl/nothing".to_owned(), 404, "not_found"),
    ] {
        let answer = ctl.call::<Value>(method.parse().unwrap(), &path, &Value::Null);
        match answer.await.unwrap_err() {
            ControlError::Refused {
                status: found,
                body,
                ..
            } => {
                assert_eq!(
                    (found, &body["code"]),
                    (status, &json!(code)),
                    "{path}: {body}"
                );
                assert!(body["message"].is_string(), "{path}: {body}");
            }
            other => panic!("{path}: {other}"),
        }
    }
    let all: Vec<Value> = ctl
        .call(
            http::Method::GET,
            &format!("/ctl/journal?since={}", u64::MAX),
            &Value::Null,
        )
        .await
        .unwrap();
    assert!(all.is_empty());
}

#[tokio::test]
async fn the_clock_moves_and_stops() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let state = ctl
        .clock(&ClockChange {
            set: Some("2027-03-01T12:00:00Z".into()),
            rate: Some(0.0),
            advance_ms: Some(500),
        })
        .await
        .unwrap();
    assert_eq!(state.now, "2027-03-01T12:00:00.500Z");
    assert_eq!(
        ctl.now().await.unwrap().now_ms,
        state.now_ms,
        "it stands still"
    );
    let channel = b.channel().await;
    assert_eq!(
        b.say(&channel, "x").await["timestamp"],
        "2027-03-01T12:00:00.500000+00:00"
    );
}

#[tokio::test]
async fn secrets_stay_out_of_the_journal() {
    let b = bench().await;
    let _client = b.session(ALL_INTENTS).await;
    b.channel().await;
    let text =
        serde_json::to_string(&b.running.client().unwrap().journal(0).await.unwrap()).unwrap();
    assert!(!text.contains(&small::bot_token()));
}

#[tokio::test]
async fn loading_a_world_ends_sessions_and_forgets_the_old_one() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let mut client = b.session(ALL_INTENTS).await;
    let owner = ctl.create_user(&Default::default()).await.unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let guild = NewGuild {
        name: "New".into(),
        owner_id: owner,
        apps: vec![small::APPLICATION.to_string()],
        ..NewGuild::default()
    };
    ctl.create_guild(&guild).await.unwrap();
    assert_eq!(client.until("GUILD_CREATE").await["name"], "New");
    ctl.load_world(&LoadWorld {
        world: Some("small".into()),
        seed: Some(1),
        ..LoadWorld::default()
    })
    .await
    .unwrap();
    assert_eq!(client.until_op(9).await, false);
    let world = ctl.world().await.unwrap();
    assert_eq!(world["guilds"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn members_of_a_new_guild_can_have_been_there_for_long() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let order = |joined_days_ago| NewGuild {
        name: "Old harbour".into(),
        owner_id: small::OWNER.to_string(),
        members: vec![small::MEMBER.to_string()],
        apps: vec![small::APPLICATION.to_string()],
        joined_days_ago,
        ..NewGuild::default()
    };
    let mut client = b.session(ALL_INTENTS).await;
    let made = ctl.create_guild(&order(30)).await.unwrap();
    let mut guild = client.until("GUILD_CREATE").await;
    while guild["id"] != made["guild"]["id"] {
        guild = client.until("GUILD_CREATE").await;
    }
    let clock: DateTime<Utc> = ctl.now().await.unwrap().now.parse().unwrap();
    for user in [small::OWNER, small::MEMBER] {
        let mut members = guild["members"].as_array().unwrap().iter();
        let member = members.find(|member| member["user"]["id"] == user.to_string());
        let joined = member.unwrap()["joined_at"].as_str().unwrap();
        let joined: DateTime<Utc> = joined.parse().unwrap();
        assert_eq!((clock - joined).num_days(), 30);
    }
    let refused = ctl.create_guild(&order(3651)).await.unwrap_err();
    assert!(refused.to_string().contains("joined_days_ago"), "{refused}");
}

/// Sheet §11: the calls there are.
#[tokio::test]
async fn every_call_of_the_control_api_exists() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let owner = small::OWNER;
    for (method, path) in [
        ("GET", "/ctl/world".to_owned()),
        ("POST", "/ctl/world".to_owned()),
        ("POST", "/ctl/reset".to_owned()),
        ("GET", "/ctl/apps".to_owned()),
        ("POST", "/ctl/apps".to_owned()),
        ("POST", "/ctl/users".to_owned()),
        ("POST", "/ctl/guilds".to_owned()),
        ("POST", format!("/ctl/as/{owner}/interact")),
        ("POST", format!("/ctl/as/{owner}/consent")),
        ("GET", "/ctl/clock".to_owned()),
        ("POST", "/ctl/clock".to_owned()),
        ("GET", "/ctl/faults".to_owned()),
        ("POST", "/ctl/faults".to_owned()),
        ("GET", "/ctl/journal?since=0".to_owned()),
        ("GET", "/ctl/sessions".to_owned()),
        ("GET", "/ctl/limits".to_owned()),
        ("GET", "/ctl/violations".to_owned()),
        ("POST", "/ctl/settle".to_owned()),
    ] {
        let body = if method == "GET" {
            Value::Null
        } else {
            json!({})
        };
        let answer = ctl
            .call::<Value>(method.parse().unwrap(), &path, &body)
            .await;
        if let Err(ControlError::Refused {
            status, message, ..
        }) = answer
        {
            // An empty body may lack something, but there is such a call.
            assert!(
                [400, 422].contains(&status),
                "{method} {path}: {status} {message}"
            );
        }
    }
    let acts = [
        "join",
        "accept_rules",
        "leave",
        "say",
        "edit_message",
        "delete_message",
        "react",
        "create_channel",
        "edit_channel",
        "delete_channel",
        "create_role",
        "edit_role",
        "delete_role",
        "give_role",
        "kick",
        "ban",
        "unban",
        "timeout",
        "create_webhook",
        "invite",
        "add_bot",
        "remove_bot",
        "prune",
        "transfer_owner",
    ];
    for act in acts {
        let answer = ctl.act(&owner.to_string(), act, &Act::default()).await;
        match answer.unwrap_err() {
            ControlError::Refused {
                status: 400,
                message,
                ..
            } => {
                assert!(message.contains("is needed"), "{act}: {message}");
            }
            other => panic!("{act}: {other}"),
        }
    }
}

#[tokio::test]
async fn repetitions_are_spread_in_sandbox_time_and_actors_take_turns() {
    let b = bench().await;
    b.clock.set_rate(0.0);
    let ctl = b.running.client().unwrap();
    let channel = b.channel().await;
    let act = Act {
        channel_id: Some(channel),
        body: json!({"content": "{n}"}),
        times: Some(2),
        spread_ms: Some(4000),
        actors: Some(vec![small::ADMIN.to_string(), small::MEMBER.to_string()]),
        ..Act::default()
    };
    let raid = {
        let ctl = ctl.clone();
        tokio::spawn(async move { ctl.act("0", "say", &act).await.unwrap() })
    };
    // Four acts, a second apart: each waits for the clock.
    while !raid.is_finished() {
        b.clock.advance(Duration::from_millis(100));
        tokio::task::yield_now().await;
    }
    let results = raid.await.unwrap().results;
    let at = |n: usize| {
        let text = results[n].body["timestamp"].as_str().unwrap();
        chrono::DateTime::parse_from_rfc3339(text).unwrap()
    };
    for n in 1..4 {
        assert!((at(n) - at(n - 1)).num_milliseconds() >= 1000, "{n}");
    }
    let authors: Vec<&Value> = results.iter().map(|r| &r.body["author"]["id"]).collect();
    let (admin, member) = (
        json!(small::ADMIN.to_string()),
        json!(small::MEMBER.to_string()),
    );
    assert_eq!(authors, [&admin, &member, &admin, &member]);
}

#[tokio::test]
async fn what_the_gateway_grants_can_be_set_while_it_runs() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let app = small::APPLICATION.to_string();
    let edit = EditApp {
        shards: Some(8),
        max_concurrency: Some(2),
        session_starts_left: Some(3),
        ..EditApp::default()
    };
    let granted = ctl.edit_app(&app, &edit).await.unwrap();
    assert_eq!(
        (granted.session_starts, granted.session_starts_left),
        (1000, 3)
    );
    let told = b.bot("GET", "/gateway/bot").send().await.unwrap();
    let told: Value = told.json().await.unwrap();
    assert_eq!(told["shards"], 8);
    let starts = &told["session_start_limit"];
    assert_eq!(
        (&starts["remaining"], &starts["max_concurrency"]),
        (&json!(3), &json!(2))
    );
    // One start is taken, the rest of the day keeps what it was given.
    b.session(ALL_INTENTS).await;
    let seen = ctl.edit_app(&app, &EditApp::default()).await.unwrap();
    assert_eq!(seen.session_starts_left, 2);
    let none = EditApp {
        shards: Some(0),
        ..EditApp::default()
    };
    assert!(ctl.edit_app(&app, &none).await.is_err());
}

#[tokio::test]
async fn an_unknown_call_fails_with_the_nearest() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let answer = ctl.call::<Value>(http::Method::GET, "/ctl/jurnal", &Value::Null);
    match answer.await.unwrap_err() {
        ControlError::Refused {
            status,
            code,
            message,
            ..
        } => {
            assert_eq!((status, code.as_str()), (404, "not_found"));
            assert!(message.contains("/ctl/journal"), "{message}");
        }
        other => panic!("{other}"),
    }
}
