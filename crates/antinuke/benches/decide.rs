//! From an entry's bytes to the decision, over many servers of one cluster.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use splashtail_antinuke::{Engine, Input, Mode, Moment, Policy, TagKey};
use splashtail_guild::{Id, Structure};

mod entries;

use entries::{START, entries, structure};

const GUILDS: u64 = 100;
const ENTRIES: u64 = 10_000;

fn decide(criterion: &mut Criterion) {
    let guilds: Vec<Structure> = (0..GUILDS)
        .map(|n| structure(Id::new(1_000_000 * (n + 1))))
        .collect();
    let entries = entries(GUILDS, ENTRIES);
    let policy = Arc::new(Policy {
        mode: Mode::On,
        ..Policy::default()
    });
    let mut group = criterion.benchmark_group("antinuke");
    group.throughput(Throughput::Elements(ENTRIES));
    group.sample_size(10);
    group.bench_function("entries", |bencher| {
        bencher.iter(|| {
            let mut engines: Vec<Engine> = guilds
                .iter()
                .map(|g| Engine::new(g.id(), Id::new(2), policy.clone(), TagKey::new([0; 32])))
                .collect();
            for (guild, id, text) in &entries {
                let raw: Value = serde_json::from_str(text).expect("an entry");
                let input = Input::Entry {
                    raw: &raw,
                    polled: false,
                };
                let now = Moment::of(*id);
                black_box(engines[*guild].decide(input, &guilds[*guild], now));
            }
        });
    });
    group.finish();
}

/// The deciding entry alone: a moderator's third channel.
fn contain(criterion: &mut Criterion) {
    let guild = Id::new(1_000_000);
    let structure = structure(guild);
    let policy = Arc::new(Policy {
        mode: Mode::On,
        ..Policy::default()
    });
    let entry = |n: u64| {
        json!({"id": Id::new(((START + n) << 22) | n), "action_type": 12, "user_id": "700",
            "target_id": (guild.get() + 1000 + n).to_string()})
    };
    let entries = [entry(1), entry(2), entry(3)];
    criterion.bench_function("antinuke/contain", |bencher| {
        bencher.iter_batched(
            || {
                let mut engine =
                    Engine::new(guild, Id::new(2), policy.clone(), TagKey::new([0; 32]));
                let members = json!({"members": [{"user": {"id": "2"}, "roles": ["1000049"]},
                    {"user": {"id": "700"}, "roles": ["1000003"]}]});
                let input = Input::Event {
                    name: "GUILD_CREATE",
                    data: &members,
                    before: None,
                };
                engine.decide(input, &structure, Moment(START));
                for raw in &entries[..2] {
                    let input = Input::Entry { raw, polled: false };
                    engine.decide(input, &structure, Moment(START));
                }
                engine
            },
            |mut engine| {
                let raw = &entries[2];
                let input = Input::Entry { raw, polled: false };
                black_box(engine.decide(input, &structure, Moment(START)))
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, decide, contain);
criterion_main!(benches);
