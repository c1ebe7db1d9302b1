//! `token create`, `token list` and `token revoke`: keys for the public API.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use serde::Serialize;
use splashtail_core::clock::{Clock, SystemClock};
use splashtail_core::config::{BusTarget, Component, Config, DatabaseTarget};
use splashtail_core::ids::{GuildId, UserId};
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::{random, telemetry};
use splashtail_ipc::bus::{self, BusError};
use splashtail_ipc::identities::Forget;
use splashtail_storage::{NewToken, Owner, Storage, TokenHash, TokenKind, TokenRow};
use uuid::Uuid;

use super::output;
use super::source::ConfigSource;

/// Tells a token from other secrets, for people and for scanners.
const PREFIX: &str = "ar_";

#[derive(Debug, clap::Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TokenCommand {
    /// Make a token for a user or a server; it is shown once and stored only as a hash
    Create(CreateArgs),
    /// Show the tokens of a user or a server, newest first
    List(ListArgs),
    /// End a token at once
    Revoke(RevokeArgs),
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    #[command(flatten)]
    owner: OwnerArgs,
    /// What the token is for.
    #[arg(long, default_value = "")]
    name: String,
    /// When it ends: a time such as `2027-01-31T00:00:00Z`, or a span such as `12h` or `90d`.
    /// Default: never.
    #[arg(long, value_name = "WHEN")]
    expires: Option<Expiry>,
    #[command(flatten)]
    source: ConfigSource,
}

#[derive(Debug, Clone, Copy, clap::Args)]
#[group(required = true, multiple = false)]
struct OwnerArgs {
    /// Acts as this user.
    #[arg(long, value_name = "ID")]
    user: Option<UserId>,
    /// Acts for this server.
    #[arg(long, value_name = "ID")]
    server: Option<GuildId>,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    owner: OwnerArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: ConfigSource,
}

/// One line of `token list --json`.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    id: Uuid,
    name: &'a str,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    expired: bool,
    /// `operator`, `login` or `api`.
    kind: &'static str,
    last_used_at: Option<DateTime<Utc>>,
}

#[derive(Debug, clap::Args)]
struct RevokeArgs {
    /// The id that `token create` said, and `token list` says.
    id: Uuid,
    #[command(flatten)]
    source: ConfigSource,
}

/// # Errors
/// The configuration is invalid, or the database is not there or refuses.
pub async fn run(args: TokenArgs) -> Result<ExitCode> {
    match args.command {
        TokenCommand::Create(args) => create(args).await,
        TokenCommand::List(args) => list(args).await,
        TokenCommand::Revoke(args) => revoke(args).await,
    }
}

/// The token is the only thing on stdout.
#[allow(clippy::print_stderr, reason = "this is the command's answer")]
async fn create(args: CreateArgs) -> Result<ExitCode> {
    telemetry::init("splashtail");
    let now = SystemClock.now();
    let expires_at = args.expires.map(|expiry| expiry.after(now)).transpose()?;
    let storage = open(&args.source).await?;
    let secret = format!("{PREFIX}{}", random::secret()?);
    let token = NewToken {
        id: Uuid::new_v4(),
        hash: TokenHash::of(&secret),
        owner: args.owner.owner()?,
        kind: TokenKind::Operator,
        name: args.name,
        perm_limits: Vec::new(),
        maker: None,
        created_at: now,
        expires_at,
    };
    storage
        .tokens()
        .issue(&token)
        .await
        .context("the token was not stored")?;
    eprintln!(
        "Token {} is shown only now, and stored as a hash:",
        token.id
    );
    output::print(&format!("{secret}\n"))?;
    Ok(ExitCode::SUCCESS)
}

async fn list(args: ListArgs) -> Result<ExitCode> {
    telemetry::init("splashtail");
    let storage = open(&args.source).await?;
    let owner = args.owner.owner()?;
    let rows = storage.tokens().list(owner).await;
    let rows = rows.context("the tokens cannot be read")?;
    let now = SystemClock.now();
    let listed: Vec<_> = rows.iter().map(|row| Listed::of(row, now)).collect();
    output::print(&if args.json {
        format!("{}\n", serde_json::to_string_pretty(&listed)?)
    } else {
        table(&listed)
    })?;
    Ok(ExitCode::SUCCESS)
}

impl<'a> Listed<'a> {
    fn of(row: &'a TokenRow, now: DateTime<Utc>) -> Self {
        Self {
            id: row.id,
            name: &row.name,
            created_at: row.created_at,
            expires_at: row.expires_at,
            expired: row.expires_at.is_some_and(|at| at <= now),
            kind: row.kind.as_str(),
            last_used_at: row.last_used_at,
        }
    }
}

fn table(tokens: &[Listed<'_>]) -> String {
    if tokens.is_empty() {
        return "no tokens\n".to_owned();
    }
    let when = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M").to_string();
    let mut text = format!(
        "{:<36}  {:<16}  {:<16}  NAME\n",
        "ID", "CREATED (UTC)", "ENDS (UTC)"
    );
    for token in tokens {
        let ends = match token.expires_at {
            None => "never".to_owned(),
            Some(_) if token.expired => "has ended".to_owned(),
            Some(at) => when(at),
        };
        // A name is what its owner typed: it must not move the cursor.
        let name: String = token.name.chars().filter(|c| !c.is_control()).collect();
        text.push_str(&format!(
            "{:<36}  {:<16}  {ends:<16}  {name}\n",
            token.id.to_string(),
            when(token.created_at)
        ));
    }
    text
}

#[allow(clippy::print_stderr, reason = "this is the command's answer")]
async fn revoke(args: RevokeArgs) -> Result<ExitCode> {
    telemetry::init("splashtail");
    let config = args.source.load_or_embedded(Component::Cli)?.config;
    let storage = open(&args.source).await?;
    if !storage
        .tokens()
        .revoke(args.id)
        .await
        .context("the token was not revoked")?
    {
        bail!("there is no token {}", args.id);
    }
    eprintln!("Token {} is revoked", args.id);
    if let Err(error) = forgotten(&config).await {
        eprintln!("A webserver that runs may take it for some seconds more: {error}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Has webservers look tokens up anew.
async fn forgotten(config: &Config) -> Result<(), BusError> {
    let target = config.bus();
    // Nothing runs that could remember one.
    if matches!(&target, BusTarget::Hub(socket) if !socket.exists()) {
        return Ok(());
    }
    let bus = bus::connect(&target, &bus::default_channel(config.environment))?;
    Forget::Everything.send(&*bus, config.environment).await
}

/// A database that has its tables already: a mistyped directory is not filled with a new one.
async fn open(source: &ConfigSource) -> Result<Storage> {
    let loaded = source.load_or_embedded(Component::Cli)?;
    let target = loaded.config.database();
    if let DatabaseTarget::Sqlite(path) = &target
        && !path.exists()
    {
        bail!(
            "there is no database in {}: run `splashtail up` or `splashtail migrate` first, or name another --data-dir",
            path.display()
        );
    }
    let lifecycle = Lifecycle::install().context("cannot handle signals")?;
    Ok(Storage::open(&target, &lifecycle.shutdown()).await?)
}

impl OwnerArgs {
    fn owner(self) -> Result<Owner> {
        match (self.user, self.server) {
            (Some(user), None) => Ok(Owner::User(user)),
            (None, Some(server)) => Ok(Owner::Server(server)),
            _ => bail!("a token belongs to one --user or one --server"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expiry {
    At(DateTime<Utc>),
    After(Duration),
}

impl Expiry {
    fn after(self, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
        let at = match self {
            Self::At(at) => at,
            Self::After(span) => now
                .checked_add_signed(chrono::Duration::from_std(span)?)
                .context("--expires is too far away")?,
        };
        if at <= now {
            bail!("--expires is in the past");
        }
        Ok(at)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("not a time such as 2027-01-31T00:00:00Z, nor a span such as 30m, 12h or 90d")]
struct NotATime;

impl std::str::FromStr for Expiry {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(at.to_utc()));
        }
        let seconds_each = match text.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            Some('w') => 604_800,
            _ => return Err(NotATime),
        };
        let number: u64 = text[..text.len() - 1].parse().map_err(|_| NotATime)?;
        number
            .checked_mul(seconds_each)
            .map(Duration::from_secs)
            .map(Self::After)
            .ok_or(NotATime)
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};
    use splashtail_core::config::Config;
    use splashtail_core::environment::Environment;
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<TokenArgs, clap::Error> {
        let command = TokenArgs::augment_args(Command::new("token").no_binary_name(true));
        TokenArgs::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }

    #[test]
    fn a_token_has_exactly_one_owner() {
        assert!(parse(&["create", "--user", "1100000000000000010"]).is_ok());
        assert!(parse(&["create", "--server", "1100000000001179648"]).is_ok());
        for wrong in [
            &["create"][..],
            &["create", "--user", "1", "--server", "2"],
            &["create", "--user", "0"],
            &["create", "--user", "me"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn ends_are_times_or_spans_to_come() {
        let now = DateTime::from_timestamp_millis(1_800_000_000_000).unwrap();
        for (text, seconds) in [
            ("90d", 7_776_000),
            ("12h", 43_200),
            ("1m", 60),
            ("2w", 1_209_600),
        ] {
            let at = text.parse::<Expiry>().unwrap().after(now).unwrap();
            assert_eq!((at - now).num_seconds(), seconds, "{text}");
        }
        let at = "2027-01-31T00:00:00+01:00"
            .parse::<Expiry>()
            .unwrap()
            .after(now)
            .unwrap();
        assert_eq!(at.to_rfc3339(), "2027-01-30T23:00:00+00:00");
        for wrong in [
            "",
            "d",
            "x",
            "1y",
            "-1d",
            "1é",
            "99999999999999999999d",
            "2027-01-31",
        ] {
            assert!(wrong.parse::<Expiry>().is_err(), "{wrong}");
        }
        for past in ["0s", "2020-01-01T00:00:00Z"] {
            assert!(
                past.parse::<Expiry>().unwrap().after(now).is_err(),
                "{past}"
            );
        }
        let far = format!("{}s", u64::MAX).parse::<Expiry>().unwrap();
        assert!(far.after(now).is_err());
    }

    #[test]
    fn a_list_says_what_has_ended() {
        let at = |seconds: i64| DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
        let row = |id, name: &str, expires_at| TokenRow {
            id: Uuid::from_u128(id),
            owner: Owner::User(UserId::new(10).unwrap()),
            kind: TokenKind::Operator,
            name: name.to_owned(),
            perm_limits: Vec::new(),
            maker: None,
            last_used_at: None,
            created_at: at(0),
            expires_at,
        };
        let rows = [
            row(1, "ci", None),
            row(2, "odd\u{1b}[2J", Some(at(60))),
            row(3, "", Some(at(600))),
        ];
        let listed: Vec<_> = rows.iter().map(|row| Listed::of(row, at(60))).collect();
        insta::assert_snapshot!(table(&listed), @r"
        ID                                    CREATED (UTC)     ENDS (UTC)        NAME
        00000000-0000-0000-0000-000000000001  2027-01-15 08:00  never             ci
        00000000-0000-0000-0000-000000000002  2027-01-15 08:00  has ended         odd[2J
        00000000-0000-0000-0000-000000000003  2027-01-15 08:00  2027-01-15 08:10  
        ");
        assert_eq!(table(&[]), "no tokens\n");
    }

    fn source(data_dir: &std::path::Path) -> ConfigSource {
        let config = data_dir.join("config.yaml");
        std::fs::write(&config, "").unwrap();
        ConfigSource {
            config: Some(config),
            data_dir: Some(data_dir.to_owned()),
            ..ConfigSource::default()
        }
    }

    #[tokio::test]
    async fn only_the_hash_of_a_token_is_stored() {
        let data = tempfile::tempdir().unwrap();
        let config = Config::embedded(data.path(), Environment::Staging);
        let storage = Storage::open(&config.database(), &CancellationToken::new())
            .await
            .unwrap();
        storage.migrate().await.unwrap();
        let opened = open(&source(data.path())).await.unwrap();
        let now = DateTime::from_timestamp_millis(1_800_000_000_000).unwrap();
        let owner = OwnerArgs {
            user: UserId::new(10),
            server: None,
        }
        .owner()
        .unwrap();
        let token = NewToken {
            id: Uuid::new_v4(),
            hash: TokenHash::of("ar_hunter2"),
            owner,
            kind: TokenKind::Operator,
            name: String::new(),
            perm_limits: Vec::new(),
            maker: None,
            created_at: now,
            expires_at: None,
        };
        opened.tokens().issue(&token).await.unwrap();
        let found = storage
            .tokens()
            .lookup(&TokenHash::of("ar_hunter2"), now)
            .await
            .unwrap();
        assert_eq!(found.unwrap().owner, owner);
        let file = std::fs::read(data.path().join("splashtail.db")).unwrap();
        let log = std::fs::read(data.path().join("splashtail.db-wal")).unwrap_or_default();
        for content in [file, log] {
            assert!(!content.windows(7).any(|bytes| bytes == b"hunter2"));
        }
    }

    #[tokio::test]
    async fn a_wrong_directory_is_not_filled() {
        let data = tempfile::tempdir().unwrap();
        let error = open(&source(data.path())).await.unwrap_err().to_string();
        assert!(error.contains("there is no database"), "{error}");
        assert!(!data.path().join("splashtail.db").exists());
    }
}
