//! What an attacker did is put back, by a jobserver that may die meanwhile, beside what people did
//! since.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::Jobserver;
use crate::support::server::{GUILD, OWNER, World, world};
use serde_json::{Value, json};
use splashtail_antinuke::Moment;
use splashtail_antinuke::undo::Pinned;
use splashtail_core::clock::{Clock as _, SystemClock};
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_guild::{Id, Parts, Structure};
use splashtail_sandbox_world::faults::{Action, Match, Rule};
use splashtail_storage::{Edit, IncidentRow, NewChange};

const ATTACKER: &str = "1100000000000000011";
const MANAGER: &str = "1100000000000000012";
const PLAIN: &str = "1100000000000000013";
const SPARE: &str = "1100000000000000014";
const INCIDENT: &str = "1200000000000000000";

/// A server as people see it: by names, with no id in it. Shares no code with what is tested.
async fn portrait(world: &World) -> BTreeMap<String, Value> {
    let guild = get(world, &format!("/guilds/{GUILD}")).await;
    let (roles, channels) = (world.roles().await, world.channels().await);
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for object in roles.iter().chain(&channels) {
        let name = object["name"].as_str().unwrap().to_owned();
        names.insert(object["id"].as_str().unwrap().to_owned(), name);
    }
    let named = |id: &Value| {
        let id = id.as_str().unwrap_or("none");
        names.get(id).cloned().unwrap_or_else(|| id.to_owned())
    };
    let mut all = BTreeMap::new();
    for role in &roles {
        let above = roles
            .iter()
            .filter(|other| rank(other) > rank(role))
            .count();
        let bits = json!([role["permissions"], role["color"], role["hoist"], above]);
        all.insert(format!("role {}", role["name"]), bits);
    }
    for channel in &channels {
        let mut overwrites: Vec<String> = channel["permission_overwrites"]
            .as_array()
            .unwrap()
            .iter()
            .map(|o| format!("{} {} {}", named(&o["id"]), o["allow"], o["deny"]))
            .collect();
        overwrites.sort();
        let group = |c: &Value| (c["parent_id"].clone(), c["type"] == 4, c["type"] == 2);
        let place = |c: &Value| {
            let id: u64 = c["id"].as_str().unwrap().parse().unwrap();
            (c["position"].as_i64(), id)
        };
        let before = channels
            .iter()
            .filter(|other| group(other) == group(channel) && place(other) < place(channel));
        let (key, place) = (format!("channel {}", channel["name"]), before.count());
        let parent = named(&channel["parent_id"]);
        let (topic, slow) = (&channel["topic"], &channel["rate_limit_per_user"]);
        let kind = &channel["type"];
        all.insert(key, json!([kind, parent, topic, slow, overwrites, place]));
    }
    for user in [MANAGER, PLAIN, SPARE] {
        let path = format!("/guilds/{GUILD}/members/{user}");
        let member = world.control.rest(OWNER, "GET", &path, Value::Null).await;
        let member = member.unwrap().body;
        let held: BTreeSet<String> = member["roles"]
            .as_array()
            .into_iter()
            .flatten()
            .map(&named)
            .collect();
        let until = &member["communication_disabled_until"];
        all.insert(
            format!("member {user}"),
            json!([held, member["nick"], until]),
        );
    }
    let bans = get(world, &format!("/guilds/{GUILD}/bans")).await;
    all.insert("bans".to_owned(), json!(bans.as_array().unwrap().len()));
    let system = named(&guild["system_channel_id"]);
    all.insert("server".to_owned(), json!([guild["name"], system]));
    all
}

fn rank(role: &Value) -> (i64, std::cmp::Reverse<u64>) {
    let id = role["id"].as_str().unwrap().parse().unwrap();
    (role["position"].as_i64().unwrap(), std::cmp::Reverse(id))
}

async fn get(world: &World, path: &str) -> Value {
    world.rest(OWNER, "GET", path, Value::Null).await
}

async fn channel(world: &World, name: &str) -> Value {
    let channels = world.channels().await;
    let mut found = channels
        .into_iter()
        .filter(|channel| channel["name"] == name);
    found
        .next()
        .unwrap_or_else(|| panic!("there is no #{name}"))
}

async fn role(world: &World, name: &str) -> Value {
    let roles = world.roles().await;
    let mut found = roles.into_iter().filter(|role| role["name"] == name);
    found
        .next()
        .unwrap_or_else(|| panic!("there is no @{name}"))
}

fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

/// The server before the attack, as the bot keeps it.
struct Before {
    pinned: Pinned,
    objects: BTreeMap<String, (&'static str, Value)>,
}

async fn before(world: &World) -> Before {
    let guild = get(world, &format!("/guilds/{GUILD}")).await;
    let (roles, channels) = (world.roles().await, world.channels().await);
    let mut objects = BTreeMap::new();
    for (kind, list) in [("role", &roles), ("channel", &channels)] {
        objects.extend(
            list.iter()
                .map(|object| (id(object), (kind, object.clone()))),
        );
    }
    let seen = world.seen_channels().await;
    let parts = Parts {
        channels: Some(seen),
        ..Parts::default()
    };
    let regular: Id = id(&role(world, "Regular").await).parse().unwrap();
    Before {
        pinned: Pinned {
            at: Moment(0),
            structure: Structure::from_rest(&guild, parts).unwrap(),
            holders: [(regular, vec![MANAGER.parse().unwrap()])].into(),
        },
        objects,
    }
}

/// Everything that can be undone, by one administrator.
async fn attack(world: &World) {
    let act = async |method: &str, path: &str, body: Value| {
        world.rest(ATTACKER, method, path, body).await
    };
    let roles = format!("/guilds/{GUILD}/roles");
    let channels = format!("/guilds/{GUILD}/channels");
    for name in ["general", "Talk", "Lounge"] {
        let path = format!("/channels/{}", id(&channel(world, name).await));
        act("DELETE", &path, Value::Null).await;
    }
    for name in ["Muted", "Regular"] {
        let path = format!("{roles}/{}", id(&role(world, name).await));
        act("DELETE", &path, Value::Null).await;
    }
    let manager = format!("{roles}/{}", id(&role(world, "Manager").await));
    act(
        "PATCH",
        &manager,
        json!({"name": "nuked", "permissions": "1024"}),
    )
    .await;
    let staff = format!("/channels/{}", id(&channel(world, "staff").await));
    act("PATCH", &staff, json!({"name": "nuked", "topic": "nuked"})).await;
    let rules = id(&channel(world, "rules").await);
    let everyone = format!("/channels/{rules}/permissions/{GUILD}");
    act(
        "PUT",
        &everyone,
        json!({"type": 0, "allow": "2048", "deny": "0"}),
    )
    .await;
    // One that is called like a lost one is no substitute for it.
    act("POST", &channels, json!({"name": "general", "type": 0})).await;
    act("POST", &roles, json!({"name": "pwned", "permissions": "0"})).await;
    let ban = format!("/guilds/{GUILD}/bans/{SPARE}");
    act("PUT", &ban, json!({})).await;
    let plain = format!("/guilds/{GUILD}/members/{PLAIN}");
    act("PATCH", &plain, json!({"nick": "loser"})).await;
}

/// Writes the incident down, as the bot does.
async fn record(world: &World, server: &Jobserver, before: &Before) {
    let path = format!("/guilds/{GUILD}/audit-logs?user_id={ATTACKER}&limit=100");
    let log = get(world, &path).await;
    let entries = log["audit_log_entries"].as_array().unwrap();
    let acts: Vec<Value> = entries
        .iter()
        .map(|entry| {
            let target = entry["target_id"].clone();
            let gone = matches!(entry["action_type"].as_u64(), Some(12 | 32));
            let known = target.as_str().and_then(|id| before.objects.get(id));
            let at = Moment::of(id(entry).parse().unwrap());
            json!({"actor": ATTACKER, "kind": "channel_remove", "target": target, "entry": entry,
                   "at": at, "before": known.filter(|_| gone)})
        })
        .collect();
    assert!(acts.len() >= 12, "{acts:#?}");
    let count = acts.len();
    let document = json!({"id": INCIDENT, "guild": GUILD, "kind": "actor", "mode": "on",
        "state": "contained", "rules": [], "acts": acts, "acts_in_all": count, "calls": [],
        "panic": false, "losses": [], "by_hand": [], "updated": 5,
        "suspects": [{"id": ATTACKER, "bot": false, "column": "administrator", "link": 0,
                      "contained": 1, "unreachable": false}],
        "times": {"act": 1, "received": 1, "decided": 1}});
    let guild: GuildId = GUILD.parse().unwrap();
    let incident: i64 = INCIDENT.parse().unwrap();
    let row = IncidentRow {
        guild,
        incident,
        kind: "actor".to_owned(),
        mode: "on".to_owned(),
        state: "contained".to_owned(),
        document: document.to_string(),
        alert: None,
        updated_at: SystemClock.now(),
    };
    let pinned = serde_json::to_vec(&before.pinned).unwrap();
    let pinned = zstd::encode_all(&pinned[..], 1).unwrap();
    server
        .storage
        .protections()
        .put_incident(&row)
        .await
        .unwrap();
    let histories = server.storage.histories();
    histories
        .pin(guild, incident, &pinned, row.updated_at)
        .await
        .unwrap();
}

async fn order(world: &World, server: &Jobserver, more: Value) -> TaskId {
    let mut data = json!({"ServerID": GUILD, "Incident": INCIDENT,
                          "KnownChannels": world.known_channels().await});
    for (name, value) in more.as_object().into_iter().flatten() {
        data[name] = value.clone();
    }
    let client = server.client();
    let created = client
        .create_task("guild_revert_incident", data, true, None)
        .await;
    created.unwrap().task_id
}

async fn shown(world: &World, server: &Jobserver, more: Value) -> Value {
    let id = order(world, server, more).await;
    let plan = server.document(id).await;
    assert_eq!(plan["kind"], "revert_plan", "{plan:#}");
    plan
}

/// Shown, approved and carried out.
async fn put_back(world: &World, server: &Jobserver, more: Value) -> Value {
    let plan = shown(world, server, more.clone()).await;
    let mut more = more;
    more["PlanHash"] = plan["plan_hash"].clone();
    let report = order(world, server, more).await;
    let report = server.document(report).await;
    assert_eq!(report["kind"], "revert_report", "{report:#}");
    report
}

fn assert_same(after: &BTreeMap<String, Value>, before: &BTreeMap<String, Value>, told: &Value) {
    for key in before.keys().chain(after.keys()) {
        assert_eq!(after.get(key), before.get(key), "{key}\n{told:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_as_it_was_and_a_second_time_nothing_is_left() {
    let world = world().await;
    let server = world.setup.start().await;
    let (was, pinned) = (portrait(&world).await, before(&world).await);
    attack(&world).await;
    record(&world, &server, &pinned).await;
    let nuked = portrait(&world).await;
    assert_ne!(nuked, was);

    let plan = shown(&world, &server, json!({})).await;
    assert_same(&portrait(&world).await, &nuked, &plan);
    let asks = plan["asks"].as_array().unwrap();
    assert!(
        asks.iter().any(|a| a["code"] == "dangerous_permissions"),
        "{plan:#}"
    );
    let report = put_back(&world, &server, json!({})).await;
    assert_eq!(report["not_restored"], json!([]), "{report:#}");
    assert_same(&portrait(&world).await, &was, &report);

    let again = shown(&world, &server, json!({"DryRun": true})).await;
    assert_eq!(again["effects"], json!([]), "{again:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_back_is_taken_back_and_made_again() {
    let world = world().await;
    let server = world.setup.start().await;
    let (was, pinned) = (portrait(&world).await, before(&world).await);
    attack(&world).await;
    record(&world, &server, &pinned).await;
    let nuked = portrait(&world).await;
    // Channels are renamed only twice in ten minutes.
    let parts = json!({"Parts": ["roles", "members", "bans"]});
    let plan = shown(&world, &server, parts.clone()).await;
    let mut approved = parts.clone();
    approved["PlanHash"] = plan["plan_hash"].clone();
    let first = order(&world, &server, approved).await;
    server.completed(first).await;
    let back = put_back(&world, &server, json!({"Undo": first.to_string()})).await;
    assert_eq!(back["not_restored"], json!([]), "{back:#}");
    let about_people = |state: BTreeMap<String, Value>| {
        let other = |key: &String| key.starts_with("channel");
        let kept = state.into_iter().filter(|(key, _)| !other(key));
        kept.collect::<BTreeMap<_, _>>()
    };
    let after = about_people(portrait(&world).await);
    assert_same(&after, &about_people(nuked), &back);
    // What was put back and taken back can be put back again.
    put_back(&world, &server, parts).await;
    let held = portrait(&world).await[&format!("member {MANAGER}")].clone();
    assert_eq!(held, was[&format!("member {MANAGER}")]);
}

/// Cases 38 and 39 of the protection's matrix: between attack, put-back and the next put-back people
/// change what was rebuilt.
#[tokio::test(flavor = "multi_thread")]
async fn what_people_changed_since_stays() {
    let world = world().await;
    let server = world.setup.start().await;
    let pinned = before(&world).await;
    attack(&world).await;
    record(&world, &server, &pinned).await;
    let by_owner =
        async |method: &str, path: &str, body: Value| world.rest(OWNER, method, path, body).await;
    // A role and a channel that the attacker renamed get names of the owner's, a lost channel is
    // there again, and somebody else bans whom the attacker banned.
    let nuked = role(&world, "nuked").await;
    let path = format!("/guilds/{GUILD}/roles/{}", id(&nuked));
    by_owner(
        "PATCH",
        &path,
        json!({"name": "Friends", "permissions": "1026"}),
    )
    .await;
    let path = format!("/channels/{}", id(&channel(&world, "nuked").await));
    by_owner("PATCH", &path, json!({"name": "crew"})).await;
    let channels = format!("/guilds/{GUILD}/channels");
    let body = json!({"name": "Talk", "type": 4});
    let talk = by_owner("POST", &channels, body).await;
    let ban = format!("/guilds/{GUILD}/bans/{SPARE}");
    by_owner("DELETE", &ban, Value::Null).await;
    by_owner("PUT", &ban, json!({})).await;

    let plan = shown(&world, &server, json!({})).await;
    let first = order(&world, &server, json!({"PlanHash": plan["plan_hash"]})).await;
    let report = server.document(first).await;
    let friends = role(&world, "Friends").await;
    let permissions: u64 = friends["permissions"].as_str().unwrap().parse().unwrap();
    assert_ne!(permissions & 1 << 5, 0, "the lost bits return: {report:#}");
    assert_ne!(permissions & 1 << 1, 0, "the owner's bit stays");
    let crew = channel(&world, "crew").await;
    assert_ne!(crew["topic"], "nuked");
    let general = channel(&world, "general").await;
    assert_eq!(general["parent_id"], talk["id"], "{report:#}");
    let talks = world
        .channels()
        .await
        .into_iter()
        .filter(|c| c["name"] == "Talk");
    assert_eq!(talks.count(), 1);
    assert_eq!(
        get(&world, &format!("/guilds/{GUILD}/bans"))
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let left = report["not_restored"].as_array().unwrap();
    let kept = left
        .iter()
        .filter(|item| item["code"] == "changed_since")
        .count();
    assert_eq!(kept, 3, "both names and the ban: {report:#}");

    let path = format!("/channels/{}", id(&general));
    by_owner("PATCH", &path, json!({"name": "quay"})).await;
    let path = format!("/channels/{}", id(&channel(&world, "Lounge").await));
    by_owner("DELETE", &path, Value::Null).await;
    let was = portrait(&world).await;
    // To look at how it would be taken back takes nothing back.
    let look = json!({"Undo": first.to_string(), "DryRun": true});
    shown(&world, &server, look).await;
    let again = order(&world, &server, json!({})).await;
    let again = server.document(again).await;
    // Members are looked at one by one, and are as they should be.
    let counts = again["counts"].as_object().unwrap();
    assert!(counts.keys().all(|kind| kind == "member"), "{again:#}");
    assert_same(&portrait(&world).await, &was, &again);
}

/// Killed after ever more effects: the next jobserver goes on, nothing is missing or there twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_jobserver_that_dies_makes_nothing_twice() {
    let world = world().await;
    let mut server = world.setup.start().await;
    let (was, pinned) = (portrait(&world).await, before(&world).await);
    attack(&world).await;
    record(&world, &server, &pinned).await;
    let plan = shown(&world, &server, json!({})).await;
    let id = order(&world, &server, json!({"PlanHash": plan["plan_hash"]})).await;
    let mut effects = world.effects().await;
    for more in [1, 2, 4] {
        effects += more;
        while world.effects().await < effects {
            assert!(!server.has_ended(id).await, "it ended before it was killed");
            tokio::task::yield_now().await;
        }
        server.kill();
        server = world.setup.start().await;
    }
    let report = server.document(id).await;
    assert_same(&portrait(&world).await, &was, &report);
    assert_eq!(report["not_restored"], json!([]), "{report:#}");
}

fn limit(method: &str, route: &str) -> Rule {
    Rule {
        matches: Match {
            method: Some(method.to_owned()),
            route: Some(route.to_owned()),
            ..Match::default()
        },
        action: Action::Status {
            status: 429,
            scope: Some("user".to_owned()),
            retry_after: Some(86_400.0),
            header_retry_after: None,
            html: false,
            body: None,
        },
        times: None,
        probability: 1.0,
    }
}

/// A put-back that waits until its roles may be made.
async fn parked(world: &World, server: &Jobserver) -> TaskId {
    parked_for(world, server, "roles").await
}

async fn parked_for(world: &World, server: &Jobserver, what: &str) -> TaskId {
    let plan = shown(world, server, json!({})).await;
    let limit = limit("POST", &format!("/guilds/{{guild_id}}/{what}"));
    world.control.add_fault(&limit).await.unwrap();
    let id = order(world, server, json!({"PlanHash": plan["plan_hash"]})).await;
    let says = |line: &splashtail_storage::TaskLogEntry| line.msg.contains("wait for a limit");
    while !server.log(id).await.iter().any(says) {
        assert!(!server.has_ended(id).await, "{:#?}", server.log(id).await);
        tokio::task::yield_now().await;
    }
    id
}

async fn woken(world: &World, server: Jobserver, id: TaskId) -> Value {
    server.kill();
    world.control.clear_faults().await.unwrap();
    world.setup.wake().await;
    world.setup.start().await.document(id).await
}

fn left_of<'r>(report: &'r Value, kind: &str) -> Vec<&'r Value> {
    let left = report["not_restored"].as_array().unwrap().iter();
    left.filter(|item| item["kind"] == kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn victims_are_free_while_roles_wait_and_what_is_posted_meanwhile_stays() {
    let world = world().await;
    let server = world.setup.start().await;
    let pinned = before(&world).await;
    attack(&world).await;
    record(&world, &server, &pinned).await;
    let doomed = id(&channel(&world, "general").await);
    let waits = parked(&world, &server).await;
    let bans = get(&world, &format!("/guilds/{GUILD}/bans")).await;
    assert_eq!(bans, json!([]), "nobody stays banned for a role's sake");
    let row = server.row(waits).await;
    let time = row.deadline_at.unwrap() - row.created_at;
    assert!(time.num_days() > 4, "{time}");
    let path = format!("/channels/{doomed}/messages");
    let post = json!({"content": "is anybody there?"});
    world.rest(OWNER, "POST", &path, post).await;
    let report = woken(&world, server, waits).await;
    let channels = world.channels().await;
    assert!(channels.iter().any(|c| id(c) == doomed), "{report:#}");
    let left = left_of(&report, "channel");
    assert_eq!((left.len(), &left[0]["code"]), (1, &json!("changed_since")));
    assert!(world.roles().await.iter().any(|r| r["name"] == "Regular"));
}

/// Has the server's settings name a channel for alerts and a role that is trusted.
async fn set(server: &Jobserver, channel: &str, role: &str) {
    let (guild, at) = (GUILD.parse().unwrap(), SystemClock.now());
    server.storage.guilds().ensure(guild, at).await.unwrap();
    let settings = server.storage.settings();
    let now = settings.read(guild, None).await.unwrap();
    let edits = [
        (
            "antinuke",
            "server".to_owned(),
            json!({"alert_channel": channel}),
        ),
        (
            "trust",
            format!("role/{role}"),
            json!({"who": format!("role/{role}")}),
        ),
    ];
    let edits = edits.map(|(setting, entry, fields)| {
        let mut rows = now.rows.iter();
        let known = rows.find(|row| (row.setting.as_str(), &row.entry) == (setting, &entry));
        Edit {
            setting: setting.to_owned(),
            entry,
            before: known.map(|row| row.fields.clone()),
            after: Some(fields),
        }
    });
    let change = NewChange {
        guild,
        decided_on: now.version,
        by: OWNER.parse().unwrap(),
        way: "test",
        at,
        undoes: None,
        edits: &edits,
    };
    settings.write(&change).await.unwrap();
}

/// What they name: the channel and the role.
async fn named(server: &Jobserver) -> (String, String) {
    let settings = server.storage.settings();
    let now = settings.read(GUILD.parse().unwrap(), None).await.unwrap();
    let of = |setting: &str| now.rows.iter().find(|row| row.setting == setting).unwrap();
    let channel = of("antinuke").fields["alert_channel"].as_str().unwrap();
    let role = of("trust").entry.strip_prefix("role/").unwrap();
    (channel.to_owned(), role.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_follow_what_is_there_while_the_rest_waits() {
    let world = world().await;
    let server = world.setup.start().await;
    let pinned = before(&world).await;
    let lounge = id(&channel(&world, "Lounge").await);
    let regular = id(&role(&world, "Regular").await);
    set(&server, &lounge, &regular).await;
    attack(&world).await;
    record(&world, &server, &pinned).await;
    let waits = parked_for(&world, &server, "channels").await;
    let again = id(&role(&world, "Regular").await);
    assert_ne!(again, regular);
    assert_eq!(named(&server).await, (lounge, again.clone()));
    woken(&world, server, waits).await;
    let server = world.setup.start().await;
    let lounge = id(&channel(&world, "Lounge").await);
    assert_eq!(named(&server).await, (lounge, again));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_follow_what_a_job_made_that_did_not_come_to_its_end() {
    let world = world().await;
    let server = world.setup.start().await;
    let pinned = before(&world).await;
    let lounge = id(&channel(&world, "Lounge").await);
    let regular = id(&role(&world, "Regular").await);
    attack(&world).await;
    record(&world, &server, &pinned).await;
    let waits = parked_for(&world, &server, "channels").await;
    server.client().cancel_task(waits).await.unwrap();
    let made = id(&role(&world, "Regular").await);
    // They name what is gone still, as after a job that was killed and then took too long.
    set(&server, &lounge, &regular).await;
    world.control.clear_faults().await.unwrap();
    // The limit is known to the process that met it.
    server.kill();
    let server = world.setup.start().await;
    // What is left asks for no approval.
    let next = order(&world, &server, json!({})).await;
    server.document(next).await;
    assert_eq!(id(&role(&world, "Regular").await), made);
    let lounge = id(&channel(&world, "Lounge").await);
    assert_eq!(named(&server).await, (lounge, made));
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_somebody_bans_while_the_job_waits_stays_banned() {
    let world = world().await;
    let server = world.setup.start().await;
    let pinned = before(&world).await;
    attack(&world).await;
    record(&world, &server, &pinned).await;
    let bans = limit("DELETE", "/guilds/{guild_id}/bans/{user_id}");
    let fault = world.control.add_fault(&bans).await.unwrap().id;
    let waits = parked(&world, &server).await;
    world.control.remove_fault(fault).await.unwrap();
    let ban = format!("/guilds/{GUILD}/bans/{SPARE}");
    world.rest(OWNER, "DELETE", &ban, Value::Null).await;
    world.rest(OWNER, "PUT", &ban, json!({})).await;
    let report = woken(&world, server, waits).await;
    let bans = get(&world, &format!("/guilds/{GUILD}/bans")).await;
    assert_eq!(bans.as_array().unwrap().len(), 1, "{report:#}");
    let left = left_of(&report, "ban");
    assert_eq!((left.len(), &left[0]["code"]), (1, &json!("changed_since")));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_chosen_is_put_back_and_only_the_plan_that_was_shown() {
    let world = world().await;
    let server = world.setup.start().await;
    let pinned = before(&world).await;
    attack(&world).await;
    record(&world, &server, &pinned).await;
    // A plan without anything to ask about needs no approval.
    let id = order(&world, &server, json!({"Parts": ["bans"]})).await;
    let report = server.document(id).await;
    assert_eq!(
        (&report["done"], &report["effects"]),
        (&json!(1), &json!(1)),
        "{report:#}"
    );
    let left = get(&world, &format!("/guilds/{GUILD}/bans")).await;
    assert_eq!(left, json!([]));
    assert!(world.channels().await.iter().all(|c| c["name"] != "Lounge"));

    let plan = shown(&world, &server, json!({"Parts": ["roles"]})).await;
    let pwned = role(&world, "pwned").await;
    let path = format!("/guilds/{GUILD}/roles/{}", self::id(&pwned));
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
    let stale = json!({"Parts": ["roles"], "PlanHash": plan["plan_hash"]});
    let stale = order(&world, &server, stale).await;
    server.ended(stale).await;
    let last = server.log(stale).await.pop().unwrap();
    assert!(
        json!(last.extra).to_string().contains("plan_changed") || last.msg.contains("approved"),
        "{last:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_of_another_server_is_none() {
    let world = world().await;
    let server = world.setup.start().await;
    let data = json!({"ServerID": GUILD, "Incident": "7"});
    let client = server.client();
    let refused = client
        .create_task("guild_revert_incident", data, true, None)
        .await;
    assert!(refused.unwrap_err().to_string().contains("no incident 7"));
}
