//! Requests through the dispatcher, on one core: the budget is 5,000 a second.

use std::hint::black_box;
use std::sync::Arc;

use chrono::{TimeZone, Utc};
use criterion::{Criterion, criterion_group, criterion_main};
use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox::clock::SandboxClock;
use splashtail_sandbox::rest::limits::Rules;
use splashtail_sandbox::rest::{Actor, Request};
use splashtail_sandbox::seed::small;
use splashtail_sandbox::world::Addresses;
use splashtail_sandbox::{Options, Sandbox};

fn sandbox(world: &str) -> Option<Arc<Sandbox>> {
    let addresses = Addresses {
        rest: "http://127.0.0.1:1".into(),
        gateway: "ws://127.0.0.1:2".into(),
    };
    let clock = Arc::new(SandboxClock::new(
        Utc.timestamp_millis_opt(1_772_366_400_000).single()?,
    ));
    let options = Options {
        world: world.into(),
        seed: 1,
        addresses,
        clock,
    };
    let sandbox = Sandbox::new(&options).ok()?;
    sandbox.limits.set_rules(Rules {
        enabled: false,
        ..Rules::default()
    });
    Some(sandbox)
}

fn requests(c: &mut Criterion) {
    let Some(sandbox) = sandbox("small") else {
        return;
    };
    let channel = |name: &str| {
        sandbox.with_world(|w| w.channels.values().find(|c| c.name == name).map(|c| c.id))
    };
    let (Some(general), Some(archive)) = (channel("general"), channel("archive")) else {
        return;
    };
    let guild = small::GUILDS[0];
    let run = |method: Method, path: String, query: &str, body: &Value| {
        let mut request = Request::act(method, path, body);
        request.query = query.to_owned();
        black_box(sandbox.dispatch(Actor::User(small::APPLICATION), request));
    };
    let mut group = c.benchmark_group("rest");
    group.bench_function("get_guild", |b| {
        b.iter(|| run(Method::GET, format!("/guilds/{guild}"), "", &Value::Null));
    });
    group.bench_function("list_messages_100", |b| {
        b.iter(|| {
            run(
                Method::GET,
                format!("/channels/{archive}/messages"),
                "limit=100",
                &Value::Null,
            );
        });
    });
    group.bench_function("create_message", |b| {
        let body = json!({"content": "hello"});
        b.iter(|| {
            run(
                Method::POST,
                format!("/channels/{general}/messages"),
                "",
                &body,
            );
        });
    });
    group.bench_function("add_and_remove_role", |b| {
        let role = sandbox.with_world(|w| {
            w.guilds[&guild]
                .roles
                .values()
                .find(|r| r.name == "Regular")
                .map(|r| r.id)
        });
        let path = format!(
            "/guilds/{guild}/members/{}/roles/{}",
            small::MEMBER,
            role.unwrap_or_default()
        );
        b.iter(|| {
            run(Method::PUT, path.clone(), "", &Value::Null);
            run(Method::DELETE, path.clone(), "", &Value::Null);
        });
    });
    group.finish();
}

criterion_group!(benches, requests);
criterion_main!(benches);
