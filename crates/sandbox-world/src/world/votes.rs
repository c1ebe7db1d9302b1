//! Votes in polls.

use serde_json::{Value, json};

use super::{Id, World, intent};

impl World {
    /// Makes these answers the ones a person has chosen in a poll, and announces what that adds and
    /// takes away.
    pub fn vote(&mut self, channel: Id, id: Id, user: Id, answers: &[u64]) {
        let guild = self.guild_of(channel);
        let intents = if guild.is_some() {
            intent::GUILD_MESSAGE_POLLS
        } else {
            intent::DIRECT_MESSAGE_POLLS
        };
        let Some(message) = self.message_mut(channel, id) else {
            return;
        };
        let Some(poll) = &mut message.poll else {
            return;
        };
        let listed = poll["answers"].as_array().into_iter().flatten();
        let known: Vec<u64> = listed.filter_map(|a| a["answer_id"].as_u64()).collect();
        let mut told = Vec::new();
        for answer in known {
            let voters = message.votes.entry(answer).or_default();
            let changed = if answers.contains(&answer) {
                voters.insert(user).then_some("MESSAGE_POLL_VOTE_ADD")
            } else {
                voters.remove(&user).then_some("MESSAGE_POLL_VOTE_REMOVE")
            };
            told.extend(changed.map(|kind| (kind, answer)));
        }
        let counts = message
            .votes
            .iter()
            .filter(|(_, voters)| !voters.is_empty());
        let counts = counts.map(
            |(answer, voters)| json!({"id": answer, "count": voters.len(), "me_voted": false}),
        );
        poll["results"]["answer_counts"] = Value::Array(counts.collect());
        for (kind, answer) in told {
            let mut payload = json!({
                "user_id": user, "channel_id": channel, "message_id": id, "answer_id": answer,
            });
            if let Some(guild) = guild {
                payload["guild_id"] = json!(guild);
            }
            self.emit_in(channel, kind, intents, payload);
        }
    }
}
