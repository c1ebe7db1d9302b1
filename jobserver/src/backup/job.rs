//! The job itself: the order of its steps and what a person sees of them.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use splashtail_core::clock::SharedClock;
use splashtail_core::config::Plan;
use splashtail_core::ids::TaskId;
use splashtail_core::telemetry::Chain;
use splashtail_discord::Discord;
use splashtail_discord::permissions::Subject;
use splashtail_iblfile::DerivedKey;
use splashtail_jobs::{
    Job, JobContext, JobError, JobOutput, Level, Owner, PrepareError, Prepared, SecretBytes,
    TaskRow,
};
use tokio::sync::Semaphore;

use super::allocate::{self, Collection, PageRequest, Share};
use super::assemble::{self, Messages, Parts};
use super::attachments::Budget;
use super::error::BackupError;
use super::options::{self, Asset, Constraints, Fields};
use super::pages::{self, PageOutcome};
use super::snapshot::{self, Listing, Snapshot, short};
use super::work::Work;
use super::{assets, snapshot::image_hash};
use crate::objects::Objects;

/// Key derivations at a time; each takes 64 MiB.
const DERIVATIONS: usize = 2;

/// Channels and threads that a plan can hold; the journal bounds it.
const MOST_CHANNELS: usize = 3000;
const SHOWN_ALLOCATIONS: usize = 100;

/// `guild_create_backup`.
pub struct CreateBackup {
    pub discord: Discord,
    pub objects: Objects,
    pub plan: Plan,
    pub clock: SharedClock,
    /// Where the file is put together before it is uploaded.
    pub temporary: PathBuf,
    derivations: Arc<Semaphore>,
}

impl CreateBackup {
    pub const NAME: &'static str = "guild_create_backup";

    pub fn new(
        discord: Discord,
        objects: Objects,
        plan: Plan,
        clock: SharedClock,
        temporary: PathBuf,
    ) -> Self {
        let derivations = Arc::new(Semaphore::new(DERIVATIONS));
        Self {
            discord,
            objects,
            plan,
            clock,
            temporary,
            derivations,
        }
    }

    /// The password ends here: what goes on is a key that cannot be turned back into it.
    async fn derive(&self, password: options::Password) -> Result<SecretBytes, PrepareError> {
        let unavailable = || PrepareError::internal("the key could not be derived");
        let _permit = self
            .derivations
            .acquire()
            .await
            .map_err(|_| unavailable())?;
        let key = tokio::task::spawn_blocking(move || DerivedKey::generate(&password.0));
        let key = key.await.map_err(|_| unavailable())?;
        Ok(SecretBytes::from(key.to_bytes().to_vec()))
    }
}

#[async_trait]
impl Job for CreateBackup {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn prepare(&self, data: Value) -> Result<Prepared, PrepareError> {
        let (fields, password) = options::parse(&data, Constraints::of(&self.plan))
            .map_err(|error| PrepareError::invalid(error.code(), error.to_string()))?;
        let secret = match password {
            Some(password) => Some(self.derive(password).await?),
            None => None,
        };
        Ok(Prepared {
            owner: Owner::Server(fields.server_id),
            slot: Some(fields.server_id),
            encrypted: secret.is_some(),
            secret,
            fields: serde_json::to_value(&fields)
                .map_err(|_| PrepareError::internal("the fields could not be stored"))?,
        })
    }

    async fn run(&self, cx: &JobContext) -> Result<Option<JobOutput>, JobError> {
        let fields: Fields = cx.fields()?;
        let key = match cx.secret() {
            None => None,
            Some(secret) => Some(DerivedKey::from_bytes(secret.as_ref()).ok_or(BackupError::Key)?),
        };
        let work = Work::new(self.objects.clone(), cx.id(), cx.attempt(), key);
        let done = Run {
            job: self,
            cx,
            fields: &fields,
            work: &work,
        }
        .run()
        .await;
        let continued = matches!(
            &done,
            Err(JobError::Transient { .. } | JobError::Fault { .. } | JobError::LostLease)
        );
        if !continued && let Err(error) = work.clear().await {
            tracing::warn!(
                job.id = %cx.id(), error = %Chain(&error), "work files were left behind"
            );
        }
        done.map(Some)
    }

    async fn deleted(&self, task: &TaskRow) -> Result<(), JobError> {
        let removed = self.objects.remove_all(&format!("tasks/{}", task.id)).await;
        Ok(removed.map_err(BackupError::Objects)?)
    }

    async fn given_up(&self, task: TaskId) {
        let work = Work::new(self.objects.clone(), task, 0, None);
        if let Err(error) = work.clear().await {
            tracing::warn!(job.id = %task, error = %Chain(&error), "work files were left behind");
        }
    }
}

/// All messages, as far as the journal knows them.
struct Walked {
    collection: Collection,
    /// Work files of each share.
    pages: Vec<Vec<String>>,
    threads: Vec<Listing>,
}

/// One attempt.
struct Run<'a> {
    job: &'a CreateBackup,
    cx: &'a JobContext,
    fields: &'a Fields,
    work: &'a Work,
}

impl Run<'_> {
    async fn run(&self) -> Result<JobOutput, JobError> {
        let options = &self.fields.options;
        let snapshot: Snapshot = self.cx.step("snapshot", || self.snapshot()).await?;
        let mut assets = Vec::new();
        for asset in &options.backup_guild_assets {
            let step = format!("asset/{}", asset.field());
            if self
                .cx
                .step(&step, || self.asset(&snapshot, *asset))
                .await?
            {
                assets.push(*asset);
            }
        }
        let mut messages = None;
        if options.backup_messages {
            let threads = self.threads(&snapshot).await?;
            let shares = self
                .cx
                .step("plan", || self.plan(&snapshot, &threads))
                .await?;
            messages = Some(self.messages(shares, threads).await?);
        }
        let filename: String = self
            .cx
            .step("assemble", || {
                self.assemble(&snapshot, &assets, messages.as_ref())
            })
            .await?;
        Ok(JobOutput {
            filename,
            segregated: false,
        })
    }

    async fn snapshot(&self) -> Result<Snapshot, JobError> {
        let (discord, cancelled) = (&self.job.discord, self.cx.cancelled());
        let (server, now) = (self.fields.server_id, self.job.clock.now());
        let taken = snapshot::take(discord, self.work, server, now, cancelled).await?;
        let extra = json!({"server": short(&taken.name), "channels": taken.channels,
                           "roles": taken.roles});
        self.log(
            Level::Info,
            "Read the server's settings, roles and channels",
            extra,
        )
        .await;
        Ok(taken)
    }

    /// One image that cannot be had is reported and left out.
    async fn asset(&self, snapshot: &Snapshot, asset: Asset) -> Result<bool, JobError> {
        let guild: Value = self.work.get_json(&snapshot.guild).await?;
        let name = asset.field();
        let Some(hash) = image_hash(&guild, name) else {
            self.log(
                Level::Info,
                "The server has no such image",
                json!({"asset": name}),
            )
            .await;
            return Ok(false);
        };
        let discord = &self.job.discord;
        let url = discord.guild_image(asset.directory(), &self.fields.server_id.to_string(), &hash);
        let cancelled = self.cx.cancelled();
        let jpeg = match discord
            .download(&url, assets::LARGEST_FILE, cancelled)
            .await
        {
            Ok(file) => {
                let quality = self.fields.constraints.guild_asset_reencode_quality;
                assets::to_jpeg(file.bytes, quality).await
            }
            Err(splashtail_discord::DownloadError::Cancelled) => return Err(JobError::Cancelled),
            Err(error) => Err(error.to_string()),
        };
        match jpeg {
            Ok(jpeg) => {
                let extra = json!({"asset": name, "bytes": jpeg.len()});
                self.work.put(asset.section(), jpeg).await?;
                self.log(Level::Info, "Saved an image of the server", extra)
                    .await;
                Ok(true)
            }
            Err(why) => {
                let extra = json!({"asset": name, "error": why});
                self.log(Level::Warn, "An image of the server was not saved", extra)
                    .await;
                Ok(false)
            }
        }
    }

    async fn threads(&self, snapshot: &Snapshot) -> Result<Vec<Listing>, JobError> {
        let (discord, work) = (&self.job.discord, self.work);
        let (server, cancelled) = (self.fields.server_id, self.cx.cancelled());
        let active =
            || async { Ok(snapshot::active_threads(discord, work, server, cancelled).await?) };
        let active: Listing = self.cx.step("threads/active", active).await?;
        let mut listings = vec![active];
        for parent in &snapshot.thread_parents {
            let step = format!("threads/{}", parent.id);
            listings.push(self.cx.step(&step, || self.archive(*parent)).await?);
        }
        let summary = || async {
            let all: usize = listings.iter().map(|listing| listing.threads).sum();
            if all > 0 {
                let active = listings[0].threads;
                let extra = json!({"active": active, "archived": all - active});
                self.log(Level::Info, "Listed the threads", extra).await;
            }
            Ok(())
        };
        self.cx.step("threads/listed", summary).await?;
        Ok(listings)
    }

    async fn archive(&self, parent: snapshot::ThreadParent) -> Result<Listing, JobError> {
        let (discord, cancelled) = (&self.job.discord, self.cx.cancelled());
        let listed = snapshot::archived_threads(discord, self.work, parent, cancelled).await;
        let archive = match listed {
            Err(error) if self.may_ignore(&error) => {
                let extra = json!({"channelId": parent.id, "error": error.describe(),
                                   "botDisplayIgnore": ["channelId"]});
                self.log(
                    Level::Warn,
                    "Archived threads of a channel are left out",
                    extra,
                )
                .await;
                return Ok(Listing::default());
            }
            listed => listed?,
        };
        if let Some(why) = &archive.refused {
            let extra = json!({"channelId": parent.id, "error": why,
                               "botDisplayIgnore": ["channelId", "error"]});
            self.log(
                Level::Debug,
                "Private archived threads cannot be listed",
                extra,
            )
            .await;
        }
        if archive.more {
            let extra = json!({"channelId": parent.id, "listed": archive.threads});
            self.log(
                Level::Warn,
                "Only the newest archived threads are saved",
                extra,
            )
            .await;
        }
        Ok(archive)
    }

    async fn plan(
        &self,
        snapshot: &Snapshot,
        listings: &[Listing],
    ) -> Result<Vec<Share>, JobError> {
        let guild: Value = self.work.get_json(&snapshot.guild).await?;
        let member: Value = self.work.get_json(&snapshot.member).await?;
        let threads = snapshot::threads(self.work, listings).await?;
        let subject = Subject::new(&guild, &member, snapshot.created_at)
            .ok_or(BackupError::Incomplete("the server"))?;
        let survey = allocate::survey(snapshot::array(&guild["channels"]), &threads, &subject);
        let mut shares =
            allocate::allocate(&survey, &self.fields.options).map_err(BackupError::Allocation)?;
        let unreadable = survey
            .passed
            .values()
            .filter(|passed| **passed == allocate::Passed::Permission)
            .count();
        if unreadable > 0 {
            let message = "Some channels cannot be read: the bot lacks View Channel, \
                           Read Message History or, for voice, Connect";
            self.log(Level::Warn, message, json!({"channels": unreadable}))
                .await;
        }
        let known = shares.len();
        let mut place = 0;
        shares.retain(|share| {
            place += 1;
            place <= MOST_CHANNELS || share.messages > 0 || share.special
        });
        if shares.len() < known {
            let extra = json!({"threads": known - shares.len()});
            self.log(
                Level::Warn,
                "There are too many threads, the last are left out",
                extra,
            )
            .await;
        }
        let chosen = || shares.iter().filter(|share| share.messages > 0);
        let planned: serde_json::Map<String, Value> = chosen()
            .take(SHOWN_ALLOCATIONS)
            .map(|share| (share.channel.id.to_string(), share.messages.into()))
            .collect();
        let extra = json!({"channels": chosen().count(), "allocations": planned,
                           "botDisplayIgnore": ["allocations"]});
        self.log(Level::Info, "Shared out the messages", extra)
            .await;
        Ok(shares)
    }

    async fn messages(
        &self,
        shares: Vec<Share>,
        threads: Vec<Listing>,
    ) -> Result<Walked, JobError> {
        let mut collection = Collection::new(shares, &self.fields.options);
        let mut channels = vec![PageOutcome::default(); collection.shares().len()];
        let mut pages = vec![Vec::new(); collection.shares().len()];
        let mut total = PageOutcome::default();
        while let Some(request) = collection.next_page() {
            let channel = collection.shares()[request.share].channel.id;
            let step = format!("messages/{channel}/{}", request.page);
            let so_far = &mut channels[request.share];
            let outcome: PageOutcome = self
                .cx
                .step(&step, || {
                    self.page(&collection, &request, so_far, total.bytes)
                })
                .await?;
            so_far.add(&outcome);
            total.add(&outcome);
            pages[request.share].extend(outcome.object);
            if outcome.failed.is_some() {
                collection.fail(&request);
            } else {
                collection.record(&request, outcome.count, outcome.oldest);
            }
        }
        let summary = || async {
            let extra = json!({"messages": total.count, "attachments": total.saved,
                               "attachmentsLost": total.lost, "bytes": total.bytes});
            self.log(Level::Info, "Read all messages", extra).await;
            Ok(())
        };
        self.cx.step("messages/read", summary).await?;
        Ok(Walked {
            collection,
            pages,
            threads,
        })
    }

    async fn page(
        &self,
        collection: &Collection,
        request: &PageRequest,
        so_far: &PageOutcome,
        bytes: u64,
    ) -> Result<PageOutcome, JobError> {
        let channel = &collection.shares()[request.share].channel;
        let options = &self.fields.options;
        let budget = options
            .backup_attachments
            .then(|| Budget::new(&self.fields.constraints, bytes));
        let (discord, cancelled) = (&self.job.discord, self.cx.cancelled());
        let read = pages::read(discord, self.work, channel.id, request, budget, cancelled).await;
        let outcome = match read {
            Err(error) if self.may_ignore(&error) => {
                let why = error.describe();
                let extra = json!({"channel": short(&channel.name), "channelId": channel.id,
                                   "messages": so_far.count, "error": why,
                                   "botDisplayIgnore": ["channelId"]});
                self.log(Level::Warn, "A channel could not be read to the end", extra)
                    .await;
                return Ok(PageOutcome {
                    failed: Some(why),
                    ..PageOutcome::default()
                });
            }
            read => read?,
        };
        if let Some(object) = outcome.object.as_ref().filter(|_| outcome.lost > 0) {
            let reasons = pages::losses(self.work, object).await?;
            let extra = json!({"channel": short(&channel.name), "attachments": outcome.lost,
                               "reasons": reasons});
            self.log(Level::Warn, "Attachments were not saved", extra)
                .await;
        }
        let mut read = so_far.clone();
        read.add(&outcome);
        if collection.completes(request, outcome.count) && read.count > 0 {
            let extra = json!({"channel": short(&channel.name), "channelId": channel.id,
                               "messages": read.count, "attachments": read.saved,
                               "bytes": read.bytes,
                               "botDisplayIgnore": ["channelId", "bytes"]});
            self.log(Level::Info, "Saved the messages of a channel", extra)
                .await;
        }
        Ok(outcome)
    }

    /// Failing channels are passed over on request; a failing storage or a dead token never is.
    fn may_ignore(&self, error: &BackupError) -> bool {
        match error {
            BackupError::Discord { source, .. } => {
                self.fields.options.ignore_message_backup_errors && !source.is_unauthorized()
            }
            _ => false,
        }
    }

    async fn assemble(
        &self,
        snapshot: &Snapshot,
        assets: &[Asset],
        walked: Option<&Walked>,
    ) -> Result<String, JobError> {
        let messages = match walked {
            None => None,
            Some(Walked {
                collection,
                pages,
                threads,
            }) => {
                let threads = snapshot::threads(self.work, threads).await?;
                Some(Messages {
                    collection,
                    pages,
                    threads,
                })
            }
        };
        let parts = Parts {
            fields: self.fields,
            encrypted: self.cx.secret().is_some(),
            snapshot,
            assets,
            messages,
        };
        let (file, size) = assemble::assemble(self.work, parts, &self.job.temporary).await?;
        self.cx.fence_check().await?;
        let filename = snapshot
            .created_at
            .format("antiraid-backup-%Y-%m-%d-%H-%M-%S.iblfile")
            .to_string();
        let key = format!("tasks/{}/{filename}", self.cx.id());
        self.job
            .objects
            .put_file(&key, file)
            .await
            .map_err(BackupError::Objects)?;
        self.log(Level::Info, "Wrote the backup file", json!({"bytes": size}))
            .await;
        Ok(filename)
    }

    async fn log(&self, level: Level, message: &str, extra: Value) {
        self.cx.log(level, message, extra).await;
    }
}
