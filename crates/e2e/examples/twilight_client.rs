//! twilight on a sandbox: the line protocol of `splashtail_e2e::strangers`.

mod protocol;

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use protocol::{Command, WORDS, environment, finish, report};
use serde_json::{Value, json};
use twilight_gateway::{
    CloseFrame, ConfigBuilder, Event, EventTypeFlags, Intents, Shard, ShardId, StreamExt,
};
use twilight_http::Client;
use twilight_http::request::AuditLogReason as _;
use twilight_model::application::command::{CommandOptionChoice, CommandOptionChoiceValue};
use twilight_model::application::interaction::application_command::{
    CommandData, CommandOptionValue,
};
use twilight_model::application::interaction::modal::{
    ModalInteractionComponent, ModalInteractionData,
};
use twilight_model::application::interaction::{Interaction, InteractionData, InteractionType};
use twilight_model::channel::message::MessageFlags;
use twilight_model::gateway::payload::incoming::{GuildCreate, MemberChunk};
use twilight_model::gateway::payload::outgoing::RequestGuildMembers;
use twilight_model::guild::Permissions;
use twilight_model::guild::audit_log::AuditLogEntry;
use twilight_model::http::interaction::{
    InteractionResponse, InteractionResponseData, InteractionResponseType,
};
use twilight_model::http::permission_overwrite::{PermissionOverwrite, PermissionOverwriteType};
use twilight_model::id::Id;
use twilight_model::id::marker::{ChannelMarker, GuildMarker, MessageMarker, UserMarker};
use twilight_model::util::Timestamp;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (rest, token) = environment()?;
    // The one thing that is told to the library: where Discord is.
    let host = rest.trim_start_matches("http://").to_owned();
    let http = Client::builder().token(token.clone()).proxy(host, true);
    let http = Arc::new(http.build());
    let gateway = http.gateway().await?.model().await?.url;
    let config = ConfigBuilder::new(token, Intents::all()).proxy_url(gateway);
    let mut shard = Shard::with_config(ShardId::ONE, config.build());

    let mut commands = protocol::commands();
    let mut chunks = Chunks::default();
    let mut stopping = false;
    loop {
        tokio::select! {
            event = shard.next_event(EventTypeFlags::all()) => match event {
                None => return Ok(()),
                Some(Ok(Event::GatewayClose(_))) if stopping => return Ok(()),
                Some(Ok(Event::MemberChunk(chunk))) => chunks.add(&chunk),
                Some(Ok(event)) => heard(event, &http),
                Some(Err(error)) => report_problem(&error.into()),
            },
            Some(command) = commands.recv() => match command.act.as_str() {
                "stop" => {
                    stopping = true;
                    shard.close(CloseFrame::NORMAL);
                }
                "chunk" => {
                    let guild = command.parsed("guild")?;
                    let request = RequestGuildMembers::builder(guild).nonce(command.n.to_string());
                    shard.command(&request.query("", None));
                }
                _ => {
                    let http = http.clone();
                    tokio::spawn(async move { finish(command.n, act(&http, &command).await) });
                }
            },
        }
    }
}

fn report_problem(error: &anyhow::Error) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{error:?}");
}

/// Members of the chunks so far; answers when the last chunk is there.
#[derive(Default)]
struct Chunks(Vec<Id<UserMarker>>);

impl Chunks {
    fn add(&mut self, chunk: &MemberChunk) {
        self.0.extend(chunk.members.iter().map(|m| m.user.id));
        let n = chunk.nonce.as_deref().and_then(|n| n.parse().ok());
        if let (Some(n), true) = (n, chunk.chunk_index + 1 == chunk.chunk_count) {
            finish(n, Ok(json!(std::mem::take(&mut self.0))));
        }
    }
}

fn heard(event: Event, http: &Arc<Client>) {
    match event {
        Event::Ready(ready) => report(&json!({"event": "ready", "user": ready.user.id})),
        Event::Resumed => report(&json!({"event": "resumed"})),
        Event::GuildCreate(created) => {
            if let GuildCreate::Available(guild) = *created {
                report(
                    &json!({"event": "guild", "guild": guild.id, "name": guild.name,
                    "members": guild.member_count, "roles": guild.roles.len(),
                    "owner": guild.owner_id}),
                );
            }
        }
        Event::MessageCreate(m) => report(&json!({"event": "message", "message": m.id,
            "channel": m.channel_id, "author": m.author.id, "content": m.content})),
        Event::GuildAuditLogEntryCreate(created) => {
            report(&json!({"event": "audit_entry", "entry": entry(&created)}));
        }
        Event::InteractionCreate(created) => {
            let http = http.clone();
            tokio::spawn(async move {
                if let Err(error) = interact(&http, &created).await {
                    report_problem(&error);
                }
            });
        }
        _ => {}
    }
}

fn entry(entry: &AuditLogEntry) -> Value {
    json!({"id": entry.id, "action": u16::from(entry.action_type), "user": entry.user_id,
        "target": entry.target_id, "reason": entry.reason})
}

async fn interact(http: &Client, interaction: &Interaction) -> Result<()> {
    let data = interaction.data.as_ref().context("no data")?;
    match data {
        InteractionData::ApplicationCommand(command) => {
            if interaction.kind == InteractionType::ApplicationCommandAutocomplete {
                complete(http, interaction, command).await
            } else {
                greet(http, interaction, command).await
            }
        }
        InteractionData::MessageComponent(_) => ask_why(http, interaction).await,
        InteractionData::ModalSubmit(form) => answer_why(http, interaction, form).await,
        _ => Ok(()),
    }
}

async fn respond(
    http: &Client,
    interaction: &Interaction,
    kind: InteractionResponseType,
    data: Option<InteractionResponseData>,
) -> Result<()> {
    let client = http.interaction(interaction.application_id);
    let response = InteractionResponse { kind, data };
    client
        .create_response(interaction.id, &interaction.token, &response)
        .await?;
    Ok(())
}

async fn complete(http: &Client, interaction: &Interaction, command: &CommandData) -> Result<()> {
    let typed = command.options.iter().find_map(|o| match &o.value {
        CommandOptionValue::Focused(typed, _) => Some(typed.as_str()),
        _ => None,
    });
    let typed = typed.context("nothing has the focus")?;
    let fitting = WORDS.iter().filter(|w| w.starts_with(typed));
    let choices = fitting.map(|word| CommandOptionChoice {
        name: (*word).to_owned(),
        name_localizations: None,
        value: CommandOptionChoiceValue::String((*word).to_owned()),
    });
    let data = InteractionResponseData {
        choices: Some(choices.collect()),
        ..InteractionResponseData::default()
    };
    let kind = InteractionResponseType::ApplicationCommandAutocompleteResult;
    respond(http, interaction, kind, Some(data)).await
}

async fn greet(http: &Client, interaction: &Interaction, command: &CommandData) -> Result<()> {
    let deferred = InteractionResponseType::DeferredChannelMessageWithSource;
    respond(http, interaction, deferred, None).await?;
    let (mut who, mut word, mut times) = (None, "", 1);
    for option in &command.options {
        match &option.value {
            CommandOptionValue::User(user) => who = Some(user),
            CommandOptionValue::String(text) => word = text,
            CommandOptionValue::Integer(n) => times = *n,
            _ => {}
        }
    }
    let content = format!("<@{}> {word} x{times}", who.context("no user")?);
    let row = serde_json::from_value(json!({"type": 1, "components": [
        {"type": 2, "style": 2, "label": "Press me", "custom_id": "press"}]}))?;
    let client = http.interaction(interaction.application_id);
    client
        .update_response(&interaction.token)
        .content(Some(&content))
        .components(Some(&[row]))
        .await?;
    client
        .create_followup(&interaction.token)
        .content("only for you")
        .flags(MessageFlags::EPHEMERAL)
        .await?;
    report(&json!({"event": "answered", "name": command.name}));
    Ok(())
}

async fn ask_why(http: &Client, interaction: &Interaction) -> Result<()> {
    let row = serde_json::from_value(json!({"type": 1, "components": [
        {"type": 4, "style": 1, "label": "Reason", "custom_id": "reason"}]}))?;
    let data = InteractionResponseData {
        custom_id: Some("why".to_owned()),
        title: Some("Why?".to_owned()),
        components: Some(vec![row]),
        ..InteractionResponseData::default()
    };
    respond(
        http,
        interaction,
        InteractionResponseType::Modal,
        Some(data),
    )
    .await
}

async fn answer_why(
    http: &Client,
    interaction: &Interaction,
    form: &ModalInteractionData,
) -> Result<()> {
    let Some(ModalInteractionComponent::ActionRow(row)) = form.components.first() else {
        bail!("no row in {form:?}");
    };
    let Some(ModalInteractionComponent::TextInput(reason)) = row.components.first() else {
        bail!("no text in {row:?}");
    };
    let data = InteractionResponseData {
        content: Some(format!("because of {}", reason.value)),
        flags: Some(MessageFlags::EPHEMERAL),
        ..InteractionResponseData::default()
    };
    let kind = InteractionResponseType::ChannelMessageWithSource;
    respond(http, interaction, kind, Some(data)).await
}

async fn act(http: &Client, command: &Command) -> Result<Value> {
    match command.act.as_str() {
        "timeout" | "kick" | "ban" | "unban" => moderate(http, command).await,
        "history" | "send" | "delete_message" | "bulk_delete" => write(http, command).await,
        "create_role" | "edit_role" | "delete_role" => roles(http, command).await,
        "audit_log" => {
            let log = http.audit_log(command.parsed("guild")?).limit(100).await?;
            Ok(log.model().await?.entries.iter().map(entry).collect())
        }
        "register" => register(http, command.parsed("guild")?).await,
        _ => channels(http, command).await,
    }
}

async fn moderate(http: &Client, command: &Command) -> Result<Value> {
    let (guild, user) = (command.parsed("guild")?, command.parsed("user")?);
    let reason = command.text("reason")?;
    match command.act.as_str() {
        "timeout" => {
            let until = protocol::unix_time_in(command.number("seconds")?);
            http.update_guild_member(guild, user)
                .communication_disabled_until(Some(Timestamp::from_secs(until)?))
                .reason(reason)
                .await?;
        }
        "kick" => {
            http.remove_guild_member(guild, user).reason(reason).await?;
        }
        "ban" => {
            http.create_ban(guild, user).reason(reason).await?;
        }
        _ => {
            http.delete_ban(guild, user).reason(reason).await?;
        }
    }
    Ok(Value::Null)
}

async fn write(http: &Client, command: &Command) -> Result<Value> {
    let channel = command.parsed("channel")?;
    match command.act.as_str() {
        "history" => return Ok(json!(history(http, channel).await?)),
        "send" => {
            let content = command.text("content")?;
            let sent = http.create_message(channel).content(content).await?;
            return Ok(json!(sent.model().await?.id));
        }
        "delete_message" => {
            let message = command.parsed("message")?;
            http.delete_message(channel, message).await?;
        }
        _ => {
            let messages: Vec<Id<MessageMarker>> = command.ids("messages")?;
            http.delete_messages(channel, &messages).await?;
        }
    }
    Ok(Value::Null)
}

async fn history(http: &Client, channel: Id<ChannelMarker>) -> Result<Vec<Id<MessageMarker>>> {
    let mut ids: Vec<Id<MessageMarker>> = Vec::new();
    loop {
        let page = match ids.last() {
            Some(last) => {
                http.channel_messages(channel)
                    .before(*last)
                    .limit(100)
                    .await?
            }
            None => http.channel_messages(channel).limit(100).await?,
        };
        let page = page.models().await?;
        ids.extend(page.iter().map(|m| m.id));
        if page.len() < 100 {
            return Ok(ids);
        }
    }
}

async fn channels(http: &Client, command: &Command) -> Result<Value> {
    let reason = command.text("reason")?;
    if command.act == "create_channel" {
        let created = http
            .create_guild_channel(command.parsed("guild")?, command.text("name")?)
            .topic(command.text("topic")?)
            .reason(reason)
            .await?;
        return Ok(json!(created.model().await?.id));
    }
    let channel = command.parsed("channel")?;
    match command.act.as_str() {
        "edit_channel" => {
            http.update_channel(channel)
                .topic(command.text("topic")?)
                .reason(reason)
                .await?;
        }
        "overwrite" => {
            let overwrite = PermissionOverwrite {
                allow: None,
                deny: Some(Permissions::from_bits_retain(command.parsed("deny")?)),
                id: command.parsed("role")?,
                kind: PermissionOverwriteType::Role,
            };
            http.update_channel_permission(channel, &overwrite)
                .reason(reason)
                .await?;
        }
        "delete_channel" => {
            http.delete_channel(channel).reason(reason).await?;
        }
        "webhook" => {
            let created = http
                .create_webhook(channel, command.text("name")?)
                .reason(reason)
                .await?;
            let webhook = created.model().await?;
            let token = webhook.token.context("the webhook has no token")?;
            let posted = http
                .execute_webhook(webhook.id, &token)
                .content(command.text("content")?)
                .wait()
                .await?;
            return Ok(json!(posted.model().await?.id));
        }
        other => bail!("there is no act `{other}`"),
    }
    Ok(Value::Null)
}

async fn roles(http: &Client, command: &Command) -> Result<Value> {
    let guild = command.parsed("guild")?;
    let reason = command.text("reason")?;
    match command.act.as_str() {
        "create_role" => {
            let permissions = Permissions::from_bits_retain(command.parsed("permissions")?);
            let created = http
                .create_role(guild)
                .name(command.text("name")?)
                .permissions(permissions)
                .reason(reason)
                .await?;
            return Ok(json!(created.model().await?.id));
        }
        "edit_role" => {
            http.update_role(guild, command.parsed("role")?)
                .name(Some(command.text("name")?))
                .reason(reason)
                .await?;
        }
        _ => {
            let role = command.parsed("role")?;
            http.delete_role(guild, role).reason(reason).await?;
        }
    }
    Ok(Value::Null)
}

async fn register(http: &Client, guild: Id<GuildMarker>) -> Result<Value> {
    let application = http.current_user_application().await?.model().await?.id;
    let options: Vec<_> = serde_json::from_value(json!([
        {"type": 6, "name": "who", "description": "Whom", "required": true},
        {"type": 3, "name": "word", "description": "The first word", "required": true,
            "autocomplete": true},
        {"type": 4, "name": "times", "description": "How often"}]))?;
    http.interaction(application)
        .create_guild_command(guild)
        .chat_input("greet", "Greets someone")
        .command_options(&options)
        .await?;
    Ok(Value::Null)
}
