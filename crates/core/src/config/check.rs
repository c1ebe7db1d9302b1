//! What no single key shows: values that are missing or do not go together, and ports that meet.

use std::ops::RangeInclusive;

use serde_yaml::Mapping;

use super::component::Component;
use super::document;
use super::draft::Draft;
use super::field::Field;
use super::reading::Reading;
use super::schema::{self, Key, Need, PROXY};
use super::types::{BusTarget, Config, Proxy};

/// How many clusters the port checks leave room for: more than one machine runs.
pub const CLUSTERS_PER_MACHINE: u16 = 32;

const ISERVERS: &str = "meta.bot_iserver_base_port";

/// Ports of the sandbox, which runs while there is no bot account: REST, gateway, control.
pub const SANDBOX_PORTS: [u16; 3] = [4400, 4401, 4402];

pub(super) fn required(component: Component, draft: &mut Draft, to: &mut Reading<'_>) {
    let has_account = draft.config.discord_auth.token.is_some();
    for (path, key) in schema::keys() {
        let needed = match (key.need, component.daemon()) {
            (Need::Optional | Need::Derived, _) => false,
            (_, Some(daemon)) => key.readers & daemon != 0,
            // `up` brings the sandbox's account, but half an account is a mistake.
            (Need::Account, None) => has_account && component == Component::All,
            (Need::Generated, None) => false,
        };
        if needed && key.field.write(draft).is_none() && !reported(&path, to) {
            to.problem(&path, missing(key, has_account));
        }
    }
}

fn reported(path: &str, to: &Reading<'_>) -> bool {
    to.problems
        .iter()
        .any(|problem| problem.key.starts_with(path))
}

fn missing(key: &Key, has_account: bool) -> String {
    let noun = key.field.noun();
    let mut message = format!("missing (required, {noun})");
    if !key.example.is_empty() {
        message.push_str(". Example: ");
        message.push_str(key.example);
    }
    match key.need {
        Need::Account if has_account => {}
        Need::Account => message.push_str(". Without a bot account run: splashtail up"),
        Need::Generated => message.push_str(
            ". splashtail up generates it in secrets.yaml of the data directory; other machines need a copy",
        ),
        Need::Optional | Need::Derived => {}
    }
    message
}

/// Values that are fine alone and wrong together.
pub(super) fn combinations(config: &Config, to: &mut Reading<'_>) {
    let is_hub = |target| matches!(target, BusTarget::Hub(_));
    if is_hub(config.bus()) != is_hub(config.bot_bus()) {
        let message = "is another kind of bus than meta.redis_url: the bot and the clusterer would not hear each other";
        to.problem("meta.bot_redis_url", message.to_owned());
    }
    if config.jobs.capacity == 0 {
        let message = "0 would run no job: give at least 1";
        to.problem("jobs.capacity", message.to_owned());
    }
    proxy(&config.proxy, to);
    let plan = &config.plans.free;
    let per_channel = plan.default_per_channel;
    let wrong = if per_channel < plan.min_per_channel {
        format!(
            "{per_channel} is below min_per_channel ({})",
            plan.min_per_channel
        )
    } else if per_channel > plan.total_max_messages {
        format!(
            "{per_channel} is above total_max_messages ({})",
            plan.total_max_messages
        )
    } else {
        return;
    };
    to.problem("plans.free.default_per_channel", wrong);
}

fn proxy(proxy: &Proxy, to: &mut Reading<'_>) {
    if proxy.intents & 1 == 0 {
        let message = "lacks GUILDS (1), without which there is no server to know of";
        to.problem("proxy.intents", message.to_owned());
    }
    for (key, value, most) in [
        ("proxy.shards", proxy.shards, u64::from(u16::MAX)),
        (
            "proxy.client_shards",
            proxy.client_shards,
            u64::from(u16::MAX),
        ),
        ("proxy.global_limit", proxy.global_limit, 100_000),
        ("proxy.resume_window", proxy.resume_window, 86_400),
        ("proxy.replay_mb", proxy.replay_mb, 1 << 20),
        ("proxy.client_queue_mb", proxy.client_queue_mb, 1 << 20),
    ] {
        if value > most {
            to.problem(key, format!("{value} is above {most}"));
        }
    }
}

/// Every port of the running environment is used once, and the other environment could run beside
/// it.
pub(super) fn ports(draft: &Draft, document: &Mapping, to: &mut Reading<'_>) {
    let config = &draft.config;
    let used = used_ports(config);
    let mut seen: Vec<(String, u16)> = Vec::new();
    for (key, port) in &used {
        if let Some((other, _)) = seen.iter().find(|(_, taken)| taken == port) {
            to.problem(key, format!("{port} is also the port of {other}"));
        }
        seen.push((key.clone(), *port));
    }
    for (name, port) in sandbox_ports(config) {
        if let Some((key, _)) = used.iter().find(|(_, taken)| *taken == port) {
            to.problem(key, format!("{port} is also the port of {name}"));
        }
        seen.push((name, port));
    }

    let key = ISERVERS;
    let base = config.meta.bot_iserver_base_port;
    let Some(range) = iserver_ports(base) else {
        let room = format!("{base} leaves no room for {CLUSTERS_PER_MACHINE} clusters below 65536");
        return to.problem(key, room);
    };
    for (name, port) in &seen {
        if range.contains(port) {
            to.problem(
                key,
                format!("{} contains {port}, the port of {name}", shown(&range)),
            );
        }
    }
    other_environment(config, &range, document, to);
}

fn other_environment(
    config: &Config,
    range: &RangeInclusive<u16>,
    document: &Mapping,
    to: &mut Reading<'_>,
) {
    let there = to.environment.other();
    let other = other_half(config, document, to);
    let Some(other_range) = iserver_ports(other.meta.bot_iserver_base_port) else {
        return;
    };
    let key = ISERVERS;
    // One value for both environments says that only one of them runs here.
    let separate = schema::keys()
        .find(|(path, _)| path == key)
        .is_none_or(|(path, schema)| match document::lookup(document, &path) {
            Some(value) => document::pair(schema, value).is_some(),
            None => true,
        });
    let overlap = range.start() <= other_range.end() && other_range.start() <= range.end();
    if separate && overlap {
        to.warn(format!(
            "{key}: {} and {} of {there} overlap, so both cannot run on this machine",
            shown(range),
            shown(&other_range)
        ));
    }
    let own = used_ports(config);
    for (name, port) in used_ports(&other) {
        if range.contains(&port) && !own.iter().any(|(_, own)| *own == port) {
            to.warn(format!(
                "{key}: {} contains {port}, {name} of {there}",
                shown(range)
            ));
        }
    }
    for (name, port) in &own {
        if separate && other_range.contains(port) {
            let range = shown(&other_range);
            to.warn(format!(
                "{key}: {range} of {there} contains {port}, the port of {name}"
            ));
        }
    }
}

/// The same document read for the environment that does not run.
fn other_half(config: &Config, document: &Mapping, from: &Reading<'_>) -> Config {
    let environment = from.environment.other();
    let mut draft = Draft::of_defaults(Config::embedded(&config.data_dir, environment));
    let mut reading = Reading {
        sources: from.sources,
        base: from.base.clone(),
        environment,
        checks_other_half: true,
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    document::read(document, Component::All, &mut draft, &mut reading);
    draft.config
}

/// Every listener whose port a key chooses, of daemons that run; those of the clusters are a range.
fn used_ports(config: &Config) -> Vec<(String, u16)> {
    let mut draft = Draft::of_config(config);
    schema::keys()
        .filter(|(path, key)| path != ISERVERS && listens(config, key))
        .filter_map(|(path, key)| match key.field {
            Field::Port(place) => Some((path, *place(&mut draft))),
            _ => None,
        })
        .collect()
}

/// Whether anybody that runs reads the key.
fn listens(config: &Config, key: &Key) -> bool {
    key.readers != PROXY || config.proxy.enabled
}

fn sandbox_ports(config: &Config) -> Vec<(String, u16)> {
    if config.discord_auth.token.is_some() {
        return Vec::new();
    }
    SANDBOX_PORTS
        .iter()
        .map(|port| ("the Discord sandbox".to_owned(), *port))
        .collect()
}

fn iserver_ports(base: u16) -> Option<RangeInclusive<u16>> {
    Some(base..=base.checked_add(CLUSTERS_PER_MACHINE - 1)?)
}

fn shown(range: &RangeInclusive<u16>) -> String {
    format!("the port range {}-{}", range.start(), range.end())
}
