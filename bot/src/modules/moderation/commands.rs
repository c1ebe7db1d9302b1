//! `/massban` and `/massunban`.

use poise::serenity_prelude as serenity;
use serde_json::{Value, json};
use splashtail_core::ids::{GuildId, TaskId, UserId};

use super::Tools;
use super::deed::Deed;
use super::mass_bans::MassBans;
use super::operation;
use super::people::{MOST, Pasted};
use super::plan::{Shown, TYPED_ABOVE, button};
use crate::app::{self, Context};
use crate::catalogue::Language;
use crate::error::BotError;
use crate::ids;
use crate::markdown::{neutralise, shorten};
use crate::modules::guarded::Desk;
use crate::modules::jobs::{Order, look};
use crate::reply;
use crate::text;

/// A file of a thousand mentions with their lines, twice over.
const LARGEST_FILE: u32 = 64 * 1024;
const DAY: u32 = 24 * 60 * 60;
/// Of what cannot be read, each.
const QUOTED: usize = 40;

/// Ban many people at once; you see first who would be banned.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
pub(super) async fn massban(
    cx: Context<'_>,
    #[description = "Ids or mentions, 1000 at most"] users: Option<String>,
    #[description = "A text file with ids or mentions"] file: Option<serenity::Attachment>,
    #[description = "For the audit log"]
    #[max_length = 300]
    reason: Option<String>,
    #[description = "Delete their messages of so many days (default: none)"]
    #[min = 0]
    #[max = 7]
    delete_days: Option<u32>,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let own = app::reader_language(cx);
    let (guild, by) = (ids::guild_of(cx)?, ids::user(cx.author().id));
    let mut text = users.unwrap_or_default();
    if let Some(file) = file {
        text.push('\n');
        text.push_str(&download(&file, own).await?);
    }
    let pasted = Pasted::read(&text);
    match pasted.users.len() {
        0 => return Err(BotError::Input(text!(own, "massban-none-named"))),
        1..=MOST => {}
        count => {
            let said = text!(own, "massban-too-many", count = count, most = MOST);
            return Err(BotError::Input(said));
        }
    }
    let mut data = order(guild, by);
    data["Options"] = json!({
        "Users": pasted.users,
        "DeleteSeconds": delete_days.unwrap_or(0) * DAY,
        "Reason": reason.unwrap_or_default(),
        "DryRun": true,
    });
    let notes = unread(app::language_here(cx), &pasted);
    look_first(cx, data, &notes).await
}

/// Lift the bans of a mass ban; you see first whose.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
pub(super) async fn massunban(
    cx: Context<'_>,
    #[description = "Id of the mass ban, as its message shows it"] ban: String,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let bans = cx.data().services.get::<Tools>()?.bans.clone();
    let unknown = || {
        let what = format!("`{}`", neutralise(&shorten(ban.trim(), QUOTED)));
        let own = app::reader_language(cx);
        BotError::Input(text!(own, "massunban-unknown", what = what))
    };
    let task: TaskId = ban.trim().parse().map_err(|_| unknown())?;
    bans.row(guild, task).await?.ok_or_else(unknown)?;
    let mut data = order(guild, ids::user(cx.author().id));
    data["Options"] = json!({"Undo": task, "DryRun": true});
    look_first(cx, data, &[]).await
}

fn order(guild: GuildId, by: UserId) -> Value {
    json!({"ServerID": guild, "CallerID": by})
}

async fn download(file: &serenity::Attachment, language: Language) -> Result<String, BotError> {
    if file.size > LARGEST_FILE {
        let most = LARGEST_FILE / 1024;
        return Err(BotError::Input(text!(
            language,
            "massban-file",
            most = most
        )));
    }
    let unreadable = || BotError::Input(text!(language, "massban-file-unread"));
    let bytes = file.download().await.map_err(|_| unreadable())?;
    String::from_utf8(bytes).map_err(|_| unreadable())
}

/// Looks at what it would do and has somebody say that it shall be done: whoever asked, or others where
/// this server wants it so.
async fn look_first(cx: Context<'_>, data: Value, notes: &[String]) -> Result<(), BotError> {
    let bans = cx.data().services.get::<Tools>()?.bans.clone();
    let Some(looked) = look(cx, MassBans::TASK, data.clone()).await? else {
        return Ok(());
    };
    let Some(plan) = bans.plan_of(looked.task).await? else {
        return Ok(());
    };
    let (language, deed) = (app::language_here(cx), Deed::of(&data));
    let words = deed.words(language);
    let shown = Shown {
        plan: &plan,
        words,
        look: looked.task,
        order: &data,
        notes,
    };
    if let Some(why) = plan.impossible(words) {
        return looked.say(&shown, &why).await;
    }
    let (guild, by) = (ids::guild_of(cx)?, ids::user(cx.author().id));
    let ban = bans
        .prepare(data.clone(), &plan, &format!("{}-go", cx.id()))
        .await?;
    let desk = cx.data().services.get::<Desk>()?;
    let alone = bans.alone_lately(guild, deed).await?;
    let in_all = alone.saturating_add(plan.count);
    let verb = match (plan.count > TYPED_ABOVE, deed) {
        (true, Deed::Ban) => "ask",
        (true, Deed::Lift) => "lift",
        (false, _) => "go",
    };
    let order = Order {
        by_others: desk.wanted(guild).await?.guards_bans(in_all),
        operation: operation::id(deed),
        arguments: operation::arguments(ban, looked.channel()),
        question: words.ask(),
        buttons: vec![
            button((4, &words.yes(plan.count)), verb, ban, by, plan.count),
            button((2, &words.no()), "no", ban, by, plan.count),
        ],
    };
    looked.ask(&desk, by, &shown, order).await
}

fn unread(language: Language, pasted: &Pasted) -> Vec<String> {
    if pasted.unread_in_all == 0 {
        return Vec::new();
    }
    let named = pasted.unread.iter();
    let named: Vec<String> = named
        .map(|part| format!("`{}`", neutralise(&shorten(part, QUOTED))))
        .collect();
    let (count, named) = (pasted.unread_in_all, named.join(", "));
    vec![text!(
        language,
        "massban-unread",
        count = count,
        named = named
    )]
}
