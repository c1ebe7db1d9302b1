//! Damage to channels and roles.

use serde_json::{Value, json};
use splashtail_sandbox::portrait::Reader as _;

use super::{Act, Havoc, guild, id};
use crate::support::server::{GUILD, OWNER};

impl Havoc<'_> {
    pub(super) async fn upon_channels(&mut self, act: Act, round: usize) -> Option<String> {
        let server = self.world.get(&guild("")).await;
        let fixed = [
            server["rules_channel_id"].clone(),
            server["public_updates_channel_id"].clone(),
        ];
        let free = |channel: &Value| !fixed.contains(&channel["id"]);
        let (channel, body) = match act {
            Act::DeleteChannel => {
                let channel = self.channel(free)?;
                let path = format!("/channels/{}", id(&channel));
                self.rest("DELETE", &path, Value::Null).await;
                return Some(channel["name"].to_string());
            }
            Act::CreateChannel => {
                let name = format!("raided-{round}");
                let body = json!({"name": name, "type": 0});
                let path = guild("/channels");
                let result = self.world.control.rest(OWNER, "POST", &path, body).await;
                // There is no place in a full server.
                return (result.unwrap().status < 300).then_some(name);
            }
            Act::SwapChannels => {
                let one = self.channel(|c| c["type"] == 0)?;
                let other = self.channel(|c| c["type"] == 0)?;
                let swapped = json!([
                    {"id": id(&one), "position": other["position"]},
                    {"id": id(&other), "position": one["position"]}]);
                self.rest("PATCH", &guild("/channels"), swapped).await;
                return Some(format!("{} {}", one["name"], other["name"]));
            }
            Act::RenameChannel => {
                let channel = self.channel(|_| true)?;
                let mut body = json!({"name": format!("hacked-{round}")});
                match channel["type"].as_u64() {
                    Some(0 | 5 | 15 | 16) => {
                        body["topic"] = json!("Ahoy");
                        body["rate_limit_per_user"] = json!(120);
                    }
                    Some(2) => {
                        body["bitrate"] = json!(8000);
                        body["user_limit"] = json!(1);
                    }
                    _ => {}
                }
                (channel, body)
            }
            Act::MoveChannel => {
                // A category is seen as long as something in it is.
                let hidden = |parent: &Value| {
                    let list = parent["permission_overwrites"]
                        .as_array()
                        .into_iter()
                        .flatten();
                    let mut denied = list.map(|o| o["deny"].as_str().unwrap().parse::<u64>());
                    denied.any(|bits| bits.unwrap() & (1 << 10) != 0)
                };
                let closed: Vec<Value> = self.seen.iter().filter(|c| hidden(c)).cloned().collect();
                let channel = self.channel(|c| {
                    c["type"] != 4 && closed.iter().all(|parent| parent["id"] != c["parent_id"])
                })?;
                let parents = self.seen.iter().filter(|c| c["type"] == 4);
                let roomy = |parent: &&Value| {
                    let children = self.seen.iter().filter(|c| c["parent_id"] == parent["id"]);
                    parent["id"] != channel["parent_id"] && children.count() < 45
                };
                let parents = parents.filter(roomy).cloned().collect();
                let parent = self.any(parents)?;
                let body = json!({"parent_id": id(&parent)});
                (channel, body)
            }
            Act::OpenChannel => {
                let channel = self.channel(|_| true)?;
                let path = format!("/channels/{}/permissions/{GUILD}", id(&channel));
                let all = json!({"type": 0, "allow": "3072", "deny": "0"});
                self.rest("PUT", &path, all).await;
                return Some(channel["name"].to_string());
            }
            _ => {
                // What hides a channel from everybody, or shows it to the bot, stays.
                let plain = |o: &Value| {
                    let bits = |key: &str| o[key].as_str().unwrap().parse::<u64>().unwrap();
                    (bits("allow") | bits("deny")) & (1 << 10) == 0
                };
                let list = |c: &Value| c["permission_overwrites"].as_array().cloned().unwrap();
                let channel = self.channel(|c| list(c).iter().any(plain))?;
                let plain = list(&channel).into_iter().filter(plain).collect();
                let overwrite = self.any(plain)?;
                let path = format!("/channels/{}/permissions/{}", id(&channel), id(&overwrite));
                self.rest("DELETE", &path, Value::Null).await;
                return Some(channel["name"].to_string());
            }
        };
        let path = format!("/channels/{}", id(&channel));
        self.rest("PATCH", &path, body).await;
        Some(channel["name"].to_string())
    }

    pub(super) async fn upon_roles(&mut self, act: Act, round: usize) -> Option<String> {
        let role = self.role().await?;
        let path = guild(&format!("/roles/{}", id(&role)));
        match act {
            Act::DeleteRole => self.rest("DELETE", &path, Value::Null).await,
            Act::EditRole => {
                let body = json!({"name": format!("hacked {round}"), "permissions": "0",
                    "color": 255, "hoist": role["hoist"] != true, "mentionable": true});
                self.rest("PATCH", &path, body).await;
            }
            Act::SwapRoles => {
                let other = self.role().await?;
                let swapped = json!([
                    {"id": id(&role), "position": other["position"]},
                    {"id": id(&other), "position": role["position"]}]);
                self.rest("PATCH", &guild("/roles"), swapped).await;
            }
            _ => {
                let body = json!({"name": format!("raider {round}"), "permissions": "8"});
                let roles = guild("/roles");
                let result = self.world.control.rest(OWNER, "POST", &roles, body).await;
                return (result.unwrap().status < 300).then(|| "raider".to_owned());
            }
        }
        Some(role["name"].to_string())
    }
}
