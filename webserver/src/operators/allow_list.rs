//! `allowed_ids` of the cluster file, which the clusterer checks as a whole.

use std::path::Path;
use std::{fs, io};

use serde::Deserialize;
use splashtail_core::ids::UserId;
use splashtail_core::telemetry::Chain;
use tracing::warn;

#[derive(Debug, Default, Deserialize)]
struct ClusterFile {
    #[serde(default)]
    allowed_ids: Option<Vec<Id>>,
}

/// Ids are written with and without quotes.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Id {
    Number(u64),
    Text(String),
}

/// A file that is absent or broken allows nobody, and entries that are no ids are nobody's.
pub fn read(path: &Path) -> Vec<UserId> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            warn!(error = %Chain(&error), file = %path.display(), "cannot read the cluster file: the operators' page is closed");
            return Vec::new();
        }
    };
    match parse(&text) {
        Ok(ids) => ids,
        Err(error) => {
            warn!(error = %Chain(&error), file = %path.display(), "the cluster file is broken: the operators' page is closed");
            Vec::new()
        }
    }
}

fn parse(text: &str) -> Result<Vec<UserId>, serde_yaml::Error> {
    let file: Option<ClusterFile> = serde_yaml::from_str(text)?;
    let ids = file.unwrap_or_default().allowed_ids.unwrap_or_default();
    Ok(ids
        .into_iter()
        .filter_map(|id| match id {
            Id::Number(id) => UserId::new(id),
            Id::Text(id) => id.parse().ok(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_with_and_without_quotes_and_anything_else_allows_nobody() {
        let ids = |text| parse(text).map(|ids| ids.iter().map(|id| id.get()).collect::<Vec<_>>());
        let file =
            "names: [Flare]\nallowed_ids: [\"728871946456137770\", 564164277251080208, me]\n";
        assert_eq!(
            ids(file).unwrap(),
            [728_871_946_456_137_770, 564_164_277_251_080_208]
        );
        for empty in [
            "",
            "# nothing\n",
            "per_cluster: 2\n",
            "allowed_ids:\n",
            "allowed_ids: []\n",
        ] {
            assert_eq!(ids(empty).unwrap(), [0; 0], "{empty:?}");
        }
        for broken in ["allowed_ids: 5\n", "allowed_ids: {a: b}\n", "[", "- 1\n"] {
            assert!(ids(broken).is_err(), "{broken:?}");
        }
        assert!(read(Path::new("/nonexistent/mewld-staging.yaml")).is_empty());
    }
}
