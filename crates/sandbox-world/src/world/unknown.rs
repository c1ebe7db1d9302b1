//! Things of a kind that nobody knows yet, on demand: Discord adds kinds without notice, and clients
//! have to live with them.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Audit, Change, Channel, Id, Message, Sticker, World};

/// What is made of an unknown kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// Type 99.
    Channel,
    /// Type 99, in a channel.
    Message,
    /// A message with a component of type 99.
    Component,
    /// Format 99.
    Sticker,
    /// Action type 999, with a change nobody knows.
    AuditEntry,
    /// Bit 62, on a new role.
    Permission,
    /// `A_FEATURE_OF_TOMORROW`.
    Feature,
    /// A dispatch named `A_THING_OF_TOMORROW`.
    Event,
}

const KIND: u8 = 99;

impl World {
    /// Makes something of an unknown kind in a guild by `who` and announces it; messages go to
    /// `channel`. Answers what it is, `None` when guild or channel do not exist.
    pub fn make_unknown(
        &mut self,
        guild: Id,
        channel: Option<Id>,
        who: Id,
        what: Unknown,
    ) -> Option<Id> {
        self.guilds.get(&guild)?;
        let id = self.next_id();
        match what {
            Unknown::Channel => {
                self.add_channel(Channel::new(id, KIND, Some(guild), "from-tomorrow"));
            }
            Unknown::Message | Unknown::Component => {
                let channel = channel.filter(|c| self.guild_of(*c) == Some(guild))?;
                let mut message = Message::new(id, channel, who, "");
                if what == Unknown::Message {
                    message.kind = KIND;
                } else {
                    message.content = "Look:".to_owned();
                    message.components = vec![json!({"type": KIND, "id": 1, "shine": true})];
                }
                self.add_message(message);
            }
            Unknown::Sticker => {
                let sticker = Sticker {
                    id,
                    name: "from tomorrow".to_owned(),
                    description: None,
                    tags: "wave".to_owned(),
                    format: KIND,
                    creator: who,
                };
                self.guilds.get_mut(&guild)?.stickers.insert(id, sticker);
                self.expressions_updated(guild, true);
            }
            Unknown::AuditEntry => {
                let change = Change::new("lustre", Some(json!(1)), Some(json!({"deep": [true]})));
                let entry = Audit::of(999, who)
                    .target(id)
                    .changes(vec![change])
                    .options(vec![("tomorrow", "yes".to_owned())]);
                self.audit(guild, entry);
            }
            Unknown::Permission => {
                let mut role = super::Role::new(id, "from tomorrow", 1 << 62, 1);
                role.flags = 1 << 20;
                self.add_role(guild, role);
            }
            Unknown::Feature => {
                let place = self.guilds.get_mut(&guild)?;
                place.features.insert("A_FEATURE_OF_TOMORROW".to_owned());
                self.guild_updated(guild);
            }
            Unknown::Event => {
                let payload = json!({"guild_id": guild, "id": id});
                self.emit(guild, "A_THING_OF_TOMORROW", 0, 0, payload);
            }
        }
        Some(id)
    }
}
