//! Who reads the configuration.

use super::schema::{BOT, CLUSTERER, JOBSERVER, Key, PROXY, WEBSERVER};

/// Who reads the configuration. A daemon checks what it reads; [`Component::All`] checks
/// everything, but lets an installation without a bot account pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Component {
    Webserver,
    Jobserver,
    Clusterer,
    Bot,
    Proxy,
    /// A command that needs no account and no secrets.
    Cli,
    #[default]
    All,
}

impl Component {
    /// The component's bit in [`Key::readers`]; `None` for those that are not a daemon.
    pub(super) const fn daemon(self) -> Option<u8> {
        match self {
            Self::Webserver => Some(WEBSERVER),
            Self::Jobserver => Some(JOBSERVER),
            Self::Clusterer => Some(CLUSTERER),
            Self::Bot => Some(BOT),
            Self::Proxy => Some(PROXY),
            Self::Cli | Self::All => None,
        }
    }

    /// The daemons that read a key.
    pub(super) fn readers_of(key: &Key) -> Vec<Self> {
        let daemons = [
            Self::Webserver,
            Self::Jobserver,
            Self::Clusterer,
            Self::Bot,
            Self::Proxy,
        ];
        daemons
            .into_iter()
            .filter(|component| component.checks(key))
            .collect()
    }

    pub(super) fn checks(self, key: &Key) -> bool {
        self.daemon().is_none_or(|daemon| key.readers & daemon != 0)
    }
}
