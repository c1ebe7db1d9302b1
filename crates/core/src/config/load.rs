//! From a file to a [`Config`].

use std::path::PathBuf;

use super::Config;
use crate::environment::Environment;

#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// `--config`
    pub path: Option<PathBuf>,
    /// `--env`
    pub environment: Option<Environment>,
    pub component: Component,
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
    /// Use the embedded defaults when none of the searched files exists.
    pub allow_missing: bool,
}

/// Who reads the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Component {
    Webserver,
    Jobserver,
    Clusterer,
    Bot,
    Cli,
    #[default]
    All,
}

#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub path: Option<PathBuf>,
    pub warnings: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("not found")]
    Missing,
}

impl Config {
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(_options: &LoadOptions) -> Result<Loaded, ConfigError> {
        Err(ConfigError::Missing)
    }

    pub fn to_yaml(&self) -> String {
        String::new()
    }
}
