//! Stage instances, by their channel.

use serde_json::{Value, json};

use super::{Id, World, intent};

/// Something goes on on a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageInstance {
    pub id: Id,
    pub guild: Id,
    pub channel: Id,
    pub topic: String,
    /// 1 public (deprecated), 2 members only.
    pub privacy_level: u8,
    pub event: Option<Id>,
}

impl StageInstance {
    pub fn json(&self) -> Value {
        json!({
            "id": self.id,
            "guild_id": self.guild,
            "channel_id": self.channel,
            "topic": self.topic,
            "privacy_level": self.privacy_level,
            "discoverable_disabled": true,
            "guild_scheduled_event_id": self.event,
        })
    }
}

impl World {
    /// Stores a stage instance and announces it under this name.
    pub fn put_stage(&mut self, kind: &'static str, stage: StageInstance) {
        let (guild, channel, payload) = (stage.guild, stage.channel, stage.json());
        if let Some(place) = self.guilds.get_mut(&guild) {
            place.stages.insert(channel, stage);
        }
        self.emit_in(channel, kind, intent::GUILDS, payload);
    }

    /// Ends what goes on on a stage and announces it; nothing when nothing does.
    pub fn end_stage(&mut self, guild: Id, channel: Id) {
        let place = self.guilds.get_mut(&guild);
        if let Some(stage) = place.and_then(|g| g.stages.remove(&channel)) {
            self.emit_in(
                channel,
                "STAGE_INSTANCE_DELETE",
                intent::GUILDS,
                stage.json(),
            );
        }
    }
}
