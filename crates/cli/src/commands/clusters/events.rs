//! Entries of the action log in words. An event this version does not know is shown as it is.

use chrono::{DateTime, Utc};
use nix::sys::signal::Signal;
use serde_json::Value;
use splashtail_core::ids::ClusterId;

use super::fleet::Fleet;

/// When it happened; entries carry unix microseconds.
pub fn time(entry: &Value) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(entry.get("ts")?.as_i64()?)
}

/// `2024-01-21 17:37:01  cluster 1 (Waffle) was started, process 4001`
pub fn line(entry: &Value, fleet: Option<&Fleet>) -> String {
    let time = match time(entry) {
        Some(time) => time.format("%Y-%m-%d %H:%M:%S").to_string(),
        None => "????-??-?? ??:??:??".to_owned(),
    };
    format!("{time}  {}", words(entry, fleet))
}

/// The newest entry after `since` that says why a cluster did not come up.
pub fn failure_of(
    log: &[Value],
    cluster: ClusterId,
    since: Option<DateTime<Utc>>,
) -> Option<String> {
    let concerns = |entry: &&Value| {
        let failed = matches!(
            event(entry),
            "cluster_start_failed"
                | "cluster_restart_failed"
                | "cluster_crashed"
                | "discord_refused"
        );
        failed
            && entry.get("id").and_then(Value::as_u64) == Some(cluster.get().into())
            && time(entry) > since
    };
    log.iter()
        .rev()
        .find(concerns)
        .map(|entry| words(entry, None))
}

pub fn event(entry: &Value) -> &str {
    entry
        .get("event")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A field as text; `?` when it is absent.
fn field(entry: &Value, name: &str) -> String {
    match entry.get(name) {
        None | Some(Value::Null) => "?".to_owned(),
        Some(Value::String(text)) => clean(text),
        Some(value) => value.to_string(),
    }
}

pub fn words(entry: &Value, fleet: Option<&Fleet>) -> String {
    let named = |name: &str| {
        let id = entry.get(name).and_then(Value::as_u64);
        let id = id.and_then(|id| u16::try_from(id).ok()).map(ClusterId);
        match (id, id.and_then(|id| fleet?.cluster(id))) {
            (_, Some(cluster)) => format!("cluster {}", clean(&cluster.label())),
            (Some(id), None) => format!("cluster {id}"),
            (None, None) => "a cluster".to_owned(),
        }
    };
    let cluster = || named("id");
    let of = |name: &str| field(entry, name);
    let reason = || match entry.get("error") {
        Some(Value::Null) | None => String::new(),
        Some(_) => format!(": {}", of("error")),
    };
    match event(entry) {
        "cluster_started" => format!("{} was started, process {}", cluster(), of("pid")),
        "cluster_stopped" => format!("{} was stopped", cluster()),
        "cluster_crashed" => match entry.get("signal") {
            Some(Value::Null) | None => {
                format!("{} ended by itself with status {}", cluster(), of("code"))
            }
            Some(number) => {
                let number = number
                    .as_i64()
                    .and_then(|number| i32::try_from(number).ok());
                let known = number.and_then(|number| Signal::try_from(number).ok());
                let signal = known.map_or_else(|| of("signal"), |known| known.as_str().to_owned());
                format!("{} was ended by signal {signal}", cluster())
            }
        },
        "cluster_backoff" => {
            let why = if entry.get("held").and_then(Value::as_bool) == Some(true) {
                "crashed too often and rests"
            } else {
                "starts again in"
            };
            format!("{} {why} {} s", cluster(), of("delay_s"))
        }
        "ping_failure" => format!("{} did not answer a health check", cluster()),
        "cluster_start_failed" => format!(
            "{} could not be started ({}){}",
            cluster(),
            of("via"),
            reason()
        ),
        "cluster_restart_failed" => {
            format!(
                "{} could not be restarted ({}){}",
                cluster(),
                of("via"),
                reason()
            )
        }
        "instance_locked_error" => format!("{} was locked ({})", cluster(), of("subsystem")),
        "identify_budget_wait" => format!(
            "waiting {} s: Discord allows only {} more identifies",
            of("wait_s"),
            of("remaining")
        ),
        "discord_refused" => format!(
            "{} ended{} (close {}); nothing starts before that is mended: {}",
            cluster(),
            reason(),
            of("code"),
            of("remedy")
        ),
        "rolling_restart" => "a rolling restart began".to_owned(),
        "reshard_begin" => match entry.get("left").and_then(Value::as_u64) {
            Some(left) => format!("a reshard goes on, {left} clusters are left"),
            None => "a reshard began".to_owned(),
        },
        "reshard_success" => "the reshard is done".to_owned(),
        "reshard_failed" => format!("the reshard failed{}", reason()),
        "shutdown" => "the clusterer shut the fleet down".to_owned(),
        "host_joined" => format!(
            "the host {} joined with the shards {}",
            of("host"),
            of("shards")
        ),
        "host_gone" => format!(
            "the host {} with the shards {} is gone: it {}",
            of("host"),
            of("shards"),
            of("how")
        ),
        "shards_missing" => format!("no host runs the shards {}", of("shards")),
        "shards_complete" => "every shard has a host".to_owned(),
        "operator_command" => {
            let target = match entry.get("id") {
                Some(Value::Null) | None => String::new(),
                Some(_) => format!(" of {}", cluster()),
            };
            format!("{} asked for {}{target}", who(entry), of("action"))
        }
        "shards_launched" => format!(
            "{} launched shards {} to {}",
            named("cluster"),
            of("from"),
            of("to")
        ),
        "shard_ready" => format!("shard {} is ready", of("shard_id")),
        _ => clean(&entry.to_string()),
    }
}

fn who(entry: &Value) -> String {
    match entry.get("user").and_then(Value::as_str) {
        Some(user) => format!("user {}", clean(user)),
        None => "the command line".to_owned(),
    }
}

/// Without anything that would steer the terminal: bots write entries, too.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fleet::samples::fleet;
    use super::*;

    #[test]
    fn every_event_has_words() {
        let fleet = fleet(&["Flare", "Waffle"]);
        let lines: Vec<_> = [
            json!({"event": "cluster_started", "id": 1, "pid": 4001, "ts": 1_705_858_621_000_000_i64}),
            json!({"event": "cluster_stopped", "id": 1}),
            json!({"event": "cluster_crashed", "id": 0, "code": 1, "signal": null}),
            json!({"event": "cluster_crashed", "id": 0, "code": null, "signal": 9}),
            json!({"event": "cluster_backoff", "id": 0, "delay_s": 6, "held": false}),
            json!({"event": "cluster_backoff", "id": 0, "delay_s": 600, "held": true}),
            json!({"event": "ping_failure", "id": 7}),
            json!({"event": "cluster_start_failed", "id": 0, "via": "observe", "error": "no such file"}),
            json!({"event": "cluster_restart_failed", "id": 0, "via": "rolling_restart"}),
            json!({"event": "instance_locked_error", "subsystem": "Start"}),
            json!({"event": "identify_budget_wait", "remaining": 2, "wait_s": 60}),
            json!({"event": "discord_refused", "id": 0, "code": 4014, "error": "Discord refuses the intents", "remedy": "switch them on"}),
            json!({"event": "rolling_restart"}),
            json!({"event": "reshard_failed", "subsystem": "redis", "error": "too few"}),
            json!({"event": "operator_command", "action": "restart", "id": 1, "user": "728871946456137770"}),
            json!({"event": "operator_command", "action": "reshard"}),
            json!({"event": "host_gone", "host": "b", "shards": "4-7 of 8", "how": "is silent"}),
            json!({"event": "shards_missing", "shards": "4-7"}),
            json!({"event": "shards_launched", "cluster": 0, "from": 0, "to": 1}),
            json!({"event": "\u{1b}[2Jnew", "x": "\u{7}"}),
            json!("not an object"),
        ]
        .iter()
        .map(|entry| line(entry, Some(&fleet)))
        .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        2024-01-21 17:37:01  cluster 1 (Waffle) was started, process 4001
        ????-??-?? ??:??:??  cluster 1 (Waffle) was stopped
        ????-??-?? ??:??:??  cluster 0 (Flare) ended by itself with status 1
        ????-??-?? ??:??:??  cluster 0 (Flare) was ended by signal SIGKILL
        ????-??-?? ??:??:??  cluster 0 (Flare) starts again in 6 s
        ????-??-?? ??:??:??  cluster 0 (Flare) crashed too often and rests 600 s
        ????-??-?? ??:??:??  cluster 7 did not answer a health check
        ????-??-?? ??:??:??  cluster 0 (Flare) could not be started (observe): no such file
        ????-??-?? ??:??:??  cluster 0 (Flare) could not be restarted (rolling_restart)
        ????-??-?? ??:??:??  a cluster was locked (Start)
        ????-??-?? ??:??:??  waiting 60 s: Discord allows only 2 more identifies
        ????-??-?? ??:??:??  cluster 0 (Flare) ended: Discord refuses the intents (close 4014); nothing starts before that is mended: switch them on
        ????-??-?? ??:??:??  a rolling restart began
        ????-??-?? ??:??:??  the reshard failed: too few
        ????-??-?? ??:??:??  user 728871946456137770 asked for restart of cluster 1 (Waffle)
        ????-??-?? ??:??:??  the command line asked for reshard
        ????-??-?? ??:??:??  the host b with the shards 4-7 of 8 is gone: it is silent
        ????-??-?? ??:??:??  no host runs the shards 4-7
        ????-??-?? ??:??:??  cluster 0 (Flare) launched shards 0 to 1
        ????-??-?? ??:??:??  {"event":"\u001b[2Jnew","x":"\u0007"}
        ????-??-?? ??:??:??  "not an object"
        "#);
    }

    #[test]
    fn the_newest_reason_after_the_command_counts() {
        let at = |seconds: i64| seconds * 1_000_000;
        let log = [
            json!({"event": "cluster_crashed", "id": 1, "code": 1, "ts": at(10)}),
            json!({"event": "cluster_start_failed", "id": 1, "via": "start", "error": "gone", "ts": at(20)}),
            json!({"event": "cluster_started", "id": 1, "pid": 1, "ts": at(21)}),
            json!({"event": "cluster_crashed", "id": 2, "code": 1, "ts": at(22)}),
        ];
        let failure = |cluster, since| {
            failure_of(&log, ClusterId(cluster), DateTime::from_timestamp(since, 0))
        };
        assert_eq!(
            failure(1, 10),
            Some("cluster 1 could not be started (start): gone".to_owned())
        );
        assert_eq!(failure(1, 20), None);
        assert_eq!(failure(3, 0), None);
    }
}
