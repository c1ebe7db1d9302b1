//! The cluster file, `mewld-<env>.yaml`: how the bot is cut into clusters. Read by the clusterer, and
//! by whoever checks it or asks for a part of it.

mod dotenv;

use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde_yaml::{Mapping, Value};
use url::Url;

use crate::text;

pub use dotenv::{DotenvError, load as load_env_files};

/// Which arguments a cluster gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ArgvStyle {
    /// The nine of the original's host.
    #[default]
    Host,
    /// mewld's own six.
    Mewld,
}

/// The file's content, or the embedded defaults when there is no file.
#[derive(Debug, Clone)]
pub struct ClusterFile {
    /// For a clusterer without a config; else `discord_auth.token` counts.
    pub token: Option<SecretString>,
    pub dir: Option<PathBuf>,
    pub override_dir: Option<PathBuf>,
    pub use_current_directory: bool,
    pub env: Vec<PathBuf>,
    pub names: Vec<String>,
    pub redis: Option<SecretString>,
    pub channel: Option<String>,
    /// Users that may open the operators' page.
    pub allowed_ids: Vec<String>,
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
    pub start_next_delay: Duration,
    pub per_cluster: u16,
    pub minimum_sessions: u32,
    pub fixed_shard_count: Option<u16>,
    /// First and last shard of this host, when the fleet has several. Our own key.
    pub shard_range: Option<(u16, u16)>,
    pub reshard_enabled: bool,
    pub reshard_all: bool,
    pub proxy: Option<Url>,
    pub module: Option<String>,
    pub interp: Option<String>,
    pub argv: ArgvStyle,
    /// Time a cluster has to launch, besides 15 s for each of its shards. Our own key.
    pub launch_timeout: Duration,
    /// Keys that nobody reads, each with the nearest one that is read.
    pub unknown: Vec<UnknownKey>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    pub name: String,
    pub nearest: Option<&'static str>,
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown key {}", self.name)?;
        match self.nearest {
            Some(nearest) => write!(f, ", did you mean {nearest}?"),
            None => Ok(()),
        }
    }
}

impl Default for ClusterFile {
    fn default() -> Self {
        Self {
            token: None,
            dir: None,
            override_dir: None,
            use_current_directory: true,
            env: Vec::new(),
            names: ["Flare", "Waffle", "Aqua"].map(str::to_owned).to_vec(),
            redis: None,
            channel: None,
            allowed_ids: Vec::new(),
            ping_interval: Duration::from_secs(1),
            ping_timeout: Duration::from_secs(3),
            start_next_delay: Duration::ZERO,
            per_cluster: 2,
            minimum_sessions: 3,
            fixed_shard_count: None,
            shard_range: None,
            reshard_enabled: true,
            reshard_all: false,
            proxy: None,
            module: None,
            interp: None,
            argv: ArgvStyle::Host,
            launch_timeout: Duration::from_secs(60),
            unknown: Vec::new(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot read the cluster file {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the cluster file {} is not YAML", path.display())]
    Yaml {
        path: PathBuf,
        #[source]
        source: serde_yaml::Error,
    },
    #[error("{}: {problems}", path.display())]
    Problems { path: PathBuf, problems: Problems },
}

/// The file is of one of several hosts, and a gateway proxy opens all of the bot's shards.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error(
    "`proxy.enabled` does not go with `shard_range` in the cluster file: the proxy of each host \
     would open all shards, and Discord would end the sessions of the others. Turn the proxy off \
     on every host, or run the bot on one"
)]
pub struct ProxyPerHost;

/// Each key with what is wrong with it.
#[derive(Debug)]
pub struct Problems(Vec<(&'static str, String)>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(f, "{} problem{plural}", self.0.len())?;
        self.0
            .iter()
            .try_for_each(|(key, problem)| write!(f, "\n  {key:<32} {problem}"))
    }
}

const KEYS: [&str; 25] = [
    "token",
    "dir",
    "override_dir",
    "use_current_directory",
    "use_custom_webui",
    "env",
    "names",
    "redis",
    "redis_channel",
    "allowed_ids",
    "oauth",
    "ping_timeout",
    "ping_interval",
    "cluster_start_next_delay",
    "per_cluster",
    "minimum_safe_sessions_remaining",
    "fixed_shard_count",
    "experimental_features",
    "reshard_all",
    "proxy",
    "module",
    "interp",
    "argv",
    "launch_timeout",
    "shard_range",
];

impl ClusterFile {
    /// # Errors
    /// [`ProxyPerHost`] when a proxy runs that this host would not be alone with.
    pub fn allows_proxy(&self, enabled: bool) -> Result<(), ProxyPerHost> {
        match enabled && self.shard_range.is_some() {
            true => Err(ProxyPerHost),
            false => Ok(()),
        }
    }

    /// Reads the file; a file that does not exist means the embedded defaults. Empty keys mean
    /// their default.
    ///
    /// # Errors
    /// See [`FileError`]; all problems are reported at once.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        match text::read(path) {
            Ok(text) => Self::parse(&text, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(FileError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn parse(text: &str, path: &Path) -> Result<Self, FileError> {
        let document: Option<Mapping> =
            serde_yaml::from_str(text).map_err(|source| FileError::Yaml {
                path: path.to_owned(),
                source,
            })?;
        let mut reader = Reader {
            members: document.unwrap_or_default(),
            problems: Vec::new(),
        };
        let file = reader.read();
        if reader.problems.is_empty() {
            Ok(file)
        } else {
            let problems = Problems(reader.problems);
            Err(FileError::Problems {
                path: path.to_owned(),
                problems,
            })
        }
    }
}

struct Reader {
    members: Mapping,
    problems: Vec<(&'static str, String)>,
}

impl Reader {
    fn read(&mut self) -> ClusterFile {
        let embedded = ClusterFile::default();
        let seconds = Duration::from_secs;
        let features = self.list("experimental_features");
        for feature in features.iter().filter(|feature| *feature != "reshard") {
            self.problem(
                "experimental_features",
                format!("{feature:?} is unknown, known is: reshard"),
            );
        }
        let ping_interval = self.number("ping_interval", 1, 86_400);
        let ping_timeout = self.number("ping_timeout", 1, 86_400);
        let file = ClusterFile {
            token: self.text("token").map(SecretString::from),
            dir: self.text("dir").map(PathBuf::from),
            override_dir: self.text("override_dir").map(PathBuf::from),
            use_current_directory: self.flag("use_current_directory"),
            env: self.list("env").into_iter().map(PathBuf::from).collect(),
            names: self.list("names"),
            redis: self.text("redis").map(SecretString::from),
            channel: self.text("redis_channel"),
            allowed_ids: self.list("allowed_ids"),
            ping_interval: ping_interval.map_or(embedded.ping_interval, seconds),
            ping_timeout: ping_timeout.map_or(embedded.ping_timeout, seconds),
            start_next_delay: seconds(
                self.number("cluster_start_next_delay", 0, 86_400)
                    .unwrap_or(5),
            ),
            per_cluster: self.small("per_cluster", 1).unwrap_or(embedded.per_cluster),
            minimum_sessions: self
                .number("minimum_safe_sessions_remaining", 0, 1_000_000)
                .and_then(|number| u32::try_from(number).ok())
                .unwrap_or(5),
            fixed_shard_count: self
                .small("fixed_shard_count", 0)
                .filter(|count| *count > 0),
            shard_range: self.range("shard_range"),
            reshard_enabled: features.iter().any(|feature| feature == "reshard"),
            reshard_all: self.flag("reshard_all"),
            proxy: self.url("proxy"),
            module: self.text("module"),
            interp: self.text("interp"),
            argv: self.argv(),
            launch_timeout: self
                .number("launch_timeout", 1, 86_400)
                .map_or(embedded.launch_timeout, seconds),
            unknown: self.unknown_keys(),
        };
        if file.interp.is_some() && file.module.is_none() {
            self.problem(
                "module",
                "missing: `interp` needs a script to run".to_owned(),
            );
        }
        if file.shard_range.is_some() && file.fixed_shard_count.is_none() {
            self.problem(
                "fixed_shard_count",
                "missing: with `shard_range` all hosts need the same total".to_owned(),
            );
        }
        for id in &file.allowed_ids {
            if !(17..=20).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_digit()) {
                self.problem("allowed_ids", format!("{id:?} is not a user id"));
            }
        }
        file
    }

    fn unknown_keys(&self) -> Vec<UnknownKey> {
        let names = self.members.keys().filter_map(Value::as_str);
        names
            .filter(|name| !KEYS.contains(name))
            .map(|name| UnknownKey {
                name: name.to_owned(),
                nearest: text::nearest(name, KEYS.iter().copied()),
            })
            .collect()
    }

    fn problem(&mut self, key: &'static str, problem: String) {
        self.problems.push((key, problem));
    }

    /// Null and the empty string count as absent.
    fn get(&self, key: &str) -> Option<&Value> {
        self.members
            .get(key)
            .filter(|value| !value.is_null() && value.as_str() != Some(""))
    }

    fn text(&mut self, key: &'static str) -> Option<String> {
        let value = self.get(key)?;
        let text = scalar(value);
        if text.is_none() {
            self.problem(key, "is not a string".to_owned());
        }
        text
    }

    fn flag(&mut self, key: &'static str) -> bool {
        match self.get(key) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                self.problem(key, "is not true or false".to_owned());
                false
            }
        }
    }

    fn list(&mut self, key: &'static str) -> Vec<String> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let items = match value {
            Value::Sequence(items) => items.iter().map(scalar).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        items.unwrap_or_else(|| {
            self.problem(key, "is not a list of strings".to_owned());
            Vec::new()
        })
    }

    fn number(&mut self, key: &'static str, least: u64, most: u64) -> Option<u64> {
        let value = self.get(key)?;
        let number = value
            .as_u64()
            .filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let mut shown = String::new();
            // Writing to a string cannot fail.
            let _ = write!(
                shown,
                "{} is not a whole number from {least} to {most}",
                scalar(value).unwrap_or_default()
            );
            self.problem(key, shown);
        }
        number
    }

    fn small(&mut self, key: &'static str, least: u64) -> Option<u16> {
        self.number(key, least, u64::from(u16::MAX))
            .and_then(|number| u16::try_from(number).ok())
    }

    /// `0-15`, both ends included.
    fn range(&mut self, key: &'static str) -> Option<(u16, u16)> {
        let text = self.text(key)?;
        let ends = text.split_once('-').unwrap_or((&text, &text));
        let number = |text: &str| text.trim().parse().ok();
        let range = number(ends.0).zip(number(ends.1));
        if range.is_none() {
            self.problem(key, format!("{text:?} is not a range such as 0-15"));
        }
        range
    }

    fn url(&mut self, key: &'static str) -> Option<Url> {
        let text = self.text(key)?;
        let url = Url::parse(&text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"));
        if url.is_none() {
            self.problem(key, format!("{text:?} is not an http or https URL"));
        }
        url
    }

    fn argv(&mut self) -> ArgvStyle {
        match self.text("argv").as_deref() {
            None | Some("host") => ArgvStyle::Host,
            Some("mewld") => ArgvStyle::Mewld,
            Some(other) => {
                let problem = format!("{other:?} is not one of: host, mewld");
                self.problem("argv", problem);
                ArgvStyle::Host
            }
        }
    }
}

/// Ids in YAML are easily written without quotes.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<ClusterFile, FileError> {
        ClusterFile::parse(text, Path::new("mewld-staging.yaml"))
    }

    #[test]
    fn the_originals_file_is_read() {
        let file = parse(
            "dir: botv2\noverride_dir: \nuse_current_directory: true\nuse_custom_webui: true\nenv:\n\
             names: [Flare, Waffle, Aqua]\nmodule: botv2\nredis: redis://localhost:6379/1\n\
             redis_channel: ar_clusters/staging\nallowed_ids: [\"728871946456137770\", 564164277251080208]\n\
             ping_interval: 20\nping_timeout: 60\ncluster_start_next_delay: 0\nper_cluster: 2\n\
             minimum_safe_sessions_remaining: 3\nexperimental_features: [reshard]\nfixed_shard_count: 0\n",
        )
        .unwrap();
        assert_eq!(file.ping_interval, Duration::from_secs(20));
        assert_eq!(file.ping_timeout, Duration::from_secs(60));
        assert_eq!(
            (
                file.per_cluster,
                file.minimum_sessions,
                file.fixed_shard_count
            ),
            (2, 3, None)
        );
        assert_eq!(
            (file.module.as_deref(), file.override_dir),
            (Some("botv2"), None)
        );
        assert_eq!(file.allowed_ids[1], "564164277251080208");
        assert!(file.reshard_enabled && file.argv == ArgvStyle::Host);
    }

    #[test]
    fn absent_keys_and_an_absent_file_mean_defaults() {
        let file = parse("").unwrap();
        // Pings as decided for this project, the rest as mewld documents it.
        assert_eq!(
            (file.ping_interval.as_secs(), file.ping_timeout.as_secs()),
            (1, 3)
        );
        assert_eq!(
            (file.start_next_delay.as_secs(), file.minimum_sessions),
            (5, 5)
        );
        assert!(!file.reshard_enabled && file.names.is_empty());
        let embedded = ClusterFile::load(Path::new("/nonexistent/mewld-prod.yaml")).unwrap();
        assert_eq!(embedded.names, ["Flare", "Waffle", "Aqua"]);
        assert_eq!(
            (embedded.start_next_delay.as_secs(), embedded.per_cluster),
            (0, 2)
        );
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let error = parse(
            "ping_interval: 0\nping_timeout: -3\nper_cluster: 0\nargv: other\nnames: Flare\n\
             use_current_directory: 5\nproxy: nonsense\nexperimental_features: [magic]\ninterp: node\n\
             shard_range: few\n",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "10 problems",
            "ping_interval",
            "ping_timeout",
            "per_cluster",
            "argv",
            "names",
            "use_current_directory",
            "proxy",
            "magic",
            "module",
            "\"few\" is not a range such as 0-15",
        ] {
            assert!(error.contains(part), "{part} in {error}");
        }
        assert!(matches!(parse("a: [1"), Err(FileError::Yaml { .. })));
        assert!(matches!(parse("- 1"), Err(FileError::Yaml { .. })));
    }

    #[test]
    fn the_sample_names_every_key_and_says_what_no_file_means() {
        let sample = include_str!("../../../../mewld.yaml.sample");
        assert_eq!(
            format!("{:?}", parse(sample).unwrap()),
            format!("{:?}", ClusterFile::default())
        );
        let keys: Mapping = serde_yaml::from_str(sample).unwrap();
        // Those that other parts of the platform decide.
        let elsewhere = ["token", "oauth", "use_custom_webui"];
        for key in KEYS.iter().filter(|key| !elsewhere.contains(key)) {
            assert!(keys.contains_key(*key), "{key} is not in the sample");
        }
    }

    #[test]
    fn a_part_of_the_shards_needs_the_total() {
        let file = parse("shard_range: \"0-15\"\nfixed_shard_count: 64\n").unwrap();
        assert_eq!(file.shard_range, Some((0, 15)));
        let file = parse("shard_range: 7\nfixed_shard_count: 64\n").unwrap();
        assert_eq!(file.shard_range, Some((7, 7)));
        let error = parse("shard_range: 0-15\n").unwrap_err().to_string();
        assert!(
            error.contains("1 problem") && error.contains("fixed_shard_count"),
            "{error}"
        );
    }

    #[test]
    fn a_misspelled_key_is_told_with_the_right_one() {
        let file = parse("shard_rnge: 0-3\nzzzzzz: 1\nnames: [Flare]\n").unwrap();
        let shown: Vec<_> = file.unknown.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "unknown key shard_rnge, did you mean shard_range?",
                "unknown key zzzzzz"
            ]
        );
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mewld-staging.yaml");
        std::fs::write(&path, "\u{feff}---\nper_cluster: 7\n").unwrap();
        let file = ClusterFile::load(&path).unwrap();
        assert_eq!((file.per_cluster, file.unknown), (7, Vec::new()));
    }

    proptest! {
        #[test]
        fn arbitrary_values_never_panic(key in proptest::sample::select(&KEYS[..]), value in "[-a-z0-9\\[\\]{}:\" .]{0,20}") {
            let _ = parse(&format!("{key}: {value}\n"));
        }
    }
}
