//! The fleet as text. On a narrow screen the least important columns go first, then names are cut.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use splashtail_api_types::clusters::InstanceState;
use splashtail_core::ids::ShardId;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::fleet::{Cluster, Fleet};

const GAP: usize = 2;
const UNKNOWN: &str = "-";
/// Before a name is cut below this, columns are left out.
const SHORT: usize = 12;
/// No name is cut below this.
const SHORTEST: usize = 4;

struct Column {
    title: &'static str,
    /// Columns of the highest rank are left out first; those of rank 0 always stay.
    rank: u8,
    right: bool,
    /// Its cells may be cut.
    elastic: bool,
    cell: fn(&Cluster, DateTime<Utc>) -> String,
}

impl Column {
    const fn number(
        title: &'static str,
        rank: u8,
        cell: fn(&Cluster, DateTime<Utc>) -> String,
    ) -> Self {
        Self {
            title,
            rank,
            right: true,
            elastic: false,
            cell,
        }
    }

    const fn text(
        title: &'static str,
        rank: u8,
        cell: fn(&Cluster, DateTime<Utc>) -> String,
    ) -> Self {
        Self {
            title,
            rank,
            right: false,
            elastic: false,
            cell,
        }
    }
}

const COLUMNS: [Column; 12] = [
    Column::number("ID", 0, |cluster, _| cluster.id.to_string()),
    Column {
        elastic: true,
        ..Column::text("NAME", 0, |cluster, _| printable(&cluster.name))
    },
    Column::text("SHARDS", 3, |cluster, _| ranges(&cluster.shards)),
    Column::text("STATE", 0, |cluster, _| {
        let unresponsive = if cluster.unresponsive { "!" } else { "" };
        format!("{}{unresponsive}", cluster.state.as_str())
    }),
    HOST,
    Column::number("PID", 6, |cluster, _| {
        known(cluster.pid, |pid| pid.to_string())
    }),
    Column::number("UPTIME", 2, |cluster, now| {
        known(cluster.started_at, |at| span((now - at).num_seconds()))
    }),
    Column::number("UP", 1, |cluster, _| {
        format!("{}/{}", cluster.shards_up, cluster.shards.len())
    }),
    Column::number("LATENCY", 4, |cluster, _| {
        known(cluster.latency_ms, |latency| format!("{latency:.0} ms"))
    }),
    Column::number("GUILDS", 5, |cluster, _| known(cluster.guilds, grouped)),
    Column::number("USERS", 8, |cluster, _| known(cluster.users, grouped)),
    Column::number("RESTARTS", 7, |cluster, _| cluster.restarts.to_string()),
];

/// Only of a fleet over several hosts.
const HOST: Column = Column::text("HOST", 4, |cluster, _| {
    match (&cluster.host, cluster.state) {
        (Some(host), _) => printable(host),
        (None, InstanceState::Missing) => UNKNOWN.to_owned(),
        (None, _) => "here".to_owned(),
    }
});

fn known<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), show)
}

/// Table and summary, a line each, none wider than `width`.
pub fn lines(fleet: &Fleet, now: DateTime<Utc>, width: usize) -> Vec<String> {
    let mut lines = if fleet.clusters.is_empty() {
        vec!["No clusters are planned yet.".to_owned()]
    } else {
        table(fleet, now, width)
    };
    lines.push(String::new());
    lines.extend(summary(fleet));
    let mut lines: Vec<_> = lines.iter().map(|line| cut(line, width)).collect();
    if let Some(hold) = &fleet.hold {
        let what = format!(
            "{} (close {}): nothing starts.",
            hold.message, hold.close_code
        );
        let to_do = format!(
            "To do: {}; then `splashtail clusters start all`.",
            hold.remedy
        );
        lines.extend([what, to_do].iter().flat_map(|text| wrap(text, width)));
    }
    lines
}

/// Whole words, as many as fit on a line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(cut(word, width)),
        }
    }
    lines
}

fn table(fleet: &Fleet, now: DateTime<Utc>, width: usize) -> Vec<String> {
    struct Filled<'a> {
        column: &'a Column,
        cells: Vec<String>,
        width: usize,
    }
    let away =
        |cluster: &Cluster| cluster.host.is_some() || cluster.state == InstanceState::Missing;
    let hosts = fleet.clusters.iter().any(away);
    let mut filled: Vec<_> = COLUMNS
        .iter()
        .filter(|column| hosts || column.title != HOST.title)
        .map(|column| {
            let cells: Vec<_> = fleet
                .clusters
                .iter()
                .map(|c| (column.cell)(c, now))
                .collect();
            let widths = cells.iter().map(|cell| cell.width());
            let width = widths.max().unwrap_or(0).max(column.title.len());
            Filled {
                column,
                cells,
                width,
            }
        })
        .collect();
    let total = |filled: &[Filled]| {
        filled
            .iter()
            .map(|column| column.width + GAP)
            .sum::<usize>()
            - GAP
    };
    // Cutting a long name costs less than losing a column.
    let least = |filled: &[Filled]| {
        let least = |column: &Filled| match column.column.elastic {
            true => column.width.min(SHORT),
            false => column.width,
        };
        filled
            .iter()
            .map(|column| least(column) + GAP)
            .sum::<usize>()
            - GAP
    };
    while least(&filled) > width {
        let Some((at, worst)) = filled.iter().enumerate().max_by_key(|(_, c)| c.column.rank) else {
            break;
        };
        if worst.column.rank == 0 {
            break;
        }
        filled.remove(at);
    }
    let excess = total(&filled).saturating_sub(width);
    for column in filled.iter_mut().filter(|column| column.column.elastic) {
        let shortest = column.width.min(SHORTEST);
        column.width = column.width.saturating_sub(excess).max(shortest);
    }
    let row = |cell: &dyn Fn(&Filled) -> String| {
        let mut line = String::new();
        for column in &filled {
            let text = cut(&cell(column), column.width);
            let padding = " ".repeat(column.width - text.width());
            // Writing to a String cannot fail.
            let _ = match column.column.right {
                true => write!(line, "{padding}{text}  "),
                false => write!(line, "{text}{padding}  "),
            };
        }
        line.trim_end().to_owned()
    };
    let header = row(&|column| column.column.title.to_owned());
    let rows = (0..fleet.clusters.len()).map(|index| row(&|column| column.cells[index].clone()));
    std::iter::once(header).chain(rows).collect()
}

fn summary(fleet: &Fleet) -> Vec<String> {
    let running = fleet
        .clusters
        .iter()
        .filter(|cluster| cluster.state == InstanceState::Running)
        .count();
    let sum =
        |value: fn(&Cluster) -> Option<u64>| grouped(fleet.clusters.iter().filter_map(value).sum());
    let state = match (fleet.fully_up, fleet.roll_restarting) {
        (_, true) => "Rolling restart under way",
        (true, false) => "Fully up",
        (false, false) => "Not fully up",
    };
    let limit = &fleet.identifies;
    let resets = match limit.reset_after {
        0 => String::new(),
        ms => format!(
            ", reset in {}",
            span(i64::try_from(ms / 1000).unwrap_or(i64::MAX))
        ),
    };
    vec![
        format!(
            "{state}: {running} of {} clusters, {} of {} shards, {} guilds, {} users",
            fleet.clusters.len(),
            fleet.shards_up(),
            fleet.shard_count,
            sum(|cluster| cluster.guilds),
            sum(|cluster| cluster.users),
        ),
        format!(
            "Identifies left when Discord was asked last: {} of {}{resets}",
            grouped(limit.remaining.into()),
            grouped(limit.total.into())
        ),
    ]
}

/// At most `width` columns of a terminal; what was cut shows as `…`.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        short.push(c);
    }
    if width > 0 {
        short.push('…');
    }
    short
}

/// Names come from a file and from mewld's protocol; neither steers the terminal.
fn printable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).collect()
}

/// `0-3, 8`
fn ranges(shards: &[ShardId]) -> String {
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for shard in shards.iter().map(|shard| shard.get()) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == shard => *last = shard,
            _ => runs.push((shard, shard)),
        }
    }
    let text = runs.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    text.collect::<Vec<_>>().join(", ")
}

/// `1,234,567`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The two largest units: `41s`, `5m 3s`, `2h 0m`, `3d 4h`.
pub fn span(seconds: i64) -> String {
    let s = seconds.max(0);
    let (m, h, d) = (s / 60, s / 3600, s / 86_400);
    match (d, h, m) {
        (0, 0, 0) => format!("{s}s"),
        (0, 0, m) => format!("{m}m {}s", s % 60),
        (0, h, m) => format!("{h}h {}m", m % 60),
        (d, h, _) => format!("{d}d {}h", h % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fleet::samples::{fleet, start};
    use super::*;

    fn shown(fleet: &Fleet, width: usize) -> String {
        let lines = lines(fleet, start() + chrono::Duration::seconds(3723), width);
        for line in &lines {
            assert!(line.width() <= width, "{line:?} is wider than {width}");
        }
        lines.join("\n")
    }

    #[test]
    fn a_refusal_of_discord_is_read_whole_on_any_screen() {
        let mut fleet = fleet(&["Flare"]);
        fleet.clusters[0].state = InstanceState::Held;
        fleet.fully_up = false;
        fleet.hold = Some(
            splashtail_ipc::launcher::GatewayRefusal::Intents
                .hold()
                .into(),
        );
        for width in [60, 80, 200] {
            let text = shown(&fleet, width).replace('\n', " ");
            assert!(
                text.contains("Discord refuses the intents (close 4014)"),
                "{text}"
            );
            assert!(
                text.ends_with("then `splashtail clusters start all`."),
                "{text}"
            );
        }
    }

    fn mixed() -> Fleet {
        let mut fleet = fleet(&["Flare", "Waffel-Größe", "火花クラスター", "Aqua"]);
        fleet.clusters[0].unresponsive = true;
        fleet.clusters[0].guilds = Some(12_345);
        fleet.clusters[0].users = Some(9_876_543);
        fleet.clusters[1].state = InstanceState::Held;
        fleet.clusters[1].pid = None;
        fleet.clusters[1].started_at = None;
        fleet.clusters[1].shards_up = 0;
        fleet.clusters[1].latency_ms = None;
        fleet.clusters[1].guilds = None;
        fleet.clusters[1].users = None;
        fleet.clusters[1].restarts = 12;
        fleet.fully_up = false;
        fleet
    }

    #[test]
    fn wide() {
        insta::assert_snapshot!(shown(&mixed(), 200), @"
        ID  NAME            SHARDS  STATE      PID  UPTIME   UP  LATENCY  GUILDS      USERS  RESTARTS
         0  Flare           0-1     running!  4000   1h 2m  2/2    41 ms  12,345  9,876,543         0
         1  Waffel-Größe    2-3     held         -       -  0/2        -       -          -        12
         2  火花クラスター  4-5     running   4002   1h 2m  2/2    41 ms      12      1,200         0
         3  Aqua            6-7     running   4003   1h 2m  2/2    41 ms      12      1,200         0

        Not fully up: 3 of 4 clusters, 6 of 8 shards, 12,369 guilds, 9,878,943 users
        Identifies left when Discord was asked last: 996 of 1,000, reset in 1h 0m
        ");
    }

    #[test]
    fn narrow() {
        insta::assert_snapshot!(shown(&mixed(), 60), @"
        ID  NAME            SHARDS  STATE     UPTIME   UP  LATENCY
         0  Flare           0-1     running!   1h 2m  2/2    41 ms
         1  Waffel-Größe    2-3     held           -  0/2        -
         2  火花クラスター  4-5     running    1h 2m  2/2    41 ms
         3  Aqua            6-7     running    1h 2m  2/2    41 ms

        Not fully up: 3 of 4 clusters, 6 of 8 shards, 12,369 guilds…
        Identifies left when Discord was asked last: 996 of 1,000, …
        ");
        insta::assert_snapshot!(shown(&mixed(), 24), @"
        ID  NAME        STATE
         0  Flare       running!
         1  Waffel-Gr…  held
         2  火花クラ…   running
         3  Aqua        running

        Not fully up: 3 of 4 cl…
        Identifies left when Di…
        ");
        shown(&mixed(), 1);
    }

    #[test]
    fn several_hosts() {
        let mut fleet = fleet(&["Flare", "Waffle", "Aqua"]);
        fleet.clusters[1].host = Some("b.test:1293\u{1b}[2J".to_owned());
        fleet.clusters[2].state = InstanceState::Missing;
        fleet.clusters[2].pid = None;
        let shown = shown(&fleet, 200);
        insta::assert_snapshot!(shown.split("\n\n").next().unwrap(), @"
        ID  NAME    SHARDS  STATE    HOST             PID  UPTIME   UP  LATENCY  GUILDS  USERS  RESTARTS
         0  Flare   0-1     running  here            4000   1h 2m  2/2    41 ms      12  1,200         0
         1  Waffle  2-3     running  b.test:1293[2J  4001   1h 2m  2/2    41 ms      12  1,200         0
         2  Aqua    4-5     missing  -                  -   1h 2m  2/2    41 ms      12  1,200         0
        ");
    }

    #[test]
    fn nothing_yet() {
        let mut empty = fleet(&[]);
        empty.fully_up = false;
        insta::assert_snapshot!(shown(&empty, 200), @"
        No clusters are planned yet.

        Not fully up: 0 of 0 clusters, 0 of 0 shards, 0 guilds, 0 users
        Identifies left when Discord was asked last: 996 of 1,000, reset in 1h 0m
        ");
    }

    #[test]
    fn sixty_four() {
        let names: Vec<_> = (0..64).map(|id| format!("Cluster-{id}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let text = shown(&fleet(&names), 80);
        let rows: Vec<_> = text.lines().collect();
        assert_eq!(rows.len(), 1 + 64 + 3);
        assert!(
            rows[64].starts_with("63  Cluster-63  126-127  running"),
            "{}",
            rows[64]
        );
        assert!(text.contains("Fully up: 64 of 64 clusters, 128 of 128 shards"));
    }

    #[test]
    fn names_do_not_steer_the_terminal() {
        let text = shown(&fleet(&["\u{1b}[31mred\n"]), 120);
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert_eq!(text.lines().count(), 5);
    }

    #[test]
    fn pieces() {
        let shards: Vec<_> = [0, 1, 2, 5, 7, 8].map(ShardId).into();
        assert_eq!(ranges(&shards), "0-2, 5, 7-8");
        assert_eq!(ranges(&[]), "");
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
        let spans = [-5, 59, 60, 3599, 3600, 86_399, 90_000].map(span);
        assert_eq!(
            spans,
            ["0s", "59s", "1m 0s", "59m 59s", "1h 0m", "23h 59m", "1d 1h"]
        );
        assert_eq!(cut("火花火花", 5), "火花…");
    }
}
