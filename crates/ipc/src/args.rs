//! The positional arguments of a cluster process.

use splashtail_core::environment::{Environment, UnknownEnvironment};
use splashtail_core::ids::{ClusterId, ShardId};

/// What a cluster is told on its command line. The last four are absent when the caller uses
/// mewld's own six arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterArgs {
    /// Ascending, not empty.
    pub shards: Vec<ShardId>,
    pub shard_count: u16,
    pub cluster_id: ClusterId,
    pub cluster_name: String,
    pub dir: String,
    pub cluster_count: Option<u16>,
    pub api_url: Option<String>,
    pub channel: Option<String>,
    pub environment: Option<Environment>,
}

#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    #[error(
        "expected 9 arguments (shard list, shard count, cluster id, cluster name, directory, \
         cluster count, API URL, channel, environment), 10, or mewld's 6; got {0}"
    )]
    Count(usize),
    #[error("the shard list {0:?} is not a JSON array of shard ids in ascending order")]
    Shards(String),
    #[error("shard {shard} is not below the shard count {count}")]
    ShardRange { shard: ShardId, count: u16 },
    #[error("{name} {value:?} is not a number from 0 to 65535")]
    Number { name: &'static str, value: String },
    #[error("the cluster name is empty")]
    Name,
    #[error("bad environment argument")]
    Environment(#[from] UnknownEnvironment),
}

impl ClusterArgs {
    /// Reads the arguments after the program name: 9, 10 (the tenth is ignored), or mewld's 6
    /// (shard list, shard count, cluster id, cluster name, logging code, directory).
    ///
    /// # Errors
    /// See [`ArgsError`]; the first problem found is reported.
    pub fn parse<S: AsRef<str>>(arguments: &[S]) -> Result<Self, ArgsError> {
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        let (head, dir, host) = match arguments.as_slice() {
            [head @ .., _logging_code, dir] if head.len() == 4 => (head, *dir, None),
            [head @ .., dir, count, api, channel, environment] if head.len() == 4 => {
                (head, *dir, Some((*count, *api, *channel, *environment)))
            }
            [head @ .., dir, count, api, channel, environment, _ignored] if head.len() == 4 => {
                (head, *dir, Some((*count, *api, *channel, *environment)))
            }
            other => return Err(ArgsError::Count(other.len())),
        };
        let &[shards, shard_count, cluster_id, cluster_name] = head else {
            return Err(ArgsError::Count(arguments.len()));
        };
        let shard_count = number("shard count", shard_count)?;
        let mut args = Self {
            shards: parse_shards(shards, shard_count)?,
            shard_count,
            cluster_id: ClusterId(number("cluster id", cluster_id)?),
            cluster_name: cluster_name.to_owned(),
            dir: dir.to_owned(),
            cluster_count: None,
            api_url: None,
            channel: None,
            environment: None,
        };
        if args.cluster_name.is_empty() {
            return Err(ArgsError::Name);
        }
        if let Some((count, api_url, channel, environment)) = host {
            args.cluster_count = Some(number("cluster count", count)?);
            args.api_url = Some(api_url.to_owned());
            args.channel = Some(channel.to_owned());
            args.environment = Some(environment.parse()?);
        }
        Ok(args)
    }

    /// The nine arguments of the host. What is absent becomes an empty string or the smallest
    /// value.
    pub fn to_argv(&self) -> Vec<String> {
        vec![
            print_shards(&self.shards),
            self.shard_count.to_string(),
            self.cluster_id.to_string(),
            self.cluster_name.clone(),
            self.dir.clone(),
            self.cluster_count.unwrap_or(1).to_string(),
            self.api_url.clone().unwrap_or_default(),
            self.channel.clone().unwrap_or_default(),
            self.environment.unwrap_or_default().as_str().to_owned(),
        ]
    }

    /// mewld's six arguments.
    pub fn to_mewld_argv(&self) -> Vec<String> {
        vec![
            print_shards(&self.shards),
            self.shard_count.to_string(),
            self.cluster_id.to_string(),
            self.cluster_name.clone(),
            "0".to_owned(),
            self.dir.clone(),
        ]
    }
}

/// `[0, 1]`: a comma and a space, still valid JSON.
pub fn print_shards(shards: &[ShardId]) -> String {
    let shards: Vec<String> = shards.iter().map(ToString::to_string).collect();
    format!("[{}]", shards.join(", "))
}

fn parse_shards(text: &str, shard_count: u16) -> Result<Vec<ShardId>, ArgsError> {
    let shards: Vec<ShardId> =
        serde_json::from_str(text).map_err(|_| ArgsError::Shards(text.to_owned()))?;
    if shards.is_empty() || !shards.is_sorted_by(|a, b| a < b) {
        return Err(ArgsError::Shards(text.to_owned()));
    }
    match shards.iter().find(|shard| shard.get() >= shard_count) {
        Some(shard) => Err(ArgsError::ShardRange {
            shard: *shard,
            count: shard_count,
        }),
        None => Ok(shards),
    }
}

fn number(name: &'static str, value: &str) -> Result<u16, ArgsError> {
    value.parse().map_err(|_| ArgsError::Number {
        name,
        value: value.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NINE: [&str; 9] = [
        "[0, 1]",
        "5",
        "0",
        "Flare",
        "/srv/bot",
        "3",
        "https://api.example.org",
        "ar_clusters/prod",
        "prod",
    ];

    #[test]
    fn the_nine_arguments_round_trip() {
        let args = ClusterArgs::parse(&NINE).unwrap();
        assert_eq!(args.shards, [ShardId(0), ShardId(1)]);
        assert_eq!(args.environment, Some(Environment::Prod));
        assert_eq!(args.to_argv(), NINE);
    }

    #[test]
    fn a_tenth_argument_is_ignored() {
        let mut ten = NINE.to_vec();
        ten.push("animus_magic_prod");
        assert_eq!(
            ClusterArgs::parse(&ten).unwrap(),
            ClusterArgs::parse(&NINE).unwrap()
        );
    }

    #[test]
    fn mewlds_six_arguments_leave_the_rest_open() {
        let six = ["[4]", "5", "2", "Aqua", "0", "/srv/bot"];
        let args = ClusterArgs::parse(&six).unwrap();
        assert_eq!(
            (args.dir.as_str(), args.channel.as_ref()),
            ("/srv/bot", None)
        );
        assert_eq!(args.to_mewld_argv(), six);
    }

    #[test]
    fn each_bad_argument_is_named() {
        for (index, value, part) in [
            (0, "0,1", "JSON array"),
            (0, "[]", "JSON array"),
            (0, "[1, 0]", "ascending"),
            (0, "[5]", "not below"),
            (0, "[70000]", "JSON array"),
            (1, "many", "shard count"),
            (2, "-1", "cluster id"),
            (3, "", "name"),
            (5, "x", "cluster count"),
            (8, "production", "environment"),
        ] {
            let mut arguments = NINE;
            arguments[index] = value;
            let error = ClusterArgs::parse(&arguments).unwrap_err();
            assert!(error.to_string().contains(part), "{value:?}: {error}");
        }
        assert!(matches!(
            ClusterArgs::parse(&NINE[..8]),
            Err(ArgsError::Count(8))
        ));
        assert!(matches!(
            ClusterArgs::parse::<&str>(&[]),
            Err(ArgsError::Count(0))
        ));
    }

    proptest! {
        #[test]
        fn arbitrary_arguments_never_panic(arguments in proptest::collection::vec(".{0,12}", 0..12)) {
            let _ = ClusterArgs::parse(&arguments);
        }
    }
}
