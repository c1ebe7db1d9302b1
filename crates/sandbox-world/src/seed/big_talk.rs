//! What has been said in `big`: 20,000 messages of every kind.

use serde_json::json;

use super::files;
use super::site::{MINUTE, Site, TALK_MS, at};
use super::small::APPLICATION;
use crate::draw::Draw;
use crate::world::{COMPONENTS_V2, HAS_SNAPSHOT, Id, Reaction};

/// Messages in all, and channels they are spread over.
const MESSAGES: u64 = 20_000;
const BUSY: usize = 80;

/// Fills the first channels with talk; who is prolific writes most of it.
pub(super) fn fill(site: &mut Site<'_>, channels: &[Id], draw: &mut Draw) {
    let authors: Vec<Id> = site.guild().members.keys().copied().take(5000).collect();
    let guild = site.guild;
    let mut last = None;
    for n in 0..MESSAGES {
        // Half of it happens in the busiest tenth of the channels.
        let busy = if n % 2 == 0 { BUSY / 10 } else { BUSY };
        let channel = channels[draw.below(busy as u64) as usize];
        let share = draw.fraction() * draw.fraction() * draw.fraction();
        let author = authors[(share * authors.len() as f64) as usize];
        let wished = at(TALK_MS + n as i64 * 40 * MINUTE / 10, 0);
        let mentioned = (n % 23 == 3).then(|| authors[draw.below(200) as usize]);
        let earlier = last.filter(|(_, place)| *place == channel);
        let original = last
            .filter(|_| n % 211 == 50)
            .and_then(|(id, place)| site.world.message(place, id))
            .filter(|m| m.snapshot.is_none() && m.poll.is_none())
            .cloned();
        let id = site.post(channel, wished, author, None, |m| {
            if let Some(user) = mentioned {
                m.content = format!("<@{user}> {}", m.content);
                m.mentions = vec![user];
            }
            if n % 17 == 4
                && let Some((id, _)) = earlier
            {
                m.kind = 19;
                m.reference = Some(json!({"type": 0, "channel_id": channel, "message_id": id, "guild_id": guild}));
            }
            if n % 41 == 7 {
                let users = authors.iter().take(1 + (n % 9) as usize).copied().collect();
                m.reactions.push(Reaction {
                    emoji_id: None,
                    emoji_name: "🌊".into(),
                    animated: false,
                    users,
                });
            }
            m.edited = (n % 37 == 5).then(|| m.id.created().plus(MINUTE));
            m.pinned = (n % 977 == 5).then(|| m.id.created().plus(MINUTE));
            match n % 500 {
                99 => {
                    let answers = ["Port", "Starboard"].iter().zip(1..);
                    let answers: Vec<_> = answers
                        .map(|(text, id)| json!({"answer_id": id, "poll_media": {"text": text}}))
                        .collect();
                    m.content.clear();
                    m.poll = Some(json!({
                        "question": {"text": "Which side?"}, "answers": answers,
                        "expiry": m.id.created().plus(86_400_000), "allow_multiselect": false,
                        "layout_type": 1, "results": {"is_finalized": true, "answer_counts": [
                            {"id": 1, "count": 0, "me_voted": false}, {"id": 2, "count": 0, "me_voted": false}]},
                    }));
                }
                199 => {
                    m.author = APPLICATION;
                    m.content.clear();
                    m.flags |= COMPONENTS_V2;
                    m.components = vec![json!({"type": 17, "id": 1, "accent_color": null, "spoiler": false,
                        "components": [
                            {"type": 10, "id": 2, "content": "## Tide table\nHigh at noon."},
                            {"type": 14, "id": 3, "divider": true, "spacing": 1},
                        ]})];
                }
                299 => {
                    m.author = APPLICATION;
                    m.embeds = vec![json!({"type": "rich", "title": format!("Report {n}"),
                        "description": "Calm seas.", "color": 0x1f_8b4c})];
                }
                _ => {}
            }
            if let Some(original) = original {
                m.content.clear();
                m.flags |= HAS_SNAPSHOT;
                m.reference = Some(json!({"type": 1, "channel_id": original.channel, "message_id": original.id, "guild_id": guild}));
                m.snapshot = Some(Box::new(original));
            }
        });
        if n % 50 == 11 {
            let picture = files::png(300 + (n % 12) as u32, 48, 36);
            site.attach(channel, id, "sea.png", picture, Some((48, 36)));
        }
        last = Some((id, channel));
    }
}
