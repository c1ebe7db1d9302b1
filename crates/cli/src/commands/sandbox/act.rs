//! `ctl as` and `ctl interact`: what people do.

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use splashtail_sandbox::control::acts::{self, Target};
use splashtail_sandbox::control::client::ControlClient;
use splashtail_sandbox::control::types::{Act, Interact, InteractKind};

use super::answer::{Outcome, json};
use super::names;

#[derive(Debug, Args)]
#[command(after_help = acts::command_line())]
pub(super) struct AsArgs {
    /// Id or name.
    user: String,
    /// What to do; see the list below.
    act: String,
    /// Id or name of the server.
    #[arg(long)]
    guild: Option<String>,
    /// Id of the channel, or with --guild its name.
    #[arg(long)]
    channel: Option<String>,
    /// Id of the message.
    #[arg(long)]
    message: Option<String>,
    /// Id or name of the user, role or application the act is about.
    #[arg(long)]
    target: Option<String>,
    /// Id or name of the role to give or take.
    #[arg(long, conflicts_with_all = ["body", "content"])]
    role: Option<String>,
    /// For the audit log.
    #[arg(long)]
    reason: Option<String>,
    // The braces are no place for clap's own `{n}`, which means a new line.
    #[arg(long, value_parser = json, value_name = "JSON", help = "\
        JSON body as in the REST API. '{ n }' without the spaces becomes the number of the \
        repetition, in any string")]
    body: Option<Value>,
    /// Short for a body with this content.
    #[arg(long, conflicts_with = "body")]
    content: Option<String>,
    /// Repetitions for each actor.
    #[arg(long)]
    times: Option<u32>,
    /// Sandbox time over which repetitions are spread.
    #[arg(long)]
    spread_ms: Option<u64>,
    /// Users that act instead, by id or name, separated by commas; unknown ids are created.
    #[arg(long, value_delimiter = ',')]
    actors: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Slash,
    Autocomplete,
    Button,
    Select,
    Modal,
    ContextMenu,
}

impl From<Kind> for InteractKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Slash => Self::Slash,
            Kind::Autocomplete => Self::Autocomplete,
            Kind::Button => Self::Button,
            Kind::Select => Self::Select,
            Kind::Modal => Self::Modal,
            Kind::ContextMenu => Self::ContextMenu,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ctl interact adam slash \"backups create\" --guild Harbour --channel general messages:true
  ctl interact olivia slash \"protection mode\" --guild Harbour --channel general mode:2
  ctl interact adam autocomplete \"backups create\" --guild Harbour --channel general --focused name name:ni
  ctl interact olivia button hnav:1100000000000000010:1: --guild Harbour --channel general
  ctl interact adam select CUSTOM_ID --guild Harbour --channel general first second
  ctl interact adam modal CUSTOM_ID --guild Harbour --channel general why:because
  ctl interact adam context-menu \"Report\" --guild Harbour --channel general --target sam

Prints what the user sees; exits 1 when the application does not respond.")]
pub(super) struct InteractArgs {
    /// Id or name.
    user: String,
    kind: Kind,
    /// Command (`"backups create"`) or custom id.
    what: String,
    /// Id or name of the server; without it a direct message.
    #[arg(long)]
    guild: Option<String>,
    /// Id of the channel, or with --guild its name.
    #[arg(long)]
    channel: String,
    /// Message with the component; default: the newest one that has it.
    #[arg(long)]
    message: Option<String>,
    /// User, by id or name, or message of a context menu.
    #[arg(long)]
    target: Option<String>,
    /// Option being typed (autocomplete); default: the last one.
    #[arg(long)]
    focused: Option<String>,
    /// How long to wait for the answer, in real time whatever the sandbox's clock does.
    #[arg(long, default_value_t = 5000)]
    wait_ms: u64,
    /// Options or fields as `name:value`, a choice by its name or value; plain values for a select
    /// menu.
    values: Vec<String>,
}

pub(super) async fn act(client: &ControlClient, args: AsArgs) -> Result<Outcome> {
    let user = names::user(client, &args.user).await?;
    let guild = guild(client, args.guild.as_deref()).await?;
    let guild = guild.as_deref();
    let channel = match &args.channel {
        Some(name) => Some(names::channel(client, &user, guild, name).await?),
        None => None,
    };
    let target = match &args.target {
        Some(name) => Some(target(client, &args.act, &user, guild, name).await?),
        None => None,
    };
    let mut actors = Vec::new();
    for name in args.actors.iter().flatten() {
        actors.push(names::user(client, name).await?);
    }
    let body = match (args.body, args.content, &args.role) {
        (Some(body), ..) => body,
        (None, Some(content), _) => json!({"content": content}),
        (None, None, Some(name)) => {
            json!({"role_id": names::role(client, &user, guild, name).await?})
        }
        (None, None, None) => Value::Null,
    };
    let act = Act {
        guild_id: guild.map(str::to_owned),
        channel_id: channel,
        message_id: args.message,
        target_id: target,
        reason: args.reason,
        body,
        times: args.times,
        spread_ms: args.spread_ms,
        actors: args.actors.map(|_| actors),
        ..Act::default()
    };
    let results = client.act(&user, &args.act, &act).await?;
    let failed = results.results.iter().any(|r| r.status >= 400);
    Outcome::of(&results, !failed)
}

async fn guild(client: &ControlClient, name: Option<&str>) -> Result<Option<String>> {
    match name {
        Some(name) => names::guild(client, name).await.map(Some),
        None => Ok(None),
    }
}

async fn target(
    client: &ControlClient,
    act: &str,
    user: &str,
    guild: Option<&str>,
    name: &str,
) -> Result<String> {
    match acts::find(act).and_then(|act| act.target()) {
        Some(Target::Role) => names::role(client, user, guild, name).await,
        Some(Target::Application) => names::application(client, name).await,
        Some(Target::RoleOrUser) => names::role_or_user(client, user, guild, name).await,
        Some(Target::User) | None => names::user(client, name).await,
    }
}

pub(super) async fn interact(client: &ControlClient, args: InteractArgs) -> Result<Outcome> {
    let user = names::user(client, &args.user).await?;
    let guild_id = guild(client, args.guild.as_deref()).await?;
    let channel_id = names::channel(client, &user, guild_id.as_deref(), &args.channel).await?;
    let target_id = match &args.target {
        Some(name) => Some(names::user(client, name).await?),
        None => None,
    };
    let by_name = matches!(
        args.kind,
        Kind::Slash | Kind::Autocomplete | Kind::ContextMenu
    );
    let (options, values) = match args.kind {
        Kind::Select => (Map::new(), Value::from(args.values)),
        Kind::Modal => (Map::new(), Value::Object(named(&args.values)?)),
        _ => (named(&args.values)?, Value::Null),
    };
    let wish = Interact {
        kind: args.kind.into(),
        guild_id,
        channel_id,
        name: by_name.then(|| args.what.clone()),
        custom_id: (!by_name).then_some(args.what),
        message_id: args.message,
        target_id,
        options,
        focused: args.focused,
        values,
        wait_ms: args.wait_ms,
    };
    let seen = client.interact(&user, &wish).await?;
    Outcome::of(&seen, seen.error.is_none())
}

/// `name:value` pairs; the sandbox converts values to the types of the options.
fn named(pairs: &[String]) -> Result<Map<String, Value>> {
    pairs
        .iter()
        .map(|pair| {
            let (name, value) = pair
                .split_once(':')
                .with_context(|| format!("`{pair}` is not `name:value`"))?;
            Ok((name.to_owned(), Value::from(value)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_contain_colons() {
        let pairs = named(&["url:http://x".to_owned()]).unwrap();
        assert_eq!(pairs["url"], "http://x");
        assert!(named(&["plain".to_owned()]).is_err());
    }
}
