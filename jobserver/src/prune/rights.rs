//! Where messages may be deleted: by the bot, and by whoever ordered it.

use serde_json::Value;
use splashtail_core::ids::ChannelId;
use splashtail_discord::permissions::{Subject, bits};
use splashtail_discord::snowflake::id;

use crate::backup::allocate::{Candidate, Omitted, Passed, Survey};

/// The report shows what was deleted, so it takes the right to read it, too.
const NEEDED: u64 = bits::VIEW_CHANNEL | bits::READ_MESSAGE_HISTORY | bits::MANAGE_MESSAGES;

pub struct Rights<'a> {
    pub channels: &'a [Value],
    /// The active ones.
    pub threads: &'a [Value],
    pub bot: Subject,
    /// `None`: no channel is closed to them.
    pub caller: Option<Subject>,
}

impl Rights<'_> {
    /// Where not both may delete, nothing is looked for; how many channels that are.
    pub fn keep_deletable(&self, survey: &mut Survey) -> usize {
        let (open, closed): (Vec<_>, Vec<_>) = std::mem::take(&mut survey.candidates)
            .into_iter()
            .partition(|candidate| self.may_delete(candidate));
        survey.candidates = open;
        let count = closed.len();
        for candidate in closed {
            let omitted = Omitted {
                name: candidate.name,
                kind: 0,
                why: Passed::Permission,
            };
            survey.omitted.insert(candidate.id, omitted);
        }
        count
    }

    fn may_delete(&self, candidate: &Candidate) -> bool {
        let thread = candidate.parent.map(|_| find(self.threads, candidate.id));
        let channel = candidate.parent.unwrap_or(candidate.id);
        let Some(channel) = find(self.channels, channel) else {
            return false;
        };
        let granted = match thread {
            Some(_) => self.bot.in_thread(channel),
            None => self.bot.in_channel(channel),
        };
        granted & bits::MANAGE_MESSAGES != 0
            && self.caller.as_ref().is_none_or(|caller| {
                caller.allows(Some(channel), NEEDED).is_allowed()
                    && thread.is_none_or(|thread| {
                        // Whether they were added to a private one is not known: then it is closed.
                        thread.is_some_and(|thread| caller.sees_thread(channel, thread, false))
                    })
            })
    }
}

fn find(objects: &[Value], wanted: ChannelId) -> Option<&Value> {
    let mut objects = objects.iter();
    objects.find(|object| id(&object["id"]) == Some(wanted.get()))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    const MODERATOR: &str = "20";

    fn subject(user: &str, roles: Value) -> Subject {
        let all = NEEDED.to_string();
        let guild = json!({"id": "1", "owner_id": "2", "roles": [
            {"id": "1", "permissions": (1 << 10 | 1 << 16).to_string()},
            {"id": MODERATOR, "permissions": all}]});
        let member = json!({"user": {"id": user}, "roles": roles});
        Subject::new(&guild, &member, DateTime::UNIX_EPOCH).unwrap()
    }

    fn open_to(caller: Option<Subject>) -> Vec<u64> {
        let denied = |id: &str, kind: u8, bits: u64| json!([{"id": id, "type": kind, "deny": bits.to_string(), "allow": "0"}]);
        let channels = [
            json!({"id": "100", "type": 0}),
            json!({"id": "101", "type": 0, "permission_overwrites": denied(MODERATOR, 0, bits::MANAGE_MESSAGES)}),
            json!({"id": "102", "type": 0, "permission_overwrites": denied("7", 1, bits::VIEW_CHANNEL)}),
        ];
        let threads = [
            json!({"id": "200", "type": 11, "parent_id": "100"}),
            json!({"id": "201", "type": 12, "parent_id": "100"}),
            json!({"id": "202", "type": 11, "parent_id": "101"}),
        ];
        let candidate = |object: &Value| Candidate {
            id: serde_json::from_value(object["id"].clone()).unwrap(),
            name: String::new(),
            parent: serde_json::from_value(object["parent_id"].clone()).unwrap(),
            silent: false,
        };
        let mut survey = Survey {
            candidates: channels.iter().chain(&threads).map(candidate).collect(),
            ..Survey::default()
        };
        let rights = Rights {
            channels: &channels,
            threads: &threads,
            // The owner's rights, so that only the caller's decide.
            bot: subject("2", json!([])),
            caller,
        };
        let closed = rights.keep_deletable(&mut survey);
        assert_eq!(
            (closed, survey.omitted.len()),
            (6 - survey.candidates.len(), closed)
        );
        let open = survey.candidates.iter();
        open.map(|candidate| candidate.id.get()).collect()
    }

    #[test]
    fn nothing_is_deleted_where_the_caller_may_not() {
        assert_eq!(open_to(None), [100, 101, 102, 200, 201, 202]);
        let moderator = subject("7", json!([MODERATOR]));
        assert_eq!(open_to(Some(moderator)), [100, 200]);
        assert!(open_to(Some(subject("7", json!([])))).is_empty());
        // A role that the server does not list grants nothing that is known.
        let unknown = subject("7", json!([MODERATOR, "99"]));
        assert!(open_to(Some(unknown)).is_empty());
    }
}
