//! What a directory of local jobs consists of.

use std::collections::HashSet;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use futures_util::TryStreamExt as _;
use secrecy::SecretString;
use serde_json::{Value, json};
use splashtail_core::clock::{SharedClock, SystemClock};
use splashtail_core::config::{Config, Plan};
use splashtail_core::data_dir::{DataDir, DataPaths, create_new_private};
use splashtail_core::environment::Environment;
use splashtail_core::ids::{GuildId, TaskId, UserId};
use splashtail_core::text;
use splashtail_discord::snowflake::typed;
use splashtail_discord::{Discord, DiscordError, Lane};
use splashtail_jobs::{Engine, Level, Owner};
use splashtail_storage::{
    Creation, End, NewLogEntry, NewTask, Priority, Storage, TaskOutput, Wanted, Which,
};
use tokio_util::sync::CancellationToken;

use super::{Account, refused};
use crate::Workshop;
use crate::objects::Objects;

const TOKEN_VARIABLE: &str = "SPLASHTAIL_BOT_TOKEN";
/// Names of files that are tried before it is given up.
const MOST_NAMES: u32 = 1000;
/// The kind under which files from outside are kept until the job that reads them is over.
const IMPORT: &str = "local_import";
/// Jobs that are looked through for files that nobody reads any more, each time the directory is opened.
const LOOKED_AT: u32 = 1000;

/// What an operator may ask of the own machine.
const PLAN: Plan = Plan {
    total_max_messages: 1_000_000,
    min_per_channel: 1,
    default_per_channel: 1000,
    max_attachment_file_size: 500_000_000,
    file_size_warning_threshold: 1_800_000_000,
    max_body_size: 2_000_000_000,
    guild_asset_reencode_quality: 90,
};

/// The directory, held by this process.
pub struct Site {
    pub storage: Storage,
    pub objects: Objects,
    pub clock: SharedClock,
    config: Config,
    directory: DataDir,
}

impl Site {
    /// # Errors
    /// It cannot be created or written, or another process holds it.
    pub async fn open(path: &Path) -> anyhow::Result<Self> {
        let directory = DataDir::open(path).map_err(refused)?;
        let mut config = Config::embedded(directory.root(), Environment::Prod);
        directory.apply(&mut config)?;
        let storage = Storage::open(&config.database(), &CancellationToken::new()).await;
        let storage = storage.context("the directory's database cannot be used")?;
        storage
            .migrate()
            .await
            .context("the directory's database cannot be brought up to date")?;
        let site = Self {
            objects: Objects::open(&config.object_storage)?,
            storage,
            clock: SystemClock::shared(),
            config,
            directory,
        };
        // A process that was killed left what it had imported.
        site.tidy().await?;
        Ok(site)
    }

    /// As [`Site::open`], of a directory that is there.
    ///
    /// # Errors
    /// There are no jobs in it.
    pub async fn existing(path: &Path) -> anyhow::Result<Self> {
        if !DataPaths::new(path).database().exists() {
            let shown = path.display();
            return Err(refused(anyhow!(
                "there are no jobs in {shown}; choose it with --data-dir"
            )));
        }
        Self::open(path).await
    }

    /// An engine that knows every kind.
    ///
    /// # Errors
    /// A temporary directory cannot be made.
    pub fn engine(&self, discord: Discord) -> anyhow::Result<Engine> {
        let temporary = self.directory.root().join("tmp");
        std::fs::create_dir_all(&temporary)
            .with_context(|| format!("cannot create {}", temporary.display()))?;
        let key = crate::data_key(self.config.meta.data_key.as_ref())?;
        let workshop = Workshop {
            discord,
            objects: self.objects.clone(),
            storage: self.storage.clone(),
            clock: self.clock.clone(),
            key: key.clone(),
            application: None,
            plan: PLAN,
            temporary,
            marks: None,
            operator: true,
        };
        let builder = Engine::builder(self.storage.clone(), self.clock.clone(), key);
        Ok(workshop.register(builder).build())
    }

    /// Keeps a backup file as if a job of this server had left it, so that a restore can name it.
    ///
    /// # Errors
    /// The file cannot be read, or not be kept.
    pub async fn import(&self, server: GuildId, file: &Path) -> anyhow::Result<TaskId> {
        let shown = file.display();
        let opened = std::fs::File::open(file);
        let opened = opened.map_err(|error| refused(anyhow!("cannot read {shown}: {error}")))?;
        let size = opened.metadata()?.len();
        if size > PLAN.max_body_size {
            let most = PLAN.max_body_size;
            return Err(refused(anyhow!(
                "{shown} has {size} bytes, more than {most}"
            )));
        }
        let (id, now) = (TaskId::random(), self.clock.now());
        let filename = "imported.iblfile";
        let task = NewTask {
            id,
            name: IMPORT.to_owned(),
            owner: Owner::Server(server),
            fields: json!({"ServerID": server}),
            encrypted: false,
            wrapped_secret: None,
            slot: None,
            idempotency: None,
            execute: true,
            priority: Priority::Interactive,
            run_after: None,
            deadline: None,
            expires_at: None,
            created_at: now,
        };
        let Creation::Created(_) = self.storage.tasks().create(&task).await? else {
            bail!("the file was not kept");
        };
        let key = format!("tasks/{id}/{filename}");
        let desk = format!("{}/{id}", crate::backup::DESKS);
        let upload = crate::objects::Desk {
            prefix: &desk,
            name: 1,
        };
        self.objects.put_file(&key, opened, upload).await?;
        let wanted = Wanted {
            runner: "import",
            names: &[IMPORT],
            which: Which::One(id),
            lease: std::time::Duration::from_secs(60),
        };
        let claimed = self.storage.queue().claim(&wanted).await?;
        let claimed = claimed.context("the file was not kept")?;
        let end = End::Completed(Some(TaskOutput {
            filename: filename.to_owned(),
            segregated: false,
        }));
        let entry = NewLogEntry::new(Level::Info, now, "Imported", serde_json::Map::new());
        self.storage
            .queue()
            .finish(claimed.lease, &end, &entry)
            .await?;
        Ok(id)
    }

    /// Removes imported files that no unfinished job reads: what was kept first, then the row. A file
    /// that is being imported has its job only later, so not meanwhile.
    ///
    /// # Errors
    /// One cannot be removed; the next time that the directory is opened tries again.
    pub async fn tidy(&self) -> anyhow::Result<()> {
        let rows = self.storage.tasks().newest(LOOKED_AT).await?;
        let unfinished = rows.iter().filter(|row| !row.state.is_terminal());
        let read: HashSet<TaskId> = unfinished.filter_map(|row| imported(&row.fields)).collect();
        let idle = rows
            .iter()
            .filter(|row| row.name == IMPORT && !read.contains(&row.id));
        for row in idle {
            crate::backup::clear(&self.objects, row.id).await?;
            self.objects
                .remove_all(&format!("tasks/{}", row.id))
                .await?;
            self.storage.tasks().delete(row.id).await?;
        }
        Ok(())
    }

    /// Copies what a job left to where people look for it, never over another file.
    ///
    /// # Errors
    /// It cannot be read, or not be written.
    pub async fn deliver(
        &self,
        task: TaskId,
        filename: &str,
        wanted: Option<&Path>,
    ) -> anyhow::Result<PathBuf> {
        let (path, mut file) = match wanted {
            Some(path) => (path.to_owned(), create(path)?),
            None => fresh(filename)?,
        };
        let key = format!("tasks/{task}/{filename}");
        let mut parts = self.objects.read(&key).await?;
        while let Some(part) = parts.try_next().await? {
            file.write_all(&part)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        file.sync_all()
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// Refused when it exists: what is there may be somebody's only backup.
pub fn vacant(path: &Path) -> anyhow::Result<()> {
    if path.exists() {
        let shown = path.display();
        return Err(refused(anyhow!(
            "{shown} exists already; choose another --output"
        )));
    }
    Ok(())
}

fn create(path: &Path) -> anyhow::Result<std::fs::File> {
    let file = create_new_private(path);
    file.with_context(|| format!("cannot create {}", path.display()))
}

/// `name.ext`, else `name (2).ext` and so on.
fn fresh(filename: &str) -> anyhow::Result<(PathBuf, std::fs::File)> {
    let (stem, extension) = filename.rsplit_once('.').unwrap_or((filename, ""));
    for number in 1..=MOST_NAMES {
        let name = match number {
            1 => filename.to_owned(),
            number => format!("{stem} ({number}).{extension}"),
        };
        let path = PathBuf::from(name);
        match create_new_private(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot create {}", path.display()));
            }
        }
    }
    bail!("there are {MOST_NAMES} files of this name here; use --output");
}

/// What an order or a stored job names as the task to restore.
fn imported(fields: &Value) -> Option<TaskId> {
    let source = &fields["Options"]["BackupSource"];
    let text = source["task"].as_str().or_else(|| source.as_str())?;
    text.strip_prefix("task://").unwrap_or(text).parse().ok()
}

impl Account {
    /// # Errors
    /// There is no token, or none that could be one.
    pub fn discord(&self, clock: SharedClock) -> anyhow::Result<Discord> {
        let token = self.token().map_err(refused)?;
        let discord = Discord::new(&self.api, &self.cdn, &token, clock);
        let discord =
            discord.map_err(|error| refused(anyhow!("the token cannot be used: {error}")))?;
        Ok(discord.in_lane(Lane::Bulk))
    }

    fn token(&self) -> anyhow::Result<SecretString> {
        let given = match &self.token_file {
            Some(path) => text::read(path)
                .with_context(|| format!("cannot read the token file {}", path.display()))?,
            None => std::env::var(TOKEN_VARIABLE).map_err(|_| {
                anyhow!("there is no bot token: use --token-file or the variable {TOKEN_VARIABLE}")
            })?,
        };
        let token = given.trim();
        let token = token.strip_prefix("Bot ").unwrap_or(token).trim();
        if token.is_empty() {
            bail!("the bot token is empty");
        }
        Ok(SecretString::from(token.to_owned()))
    }
}

/// Whether this bot can work in this server, before anything is begun.
///
/// # Errors
/// Discord does not take the token, or the bot is not in the server.
pub async fn check(discord: &Discord, server: GuildId) -> anyhow::Result<String> {
    let read = discord.get(format!("/guilds/{server}")).send().await;
    match read {
        Ok(guild) => Ok(guild["name"].as_str().unwrap_or_default().to_owned()),
        Err(error) if error.is_unauthorized() => Err(refused(anyhow!(
            "Discord does not take this bot token; copy it anew from the application's page"
        ))),
        Err(error @ DiscordError::Api(_)) if error.is_not_found() || error.is_forbidden() => {
            Err(refused(anyhow!(
                "the bot is not in a server with the id {server}; invite it there first"
            )))
        }
        Err(error) => Err(anyhow::Error::new(error).context("Discord cannot be reached")),
    }
}

/// The bot's.
///
/// # Errors
/// Discord does not tell.
pub async fn own_id(discord: &Discord) -> anyhow::Result<UserId> {
    let me = discord.get("/users/@me").send().await;
    let me = me.context("Discord cannot be reached")?;
    typed(&me["id"]).context("Discord does not say which bot this is")
}

#[cfg(test)]
mod tests {
    use splashtail_api_types::job_kinds::{JOB_KINDS, JobKind};

    use super::*;

    #[tokio::test]
    async fn an_imported_file_goes_when_no_unfinished_job_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jobs");
        let file = directory.path().join("file");
        std::fs::write(&file, "a backup").unwrap();
        let server = GuildId::new(5).unwrap();
        let site = Site::open(&path).await.unwrap();
        let idle = site.import(server, &file).await.unwrap();
        let kept = site.import(server, &file).await.unwrap();
        let now = site.clock.now();
        let reader = NewTask {
            id: TaskId::random(),
            name: "guild_restore_backup".to_owned(),
            owner: Owner::Server(server),
            fields: json!({"Options": {"BackupSource": {"task": kept}}}),
            encrypted: false,
            wrapped_secret: None,
            slot: None,
            idempotency: None,
            execute: true,
            priority: Priority::Interactive,
            run_after: None,
            deadline: None,
            expires_at: None,
            created_at: now,
        };
        let created = site.storage.tasks().create(&reader).await.unwrap();
        assert!(matches!(created, Creation::Created(_)));
        // Killed, and opened again.
        drop(site);
        let site = Site::open(&path).await.unwrap();
        let tasks = site.storage.tasks();
        let object = |id| format!("tasks/{id}/imported.iblfile");
        assert!(tasks.get(idle, now).await.unwrap().is_none());
        assert!(site.objects.read(&object(idle)).await.is_err());
        assert!(tasks.get(kept, now).await.unwrap().is_some());
        assert!(site.objects.read(&object(kept)).await.is_ok());
        let over = NewLogEntry::new(Level::Error, now, "Cancelled", serde_json::Map::new());
        tasks.cancel(reader.id, &over).await.unwrap();
        site.tidy().await.unwrap();
        assert!(tasks.get(kept, now).await.unwrap().is_none());
        assert!(site.objects.read(&object(kept)).await.is_err());
    }

    /// The one table says which kinds change a server, and each kind when an order of it does.
    #[tokio::test]
    async fn a_kind_that_changes_its_server_says_so_of_every_order_that_is_not_dry() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        let site = Site::open(&directory.path().join("jobs")).await.unwrap();
        let nowhere = "http://127.0.0.1:9".parse().unwrap();
        let clock = SystemClock::shared();
        let discord = Discord::new(&nowhere, &nowhere, &"token".to_owned().into(), clock);
        let engine = site.engine(discord.unwrap()).unwrap();
        let mut known: HashSet<&str> = HashSet::new();
        for kind in engine.kinds() {
            let table = JobKind::find(kind.name());
            known.extend(table.map(|table| table.name));
            let changes = table.is_some_and(|table| table.changes_server);
            let order = |dry: bool| json!({"DryRun": dry, "Options": {"DryRun": dry}});
            let said = (
                kind.changes_server(&json!({})),
                kind.changes_server(&order(false)),
                kind.changes_server(&order(true)),
            );
            assert_eq!(said, (changes, changes, false), "{}", kind.name());
        }
        assert_eq!(known, HashSet::from(JOB_KINDS.map(|kind| kind.name)));
    }

    #[test]
    fn what_is_delivered_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("backup.iblfile");
        let file = create(&path).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(create(&path).is_err(), "nothing is overwritten");
    }
}
