//! serenity on a sandbox: the line protocol of `splashtail_e2e::strangers`.

mod protocol;

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use protocol::{WORDS, environment, finish, report};
use serde_json::{Value, json};
use serenity::all::*;
use serenity::async_trait;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (rest, token) = environment()?;
    // The one thing that is told to the library: where Discord is. Its rate limiter knows the
    // real addresses only.
    let http = HttpBuilder::new(token)
        .proxy(rest)
        .ratelimiter_disabled(true)
        .build();
    let stop = Arc::new(Notify::new());
    let program = Program {
        stop: stop.clone(),
        commands: Mutex::new(Some(protocol::commands())),
        members: Mutex::default(),
    };
    let client = ClientBuilder::new_with_http(http, GatewayIntents::all());
    let mut client = client.event_handler(program).framework(NoFramework).await?;
    let shards = client.shard_manager.clone();
    tokio::select! {
        ended = client.start() => ended?,
        () = stop.notified() => shards.shutdown_all().await,
    }
    Ok(())
}

/// serenity asks for one where it is built with that feature.
struct NoFramework;

#[async_trait]
impl Framework for NoFramework {
    async fn dispatch(&self, _: Context, _: FullEvent) {}
}

struct Program {
    stop: Arc<Notify>,
    /// Taken by the first `ready`.
    commands: Mutex<Option<UnboundedReceiver<protocol::Command>>>,
    /// Of the chunks so far, by nonce.
    members: Mutex<HashMap<String, Vec<UserId>>>,
}

#[async_trait]
impl EventHandler for Program {
    async fn ready(&self, context: Context, ready: Ready) {
        report(&json!({"event": "ready", "user": ready.user.id}));
        let commands = self
            .commands
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(commands) = commands {
            let stop = self.stop.clone();
            tokio::spawn(async move {
                obey(context, commands).await;
                stop.notify_one();
            });
        }
    }

    async fn resume(&self, _: Context, _: ResumedEvent) {
        report(&json!({"event": "resumed"}));
    }

    async fn guild_create(&self, _: Context, guild: Guild, _: Option<bool>) {
        report(
            &json!({"event": "guild", "guild": guild.id, "name": guild.name,
            "members": guild.member_count, "roles": guild.roles.len(), "owner": guild.owner_id}),
        );
    }

    async fn message(&self, _: Context, m: Message) {
        report(
            &json!({"event": "message", "message": m.id, "channel": m.channel_id,
            "author": m.author.id, "content": m.content}),
        );
    }

    async fn guild_audit_log_entry_create(&self, _: Context, created: AuditLogEntry, _: GuildId) {
        report(&json!({"event": "audit_entry", "entry": entry(&created)}));
    }

    async fn guild_members_chunk(&self, _: Context, chunk: GuildMembersChunkEvent) {
        let Some(nonce) = chunk.nonce else { return };
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members
            .entry(nonce.clone())
            .or_default()
            .extend(chunk.members.keys());
        if chunk.chunk_index + 1 == chunk.chunk_count {
            let all = members.remove(&nonce);
            finish(nonce.parse().unwrap_or_default(), Ok(json!(all)));
        }
    }

    async fn interaction_create(&self, context: Context, interaction: Interaction) {
        let outcome = match interaction {
            Interaction::Autocomplete(typed) => complete(&context, &typed).await,
            Interaction::Command(command) => greet(&context, &command).await,
            Interaction::Component(press) => ask_why(&context, &press).await,
            Interaction::Modal(form) => answer_why(&context, &form).await,
            _ => Ok(()),
        };
        if let Err(error) = outcome {
            let _ = writeln!(std::io::stderr(), "{error:?}");
        }
    }
}

fn entry(entry: &AuditLogEntry) -> Value {
    json!({"id": entry.id, "action": entry.action.num(), "user": entry.user_id,
        "target": entry.target_id, "reason": entry.reason})
}

async fn complete(context: &Context, interaction: &CommandInteraction) -> Result<()> {
    let typed = interaction
        .data
        .autocomplete()
        .context("nothing has the focus")?;
    let fitting = WORDS.iter().filter(|w| w.starts_with(typed.value));
    let choices = fitting.fold(CreateAutocompleteResponse::new(), |choices, word| {
        choices.add_string_choice(*word, *word)
    });
    let response = CreateInteractionResponse::Autocomplete(choices);
    interaction.create_response(context, response).await?;
    Ok(())
}

async fn greet(context: &Context, interaction: &CommandInteraction) -> Result<()> {
    interaction.defer(context).await?;
    let (mut who, mut word, mut times) = (None, "", 1);
    for option in interaction.data.options() {
        match option.value {
            ResolvedValue::User(user, _) => who = Some(user),
            ResolvedValue::String(text) => word = text,
            ResolvedValue::Integer(n) => times = n,
            _ => {}
        }
    }
    let who = who.context("no user")?;
    let press = CreateButton::new("press").label("Press me");
    let answer = EditInteractionResponse::new()
        .content(format!("{} {word} x{times}", who.mention()))
        .components(vec![CreateActionRow::Buttons(vec![press])]);
    interaction.edit_response(context, answer).await?;
    let more = CreateInteractionResponseFollowup::new()
        .content("only for you")
        .ephemeral(true);
    interaction.create_followup(context, more).await?;
    report(&json!({"event": "answered", "name": interaction.data.name}));
    Ok(())
}

async fn ask_why(context: &Context, interaction: &ComponentInteraction) -> Result<()> {
    let reason = CreateInputText::new(InputTextStyle::Short, "Reason", "reason");
    let why = CreateModal::new("why", "Why?").components(vec![CreateActionRow::InputText(reason)]);
    let response = CreateInteractionResponse::Modal(why);
    interaction.create_response(context, response).await?;
    Ok(())
}

async fn answer_why(context: &Context, interaction: &ModalInteraction) -> Result<()> {
    let row = interaction.data.components.first().context("no row")?;
    let Some(ActionRowComponent::InputText(reason)) = row.components.first() else {
        bail!("no text in {row:?}");
    };
    let reason = reason.value.as_deref().unwrap_or_default();
    let message = CreateInteractionResponseMessage::new()
        .content(format!("because of {reason}"))
        .ephemeral(true);
    let response = CreateInteractionResponse::Message(message);
    interaction.create_response(context, response).await?;
    Ok(())
}

async fn obey(context: Context, mut commands: UnboundedReceiver<protocol::Command>) {
    while let Some(command) = commands.recv().await {
        match command.act.as_str() {
            "stop" => break,
            "chunk" => {
                let Ok(guild) = command.parsed("guild") else {
                    break;
                };
                let nonce = Some(command.n.to_string());
                let all = ChunkGuildFilter::None;
                context.shard.chunk_guild(guild, None, false, all, nonce);
            }
            _ => finish(command.n, act(&context, &command).await),
        }
    }
}

async fn act(context: &Context, command: &protocol::Command) -> Result<Value> {
    match command.act.as_str() {
        "timeout" | "kick" | "ban" | "unban" => moderate(context, command).await,
        "history" | "send" | "delete_message" | "bulk_delete" => write(context, command).await,
        "create_role" | "edit_role" | "delete_role" => roles(context, command).await,
        "audit_log" => {
            let guild: GuildId = command.parsed("guild")?;
            let log = guild
                .audit_logs(context, None, None, None, Some(100))
                .await?;
            Ok(log.entries.iter().map(entry).collect())
        }
        "register" => register(context, command.parsed("guild")?).await,
        _ => channels(context, command).await,
    }
}

async fn moderate(context: &Context, command: &protocol::Command) -> Result<Value> {
    let guild: GuildId = command.parsed("guild")?;
    let user: UserId = command.parsed("user")?;
    let reason = command.text("reason")?;
    match command.act.as_str() {
        "timeout" => {
            let until = protocol::unix_time_in(command.number("seconds")?);
            let edit = EditMember::new()
                .disable_communication_until_datetime(Timestamp::from_unix_timestamp(until)?)
                .audit_log_reason(reason);
            guild.edit_member(context, user, edit).await?;
        }
        "kick" => guild.kick_with_reason(context, user, reason).await?,
        "ban" => guild.ban_with_reason(context, user, 0, reason).await?,
        _ => context.http.remove_ban(guild, user, Some(reason)).await?,
    }
    Ok(Value::Null)
}

async fn write(context: &Context, command: &protocol::Command) -> Result<Value> {
    let channel: ChannelId = command.parsed("channel")?;
    match command.act.as_str() {
        "history" => return Ok(json!(history(context, channel).await?)),
        "send" => {
            return Ok(json!(
                channel.say(context, command.text("content")?).await?.id
            ));
        }
        "delete_message" => {
            let message: MessageId = command.parsed("message")?;
            channel.delete_message(context, message).await?;
        }
        _ => {
            let messages: Vec<MessageId> = command.ids("messages")?;
            channel.delete_messages(context, messages).await?;
        }
    }
    Ok(Value::Null)
}

async fn history(context: &Context, channel: ChannelId) -> Result<Vec<MessageId>> {
    let mut ids: Vec<MessageId> = Vec::new();
    loop {
        let mut wanted = GetMessages::new().limit(100);
        if let Some(last) = ids.last() {
            wanted = wanted.before(*last);
        }
        let page = channel.messages(context, wanted).await?;
        ids.extend(page.iter().map(|m| m.id));
        if page.len() < 100 {
            return Ok(ids);
        }
    }
}

async fn channels(context: &Context, command: &protocol::Command) -> Result<Value> {
    let reason = command.text("reason")?;
    if command.act == "create_channel" {
        let guild: GuildId = command.parsed("guild")?;
        let new = CreateChannel::new(command.text("name")?)
            .topic(command.text("topic")?)
            .audit_log_reason(reason);
        return Ok(json!(guild.create_channel(context, new).await?.id));
    }
    let channel: ChannelId = command.parsed("channel")?;
    match command.act.as_str() {
        "edit_channel" => {
            let edit = EditChannel::new()
                .topic(command.text("topic")?)
                .audit_log_reason(reason);
            channel.edit(context, edit).await?;
        }
        "overwrite" => {
            let role: RoleId = command.parsed("role")?;
            let bits = Permissions::from_bits_truncate(command.parsed("deny")?);
            let deny = json!({"type": 0, "allow": "0", "deny": bits});
            let target = TargetId::new(role.get());
            let http = &context.http;
            http.create_permission(channel, target, &deny, Some(reason))
                .await?;
        }
        "delete_channel" => {
            context.http.delete_channel(channel, Some(reason)).await?;
        }
        "webhook" => {
            let new = CreateWebhook::new(command.text("name")?).audit_log_reason(reason);
            let webhook = channel.create_webhook(context, new).await?;
            let message = ExecuteWebhook::new().content(command.text("content")?);
            let posted = webhook.execute(context, true, message).await?;
            return Ok(json!(posted.context("nothing was posted")?.id));
        }
        other => bail!("there is no act `{other}`"),
    }
    Ok(Value::Null)
}

async fn roles(context: &Context, command: &protocol::Command) -> Result<Value> {
    let guild: GuildId = command.parsed("guild")?;
    let reason = command.text("reason")?;
    match command.act.as_str() {
        "create_role" => {
            let bits = Permissions::from_bits_truncate(command.parsed("permissions")?);
            let new = EditRole::new()
                .name(command.text("name")?)
                .permissions(bits)
                .audit_log_reason(reason);
            return Ok(json!(guild.create_role(context, new).await?.id));
        }
        "edit_role" => {
            let role: RoleId = command.parsed("role")?;
            let edit = EditRole::new()
                .name(command.text("name")?)
                .audit_log_reason(reason);
            guild.edit_role(context, role, edit).await?;
        }
        _ => {
            let role = command.parsed("role")?;
            context.http.delete_role(guild, role, Some(reason)).await?;
        }
    }
    Ok(Value::Null)
}

async fn register(context: &Context, guild: GuildId) -> Result<Value> {
    let option = |kind, name, description| CreateCommandOption::new(kind, name, description);
    let greet = CreateCommand::new("greet")
        .description("Greets someone")
        .add_option(option(CommandOptionType::User, "who", "Whom").required(true))
        .add_option(
            option(CommandOptionType::String, "word", "The first word")
                .required(true)
                .set_autocomplete(true),
        )
        .add_option(option(CommandOptionType::Integer, "times", "How often"));
    guild.set_commands(context, vec![greet]).await?;
    Ok(Value::Null)
}
