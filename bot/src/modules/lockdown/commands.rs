//! `/lockdown`.

use std::collections::BTreeSet;
use std::iter;

use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serde_json::Value;
use serenity::CreateEmbed;
use splashtail_core::ids::GuildId;
use splashtail_discord::permissions::bits;
use splashtail_discord::snowflake::{array, bit_set, id};
use splashtail_storage::{HoldRow, HoldState, LockdownRow, LockdownState, NewLockdown};

use super::plan::{Kind, is_lockable, silenced_staff, still_speaking};
use super::service::Lockdowns;
use super::settings;
use crate::app::{self, Context};
use crate::catalogue::{self, Language};
use crate::colours;
use crate::error::BotError;
use crate::ids;
use crate::markdown::neutralise;
use crate::reply;
use crate::text;

/// Locks of one server.
const MOST: u32 = 10;
/// Roles that an answer names.
const NAMED: usize = 10;

#[derive(Debug, Clone, Copy, poise::ChoiceParameter)]
enum KindChoice {
    #[name = "quick: roles keep only sight"]
    Quick,
    #[name = "traditional: every channel"]
    Traditional,
    #[name = "channel: one channel"]
    Channel,
}

/// Keep a server or a channel silent.
#[poise::command(
    slash_command,
    guild_only,
    subcommands("lock", "unlock", "list"),
    subcommand_required
)]
pub(super) async fn lockdown(_cx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// Keep members from writing and speaking.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
async fn lock(
    cx: Context<'_>,
    #[description = "What is locked"] kind: KindChoice,
    #[description = "For the audit log"]
    #[max_length = 300]
    reason: String,
    #[description = "Of a lock of one channel (default: this one)"] channel: Option<
        serenity::ChannelId,
    >,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (guild, language) = (ids::guild_of(cx)?, app::language_here(cx));
    let lockdowns = cx.data().services.get::<Lockdowns>()?;
    let (kind, channel) = match kind {
        KindChoice::Quick => (Kind::Quick, None),
        KindChoice::Traditional => (Kind::Traditional, None),
        KindChoice::Channel => {
            let channel = channel.unwrap_or_else(|| cx.channel_id());
            (Kind::Channel, Some(ids::channel(channel)))
        }
    };
    if kind == Kind::Quick {
        check_quick(cx, &lockdowns, guild).await?;
    }
    if let Some(channel) = channel {
        check_channel(cx, &lockdowns, guild, channel.get()).await?;
    }
    let new = NewLockdown {
        guild,
        kind: kind.as_str().to_owned(),
        channel,
        reason,
        by: ids::user(cx.author().id),
        at: cx.data().clock.now(),
    };
    let number = lockdowns
        .storage
        .lockdowns()
        .open_lockdown(&new, MOST)
        .await?;
    let Some(number) = number else {
        let own = app::reader_language(cx);
        return Err(BotError::Input(text!(
            own,
            "lockdown-too-many",
            most = MOST
        )));
    };
    lockdowns.begin(guild, number);
    let said = text!(language, "lockdown-begins", number = number.to_string());
    let one = channel.map(|channel| channel.get());
    let silenced = silenced(language, &lockdowns, guild, (kind, one)).await;
    show(cx, iter::once(said).chain(silenced).collect()).await
}

/// End a lock.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
async fn unlock(
    cx: Context<'_>,
    #[description = "Its number, as the list shows it"]
    #[min = 1]
    number: i64,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (guild, language) = (ids::guild_of(cx)?, app::language_here(cx));
    let lockdowns = cx.data().services.get::<Lockdowns>()?;
    let store = lockdowns.storage.lockdowns();
    let is_lifting = store.lift_lockdown(guild, number).await? || {
        // Whoever asks again has it tried again at once.
        let standing = store.lockdowns(guild).await?;
        let lifting = (number, LockdownState::Lifting);
        standing
            .iter()
            .any(|row| (row.number, row.state) == lifting)
    };
    if !is_lifting {
        let own = app::reader_language(cx);
        let number = number.to_string();
        return Err(BotError::Input(text!(
            own,
            "lockdown-unknown",
            number = number
        )));
    }
    lockdowns.begin(guild, number);
    show(
        cx,
        vec![text!(
            language,
            "lockdown-ends",
            number = number.to_string()
        )],
    )
    .await
}

/// See which locks stand.
#[poise::command(slash_command, guild_only)]
async fn list(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (guild, language) = (ids::guild_of(cx)?, app::language_here(cx));
    let lockdowns = cx.data().services.get::<Lockdowns>()?;
    let store = lockdowns.storage.lockdowns();
    let standing = store.lockdowns(guild).await?;
    let holds = match standing.is_empty() {
        true => Vec::new(),
        false => store.holds(guild).await?,
    };
    let mut lines = Vec::new();
    for row in &standing {
        lines.push(line(language, row));
        lines.extend(exceptions(language, row, &holds));
    }
    if lines.is_empty() {
        lines.push(text!(language, "lockdown-none"));
    }
    show(cx, lines).await
}

/// A quick lock is complete, and all of it can be given back.
async fn check_quick(
    cx: Context<'_>,
    lockdowns: &Lockdowns,
    guild: GuildId,
) -> Result<(), BotError> {
    let own = app::reader_language(cx);
    let unknown = || BotError::Input(text!(own, "protection-unknown-server"));
    let wishes = settings::stored(&lockdowns.storage, guild).await?;
    let critical = wishes.roles(guild);
    let roles = lockdowns
        .discord
        .get(format!("/guilds/{guild}/roles"))
        .send();
    let roles = roles.await.map_err(|_| unknown())?;
    let roles = array(&roles);
    let view = cx.data().state.guilds.get(guild).ok_or_else(unknown)?;
    let facts = view.facts();
    let held = facts.permissions(guild, &facts.own_roles);
    if held & bits::ADMINISTRATOR == 0 {
        let of_members = |role: &&Value| id(&role["id"]).is_some_and(|id| critical.contains(&id));
        let taken = roles.iter().filter(of_members);
        let taken = taken.fold(0, |all, role| all | bit_set(&role["permissions"]));
        let lacking = taken & !held;
        if lacking != 0 {
            let names = names(own, lacking);
            return Err(BotError::Input(text!(own, "lockdown-lacks", names = names)));
        }
    }
    let others = still_speaking(&critical, roles);
    if wishes.strict && !others.is_empty() {
        let named = others.iter().take(NAMED).map(|role| format!("<@&{role}>"));
        let named = named.collect::<Vec<_>>().join(", ");
        return Err(BotError::Input(text!(
            own,
            "lockdown-still-speaking",
            roles = named
        )));
    }
    Ok(())
}

/// A lock of one channel locks it.
async fn check_channel(
    cx: Context<'_>,
    lockdowns: &Lockdowns,
    guild: GuildId,
    channel: u64,
) -> Result<(), BotError> {
    let own = app::reader_language(cx);
    let unknown = |_| BotError::Input(text!(own, "protection-unknown-server"));
    let (channels, _) = lockdowns.in_sight(guild).await.map_err(unknown)?;
    match is_lockable(channel, &channels) {
        true => Ok(()),
        false => Err(BotError::Input(text!(
            own,
            "lockdown-no-channel",
            channel = format!("<#{channel}>")
        ))),
    }
}

/// Whom of the staff a lock silences, too. Where that cannot be read nothing is said: the lock does not
/// depend on it.
async fn silenced(
    language: Language,
    lockdowns: &Lockdowns,
    guild: GuildId,
    lock: (Kind, Option<u64>),
) -> Option<String> {
    if lock.0 == Kind::Quick {
        return None;
    }
    let wishes = settings::stored(&lockdowns.storage, guild).await.ok()?;
    let (channels, roles) = lockdowns.in_sight(guild).await.ok()?;
    let staff = silenced_staff(lock, &wishes.roles(guild), &channels, &roles);
    let named = staff.iter().take(NAMED).map(|role| format!("<@&{role}>"));
    let named = named.collect::<Vec<_>>().join(", ");
    (!staff.is_empty()).then(|| text!(language, "lockdown-staff-silenced", roles = named))
}

fn names(language: Language, set: u64) -> String {
    let bits = (0..u64::BITS).filter(|bit| set & (1 << bit) != 0);
    let names = bits.filter_map(|bit| {
        let own = catalogue::permission(language, bit);
        own.or_else(|| bits::names(1 << bit).pop())
    });
    names.collect::<Vec<_>>().join(", ")
}

fn line(language: Language, row: &LockdownRow) -> String {
    let channel = row
        .channel
        .map(|channel| format!("<#{channel}>"))
        .unwrap_or_default();
    let what = match Kind::of(&row.kind) {
        Some(Kind::Quick) => text!(language, "lockdown-kind-quick"),
        Some(Kind::Traditional) => text!(language, "lockdown-kind-traditional"),
        Some(Kind::Channel) => text!(language, "lockdown-kind-channel", channel = channel),
        None => row.kind.clone(),
    };
    let state = match row.state {
        LockdownState::Locking => text!(language, "lockdown-state-locking"),
        LockdownState::Locked => text!(language, "lockdown-state-locked"),
        LockdownState::Lifting | LockdownState::Lifted => text!(language, "lockdown-state-lifting"),
    };
    text!(
        language,
        "lockdown-line",
        number = row.number.to_string(),
        what = what,
        state = state,
        by = format!("<@{}>", row.by),
        at = format!("<t:{}:f>", row.at.timestamp()),
        reason = neutralise(&row.reason)
    )
}

/// Where a lock is not what it is to be: where the bot may do nothing, or sees nothing.
fn exceptions(language: Language, row: &LockdownRow, holds: &[HoldRow]) -> Option<String> {
    let is_lifting = match row.state {
        LockdownState::Locking | LockdownState::Locked => false,
        LockdownState::Lifting | LockdownState::Lifted => true,
    };
    let own = holds.iter().filter(|hold| {
        let is_one = match hold.state {
            HoldState::Refused => !is_lifting,
            HoldState::Planned | HoldState::Held => is_lifting,
            HoldState::Released => false,
        };
        hold.number == row.number && is_one
    });
    let places = own.map(|hold| match hold.place {
        0 => format!("<@&{}>", hold.subject),
        channel => format!("<#{channel}>"),
    });
    let places: BTreeSet<String> = places.collect();
    let count = places.len();
    let named = places
        .into_iter()
        .take(NAMED)
        .collect::<Vec<_>>()
        .join(", ");
    match (count, is_lifting) {
        (0, _) => None,
        (count, true) => Some(text!(
            language,
            "lockdown-left",
            count = count,
            places = named
        )),
        (count, false) => Some(text!(
            language,
            "lockdown-refused",
            count = count,
            places = named
        )),
    }
}

async fn show(cx: Context<'_>, lines: Vec<String>) -> Result<(), BotError> {
    let embed = CreateEmbed::new()
        .title(text!(app::language_here(cx), "lockdown-title"))
        .description(lines.join("\n"))
        .colour(colours::BLUE);
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use splashtail_core::ids::UserId;

    use super::*;

    #[test]
    fn the_list_says_where_a_lock_is_not_what_it_is_to_be() {
        let row = |state| LockdownRow {
            guild: GuildId::new(1).unwrap(),
            number: 4,
            kind: Kind::Traditional.as_str().to_owned(),
            channel: None,
            reason: String::new(),
            by: UserId::new(7).unwrap(),
            state,
            at: DateTime::UNIX_EPOCH,
        };
        let hold = |number, place, state| HoldRow {
            guild: GuildId::new(1).unwrap(),
            number,
            place,
            subject: 1,
            wanted: 1,
            took: 0,
            put: 1,
            state,
        };
        let holds = [
            hold(4, 10, HoldState::Held),
            hold(4, 11, HoldState::Refused),
            hold(4, 12, HoldState::Released),
            hold(5, 13, HoldState::Held),
        ];
        let of = |state| exceptions(Language::English, &row(state), &holds).unwrap();
        let locked = of(LockdownState::Locked);
        assert!(
            locked.contains("<#11>") && !locked.contains("<#10>"),
            "{locked}"
        );
        let lifting = of(LockdownState::Lifting);
        assert!(
            lifting.contains("<#10>") && !lifting.contains("<#13>"),
            "{lifting}"
        );
        let none = exceptions(Language::English, &row(LockdownState::Locked), &holds[3..]);
        assert_eq!(none, None);
    }
}
