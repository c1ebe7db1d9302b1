//! The cluster protocol, compatible with mewld: commands on the main channel and diag pings.
//!
//! Reading is tolerant. Whatever a peer sends, the outcome is a command, a ping or a reason to
//! drop the message; unknown fields and fields of a wrong type count as absent.

mod diag;
mod refusal;

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};
use splashtail_core::ids::{ClusterId, ShardId};

pub use diag::{DiagReply, DiagRequest, NONCE_LENGTH, nonce};
pub use refusal::{END_FILE_VARIABLE, GatewayRefusal, REFUSED_EXIT};
pub use splashtail_api_types::clusters::ShardHealth;

/// Scope of messages to the clusterer.
pub const SCOPE_LAUNCHER: &str = "launcher";
/// Scope of messages to the clusters, replies among them.
pub const SCOPE_BOT: &str = "bot";
/// Scope of what the clusterers of several hosts tell each other.
pub const SCOPE_CLUSTERER: &str = "clusterer";
/// Length of the id the clusterer gives to its own announcements.
pub const COMMAND_ID_LENGTH: usize = 16;

/// Discord lets the shards of one identify key through once per five seconds (gateway documentation,
/// "Max Concurrency"). It counts from arrival to arrival, so a little more lies between what is sent.
pub const IDENTIFY_REST: Duration = Duration::from_millis(5_150);

/// Longest id that is echoed, in bytes: an answer must not be large because a question was.
pub const LONGEST_COMMAND_ID: usize = 1024;

/// One command or notification. Absent members are written as null, as the bot always did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LauncherCmd {
    pub scope: String,
    pub action: String,
    pub args: Option<Map<String, Value>>,
    pub command_id: Option<String>,
    pub output: Option<Value>,
    pub data: Option<Map<String, Value>>,
}

/// A message on the main channel.
#[allow(
    clippy::large_enum_variant,
    reason = "moved a few times per message and never stored"
)]
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    Command(LauncherCmd),
    DiagRequest(DiagRequest),
}

/// Why a message was dropped.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    #[error("not JSON")]
    Json(#[from] serde_json::Error),
    #[error("not a JSON object")]
    NotAnObject,
    #[error("`{0}` is missing or not a string")]
    Missing(&'static str),
    #[error("the ping has no usable id or nonce")]
    Ping,
    #[error("`command_id` has more than {LONGEST_COMMAND_ID} bytes")]
    CommandId,
}

impl Incoming {
    /// A message with the member `diag` is a ping, everything else a command.
    ///
    /// # Errors
    /// The message is to be dropped.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let Value::Object(mut members) = serde_json::from_str(text)? else {
            return Err(Malformed::NotAnObject);
        };
        if members.get("diag").is_some_and(|diag| *diag != Value::Null) {
            return DiagRequest::from_members(&members)
                .map(Self::DiagRequest)
                .ok_or(Malformed::Ping);
        }
        Ok(Self::Command(LauncherCmd {
            scope: required(&mut members, "scope")?,
            action: required(&mut members, "action")?,
            args: object(&mut members, "args"),
            command_id: match members.remove("command_id") {
                Some(Value::String(id)) if id.len() > LONGEST_COMMAND_ID => {
                    return Err(Malformed::CommandId);
                }
                Some(Value::String(id)) => Some(id),
                Some(Value::Number(id)) => Some(id.to_string()),
                _ => None,
            },
            output: members
                .remove("output")
                .filter(|output| *output != Value::Null),
            data: object(&mut members, "data"),
        }))
    }
}

fn required(members: &mut Map<String, Value>, key: &'static str) -> Result<String, Malformed> {
    match members.remove(key) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(Malformed::Missing(key)),
    }
}

fn object(members: &mut Map<String, Value>, key: &str) -> Option<Map<String, Value>> {
    match members.remove(key) {
        Some(Value::Object(object)) => Some(object),
        _ => None,
    }
}

impl LauncherCmd {
    fn new(scope: &str, action: &str) -> Self {
        Self {
            scope: scope.to_owned(),
            action: action.to_owned(),
            args: None,
            command_id: None,
            output: None,
            data: None,
        }
    }

    /// A command to the clusterer. `command_id` comes back in the reply.
    pub fn command(action: &str, cluster: Option<ClusterId>, command_id: &str) -> Self {
        Self {
            args: cluster.map(id_args),
            command_id: Some(command_id.to_owned()),
            ..Self::new(SCOPE_LAUNCHER, action)
        }
    }

    /// What a clusterer says of itself to those of other hosts.
    pub fn announce(data: Map<String, Value>) -> Self {
        Self {
            data: Some(data),
            ..Self::new(SCOPE_CLUSTERER, "announce")
        }
    }

    /// The bot says that all its shards have been ready.
    pub fn launch_next(cluster: ClusterId) -> Self {
        Self {
            args: Some(id_args(cluster)),
            ..Self::new(SCOPE_LAUNCHER, "launch_next")
        }
    }

    /// Our bot says that these shards have identified. mewld knows no such message and drops it.
    pub fn identified(cluster: ClusterId, shards: &[ShardId]) -> Self {
        let mut args = id_args(cluster);
        let shards = shards.iter().map(|shard| Value::from(shard.get()));
        args.insert("shards".to_owned(), shards.collect());
        Self {
            args: Some(args),
            ..Self::new(SCOPE_LAUNCHER, "identified")
        }
    }

    /// The bot answers a ping. The output is a JSON string, not an object.
    pub fn diag(reply: &DiagReply) -> Self {
        let output = serde_json::to_string(reply).unwrap_or_default();
        Self {
            output: Some(Value::String(output)),
            ..Self::new(SCOPE_LAUNCHER, "diag")
        }
    }

    /// The bot adds an entry to the action log. `entry` should carry `event` and `ts` in unix
    /// microseconds.
    pub fn action_log(entry: Map<String, Value>) -> Self {
        Self {
            data: Some(entry),
            ..Self::new(SCOPE_LAUNCHER, "action_logs")
        }
    }

    pub fn to_json(&self) -> String {
        // Strings, maps with string keys and values always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The cluster named by `args.id`: a number, or the same as a string.
    pub fn cluster_id(&self) -> Option<ClusterId> {
        cluster_id(self.args.as_ref()?.get("id")?)
    }

    /// The shards of [`LauncherCmd::identified`].
    pub fn shards(&self) -> Option<Vec<ShardId>> {
        let shards = self.args.as_ref()?.get("shards")?.as_array()?;
        let id = |shard: &Value| u16::try_from(shard.as_u64()?).ok().map(ShardId);
        shards.iter().map(id).collect()
    }

    /// The answer in a `diag` command.
    pub fn diag_reply(&self) -> Option<DiagReply> {
        DiagReply::from_output(self.output.as_ref()?)
    }
}

/// Reads a cluster id leniently: `3`, `3.0` and `"3"`.
pub(crate) fn cluster_id(value: &Value) -> Option<ClusterId> {
    let id = match value {
        Value::Number(number) => match number.as_u64() {
            Some(id) => u16::try_from(id).ok()?,
            None => {
                let id = number.as_f64()?;
                let whole = id.fract() == 0.0 && (0.0..=f64::from(u16::MAX)).contains(&id);
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "checked above"
                )]
                whole.then_some(id as u16)?
            }
        },
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().ok()?
        }
        _ => return None,
    };
    Some(ClusterId(id))
}

fn id_args(cluster: ClusterId) -> Map<String, Value> {
    Map::from_iter([("id".to_owned(), Value::from(cluster.get()))])
}

/// What the clusterer sends to the clusters: an acknowledgement, an answer or an announcement.
/// Its members come in the order in which mewld prints them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LauncherReply {
    pub action: String,
    pub command_id: String,
    pub output: Value,
    pub scope: &'static str,
}

impl LauncherReply {
    /// The single answer to a command. `command_id` is echoed; commands without one get an empty
    /// one back.
    pub fn answer(command_id: Option<&str>, output: Value) -> Self {
        let command_id = command_id.unwrap_or_default().to_owned();
        Self {
            action: String::new(),
            command_id,
            output,
            scope: SCOPE_BOT,
        }
    }

    pub fn ok(command_id: Option<&str>) -> Self {
        Self::answer(command_id, Value::from("ok"))
    }

    /// `output` is `{"error":code}`.
    pub fn error(command_id: Option<&str>, code: &str) -> Self {
        Self::answer(command_id, serde_json::json!({ "error": code }))
    }

    /// Told to all clusters once none is left to launch.
    pub fn all_clusters_launched(command_id: String) -> Self {
        let action = "all_clusters_launched".to_owned();
        Self {
            action,
            command_id,
            output: Value::from(""),
            scope: SCOPE_BOT,
        }
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn command(text: &str) -> LauncherCmd {
        match Incoming::parse(text).unwrap() {
            Incoming::Command(command) => command,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_bot_writes_absent_members_as_null() {
        assert_eq!(
            LauncherCmd::launch_next(ClusterId(2)).to_json(),
            r#"{"scope":"launcher","action":"launch_next","args":{"id":2},"command_id":null,"output":null,"data":null}"#
        );
    }

    #[test]
    fn replies_are_printed_as_mewld_prints_them() {
        assert_eq!(
            LauncherReply::ok(Some("abc")).to_json(),
            r#"{"action":"","command_id":"abc","output":"ok","scope":"bot"}"#
        );
        assert_eq!(
            LauncherReply::error(None, "not_running").to_json(),
            r#"{"action":"","command_id":"","output":{"error":"not_running"},"scope":"bot"}"#
        );
        assert_eq!(
            LauncherReply::all_clusters_launched("QwErTyUiOpAsDfGh".to_owned()).to_json(),
            r#"{"action":"all_clusters_launched","command_id":"QwErTyUiOpAsDfGh","output":"","scope":"bot"}"#
        );
    }

    #[test]
    fn ids_are_numbers_or_numeric_strings() {
        for (id, expected) in [
            (json!(3), Some(3)),
            (json!("3"), Some(3)),
            (json!(3.0), Some(3)),
            (json!(-1), None),
            (json!(1.5), None),
            (json!(65536), None),
            (json!("65536"), None),
            (json!("x"), None),
            (json!(""), None),
            (json!(null), None),
            (json!([1]), None),
        ] {
            let message = json!({"scope":"launcher","action":"stop","args":{"id":id}}).to_string();
            assert_eq!(
                command(&message).cluster_id(),
                expected.map(ClusterId),
                "{message}"
            );
        }
    }

    #[test]
    fn hostile_types_count_as_absent() {
        let read = command(
            r#"{"scope":"launcher","action":"stop","args":7,"command_id":{},"output":null,"data":[1],"extra":1}"#,
        );
        assert_eq!(
            read,
            LauncherCmd {
                args: None,
                ..LauncherCmd::new("launcher", "stop")
            }
        );
        assert_eq!(
            command(r#"{"scope":"a","action":"b","command_id":5}"#)
                .command_id
                .unwrap(),
            "5"
        );
        let id = |length| json!({"scope": "a", "action": "b", "command_id": "x".repeat(length)});
        assert!(Incoming::parse(&id(1024).to_string()).is_ok());
        assert!(matches!(
            Incoming::parse(&id(1025).to_string()),
            Err(Malformed::CommandId)
        ));
        for text in [
            "",
            "1",
            "[]",
            "{}",
            r#"{"scope":1,"action":"x"}"#,
            r#"{"scope":"x"}"#,
            "{",
        ] {
            assert!(Incoming::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in any::<String>()) {
            let _ = Incoming::parse(&text);
        }

        #[test]
        fn arbitrary_members_never_panic(key in "scope|action|args|command_id|output|data|diag|id|nonce", number in any::<f64>(), text in any::<String>()) {
            for value in [json!(number), json!(text), json!([text]), json!({ "id": number })] {
                let mut message = json!({"scope":"launcher","action":"diag"});
                message[&key] = value;
                if let Ok(Incoming::Command(command)) = Incoming::parse(&message.to_string()) {
                    let _ = (command.cluster_id(), command.diag_reply());
                }
            }
        }
    }
}
