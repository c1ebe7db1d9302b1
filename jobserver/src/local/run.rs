//! Running one job and watching it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::{Value, json};
use splashtail_api_types::job_kinds::JobKind;
use splashtail_api_types::tasks::RenewedId;
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_core::password;
use splashtail_jobs::{CreateRequest, Engine, EngineError, Owner, PrepareError, TaskState};
use splashtail_storage::TaskRow;
use tokio_util::sync::CancellationToken;

use super::kinds;
use super::show::Show;
use super::site::{self, Site};
use super::{Account, FAILED, INTERRUPTED, Place, RunArgs, refused};

/// Between two looks at the job.
const LOOK: Duration = Duration::from_millis(200);
const LINES: u32 = 200;
const LISTED: u32 = 100;

/// A new job, to its end.
pub async fn begin(place: &Place, args: RunArgs) -> anyhow::Result<ExitCode> {
    let kind = kinds::find(&args.kind).map_err(refused)?;
    let mut options = kind
        .options(args.preset.as_deref(), &args.fields)
        .map_err(refused)?;
    let dry = options.get("DryRun") == Some(&Value::Bool(true));
    if kind.changes() && !dry && !args.yes {
        return Err(refused(anyhow!(
            "this changes the server: look first with -F DryRun=true, then add --yes"
        )));
    }
    if let Some(name) = kind.password {
        let given = password::given(args.password_file.as_deref()).map_err(refused)?;
        options.extend(given.map(|password| (name.to_owned(), password.into())));
    }
    let as_of = options.get(kinds::AS_OF).is_some_and(|at| *at != "");
    match (&args.source, kind.takes_source) {
        (None, true) if !as_of => {
            return Err(refused(anyhow!(
                "--source is missing: the backup to restore, or -F AsOf=<time> in its place"
            )));
        }
        (Some(_), true) if as_of => {
            return Err(refused(anyhow!(
                "AsOf stands in place of --source: leave one of them"
            )));
        }
        (Some(_), false) => {
            return Err(refused(anyhow!("{} takes no --source", kind.name())));
        }
        _ => {}
    }
    if let Some(output) = &args.output {
        site::vacant(output)?;
    }
    let clock = splashtail_core::clock::SystemClock::shared();
    let discord = args.account.discord(clock)?;
    let mut show = Show::new(place.json);
    let name = site::check(&discord, args.server).await?;
    let bot = site::own_id(&discord).await?;
    let site = Site::open(&place.data_dir).await?;
    if let Some(source) = &args.source {
        let source = self::source(&site, args.server, source).await?;
        options.insert("BackupSource".to_owned(), source.into());
    }
    let engine = site.engine(discord)?;
    let fields = kind.fields(args.server, bot, options);
    let request = CreateRequest::new("cli", kind.name(), fields);
    let created = match engine.create(request).await {
        Ok(created) => created,
        Err(error) => {
            site.tidy().await?;
            return Err(order_refused(error));
        }
    };
    let id = created.task_id;
    show.event(
        "created",
        json!({"task_id": id, "kind": kind.name(), "server": name}),
    );
    show.say(&format!("{}: {} in {name}", id, kind.about()));
    follow(&site, &engine, id, show, args.output.as_deref()).await
}

/// One that was interrupted.
pub async fn resume(
    place: &Place,
    id: Option<TaskId>,
    output: Option<PathBuf>,
    account: &Account,
) -> anyhow::Result<ExitCode> {
    if let Some(output) = &output {
        site::vacant(output)?;
    }
    let site = Site::existing(&place.data_dir).await?;
    let row = match id {
        Some(id) => find(&site, id).await?,
        None => {
            let rows = rows(&site).await?;
            let open = rows.into_iter().find(|row| !row.state.is_terminal());
            open.ok_or_else(|| refused(anyhow!("no job of this directory is unfinished")))?
        }
    };
    let mut show = Show::new(place.json);
    if row.state.is_terminal() {
        show.say("It has ended already.");
    }
    let discord = account.discord(site.clock.clone())?;
    if let Owner::Server(server) = row.owner {
        site::check(&discord, server).await?;
    }
    let engine = site.engine(discord)?;
    show.event("resumed", json!({"task_id": row.id, "kind": row.name}));
    follow(&site, &engine, row.id, show, output.as_deref()).await
}

pub async fn list(place: &Place) -> anyhow::Result<ExitCode> {
    use std::io::Write as _;
    let site = Site::existing(&place.data_dir).await?;
    let mut out = std::io::stdout();
    for row in rows(&site).await? {
        let at = row.created_at.format("%Y-%m-%d %H:%M");
        if place.json {
            let shown = json!({"task_id": row.id, "kind": row.name, "state": row.state.as_str(),
                               "owner": row.owner.to_string(), "created_at": row.created_at});
            writeln!(out, "{shown}")?;
        } else {
            writeln!(
                out,
                "{}  {at}  {:<9}  {}",
                row.id,
                row.state.as_str(),
                row.name
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn cancel(place: &Place, id: TaskId) -> anyhow::Result<ExitCode> {
    let site = Site::existing(&place.data_dir).await?;
    find(&site, id).await?;
    let entry = splashtail_storage::NewLogEntry::new(
        splashtail_jobs::Level::Error,
        site.clock.now(),
        "Cancelled",
        serde_json::Map::from_iter([("code".to_owned(), Value::from("cancelled"))]),
    );
    let cancelled = site.storage.tasks().cancel(id, &entry).await?;
    crate::backup::clear(&site.objects, id).await?;
    site.tidy().await?;
    let mut show = Show::new(place.json);
    let changed = cancelled.is_some_and(|cancelled| cancelled.changed);
    show.event("cancelled", json!({"task_id": id, "changed": changed}));
    show.say(if changed {
        "Cancelled."
    } else {
        "It had ended already."
    });
    Ok(ExitCode::SUCCESS)
}

/// What a job made again, one object a line.
pub async fn ids(place: &Place, id: TaskId, kind: Option<&str>) -> anyhow::Result<ExitCode> {
    use std::io::Write as _;
    let site = Site::existing(&place.data_dir).await?;
    let row = find(&site, id).await?;
    let none = || refused(anyhow!("job {id} has left no list of new ids"));
    let report = row.output.filter(|left| left.filename.ends_with(".json"));
    let report = report.ok_or_else(none)?;
    let report = site
        .objects
        .get(&format!("tasks/{id}/{}", report.filename))
        .await?;
    let all = RenewedId::all_of(&report)?.ok_or_else(none)?;
    let mut out = std::io::stdout();
    let wanted = |one: &&RenewedId| kind.is_none_or(|kind| one.kind == kind);
    for one in all.iter().filter(wanted) {
        match place.json {
            true => writeln!(out, "{}", serde_json::to_string(one)?)?,
            false => writeln!(out, "{}\t{}\t{}", one.kind, one.old, one.new)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the job and shows it, until it has ended or somebody interrupts.
async fn follow(
    site: &Site,
    engine: &Engine,
    id: TaskId,
    mut show: Show,
    output: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let shutdown = CancellationToken::new();
    let interrupts = tokio::spawn(interrupts(shutdown.clone()));
    let running = engine.run_only(id, shutdown.clone());
    tokio::pin!(running);
    let mut seen = 0;
    loop {
        let over = tokio::select! {
            () = &mut running => true,
            () = site.clock.sleep(LOOK) => false,
        };
        seen = tell(site, id, seen, &mut show).await?;
        if over {
            break;
        }
    }
    interrupts.abort();
    show.clear();
    let row = find(site, id).await?;
    if row.state.is_terminal() {
        site.tidy().await?;
    }
    match row.state {
        TaskState::Completed => completed(site, &row, show, output).await,
        TaskState::Failed => {
            show.event("end", json!({"state": "failed"}));
            show.say("The job failed.");
            Ok(ExitCode::from(FAILED))
        }
        TaskState::Pending | TaskState::Running => {
            show.event("end", json!({"state": "interrupted"}));
            show.say(&format!(
                "Interrupted. `splashtail localjobs resume {id}` goes on."
            ));
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

async fn completed(
    site: &Site,
    row: &TaskRow,
    mut show: Show,
    output: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let Some(left) = &row.output else {
        show.event("end", json!({"state": "completed"}));
        show.say("Done.");
        return Ok(ExitCode::SUCCESS);
    };
    let path = site.deliver(row.id, &left.filename, output).await?;
    let shown = path.display().to_string();
    show.event("end", json!({"state": "completed", "path": shown}));
    show.say(&format!("Done: {shown}"));
    Ok(ExitCode::SUCCESS)
}

/// Ctrl-C lets what is under way end and hands the job back; a second one waits for nothing.
#[allow(clippy::disallowed_methods, reason = "it was asked for twice")]
async fn interrupts(shutdown: CancellationToken) {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
    shutdown.cancel();
    if tokio::signal::ctrl_c().await.is_ok() {
        // The job's lease ends by itself.
        std::process::exit(i32::from(INTERRUPTED));
    }
}

/// Shows what is new; where to go on next time.
async fn tell(site: &Site, id: TaskId, mut seen: i64, show: &mut Show) -> anyhow::Result<i64> {
    loop {
        let entries = site.storage.tasks().log(id, seen, LINES).await?;
        let Some(last) = entries.last() else { break };
        seen = last.seq;
        for entry in &entries {
            show.entry(entry);
        }
    }
    let row = find(site, id).await?;
    if let Some(advance) = row.advance.filter(|_| !row.state.is_terminal()) {
        show.advance(&advance, site.clock.monotonic());
    }
    Ok(seen)
}

async fn find(site: &Site, id: TaskId) -> anyhow::Result<TaskRow> {
    let row = site.storage.tasks().get(id, site.clock.now()).await?;
    row.ok_or_else(|| refused(anyhow!("there is no job {id} in this directory")))
}

/// The newest jobs of every server.
async fn rows(site: &Site) -> anyhow::Result<Vec<TaskRow>> {
    let mut rows = site.storage.tasks().newest(LISTED).await?;
    rows.retain(|row| JobKind::find(&row.name).is_some());
    Ok(rows)
}

/// What a restore calls its source.
async fn source(site: &Site, server: GuildId, given: &str) -> anyhow::Result<String> {
    if given.starts_with("https://") || given.starts_with("http://") {
        return Ok(given.to_owned());
    }
    let id: TaskId = match given.parse() {
        Ok(id) => id,
        Err(_) => site.import(server, Path::new(given)).await?,
    };
    Ok(format!("task://{id}"))
}

fn order_refused(error: EngineError) -> anyhow::Error {
    match &error {
        EngineError::Prepare(PrepareError::Invalid { .. }) => refused(error),
        EngineError::SlotTaken { by, .. } => refused(anyhow!(
            "an unfinished job of this server stands in the way: \
             `splashtail localjobs resume {by}` goes on with it, `cancel {by}` ends it"
        )),
        _ => error.into(),
    }
}
