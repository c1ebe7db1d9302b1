//! Which of a schedule's backups are worth keeping: one of a server that was just torn down, or that the
//! bot hardly saw, takes no good one's place.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use splashtail_antinuke::IncidentState;
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_discord::snowflake;
use splashtail_jobs::{Appraisal, Owner, TaskRow};
use splashtail_storage::{Storage, StorageError, TaskLogEntry};

use super::coverage::Why;
use super::held::Held;

/// A fall to less than so many hundredths of the channels that were saved before.
const MUCH: u64 = 75;
/// So long what was saved before is a measure; by then people have made the server anew.
const MEASURE: TimeDelta = TimeDelta::days(30);
/// So long after its begin something made before an incident is kept.
const RECENT: TimeDelta = TimeDelta::days(30);
/// Incidents that are looked at, the newest ones.
const MOST_INCIDENTS: u32 = 50;
/// What nobody is done with yet.
const OPEN: [IncidentState; 4] = [
    IncidentState::Open,
    IncidentState::Containing,
    IncidentState::Unreachable,
    IncidentState::Failed,
];
/// Entries at the end of a log that are looked through for the balance.
const LAST_ENTRIES: u32 = 20;

/// What is known of a backup.
#[derive(Debug, Clone)]
struct Made {
    id: TaskId,
    ended_at: DateTime<Utc>,
    /// How many channels it holds; `None` when nobody knows.
    channels: Option<u64>,
    /// Which; `None` when it did not say.
    held: Option<Held>,
}

impl Made {
    /// How many hundredths of what an earlier one holds are left in this one; `None` when nobody knows.
    fn share_of(&self, before: &Self) -> Option<u64> {
        let of = |left: u64, all: u64| (left * 100).checked_div(all);
        let number = self.channels.zip(before.channels);
        let number = number.and_then(|(now, before)| of(now, before));
        let which = self.held.as_ref().zip(before.held.as_ref());
        let which =
            which.and_then(|(now, before)| of(before.left_in(now) as u64, before.len() as u64));
        // As many others in their place are a loss, too.
        number.into_iter().chain(which).min()
    }
}

/// Judges the backups of a schedule, the newest first.
///
/// # Errors
/// The database is away.
pub async fn appraise(
    storage: &Storage,
    rows: &[TaskRow],
    now: DateTime<Utc>,
) -> Result<Appraisal, StorageError> {
    let mut made = Vec::with_capacity(rows.len());
    for row in rows {
        let log = storage.tasks().log_end(row.id, LAST_ENTRIES).await?;
        made.push(Made {
            id: row.id,
            ended_at: row.last_updated,
            channels: log.iter().find_map(channels),
            held: log.iter().find_map(held),
        });
    }
    let Some(Owner::Server(guild)) = rows.first().map(|row| row.owner) else {
        return Ok(Appraisal::default());
    };
    let incidents = incidents(storage, guild, now).await?;
    Ok(judge(&made, &incidents))
}

/// Begins of incidents that are open or recent.
async fn incidents(
    storage: &Storage,
    guild: GuildId,
    now: DateTime<Utc>,
) -> Result<Vec<DateTime<Utc>>, StorageError> {
    let rows = storage.protections().incidents(guild, None, MOST_INCIDENTS);
    let began = rows.await?.into_iter().filter_map(|row| {
        let at = snowflake::made_at(row.incident.cast_unsigned());
        let state = serde_json::from_value(row.state.into());
        let is_open = state.is_ok_and(|state| OPEN.contains(&state));
        (is_open || now - at < RECENT).then_some(at)
    });
    Ok(began.collect())
}

/// The channels that the end of a backup's log names.
fn held(entry: &TaskLogEntry) -> Option<Held> {
    Held::decode(entry.extra.get("held")?.as_str()?)
}

/// How many channels are held by the balance that a backup's log ends with.
fn channels(entry: &TaskLogEntry) -> Option<u64> {
    let balance = entry.extra.get("coverage")?;
    if let Some(held) = balance["held"].as_u64() {
        return Some(held);
    }
    // Earlier versions did not say it, and named some of what was lost.
    let lost = |left: &&Value| {
        let why: Option<Why> = serde_json::from_value(left["why"].clone()).ok();
        matches!(why, Some(Why::Permission | Why::Refused))
    };
    let left_out = balance["leftOut"].as_array();
    let lost = left_out.map_or(0, |left| left.iter().filter(lost).count());
    Some(balance["visible"].as_u64()?.saturating_sub(lost as u64))
}

fn judge(made: &[Made], incidents: &[DateTime<Utc>]) -> Appraisal {
    let mut appraisal = Appraisal::default();
    // What was made in a ruin is no measure of what comes after it.
    for (place, one) in made.iter().enumerate().rev() {
        let older = &made[place + 1..];
        let is_measure = |(nth, before): &(usize, &Made)| {
            let is_near = *nth == 0 || one.ended_at - before.ended_at < MEASURE;
            is_near && !appraisal.poor.contains(&before.id)
        };
        let measures = older.iter().enumerate().filter(is_measure);
        let left = measures.filter_map(|(_, before)| one.share_of(before));
        if left.min().is_some_and(|left| left < MUCH) {
            appraisal.poor.insert(one.id);
        }
    }
    let good = |one: &&Made| !appraisal.poor.contains(&one.id);
    let mut kept: Vec<TaskId> = made
        .iter()
        .find(good)
        .map(|one| one.id)
        .into_iter()
        .collect();
    for began in incidents {
        let mut before = made.iter().filter(|one| one.ended_at < *began);
        let newest = before.clone().find(good).or_else(|| before.next());
        kept.extend(newest.map(|one| one.id));
    }
    appraisal.kept.extend(kept);
    appraisal
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use splashtail_jobs::Level;

    use super::*;

    fn day(day: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(day)
    }

    /// Of `(day, channels)`, the newest first.
    fn made(of: &[(i64, Option<u64>)]) -> Vec<Made> {
        let one = |&(at, channels): &(i64, Option<u64>)| Made {
            id: TaskId::random(),
            ended_at: day(at),
            channels,
            held: None,
        };
        of.iter().map(one).collect()
    }

    /// Of `(day, first and last channel of some rows)`, the newest first.
    fn holding(of: &[(i64, &[(u64, u64)])]) -> Vec<Made> {
        let one = |(at, rows): &(i64, &[(u64, u64)])| {
            let channel = |n: u64| json!({"id": (n << 22).to_string(), "type": 0, "name": n});
            let channels: Vec<_> = rows
                .iter()
                .flat_map(|(a, b)| *a..=*b)
                .map(channel)
                .collect();
            let held = Held::of(&channels, &std::collections::BTreeSet::new());
            Made {
                id: TaskId::random(),
                ended_at: day(*at),
                channels: Some(held.len() as u64),
                held: Some(held),
            }
        };
        of.iter().map(one).collect()
    }

    #[test]
    fn as_many_other_channels_are_no_whole_server() {
        let made = holding(&[
            (9, &[(1, 44)]),
            (8, &[(1, 9), (1000, 1199)]),
            (7, &[(1, 10), (1000, 1199)]),
            (6, &[(1, 51)]),
            (5, &[(1, 50)]),
        ]);
        let judged = judge(&made, &[]);
        assert_eq!(places(&made, &judged.poor), [1, 2]);
        assert_eq!(places(&made, &judged.kept), [0], "it was put back");
    }

    fn places(made: &[Made], ids: &std::collections::HashSet<TaskId>) -> Vec<usize> {
        (0..made.len())
            .filter(|place| ids.contains(&made[*place].id))
            .collect()
    }

    #[test]
    fn what_fell_much_is_poor_and_the_newest_good_one_stays() {
        let made = made(&[
            (9, Some(5)),
            (8, Some(40)),
            (7, Some(39)),
            (6, None),
            (5, Some(50)),
        ]);
        let judged = judge(&made, &[]);
        assert_eq!(places(&made, &judged.poor), [0]);
        assert_eq!(places(&made, &judged.kept), [1], "40 of 50 is no ruin");
    }

    #[test]
    fn after_a_month_the_new_state_is_the_measure() {
        let before = made(&[(60, Some(5)), (50, Some(5)), (31, Some(5)), (29, Some(50))]);
        let judged = judge(&before, &[]);
        assert_eq!(places(&before, &judged.poor), [1, 2]);
        assert_eq!(places(&before, &judged.kept), [0]);
        let seldom = made(&[(120, Some(5)), (60, Some(50))]);
        let judged = judge(&seldom, &[]);
        assert_eq!(
            places(&seldom, &judged.poor),
            [0],
            "the one before always is"
        );
    }

    #[test]
    fn one_from_before_each_incident_stays() {
        let made = made(&[
            (9, Some(50)),
            (8, Some(50)),
            (7, Some(3)),
            (6, Some(50)),
            (5, Some(50)),
        ]);
        let judged = judge(&made, &[day(8), day(4)]);
        assert_eq!(places(&made, &judged.poor), [2]);
        assert_eq!(places(&made, &judged.kept), [0, 3], "a poor one is no help");
        let ruined = &made[2..3];
        assert_eq!(places(ruined, &judge(ruined, &[day(8)]).kept), [0]);
    }

    #[test]
    fn the_balance_is_read_from_the_log() {
        let entry = |extra: Value| TaskLogEntry {
            seq: 1,
            level: Level::Info,
            ts: day(1),
            msg: String::new(),
            extra: extra.as_object().cloned().unwrap_or_default(),
        };
        let left = json!([{"id": "5", "why": "private_threads"}, {"id": "6", "why": "permission"}]);
        let balance = json!({"coverage": {"visible": 42, "leftOut": left}});
        assert_eq!(channels(&entry(balance)), Some(41));
        assert_eq!(channels(&entry(json!({"bytes": 5}))), None);
        let balance =
            json!({"coverage": {"visible": 42, "held": 22, "leftOut": []}, "held": "AAECAw"});
        assert_eq!(channels(&entry(balance.clone())), Some(22));
        assert_eq!(held(&entry(balance)).unwrap().len(), 1);
    }
}
