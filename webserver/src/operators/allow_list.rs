//! Who may open the operators' page: `allowed_ids` of the cluster file.

use std::path::Path;

use splashtail_core::cluster_file::ClusterFile;
use splashtail_core::ids::UserId;
use splashtail_core::telemetry::Chain;
use tracing::warn;

/// A file that is absent or has a problem allows nobody: the clusterer does not take it either.
pub fn read(path: &Path) -> Vec<UserId> {
    match ClusterFile::load(path) {
        Ok(file) => file
            .allowed_ids
            .iter()
            .filter_map(|id| id.parse().ok())
            .collect(),
        Err(error) => {
            warn!(error = %Chain(&error), "the operators' page is closed");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_with_and_without_quotes_and_a_broken_file_allows_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mewld-staging.yaml");
        let allowed = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path).iter().map(|id| id.get()).collect::<Vec<_>>()
        };
        let file = "names: [Flare]\nallowed_ids: [\"728871946456137770\", 564164277251080208]\n";
        assert_eq!(
            allowed(file),
            [728_871_946_456_137_770, 564_164_277_251_080_208]
        );
        for nobody in [
            "",
            "# nothing\n",
            "per_cluster: 2\n",
            "allowed_ids:\n",
            "allowed_ids: []\n",
            "allowed_ids: 5\n",
            "allowed_ids: [728871946456137770, me]\n",
            "allowed_ids: {a: b}\n",
            "allowed_ids: [728871946456137770]\nper_cluster: many\n",
            "[",
            "- 1\n",
        ] {
            assert_eq!(allowed(nobody), [0; 0], "{nobody:?}");
        }
        assert!(read(&directory.path().join("none.yaml")).is_empty());
    }
}
