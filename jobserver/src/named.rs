//! What a server has set names roles and channels by their ids. Where a job makes such an object
//! again, the settings go on with the new one.
//!
//! Only what a job itself made counts, be it an earlier one of the server: an object that was found
//! in its place is somebody else's, and trust would go to whoever holds it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use splashtail_api_types::job_lines::Line;
use splashtail_core::clock::Clock;
use splashtail_core::ids::{GuildId, TaskId, UserId};
use splashtail_guild::{Id, Kind, Mapping, Subject};
use splashtail_jobs::{JobContext, JobError, Level};
use splashtail_storage::{
    Edit, Item, NewChange, Outcome, Owner, SettingRow, Storage, StorageError, TaskQuery, TaskRow,
    TaskState, Written,
};

use crate::carry_out::{Before, Made, items};
use crate::lines::say;
use crate::restore::{self, RestoreBackup};
use crate::revert::RevertIncident;

/// Times that the change is begun anew because somebody else was faster.
const ATTEMPTS: u32 = 8;
/// What the history of settings calls it.
const WAY: &str = "restore";

/// Earlier jobs of each kind whose ledgers are looked through.
const EARLIER: u32 = 50;

/// Kind, id that was, id that is.
type Again = (Kind, Id, Id);

/// Roles and channels that are there and stay.
pub type Standing = BTreeSet<(Kind, Id)>;

/// New ids by the old ones, as settings write them.
#[derive(Debug, Default)]
struct Renewed {
    /// Kinds are apart: the first channel of an old server has the id of the server, and so has the
    /// role that everybody holds.
    ids: BTreeMap<String, BTreeMap<Kind, String>>,
    guild: String,
}

/// What settings are written with.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    pub storage: &'a Storage,
    pub clock: &'a dyn Clock,
    pub guild: GuildId,
    /// The bot, who changes them.
    pub bot: u64,
}

impl Settings<'_> {
    /// Has the settings name what this job and earlier ones made. It may be done as often as one
    /// likes, and in a run that has to end: a job that waits, is cancelled or takes too long leaves
    /// no settings behind that name what is gone.
    ///
    /// # Errors
    /// The database is away, or others change the settings all the time: it is tried again.
    pub async fn follow(
        &self,
        cx: &JobContext,
        mapping: &Mapping,
        (created, standing): (&BTreeSet<u64>, &Standing),
    ) -> Result<(), JobError> {
        let done = (created, standing);
        let changed = self.write(cx.id(), mapping, done).await?;
        if changed > 0 {
            let extra = json!({"entries": changed});
            say(cx, Level::Info, Line::SettingsFollow, extra).await;
        }
        Ok(())
    }

    /// Entries that name something else by now.
    async fn write(
        &self,
        task: TaskId,
        mapping: &Mapping,
        (created, standing): (&BTreeSet<u64>, &Standing),
    ) -> Result<usize, JobError> {
        let settings = self.storage.settings();
        let mut now = settings.read(self.guild, None).await.map_err(away)?;
        let Some(by) = UserId::new(self.bot).filter(|_| !now.rows.is_empty()) else {
            return Ok(0);
        };
        let earlier = self.made_before(task).await.map_err(away)?;
        let renewed = renewed(self.guild, mapping, (created, standing), &earlier);
        for _ in 0..ATTEMPTS {
            let rows = now.rows.iter();
            let edits: Vec<Edit> = rows.flat_map(|row| edits(row, &renewed)).collect();
            if edits.is_empty() {
                return Ok(0);
            }
            let change = NewChange {
                guild: self.guild,
                decided_on: now.version,
                by,
                way: WAY,
                at: self.clock.now(),
                undoes: None,
                edits: &edits,
            };
            match settings.write(&change).await.map_err(away)? {
                Written::At(_) => return Ok(edits.iter().filter(|e| e.after.is_some()).count()),
                Written::Stale => now = settings.read(self.guild, None).await.map_err(away)?,
            }
        }
        let message = "Others are changing the server's settings";
        Err(JobError::transient("settings_busy", message))
    }

    /// What earlier jobs of the server made again, by what their ledgers say.
    async fn made_before(&self, task: TaskId) -> Result<Vec<Again>, StorageError> {
        let mut made = Vec::new();
        for name in [RestoreBackup::NAME, RevertIncident::NAME] {
            let query = TaskQuery {
                name: Some(name),
                ..TaskQuery::newest(Owner::Server(self.guild), EARLIER)
            };
            let rows = self.storage.tasks().list(&query, self.clock.now()).await?;
            for row in rows.iter().filter(|row| row.id != task && counts(row)) {
                let items = items(self.storage, row.id).await?;
                made.extend(items.iter().filter_map(again));
            }
        }
        Ok(made)
    }
}

/// Whether the ids of a job's plan are the server's own: those of a file that somebody brought are
/// that one's word.
fn counts(row: &TaskRow) -> bool {
    let brought = || {
        let fields = serde_json::from_value::<restore::options::Fields>(row.fields.clone());
        fields.map_or(true, |fields| fields.options.is_brought())
    };
    row.state != TaskState::Pending && (row.name != RestoreBackup::NAME || !brought())
}

fn again(item: &Item) -> Option<Again> {
    if !matches!(item.outcome, Outcome::Done | Outcome::Adopted) {
        return None;
    }
    let before = Before::of(item).filter(|before| before.creates)?;
    let (Subject::Wanted(old) | Subject::Live(old)) = before.subject?;
    Some((before.kind, old, Made::of(item)?.id?))
}

fn away(error: StorageError) -> JobError {
    JobError::transient("unavailable", "the database failed").caused_by(error)
}

/// `created`: what this job made; `earlier`: what others did, newest job first.
fn renewed(
    guild: GuildId,
    mapping: &Mapping,
    (created, standing): (&BTreeSet<u64>, &Standing),
    earlier: &[Again],
) -> Renewed {
    let pairs: BTreeSet<Again> = mapping.pairs().chain(mapping.renewals()).collect();
    let present: BTreeSet<(Kind, Id)> = pairs.iter().map(|(kind, _, new)| (*kind, *new)).collect();
    let own = pairs
        .iter()
        .filter(|(_, _, new)| created.contains(&new.get()));
    // What an earlier job made counts for as long as it is there, and is what it was made for.
    let before = earlier.iter().filter(|(kind, old, new)| {
        present.contains(&(*kind, *new)) && mapping.live(*kind, *old).is_none_or(|now| now == *new)
    });
    let mut now: BTreeMap<(Kind, Id), Id> = BTreeMap::new();
    for (kind, old, new) in own.clone().chain(before).filter(|(_, old, new)| old != new) {
        now.entry((*kind, *old)).or_insert(*new);
    }
    let links = own.chain(earlier);
    for ((kind, old), new) in through(&now, links) {
        if !standing.contains(&(kind, old)) {
            now.entry((kind, old)).or_insert(new);
        }
    }
    let mut ids: BTreeMap<String, BTreeMap<Kind, String>> = BTreeMap::new();
    for ((kind, old), new) in now {
        let of_id = ids.entry(old.to_string()).or_default();
        of_id.insert(kind, new.to_string());
    }
    Renewed {
        ids,
        guild: guild.to_string(),
    }
}

/// What all that was ever made for the same ends at, where that is one object: made again several times
/// it had several ids, and settings may name any of them.
fn through<'a>(
    now: &BTreeMap<(Kind, Id), Id>,
    links: impl Iterator<Item = &'a Again>,
) -> Vec<((Kind, Id), Id)> {
    let mut next_to: BTreeMap<(Kind, Id), Vec<Id>> = BTreeMap::new();
    for (kind, old, new) in links {
        next_to.entry((*kind, *old)).or_default().push(*new);
        next_to.entry((*kind, *new)).or_default().push(*old);
    }
    let ends: BTreeSet<(Kind, Id)> = now.iter().map(|((kind, _), new)| (*kind, *new)).collect();
    let mut found = Vec::new();
    for (kind, end) in &ends {
        let (mut same, mut open) = (BTreeSet::from([*end]), vec![*end]);
        while let Some(id) = open.pop() {
            for other in next_to.get(&(*kind, id)).into_iter().flatten() {
                if same.insert(*other) {
                    open.push(*other);
                }
            }
        }
        if same
            .iter()
            .filter(|id| ends.contains(&(*kind, **id)))
            .count()
            == 1
        {
            let others = same.into_iter().filter(|id| id != end);
            found.extend(others.map(|id| ((*kind, id), *end)));
        }
    }
    found
}

impl Renewed {
    /// `kind`: what the id is one of, as far as its place says that.
    fn of(&self, id: &str, kind: Option<Kind>) -> Option<&String> {
        let kinds = self.ids.get(id)?;
        match kind {
            Some(kind) => kinds.get(&kind),
            None if id == self.guild => None,
            None => kinds.values().next(),
        }
    }
}

/// What a field or a setting of this name holds ids of.
fn kind_of(name: &str) -> Option<Kind> {
    match (name.contains("role"), name.contains("channel")) {
        (true, false) => Some(Kind::Role),
        (false, true) => Some(Kind::Channel),
        _ => None,
    }
}

/// An entry whose name is an id is another one under the new id.
fn edits(row: &SettingRow, renewed: &Renewed) -> Vec<Edit> {
    let kind = kind_of(&row.setting);
    let fields = value(&row.fields, kind, renewed);
    let entry = name(&row.entry, kind, renewed);
    if entry == row.entry && fields == row.fields {
        return Vec::new();
    }
    let edit = |entry: &str, before: Option<&Value>, after: Option<Value>| Edit {
        setting: row.setting.clone(),
        entry: entry.to_owned(),
        before: before.cloned(),
        after,
    };
    match entry == row.entry {
        true => vec![edit(&entry, Some(&row.fields), Some(fields))],
        false => vec![
            edit(&row.entry, Some(&row.fields), None),
            edit(&entry, None, Some(fields)),
        ],
    }
}

fn value(old: &Value, kind: Option<Kind>, renewed: &Renewed) -> Value {
    match old {
        Value::String(text) => name(text, kind, renewed).into(),
        Value::Array(items) => items
            .iter()
            .map(|item| value(item, kind, renewed))
            .collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields = fields.map(|(key, field)| {
                let kind = kind_of(key).or(kind);
                (key.clone(), value(field, kind, renewed))
            });
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

/// An id, or one behind its kind: `role/5`. Ids within longer texts are what somebody wrote.
fn name(text: &str, kind: Option<Kind>, renewed: &Renewed) -> String {
    let (before, id, kind) = match text.split_once('/') {
        Some((word @ "role", id)) => (Some(word), id, Some(Kind::Role)),
        Some((word @ "channel", id)) => (Some(word), id, Some(Kind::Channel)),
        _ => (None, text, kind),
    };
    match (before, renewed.of(id, kind)) {
        (_, None) => text.to_owned(),
        (None, Some(new)) => new.clone(),
        (Some(word), Some(new)) => format!("{word}/{new}"),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn row(setting: &str, entry: &str, fields: Value) -> SettingRow {
        SettingRow {
            setting: setting.to_owned(),
            entry: entry.to_owned(),
            fields,
            created_at: DateTime::UNIX_EPOCH,
            created_by: None,
            updated_at: DateTime::UNIX_EPOCH,
            updated_by: None,
        }
    }

    const SERVER: u64 = 100;

    fn known() -> Renewed {
        let mut mapping = Mapping::default();
        mapping.insert(Kind::Role, Id::new(5), Id::new(50));
        mapping.insert(Kind::Channel, Id::new(6), Id::new(60));
        // Found in its place, and never gone.
        mapping.insert(Kind::Role, Id::new(7), Id::new(70));
        mapping.insert(Kind::Role, Id::new(8), Id::new(8));
        mapping.insert(Kind::Role, Id::new(SERVER), Id::new(SERVER));
        mapping.insert(Kind::Channel, Id::new(SERVER), Id::new(101));
        mapping.renew(Kind::Channel, Id::new(9), Id::new(90));
        let created = BTreeSet::from([50, 60, 8, 90, 101]);
        let guild = GuildId::new(SERVER).unwrap();
        renewed(guild, &mapping, (&created, &Standing::new()), &[])
    }

    #[test]
    fn settings_name_what_was_made_again_and_nothing_else() {
        let policy = json!({"mode": "on", "alert_channel": "6", "quarantine_role": "5", "rank": 5,
            "others": ["7", "9", "user/5", "5 of 6"]});
        let found = edits(&row("antinuke", "server", policy), &known());
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].after.as_ref().unwrap(),
            &json!({"mode": "on", "alert_channel": "60", "quarantine_role": "50", "rank": 5,
                "others": ["7", "90", "user/5", "5 of 6"]})
        );
        assert!(edits(&row("x", "7", json!({"role": "7"})), &known()).is_empty());
    }

    #[test]
    fn an_entry_that_is_called_by_an_id_moves() {
        let trust = row("trust", "role/5", json!({"who": "role/5"}));
        let found = edits(&trust, &known());
        let told: Vec<_> = found
            .iter()
            .map(|edit| {
                (
                    edit.entry.as_str(),
                    edit.before.is_some(),
                    edit.after.clone(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("role/5", true, None),
                ("role/50", false, Some(json!({"who": "role/50"}))),
            ]
        );
    }

    /// The first channel of an old server has the server's id, and so has the role of everybody.
    #[test]
    fn a_channel_that_is_called_as_the_server_takes_no_role_with_it() {
        for (setting, entry, fields) in [
            ("guild_roles", "100", json!({"role_id": "100", "index": 1})),
            ("trust", "role/100", json!({"who": "role/100"})),
            (
                "antinuke",
                "server",
                json!({"spared_roles": ["100"], "known": ["100"]}),
            ),
        ] {
            let found = edits(&row(setting, entry, fields), &known());
            assert!(found.is_empty(), "{setting}: {found:?}");
        }
        let alerts = json!({"alert_channel": "100", "quarantine_role": "100", "of": "channel/100"});
        let found = edits(&row("antinuke", "server", alerts), &known());
        assert_eq!(
            found[0].after.as_ref().unwrap(),
            &json!({"alert_channel": "101", "quarantine_role": "100", "of": "channel/101"})
        );
    }

    /// A job that ended early made it; this one found it in its place.
    #[test]
    fn what_an_earlier_job_made_counts_while_it_stands_for_the_same() {
        let id = Id::new;
        let mut mapping = Mapping::default();
        mapping.insert(Kind::Role, id(5), id(50));
        mapping.insert(Kind::Role, id(6), id(61));
        mapping.insert(Kind::Role, id(7), id(70));
        let earlier = [
            (Kind::Role, id(5), id(50)),
            // It was made, and something else stands for it now.
            (Kind::Role, id(6), id(60)),
            // It is one of another kind.
            (Kind::Channel, id(7), id(70)),
            // It was made in place of something live, under an id that the backup does not know.
            (Kind::Role, id(9), id(50)),
            // It is gone again.
            (Kind::Role, id(8), id(80)),
        ];
        let guild = GuildId::new(SERVER).unwrap();
        let done = (&BTreeSet::new(), &Standing::new());
        let renewed = renewed(guild, &mapping, done, &earlier);
        let fields = json!({"all": ["5", "6", "7", "8", "9"]});
        let found = edits(&row("x", "server", fields), &renewed);
        let expected = json!({"all": ["50", "6", "7", "8", "50"]});
        assert_eq!(found[0].after.as_ref().unwrap(), &expected);
    }

    /// A role that was made again by one restore, and again by another.
    #[test]
    fn what_was_made_again_twice_is_followed_to_the_last() {
        let id = Id::new;
        let follows = |own: (u64, u64), earlier: &[Again], standing: &[u64]| {
            let mut mapping = Mapping::default();
            mapping.insert(Kind::Role, id(own.0), id(own.1));
            let created = BTreeSet::from([own.1]);
            let standing = standing
                .iter()
                .map(|there| (Kind::Role, id(*there)))
                .collect();
            let guild = GuildId::new(SERVER).unwrap();
            let renewed = renewed(guild, &mapping, (&created, &standing), earlier);
            let fields = json!({"roles": ["5", "50", "500", "5000"]});
            let found = edits(&row("x", "server", fields.clone()), &renewed);
            let after = found.first().and_then(|edit| edit.after.clone());
            after.unwrap_or(fields)["roles"].clone()
        };
        let (first, second) = ((Kind::Role, id(5), id(50)), (Kind::Role, id(5), id(500)));
        // From the same backup again, or from one that was made in between.
        for own in [(5, 500), (50, 500)] {
            assert_eq!(
                follows(own, &[first], &[]),
                json!(["500", "500", "500", "5000"]),
                "{own:?}"
            );
        }
        let all = json!(["5000", "5000", "5000", "5000"]);
        for own in [(5, 5000), (50, 5000), (500, 5000)] {
            assert_eq!(follows(own, &[second, first], &[]), all, "{own:?}");
        }
        // One of them is still there.
        let stays = json!(["500", "50", "500", "5000"]);
        assert_eq!(follows((5, 500), &[first], &[50]), stays);
        // It was a channel.
        let channel = [(Kind::Channel, id(5), id(50))];
        let apart = json!(["500", "50", "500", "5000"]);
        assert_eq!(follows((5, 500), &channel, &[]), apart);
    }
}
