//! Words that setting up and the report of what is wrong have in common.

use splashtail_guild::Id;
use splashtail_permissions::NativePermissions;

use super::look::Look;
use crate::catalogue::{self, Language};
use crate::registry::Needed;
use crate::text;

/// Permissions, channels and roles that are named one by one.
const NAMED: usize = 15;

/// Names of permissions as Discord's settings show them.
pub fn permissions(language: Language, bits: u64) -> String {
    let each = (0..u64::BITS)
        .map(|bit| 1 << bit)
        .filter(|bit| bits & bit != 0);
    let names = each.map(|bit| {
        let own = catalogue::permission(language, u64::trailing_zeros(bit));
        own.unwrap_or_else(|| NativePermissions(bit).to_string())
    });
    names.collect::<Vec<_>>().join(", ")
}

/// Every permission that is lacking, with what it is for.
pub fn lacking(language: Language, look: &Look) -> String {
    let lines = look.lacking.iter().map(|(bits, wanted)| {
        let mut reasons: Vec<String> = wanted
            .iter()
            .map(|wanted| {
                let what = Needed::Permission(NativePermissions(wanted.bits));
                let own = catalogue::need(language, wanted.module, &what.key());
                own.unwrap_or_else(|| wanted.why.to_owned())
            })
            .collect();
        reasons.dedup();
        format!(
            "- **{}**: {}",
            permissions(language, *bits),
            reasons.join("; ")
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Channels that the bot cannot see, by category. Whoever reads it sees their names.
pub fn hidden(language: Language, look: &Look) -> String {
    let mut named = 0;
    let mut lines = Vec::new();
    for (category, channels) in &look.hidden {
        let room = NAMED.saturating_sub(named);
        if room == 0 {
            break;
        }
        let shown = channels.iter().take(room).map(|id| format!("<#{id}>"));
        let shown = shown.collect::<Vec<_>>().join(", ");
        named += channels.len().min(room);
        lines.push(match category {
            Some(id) => text!(
                language,
                "words-in-category",
                category = format!("<#{id}>"),
                channels = shown
            ),
            None => format!("- {shown}"),
        });
    }
    let more = look.hidden_count().saturating_sub(named);
    if more > 0 {
        lines.push(text!(language, "words-more-channels", more = more));
    }
    lines.join("\n")
}

pub fn roles(language: Language, roles: &[Id]) -> String {
    let named = roles.iter().take(NAMED).map(|id| format!("<@&{id}>"));
    let named = named.collect::<Vec<_>>().join(", ");
    match roles.len().saturating_sub(NAMED) {
        0 => named,
        more => text!(language, "words-more-roles", roles = named, more = more),
    }
}

/// The bot's own role, for a sentence.
pub fn own_role(language: Language, look: &Look) -> String {
    match look.own_role {
        Some(id) => format!("<@&{id}>"),
        None => text!(language, "words-own-role"),
    }
}
