//! The flags that choose a configuration, the same for every command that reads one.

use std::path::PathBuf;

use splashtail_core::config::{Component, Config, ConfigError, LoadOptions, Loaded};
use splashtail_core::environment::Environment;

#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigSource {
    /// Config file.
    #[arg(long, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// `staging` or `prod`.
    #[arg(long, value_name = "NAME")]
    pub env: Option<Environment>,
    /// Where everything is kept; default `data` beside the config.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

impl ConfigSource {
    /// Loads what the flags name. Without any file the embedded defaults are used, as `up` does.
    ///
    /// # Errors
    /// See [`Config::load`].
    pub fn load_or_embedded(&self, component: Component) -> Result<Loaded, ConfigError> {
        self.load(component, true)
    }

    /// Loads what the flags name; there has to be a file.
    ///
    /// # Errors
    /// See [`Config::load`].
    pub fn load_file(&self, component: Component) -> Result<Loaded, ConfigError> {
        self.load(component, false)
    }

    fn load(&self, component: Component, allow_missing: bool) -> Result<Loaded, ConfigError> {
        Config::load(&LoadOptions {
            path: self.config.clone(),
            environment: self.env,
            data_dir: self.data_dir.clone(),
            component,
            allow_missing,
        })
    }
}
