//! That what is remembered of tokens and their owners is no longer true.

use serde::{Deserialize, Serialize};
use splashtail_core::environment::Environment;

use crate::bus::{Bus, BusError};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forget {
    /// What is known of one owner, such as `u/1`.
    Owner(String),
    Everything,
}

pub fn channel(environment: Environment) -> String {
    format!("ar_identities/{environment}")
}

impl Forget {
    /// # Errors
    /// The bus stayed unreachable.
    pub async fn send(&self, bus: &dyn Bus, environment: Environment) -> Result<(), BusError> {
        let message = serde_json::to_string(self).map_err(BusError::NotJson)?;
        bus.publish(&channel(environment), &message).await
    }

    /// Whoever does not understand a message had better forget everything.
    pub fn read(payload: &str) -> Self {
        serde_json::from_str(payload).unwrap_or(Self::Everything)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_means_everything() {
        let owner = Forget::Owner("u/1".to_owned());
        let text = serde_json::to_string(&owner).unwrap();
        assert_eq!(text, r#"{"owner":"u/1"}"#);
        assert_eq!(Forget::read(&text), owner);
        for text in [r#""everything""#, r#"{"role":"1"}"#, "", "{"] {
            assert_eq!(Forget::read(text), Forget::Everything, "{text}");
        }
    }
}
