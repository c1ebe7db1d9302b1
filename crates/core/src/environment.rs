//! Which of the two environments runs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    #[default]
    Staging,
    Prod,
}

impl Environment {
    pub const ALL: [Self; 2] = [Self::Staging, Self::Prod];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Prod => "prod",
        }
    }

    pub const fn other(self) -> Self {
        match self {
            Self::Staging => Self::Prod,
            Self::Prod => Self::Staging,
        }
    }

    /// The file that describes the clusters, `mewld-<environment>.yaml`: beside the config file,
    /// without one in the working directory.
    pub fn cluster_file(self, config: Option<&Path>) -> PathBuf {
        let name = format!("mewld-{self}.yaml");
        match config.and_then(Path::parent) {
            Some(directory) => directory.join(name),
            None => name.into(),
        }
    }
}

/// The word is neither `staging` nor `prod`. Nothing else ever means production.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown environment {0:?}, allowed are: staging, prod")]
pub struct UnknownEnvironment(pub String);

impl FromStr for Environment {
    type Err = UnknownEnvironment;

    fn from_str(word: &str) -> Result<Self, UnknownEnvironment> {
        let trimmed = word.trim();
        Self::ALL
            .into_iter()
            .find(|environment| environment.as_str() == trimmed)
            .ok_or_else(|| UnknownEnvironment(trimmed.to_owned()))
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_words_are_environments() {
        assert_eq!(" prod\n".parse(), Ok(Environment::Prod));
        assert_eq!("staging".parse(), Ok(Environment::Staging));
        for word in ["", "production", "Prod", "dev"] {
            let error = word.parse::<Environment>().unwrap_err();
            assert!(error.to_string().contains("staging, prod"), "{error}");
        }
    }
}
