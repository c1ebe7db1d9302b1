//! Why the clusterer refuses a command, in words that say what to do.

use splashtail_ipc::clients::ClientError;

use super::connection::Connection;

/// `subject` is what the command was for, such as `cluster 1 (Waffle)`.
pub fn explain(
    connection: &Connection,
    subject: &str,
    id: Option<u16>,
    error: &ClientError,
) -> String {
    let command = |verb: &str| match id {
        Some(id) => format!("`splashtail clusters {verb} {id}`"),
        None => format!("`splashtail clusters {verb}`"),
    };
    match error.code() {
        Some("already_running") => {
            format!("{subject} is running already: {} restarts it", command("restart"))
        }
        Some("not_running") => {
            format!("{subject} is not running: {} starts it", command("start"))
        }
        Some("stopping") => {
            format!("{subject} is being stopped: try again when it is")
        }
        Some("unknown_cluster") => {
            format!("there is no {subject} any more: see `splashtail clusters status`")
        }
        Some("host_missing") => {
            format!("no host runs {subject} at the moment: start the clusterer that owns its shards")
        }
        Some("not_fully_up") => "not all clusters are up yet: wait until `splashtail clusters status` says so, or start \
             what is stopped"
            .to_owned(),
        Some("already_rolling") => {
            "a rolling restart is under way: follow it with `splashtail clusters status --watch`".to_owned()
        }
        Some("reshard_in_progress") => {
            "a reshard is under way: follow it with `splashtail clusters logs --follow`".to_owned()
        }
        Some("reshard_disabled") => "resharding is switched off: put `experimental_features: [reshard]` into the cluster \
             file (mewld-<environment>.yaml) and restart the clusterer"
            .to_owned(),
        Some("bus_down") => "the clusterer cannot reach the bus, so nothing could start again: what runs is left alone \
             until Redis (`meta.redis_url`) is back"
            .to_owned(),
        Some("discord_refuses") => "Discord refuses the bot, so nothing could start again: `splashtail clusters status` says \
             what to do, then start a cluster that is down"
            .to_owned(),
        Some("no_sessions") => "Discord allows too few more starts today: `splashtail clusters status` says when the limit resets"
            .to_owned(),
        Some("shutting_down") => "the clusterer is shutting down".to_owned(),
        _ => format!("{:#}", connection.explain(error)),
    }
}
