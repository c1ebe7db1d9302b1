//! What a backup holds, and how two differ.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use splashtail_core::ids::TaskId;
use utoipa::ToSchema;

/// How to open a backup.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupLook {
    /// Of an encrypted backup. It is used for this answer and kept nowhere; 1,024 bytes at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub password: Option<String>,
}

impl fmt::Debug for BackupLook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackupLook").finish_non_exhaustive()
    }
}

/// Two backups of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupQuestion {
    /// The job that left the newer one.
    #[schema(value_type = Uuid)]
    pub after: TaskId,
    /// The password opens both.
    #[serde(flatten)]
    pub look: BackupLook,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BackupInspection {
    /// Of the format: 6 or 7.
    pub revision: u8,
    /// `full_file`, `per_section` or `tar`.
    pub container: String,
    /// `noencryption`, or the method.
    pub encryption: String,
    /// As the file has it: `c` when it was made, `p` the protocol, `t` the type, `v` its version, `m` more.
    #[schema(value_type = Object)]
    pub meta: Map<String, Value>,
    /// In stored order, 10,000 at most.
    pub sections: Vec<BackupSection>,
    /// Sections that are not listed.
    pub more: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupSection {
    pub name: String,
    /// Bytes, once decrypted.
    pub size: u64,
    /// Of these bytes.
    pub sha256: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BackupComparison {
    /// 2,000 at most; none: the server is the same in both.
    pub differences: Vec<BackupDifference>,
    /// Differences that are not listed.
    pub more: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BackupDifference {
    /// `added`, `removed`, `changed`, or `not comparable` where one of them knows nothing of the kind.
    pub change: String,
    /// Of the object, for example `role`; `messages` where their number in a channel differs.
    pub kind: String,
    pub id: String,
    pub name: String,
    /// What a field was and is.
    #[schema(value_type = BTreeMap<String, Vec<Value>>)]
    pub fields: BTreeMap<String, [Value; 2]>,
}

/// A backup that somebody brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadedBackup {
    /// As that of a job: restores, inspections and downloads take it.
    #[schema(value_type = Uuid)]
    pub task_id: TaskId,
    /// In bytes.
    pub size: u64,
    /// Of the file, in hexadecimal digits.
    pub sha256: String,
    /// Whether it takes a password; then only its container could be verified.
    pub encrypted: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_printed() {
        let id = "6f1c9c5a-4b1d-4c1e-9d0a-0d6a3f3f5f11";
        let question = serde_json::json!({"after": id, "password": "correct horse"});
        let question: BackupQuestion = serde_json::from_value(question).unwrap();
        assert_eq!(question.look.password.as_deref(), Some("correct horse"));
        assert!(!format!("{question:?}").contains("horse"));
    }
}
