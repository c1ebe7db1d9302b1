//! Damage to people and to all that is neither a channel nor a role.

use serde_json::{Value, json};
use splashtail_sandbox::portrait::Reader as _;

use super::{Act, Havoc, STRANGERS, guild, id, picture};
use crate::support::server::{BOT, OWNER};

impl Havoc<'_> {
    pub(super) async fn upon_people(&mut self, act: Act) -> Option<String> {
        if matches!(act, Act::Unban | Act::Ban) {
            let user = STRANGERS[self.draw.below(3) as usize];
            let path = guild(&format!("/bans/{user}"));
            let banned = !self.world.get(&path).await.is_null();
            match act {
                Act::Unban if banned => self.rest("DELETE", &path, Value::Null).await,
                Act::Ban if !banned => self.rest("PUT", &path, Value::Null).await,
                _ => return None,
            }
            return Some(user.to_owned());
        }
        let members = self.list("/members?limit=1000").await;
        let ordinary = |member: &Value| {
            let user = member["user"]["id"].as_str().unwrap();
            user != BOT && user != OWNER && user > "1100000000000000011"
        };
        let known = members.into_iter().filter(ordinary).collect();
        let member = self.any(known)?;
        let user = id(&member["user"]).to_owned();
        let path = guild(&format!("/members/{user}"));
        // Managed roles stay with whoever has them.
        let roles = self.list("/roles").await;
        let managed = |id: &&Value| {
            let role = roles.iter().find(|role| role["id"] == **id);
            role.is_some_and(|role| role["managed"] == true || !role["tags"].is_null())
        };
        let kept = member["roles"].as_array().unwrap().iter().filter(managed);
        let body = match act {
            Act::StripMember => json!({"roles": kept.collect::<Vec<_>>()}),
            _ => json!({"nick": "hacked"}),
        };
        self.rest("PATCH", &path, body).await;
        Some(user)
    }

    pub(super) async fn upon_others(&mut self, act: Act, round: usize) -> Option<String> {
        match act {
            Act::DeleteEmoji => self.delete("/emojis", "id").await,
            Act::DeleteSticker => self.delete("/stickers", "id").await,
            Act::DeleteSound => self.delete("/soundboard-sounds", "sound_id").await,
            Act::DeleteRule => {
                let mut rules = self.list("/auto-moderation/rules").await;
                // A community's rule about mentions cannot be deleted.
                rules.retain(|rule| rule["trigger_type"] != 5);
                let rule = self.any(rules)?;
                let path = guild(&format!("/auto-moderation/rules/{}", id(&rule)));
                self.rest("DELETE", &path, Value::Null).await;
                Some(rule["name"].to_string())
            }
            Act::DeleteEvent => self.delete("/scheduled-events", "id").await,
            Act::RenameEmoji => {
                let emojis = self.list("/emojis").await;
                let emoji = self.any(emojis)?;
                let path = guild(&format!("/emojis/{}", id(&emoji)));
                self.rest("PATCH", &path, json!({"name": "hacked"})).await;
                Some(emoji["name"].to_string())
            }
            Act::FakeEmoji => {
                let body = json!({"name": format!("fake_{round}"), "image": picture(2)});
                let path = guild("/emojis");
                let result = self.world.control.rest(OWNER, "POST", &path, body).await;
                (result.unwrap().status < 300).then(|| "fake".to_owned())
            }
            Act::DisableRule => {
                let rules = self.list("/auto-moderation/rules").await;
                let rule = self.any(rules)?;
                let path = guild(&format!("/auto-moderation/rules/{}", id(&rule)));
                let body = json!({"enabled": false, "name": format!("hacked {round}")});
                self.rest("PATCH", &path, body).await;
                Some(rule["name"].to_string())
            }
            Act::EditEvent => {
                let events = self.list("/scheduled-events").await;
                let event = self.any(events)?;
                let path = guild(&format!("/scheduled-events/{}", id(&event)));
                let body = json!({"name": "hacked", "description": "Ahoy"});
                self.rest("PATCH", &path, body).await;
                Some(event["name"].to_string())
            }
            Act::DeleteWebhook => {
                let hooks = self.list("/webhooks").await;
                let hook = self.any(hooks)?;
                let path = format!("/webhooks/{}", id(&hook));
                self.rest("DELETE", &path, Value::Null).await;
                Some(hook["name"].to_string())
            }
            Act::CreateWebhook => {
                let channel = self.channel(|c| c["type"] == 0)?;
                let path = format!("/channels/{}/webhooks", id(&channel));
                let body = json!({"name": format!("raider {round}")});
                self.rest("POST", &path, body).await;
                Some(channel["name"].to_string())
            }
            Act::DeleteInvite => {
                let invites = self.list("/invites").await;
                let invite = self.any(invites)?;
                let code = invite["code"].as_str().unwrap();
                self.rest("DELETE", &format!("/invites/{code}"), Value::Null)
                    .await;
                Some(code.to_owned())
            }
            Act::EditServer => {
                let body = json!({"name": format!("nuked {round}"), "icon": picture(3),
                    "afk_timeout": 3600, "default_message_notifications": 1,
                    "system_channel_id": null});
                self.rest("PATCH", &guild(""), body).await;
                Some("server".to_owned())
            }
            Act::EditNewcomers => {
                let widget = json!({"enabled": true});
                self.rest("PATCH", &guild("/widget"), widget).await;
                let server = self.world.get(&guild("")).await;
                let features = server["features"].as_array().unwrap();
                if features.iter().any(|f| f == "COMMUNITY") {
                    let screen = json!({"enabled": true, "description": "hacked"});
                    self.rest("PATCH", &guild("/welcome-screen"), screen).await;
                    let off = json!({"enabled": false});
                    self.rest("PUT", &guild("/onboarding"), off).await;
                }
                Some("newcomers".to_owned())
            }
            Act::DeleteThread => {
                let thread = self.thread().await?;
                let path = format!("/channels/{}", id(&thread));
                self.rest("DELETE", &path, Value::Null).await;
                Some(thread["name"].to_string())
            }
            _ => {
                let thread = self.thread().await?;
                let path = format!("/channels/{}", id(&thread));
                let body = json!({"name": "hacked", "rate_limit_per_user": 60});
                self.rest("PATCH", &path, body).await;
                Some(thread["name"].to_string())
            }
        }
    }
}
