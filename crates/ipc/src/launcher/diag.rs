//! Pings: the clusterer asks one cluster, the cluster answers with the health of its shards.

use rand::RngExt;
use serde::Serialize;
use serde_json::{Map, Value};
use splashtail_core::ids::ClusterId;

use super::{ShardHealth, cluster_id};

pub const NONCE_LENGTH: usize = 10;

/// Not a command: recognised by its member `diag`. Every cluster sees it, the named one answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiagRequest {
    pub id: ClusterId,
    pub nonce: String,
    diag: bool,
}

impl DiagRequest {
    pub fn new(id: ClusterId, nonce: String) -> Self {
        Self {
            id,
            nonce,
            diag: true,
        }
    }

    pub(super) fn from_members(members: &Map<String, Value>) -> Option<Self> {
        let id = cluster_id(members.get("id")?)?;
        let nonce = members
            .get("nonce")?
            .as_str()
            .filter(|nonce| !nonce.is_empty())?;
        Some(Self::new(id, nonce.to_owned()))
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Letters, as mewld's own.
pub fn nonce(length: usize, rng: &mut impl rand::Rng) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    (0..length)
        .map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())]))
        .collect()
}

/// The health of one cluster. Written with the member names mewld's peers know and read without
/// regard to case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiagReply {
    pub cluster_id: ClusterId,
    #[serde(rename = "Nonce")]
    pub nonce: String,
    #[serde(rename = "Data")]
    pub data: Vec<ShardHealth>,
}

impl DiagReply {
    /// The output of a `diag` command: a JSON string, or the object itself from lenient peers.
    /// `cluster_id` may be missing, as it was in mewld's own bots; see
    /// [`DiagReply::from_output_of`].
    pub(super) fn from_output(output: &Value) -> Option<Self> {
        Self::read(output).and_then(|(id, nonce, data)| {
            Some(Self {
                cluster_id: id?,
                nonce,
                data,
            })
        })
    }

    /// As the `diag_reply` of a command, for a reader that can tell the cluster by the nonce.
    pub fn from_output_of(
        output: &Value,
        by_nonce: impl Fn(&str) -> Option<ClusterId>,
    ) -> Option<Self> {
        let (id, nonce, data) = Self::read(output)?;
        let cluster_id = id.or_else(|| by_nonce(&nonce))?;
        Some(Self {
            cluster_id,
            nonce,
            data,
        })
    }

    fn read(output: &Value) -> Option<(Option<ClusterId>, String, Vec<ShardHealth>)> {
        let parsed;
        let members = match output {
            Value::String(text) => {
                parsed = serde_json::from_str::<Value>(text).ok()?;
                parsed.as_object()?
            }
            Value::Object(members) => members,
            _ => return None,
        };
        let nonce = member(members, "Nonce")?.as_str()?.to_owned();
        let shards = member(members, "Data")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let data = shards.iter().filter_map(read_health).collect();
        let cluster = member(members, "cluster_id").and_then(cluster_id);
        Some((cluster, nonce, data))
    }
}

/// By mewld's reading of JSON: names without regard to case, null is zero.
fn member<'a>(members: &'a Map<String, Value>, wanted: &str) -> Option<&'a Value> {
    let mut members = members.iter();
    let (_, value) = members.find(|(key, _)| key.eq_ignore_ascii_case(wanted))?;
    Some(value).filter(|value| !value.is_null())
}

/// Numbers that make no sense are unknown; a shard without a usable number is none.
fn read_health(value: &Value) -> Option<ShardHealth> {
    let record = value.as_object()?;
    let shard = match member(record, "shard_id") {
        None => 0,
        Some(id) => cluster_id(id)?.get(),
    };
    let number = |name| member(record, name).and_then(Value::as_f64);
    let count = |name| {
        let number = number(name).unwrap_or_default();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "casts saturate, and counts of guilds and users are far below 2^53"
        )]
        let count = number as u64;
        count
    };
    Some(ShardHealth {
        shard_id: shard.into(),
        up: member(record, "up")
            .and_then(Value::as_bool)
            .unwrap_or_default(),
        latency: number("latency").unwrap_or_default().max(0.0),
        guilds: count("guilds"),
        users: count("users"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Incoming, LauncherCmd};
    use super::*;

    fn reply() -> DiagReply {
        DiagReply {
            cluster_id: ClusterId(0),
            nonce: "QwErTyUiOp".to_owned(),
            data: vec![ShardHealth {
                shard_id: 0.into(),
                up: true,
                latency: 41.0,
                guilds: 12,
                users: 3400,
            }],
        }
    }

    #[test]
    fn request_and_reply_look_as_specified() {
        let request = DiagRequest::new(ClusterId(0), "QwErTyUiOp".to_owned());
        let text = r#"{"id":0,"nonce":"QwErTyUiOp","diag":true}"#;
        assert_eq!(request.to_json(), text);
        assert_eq!(
            Incoming::parse(text).unwrap(),
            Incoming::DiagRequest(request)
        );
        assert_eq!(
            LauncherCmd::diag(&reply()).to_json(),
            r#"{"scope":"launcher","action":"diag","args":null,"command_id":null,"output":"{\"cluster_id\":0,\"Nonce\":\"QwErTyUiOp\",\"Data\":[{\"shard_id\":0,\"up\":true,\"latency\":41.0,\"guilds\":12,\"users\":3400}]}","data":null}"#
        );
    }

    #[test]
    fn replies_are_read_without_regard_to_case() {
        let text = LauncherCmd::diag(&reply()).to_json();
        let Incoming::Command(command) = Incoming::parse(&text).unwrap() else {
            panic!()
        };
        assert_eq!(command.diag_reply(), Some(reply()));
        let lower = json!({"cluster_id":"0","nonce":"QwErTyUiOp","data":[{"shard_id":0,"up":true,"latency":41,"guilds":12,"users":3400,"more":1}, 5]});
        assert_eq!(DiagReply::from_output(&lower), Some(reply()));
        let without_id = json!({"Nonce":"QwErTyUiOp","Data":null});
        assert_eq!(DiagReply::from_output(&without_id), None);
        let told = DiagReply::from_output_of(&without_id, |_| Some(ClusterId(4))).unwrap();
        assert_eq!((told.cluster_id, told.data), (ClusterId(4), Vec::new()));
    }

    /// What other languages make of "not known yet".
    #[test]
    fn unknown_numbers_do_not_cost_the_shard() {
        let shard = |record: Value| {
            let output = json!({"Nonce": "x", "Data": [record]});
            let reply = DiagReply::from_output_of(&output, |_| Some(ClusterId(0))).unwrap();
            reply.data.first().map(|shard| {
                (
                    shard.shard_id.get(),
                    shard.up,
                    shard.latency,
                    shard.guilds,
                    shard.users,
                )
            })
        };
        for (record, expected) in [
            (
                json!({"shard_id": 1, "up": true, "latency": null, "guilds": null, "users": null}),
                Some((1, true, 0.0, 0, 0)),
            ),
            (
                json!({"Shard_ID": 1, "Up": true, "Latency": 41.5, "Guilds": 3.0, "USERS": 9}),
                Some((1, true, 41.5, 3, 9)),
            ),
            (
                json!({"shard_id": "2", "up": "yes", "latency": -1, "guilds": -5, "users": 1e300}),
                Some((2, false, 0.0, 0, u64::MAX)),
            ),
            (json!({}), Some((0, false, 0.0, 0, 0))),
            (json!({"shard_id": -1, "up": true}), None),
            (json!({"shard_id": 65_536, "up": true}), None),
            (json!([]), None),
        ] {
            assert_eq!(shard(record.clone()), expected, "{record}");
        }
    }

    #[test]
    fn a_ping_needs_an_id_and_a_nonce() {
        for text in [
            r#"{"id":0,"nonce":"","diag":true}"#,
            r#"{"nonce":"a","diag":true}"#,
            r#"{"id":0,"diag":1}"#,
        ] {
            assert!(Incoming::parse(text).is_err(), "{text}");
        }
        // A substring is no ping.
        let text = r#"{"scope":"launcher","action":"stop","command_id":"\"diag\":true"}"#;
        assert!(matches!(Incoming::parse(text), Ok(Incoming::Command(_))));
        let mut rng = rand::rng();
        assert!(
            nonce(NONCE_LENGTH, &mut rng)
                .bytes()
                .all(|byte| byte.is_ascii_alphabetic())
        );
    }
}
