//! One attempt: the order of its steps and what a person sees of them.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};
use splashtail_api_types::job_lines::Line;
use splashtail_discord::permissions::Subject;
use splashtail_iblfile::DerivedKey;
use splashtail_jobs::{JobContext, JobError, JobOutput, Level};

use super::allocate::{self, Share, Survey};
use super::assemble::{self, Parts, Walked};
use super::assets;
use super::coverage::{self, Coverage, LeftOut, Why};
use super::error::{BackupError, Verdict};
use super::files::Kept;
use super::held::Held;
use super::job::CreateBackup;
use super::lists::{self, Lists};
use super::options::{Asset, Fields};
use super::snapshot::{self, Private, Snapshot, ThreadParent, array, image_hash, short};
use super::source::Source;
use super::threads::{self, Archive, ThreadPage};
use super::work::Work;
use crate::lines::with_code;
use crate::look::Look;

mod files;
mod former;
mod messages;
mod people;

use former::Shelf;
pub use people::PeopleList;

/// Channels and threads that a plan can hold; the journal bounds it.
const MOST_CHANNELS: usize = 3000;
const SHOWN_ALLOCATIONS: usize = 100;

/// One attempt.
pub struct Run<'a> {
    pub job: &'a CreateBackup,
    pub cx: &'a JobContext,
    pub fields: &'a Fields,
    pub work: &'a Work,
    /// Opens the earlier backup that the fields name.
    pub former_key: Option<DerivedKey>,
}

/// All threads, as far as they were listed.
#[derive(Default)]
struct Threads {
    /// Work files with them.
    objects: Vec<String>,
    active: usize,
    archived: usize,
    /// Channels with more of them.
    left_out: Vec<LeftOut>,
}

impl Run<'_> {
    pub async fn run(&self) -> Result<JobOutput, JobError> {
        self.work.begin().await?;
        let options = &self.fields.options;
        let snapshot: Snapshot = self.cx.step("snapshot", || self.snapshot()).await?;
        let lists: Lists = self.cx.step("lists", || self.lists(&snapshot)).await?;
        let people = self.people(&snapshot).await?;
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
        let (shelf, found) = (Shelf::default(), self.found().await?);
        let from = (&shelf, &found);
        let files = self.files(&snapshot, &lists, from).await?;
        let threads = self.threads(&snapshot).await?;
        let lost = files.iter().filter(|file| file.digest.is_none());
        let mut coverage = Coverage {
            visible: snapshot.channels,
            hidden: snapshot.hidden.clone(),
            told: !self.fields.known_channels.is_empty(),
            messages: options.backup_messages,
            left_out: threads.left_out.clone(),
            held: Held::default(),
            attachments_lost: 0,
            files_lost: u32::try_from(lost.count()).unwrap_or(u32::MAX),
        };
        let mut messages = None;
        if options.backup_messages {
            let shares: Vec<Share> = self
                .cx
                .step("plan", || self.plan(&snapshot, &threads))
                .await?;
            coverage.left_out.extend(
                self.cx
                    .step("left_out", || self.left_out(&snapshot, &threads, &shares))
                    .await?,
            );
            let bytes = people.iter().map(|list| list.bytes).sum::<u64>()
                + files.iter().map(|file| file.bytes).sum::<u64>();
            let former = self.former(from, &snapshot, &threads).await?;
            let former = (former, &shelf);
            let mut walked = self.messages(former, shares, &mut coverage, bytes).await?;
            let unseen = || self.unseen(&threads, &walked);
            let unseen: Vec<LeftOut> = self.cx.step("messages/unseen", unseen).await?;
            walked.unseen = unseen.iter().map(|left| left.id).collect();
            coverage.left_out.extend(unseen);
            messages = Some(walked);
        } else {
            let left_out = || self.left_out(&snapshot, &threads, &[]);
            coverage
                .left_out
                .extend(self.cx.step("left_out", left_out).await?);
        }
        let guild: Value = self.work.get_json(&snapshot.guild).await?;
        coverage.held = Held::of(array(&guild["channels"]), &coverage.lost());
        let coverage = &coverage;
        let filename: String = self
            .cx
            .step("assemble", || {
                self.assemble(
                    (&snapshot, &lists),
                    (&assets, &people, &files),
                    &threads,
                    messages.as_ref(),
                    coverage,
                )
            })
            .await?;
        self.cx
            .step("coverage", || async {
                let level = if coverage.is_complete() {
                    Level::Info
                } else {
                    Level::Warn
                };
                let extra = json!({"coverage": coverage.summary(),
                                   "held": coverage.held.encode(),
                                   "botDisplayIgnore": ["coverage", "held"]});
                self.log(level, &coverage.message(), extra).await;
                Ok(())
            })
            .await?;
        Ok(JobOutput {
            filename,
            segregated: false,
        })
    }

    fn source(&self) -> Source<'_> {
        Source {
            discord: &self.job.discord,
            clock: self.job.clock.as_ref(),
            cancelled: self.cx.cancelled(),
        }
    }

    async fn snapshot(&self) -> Result<Snapshot, JobError> {
        let (server, now) = (self.fields.server_id, self.job.clock.now());
        let known = &self.fields.known_channels;
        let taken = snapshot::take(self.source(), self.work, server, known, now).await?;
        let extra = json!({"server": short(&taken.name), "channels": taken.channels,
                           "roles": taken.roles});
        self.say(Level::Info, Line::ReadServer, extra).await;
        if !taken.hidden.is_empty() {
            let named = taken
                .hidden
                .iter()
                .map(|hidden| format!("{} ({})", hidden.id, coverage::kind_name(hidden.kind)));
            let extra = json!({"count": taken.hidden.len(), "channels": coverage::names(named)});
            self.say(Level::Warn, Why::Hidden.line(), extra).await;
        }
        Ok(taken)
    }

    /// Lists that the bot may not read are reported and left out.
    async fn lists(&self, snapshot: &Snapshot) -> Result<Lists, JobError> {
        let guild: Value = self.work.get_json(&snapshot.guild).await?;
        let server = self.fields.server_id;
        let lists = lists::read(self.source(), self.work, &guild, server).await?;
        for (what, error) in &lists.refused {
            let extra = json!({"what": what, "error": error});
            self.say(Level::Warn, Line::PartLeftOut, extra).await;
        }
        Ok(lists)
    }

    /// One image that cannot be had is reported and left out.
    async fn asset(&self, snapshot: &Snapshot, asset: Asset) -> Result<bool, JobError> {
        let guild: Value = self.work.get_json(&snapshot.guild).await?;
        let name = asset.field();
        let Some(hash) = image_hash(&guild, name) else {
            self.say(Level::Info, Line::NoImage, json!({"asset": name}))
                .await;
            return Ok(false);
        };
        let (server, discord) = (self.fields.server_id, &self.job.discord);
        let url = discord.guild_image(asset.directory(), &server.to_string(), &hash);
        let downloaded = self.source().download(&url, assets::LARGEST_FILE).await;
        let downloaded = downloaded.map_err(BackupError::download(format!(
            "reading the server's {name}"
        )));
        let jpeg = match downloaded {
            Ok(file) => {
                let quality = self.fields.constraints.guild_asset_reencode_quality;
                assets::to_jpeg(file.bytes, quality).await
            }
            Err(error) if error.verdict() == Verdict::Refused => Err(error.describe()),
            Err(error) => return Err(error.into()),
        };
        match jpeg {
            Ok(jpeg) => {
                let extra = json!({"asset": name, "bytes": jpeg.len()});
                self.work.put(asset.section(), jpeg).await?;
                self.say(Level::Info, Line::SavedImage, extra).await;
                Ok(true)
            }
            Err(why) => {
                let extra = json!({"asset": name, "error": why});
                self.say(Level::Warn, Line::ImageNotSaved, extra).await;
                Ok(false)
            }
        }
    }

    /// Threads belong to the structure of a server: they are listed whether messages are wanted or
    /// not.
    async fn threads(&self, snapshot: &Snapshot) -> Result<Threads, JobError> {
        let mut found = Threads::default();
        let server = self.fields.server_id;
        let active = || async { Ok(threads::active(self.source(), self.work, server).await?) };
        let active: ThreadPage = self.cx.step("threads/active", active).await?;
        found.active = active.threads;
        found.objects.extend(active.object);
        for parent in &snapshot.thread_parents {
            for archive in Archive::of(parent) {
                self.archived(parent, archive, &mut found).await?;
            }
        }
        let summary = || async {
            if found.active + found.archived > 0 {
                let extra = json!({"active": found.active, "archived": found.archived});
                self.say(Level::Info, Line::ListedThreads, extra).await;
            }
            Ok(())
        };
        self.cx.step("threads/listed", summary).await?;
        Ok(found)
    }

    async fn archived(
        &self,
        parent: &ThreadParent,
        archive: Archive,
        found: &mut Threads,
    ) -> Result<(), JobError> {
        let mut before = ThreadPage::default();
        let mut missing = None;
        for number in 0.. {
            let step = format!("threads/{}/{}/{number}", parent.id, archive.name());
            let page: ThreadPage = self
                .cx
                .step(&step, || self.thread_page(parent, archive, number, &before))
                .await?;
            found.archived += page.threads;
            found.objects.extend(page.object.clone());
            if page.crowded.is_some() {
                missing = Some((Why::SameInstant, page.crowded.clone()));
            }
            if let Some(why) = &page.refused {
                missing = Some((Why::Refused, Some(why.clone())));
            }
            if page.next.is_some() && number + 1 == threads::MOST_PAGES {
                missing = Some((Why::TooMany, None));
                break;
            }
            if page.next.is_none() {
                break;
            }
            before = page;
        }
        found.left_out.extend(missing.map(|(why, detail)| LeftOut {
            id: parent.id,
            name: parent.name.clone(),
            kind: None,
            why,
            detail,
        }));
        Ok(())
    }

    async fn thread_page(
        &self,
        parent: &ThreadParent,
        archive: Archive,
        number: usize,
        before: &ThreadPage,
    ) -> Result<ThreadPage, JobError> {
        let channel = || json!(coverage::shown(&parent.name, parent.id));
        let source = self.source();
        let page = threads::archived(source, self.work, parent, archive, number, before).await;
        let page = match page {
            Err(error) if self.may_ignore_threads(&error) => {
                let extra = json!({"channel": channel(), "error": error.describe()});
                self.say(Level::Warn, Line::ArchivedLeftOut, extra).await;
                return Ok(ThreadPage {
                    refused: Some(error.describe()),
                    ..ThreadPage::default()
                });
            }
            page => page?,
        };
        if let Some(why) = &page.refused {
            let extra = json!({"channel": channel(), "error": why});
            self.say(Level::Warn, Line::PrivateLeftOut, extra).await;
        }
        if let Some(at) = &page.crowded {
            let extra = json!({"channel": channel(), "archivedAt": at});
            self.say(Level::Warn, Why::SameInstant.line(), extra).await;
        }
        if page.next.is_some() && number + 1 == threads::MOST_PAGES {
            let extra = json!({"channel": channel()});
            self.say(Level::Warn, Why::TooMany.line(), extra).await;
        }
        Ok(page)
    }

    async fn survey(&self, snapshot: &Snapshot, threads: &Threads) -> Result<Survey, BackupError> {
        let guild: Value = self.work.get_json(&snapshot.guild).await?;
        let member: Value = self.work.get_json(&snapshot.member).await?;
        let threads = threads::read(self.work, &threads.objects).await?;
        let subject = Subject::new(&guild, &member, snapshot.created_at)
            .ok_or(BackupError::Incomplete("settings of the server"))?;
        let channels = snapshot::array(&guild["channels"]);
        Ok(allocate::survey(channels, &threads, &subject))
    }

    async fn plan(&self, snapshot: &Snapshot, threads: &Threads) -> Result<Vec<Share>, JobError> {
        let survey = self.survey(snapshot, threads).await?;
        let mut shares = allocate::allocate(&survey, &snapshot.hidden, &self.fields.options)
            .map_err(BackupError::Allocation)?;
        let mut place = 0;
        shares.retain(|share| {
            place += 1;
            place <= MOST_CHANNELS || share.messages > 0 || share.special
        });
        let chosen = || shares.iter().filter(|share| share.messages > 0);
        let planned: serde_json::Map<String, Value> = chosen()
            .take(SHOWN_ALLOCATIONS)
            .map(|share| (share.channel.id.to_string(), share.messages.into()))
            .collect();
        let extra = json!({"channels": chosen().count(), "allocations": planned,
                           "botDisplayIgnore": ["allocations"]});
        self.say(Level::Info, Line::SharedOut, extra).await;
        Ok(shares)
    }

    /// Channels that seem to be read to their first message, and that the bot may not read any more:
    /// Discord's answer is an empty page then, and not an error.
    async fn unseen(&self, threads: &Threads, walked: &Walked) -> Result<Vec<LeftOut>, JobError> {
        let whole: HashSet<_> = walked.whole().collect();
        if whole.is_empty() {
            return Ok(Vec::new());
        }
        let (server, known) = (self.fields.server_id, &self.fields.known_channels);
        let look = match Look::at(self.source(), server, known).await {
            // The bot was sent away when all was read.
            Err(error) if error.verdict() == Verdict::Refused => return Ok(Vec::new()),
            look => look?,
        };
        let threads = threads::read(self.work, &threads.objects).await?;
        let subject = look.subject(self.job.clock.now())?;
        let survey = allocate::survey(&look.channels, &threads, &subject);
        let mut unseen = survey.left_out();
        unseen.retain(|left| left.why == Why::Permission && whole.contains(&left.id));
        if !unseen.is_empty() {
            let names = coverage::names(unseen.iter().map(LeftOut::shown));
            let extra = json!({"count": unseen.len(), "channels": names});
            self.say(Level::Warn, Why::Permission.line(), extra).await;
        }
        Ok(unseen)
    }

    /// What the backup lacks because of what the server is like, each reason said once.
    async fn left_out(
        &self,
        snapshot: &Snapshot,
        threads: &Threads,
        shares: &[Share],
    ) -> Result<Vec<LeftOut>, JobError> {
        let options = &self.fields.options;
        let survey = self.survey(snapshot, threads).await?;
        let mut left_out = survey.left_out();
        left_out.retain(|left| {
            // Threads are part of the structure, and its archived ones could not be listed.
            let holds_threads = left.kind.is_some_and(allocate::has_threads);
            let asked_for = options.channels.is_empty() || options.channels.contains(&left.id);
            holds_threads || options.backup_messages && asked_for
        });
        let parents = snapshot.thread_parents.iter();
        let half_seen = parents.filter(|parent| parent.private == Private::Joined);
        left_out.extend(half_seen.map(|parent| LeftOut {
            id: parent.id,
            name: parent.name.clone(),
            kind: None,
            why: Why::PrivateThreads,
            detail: None,
        }));
        if options.backup_messages {
            let kept: HashSet<_> = shares.iter().map(|share| share.channel.id).collect();
            let cut = survey
                .candidates
                .iter()
                .filter(|candidate| candidate.is_chosen(options) && !kept.contains(&candidate.id));
            left_out.extend(cut.map(|candidate| LeftOut {
                id: candidate.id,
                name: candidate.name.clone(),
                kind: None,
                why: Why::TooMany,
                detail: None,
            }));
        }
        let mut groups: BTreeMap<_, Vec<&LeftOut>> = BTreeMap::new();
        for left in &left_out {
            let kind = left.kind.filter(|_| left.why == Why::UnknownKind);
            groups.entry((left.why, kind)).or_default().push(left);
        }
        for ((why, kind), group) in groups {
            let names = coverage::names(group.iter().map(|left| left.shown()));
            let mut extra = json!({"count": group.len(), "channels": names});
            if let Some(kind) = kind {
                extra["kind"] = kind.into();
            }
            self.say(Level::Warn, why.line(), extra).await;
        }
        Ok(left_out)
    }

    /// What Discord refuses for good may be passed over on request. What passes is waited for, and
    /// a failing storage or a dead token ends the backup.
    fn may_ignore(&self, error: &BackupError) -> bool {
        self.fields.options.ignore_message_backup_errors && error.verdict() == Verdict::Refused
    }

    /// Without messages threads are a part of the structure; one channel that was deleted a moment
    /// ago does not spoil the rest of it.
    fn may_ignore_threads(&self, error: &BackupError) -> bool {
        let structure_only = !self.fields.options.backup_messages;
        self.may_ignore(error) || structure_only && error.verdict() == Verdict::Refused
    }

    async fn assemble(
        &self,
        (snapshot, lists): (&Snapshot, &Lists),
        (assets, people, files): (&[Asset], &[PeopleList], &[Kept]),
        threads: &Threads,
        messages: Option<&Walked>,
        coverage: &Coverage,
    ) -> Result<String, JobError> {
        let parts = Parts {
            fields: self.fields,
            encrypted: self.cx.secret().is_some(),
            snapshot,
            lists: &lists.saved,
            assets,
            files,
            people,
            threads: threads::read(self.work, &threads.objects).await?,
            messages,
            coverage,
        };
        let (file, size) = assemble::assemble(self.work, parts, &self.job.temporary).await?;
        self.cx.fence_check().await?;
        let filename = snapshot
            .created_at
            .format("antiraid-backup-%Y-%m-%d-%H-%M-%S.iblfile")
            .to_string();
        let key = format!("tasks/{}/{filename}", self.cx.id());
        self.work.publish(&key, file).await?;
        self.say(Level::Info, Line::WroteFile, json!({"bytes": size}))
            .await;
        Ok(filename)
    }

    async fn say(&self, level: Level, line: Line, extra: Value) {
        let (text, extra) = with_code(line, extra);
        self.log(level, &text, extra).await;
    }

    /// For whoever watches the job; warnings are the operator's concern, too.
    async fn log(&self, level: Level, message: &str, extra: Value) {
        let id = self.cx.id();
        match level {
            Level::Warn => tracing::warn!(job.id = %id, job.extra = %extra, "{message}"),
            Level::Error => tracing::error!(job.id = %id, job.extra = %extra, "{message}"),
            _ => {}
        }
        self.cx.log(level, message, extra).await;
    }
}
