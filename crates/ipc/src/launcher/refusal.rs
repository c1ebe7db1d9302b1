//! Why Discord ends a gateway connection for good (gateway documentation, "Gateway Close Event
//! Codes"): connecting again changes nothing before somebody has mended the cause.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use splashtail_api_types::clusters::FleetHold;

/// Exit status of a cluster that Discord refused (EX_CONFIG of sysexits.h).
pub const REFUSED_EXIT: u8 = 78;
/// Names the file in which a cluster says why it ended.
pub const END_FILE_VARIABLE: &str = "CLUSTER_END_FILE";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayRefusal {
    Token,
    Shard,
    ShardingRequired,
    Version,
    UnknownIntents,
    Intents,
}

impl GatewayRefusal {
    /// `None` for closes after which a shard connects again.
    pub const fn of_close(code: u16) -> Option<Self> {
        match code {
            4004 => Some(Self::Token),
            4010 => Some(Self::Shard),
            4011 => Some(Self::ShardingRequired),
            4012 => Some(Self::Version),
            4013 => Some(Self::UnknownIntents),
            4014 => Some(Self::Intents),
            _ => None,
        }
    }

    pub const fn close_code(self) -> u16 {
        match self {
            Self::Token => 4004,
            Self::Shard => 4010,
            Self::ShardingRequired => 4011,
            Self::Version => 4012,
            Self::UnknownIntents => 4013,
            Self::Intents => 4014,
        }
    }

    /// As in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Shard => "shard",
            Self::ShardingRequired => "sharding_required",
            Self::Version => "version",
            Self::UnknownIntents => "unknown_intents",
            Self::Intents => "intents",
        }
    }

    /// A sentence for people.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Token => "Discord refuses the bot token",
            Self::Shard => "Discord refuses the shards",
            Self::ShardingRequired => "Discord refuses so few shards",
            Self::Version => "Discord refuses the version of its gateway that the bot speaks",
            Self::UnknownIntents => "Discord does not know the intents",
            Self::Intents => "Discord refuses the intents",
        }
    }

    /// What to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Token => {
                "put the token of the developer portal (Bot > Reset Token) into `discord_auth.token`"
            }
            Self::Shard => {
                "compare `fixed_shard_count` and `shard_range` of the cluster file with those of other hosts"
            }
            Self::ShardingRequired => {
                "raise or remove `fixed_shard_count` in the cluster file: each shard carries at most 2,500 servers"
            }
            Self::Version | Self::UnknownIntents => "install a newer version of the bot",
            Self::Intents => {
                "switch on the Server Members and Message Content intents in the developer portal (Bot > Privileged Gateway Intents)"
            }
        }
    }

    /// As it is shown and served.
    pub fn hold(self) -> FleetHold {
        FleetHold {
            code: self.as_str().to_owned(),
            close_code: self.close_code(),
            message: self.message().to_owned(),
            remedy: self.remedy().to_owned(),
        }
    }
}

/// What a cluster writes before it ends.
#[derive(Debug, Serialize, Deserialize)]
struct EndFile {
    pid: u32,
    refused: GatewayRefusal,
}

impl GatewayRefusal {
    /// Written by the cluster itself.
    ///
    /// # Errors
    /// The file system refused.
    pub fn write(self, path: &Path) -> io::Result<()> {
        let end = EndFile {
            pid: std::process::id(),
            refused: self,
        };
        fs::write(path, serde_json::to_vec(&end)?)
    }

    /// What the process with this number wrote, once.
    pub fn take(path: &Path, pid: i32) -> Option<Self> {
        let end: EndFile = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        if i64::from(end.pid) != i64::from(pid) {
            return None;
        }
        // A file that stays is of no further use: its process is gone.
        let _ = fs::remove_file(path);
        Some(end.refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_closes_are_for_good() {
        let fatal: Vec<_> = (1000..5000)
            .filter(|code| GatewayRefusal::of_close(*code).is_some())
            .collect();
        assert_eq!(fatal, [4004, 4010, 4011, 4012, 4013, 4014]);
        for code in fatal {
            let refusal = GatewayRefusal::of_close(code).unwrap();
            assert_eq!(refusal.close_code(), code);
            let json = serde_json::to_value(refusal).unwrap();
            assert_eq!(json, refusal.as_str());
        }
    }

    #[test]
    fn the_word_of_another_process_is_not_taken() {
        let path = std::env::temp_dir().join(format!("end-{}.json", std::process::id()));
        GatewayRefusal::Intents.write(&path).unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(GatewayRefusal::take(&path, own + 1), None);
        assert_eq!(
            GatewayRefusal::take(&path, own),
            Some(GatewayRefusal::Intents)
        );
        assert_eq!(GatewayRefusal::take(&path, own), None, "once");
    }
}
