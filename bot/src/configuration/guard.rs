//! Changes that weaken what protects a server, where more than one person has to agree to those.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use splashtail_core::ids::{GuildId, UserId};
use splashtail_storage::{Edit, NewChange, StorageError, Written};

use super::change::ATTEMPTS;
use super::{Asked, Configuration, Read, Refusal};
use crate::catalogue::Language;
use crate::settings::{EntryChange, GuildRows, Setting, Weaker};

/// Has others agree.
#[async_trait]
pub trait Guard: Send + Sync {
    /// Whether a guild that has set this wants weakening changes to be agreed to.
    fn is_on(&self, rows: &GuildRows) -> bool;

    /// Of what others are told in a guild.
    fn language(&self, guild: GuildId) -> Language;

    /// Asks the others.
    ///
    /// # Errors
    /// They cannot be asked; nothing is changed.
    async fn propose(&self, proposal: Proposal) -> Result<Proposed, ProposeError>;
}

/// A change that waits for others to agree.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    pub guild: GuildId,
    pub by: UserId,
    /// What would become weaker, line by line.
    pub summary: Vec<String>,
    pub edits: Vec<Edit>,
    pub digest: String,
}

/// What is told to the one who asked for the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed(pub String);

#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    #[error("{0}")]
    Refused(String),
    #[error("the database failed")]
    Storage(#[from] StorageError),
}

/// What came of a change that was agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    At(i64),
    /// It was so already.
    Already,
    /// An entry is not any more what it was when the change was shown.
    Changed,
    /// Others change the settings again and again.
    Busy,
}

impl Configuration {
    /// From now on changes that weaken protection are proposed, where `guard` says so.
    #[must_use]
    pub fn guarded_by(mut self, guard: Arc<dyn Guard>) -> Self {
        self.guard = Some(guard);
        self
    }

    /// # Errors
    /// [`Refusal::Guarded`]: others are asked, nothing is changed yet.
    pub(super) async fn guard(
        &self,
        asked: &Asked,
        read: &Read,
        edits: &[Edit],
    ) -> Result<(), Refusal> {
        let Some(guard) = &self.guard else {
            return Ok(());
        };
        let rows_before = with(&read.rows, edits, |edit| &edit.before);
        if !guard.is_on(&rows_before) {
            return Ok(());
        }
        let rows_after = with(&read.rows, edits, |edit| &edit.after);
        let language = guard.language(asked.guild);
        let weaker = edits.iter().filter_map(|edit| {
            let (_, setting) = self.gate.registry().setting(&edit.setting)?;
            weakening(setting, edit, (&rows_before, &rows_after), language)
        });
        let mut weaker: Vec<Weaker> = weaker.collect();
        if weaker.is_empty() {
            return Ok(());
        }
        weaker.sort_by_key(|weaker| weaker.gravity);
        let summary = weaker.into_iter().map(|weaker| weaker.line).collect();
        let proposal = Proposal {
            guild: asked.guild,
            by: asked.user,
            summary,
            digest: digest(edits),
            edits: edits.to_vec(),
        };
        match guard.propose(proposal).await {
            Ok(Proposed(text)) => Err(Refusal::Guarded(text)),
            Err(ProposeError::Refused(text)) => Err(Refusal::Guarded(text)),
            Err(ProposeError::Storage(error)) => Err(error.into()),
        }
    }
}

fn weakening(
    setting: &Setting,
    edit: &Edit,
    (rows_before, rows_after): (&GuildRows, &GuildRows),
    language: Language,
) -> Option<Weaker> {
    let rules = setting.rules.as_ref()?;
    rules.weakens(&EntryChange {
        language,
        before: edit.before.as_ref().and_then(Value::as_object),
        after: edit.after.as_ref().and_then(Value::as_object),
        rows_before,
        rows_after,
    })
}

/// The rows before the edits or after them: while a change is worked out they may be made already in
/// memory.
fn with(rows: &GuildRows, edits: &[Edit], side: fn(&Edit) -> &Option<Value>) -> GuildRows {
    let mut rows = rows.clone();
    for edit in edits {
        let fields = side(edit).as_ref().and_then(Value::as_object).cloned();
        rows.set(&edit.setting, &edit.entry, fields);
    }
    rows
}

/// Of what is changed, and of what it is now.
pub fn digest(edits: &[Edit]) -> String {
    let mut parts: BTreeMap<(&str, &str), Value> = BTreeMap::new();
    for edit in edits {
        let key = (edit.setting.as_str(), edit.entry.as_str());
        parts.insert(key, json!([sorted(&edit.before), sorted(&edit.after)]));
    }
    let parts: Vec<Value> = parts
        .into_iter()
        .map(|((setting, entry), change)| json!([setting, entry, change]))
        .collect();
    let digest = Sha256::digest(Value::Array(parts).to_string());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sorted(fields: &Option<Value>) -> Option<BTreeMap<&String, &Value>> {
    let fields = fields.as_ref()?.as_object()?;
    Some(fields.iter().collect())
}

/// Edits as a value, for the record.
pub fn record(edits: &[Edit]) -> Value {
    let edits = edits.iter().map(|edit| {
        json!({"setting": edit.setting, "entry": edit.entry, "before": edit.before,
               "after": edit.after})
    });
    Value::Array(edits.collect())
}

/// What [`record`] made; `None` when it is nothing of that kind.
pub fn recorded(value: &Value) -> Option<Vec<Edit>> {
    let edit = |value: &Value| {
        let side = |key: &str| value.get(key).filter(|side| !side.is_null()).cloned();
        Some(Edit {
            setting: value["setting"].as_str()?.to_owned(),
            entry: value["entry"].as_str()?.to_owned(),
            before: side("before"),
            after: side("after"),
        })
    };
    value.as_array()?.iter().map(edit).collect()
}

impl Configuration {
    /// Makes all edits of a change as they were agreed to, or none. Repeating it changes nothing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn apply_agreed(
        &self,
        guild: GuildId,
        by: UserId,
        edits: &[Edit],
    ) -> Result<Applied, StorageError> {
        let is = |rows: &GuildRows, edit: &Edit, side: &Option<Value>| {
            rows.get(&edit.setting, &edit.entry) == side.as_ref().and_then(Value::as_object)
        };
        for _ in 0..ATTEMPTS {
            let read = self.read(guild).await?;
            if edits.iter().all(|edit| is(&read.rows, edit, &edit.after)) {
                return Ok(Applied::Already);
            }
            let as_shown = edits.iter().all(|edit| is(&read.rows, edit, &edit.before));
            if !as_shown || !self.fits(edits, &with(&read.rows, edits, |edit| &edit.after)) {
                return Ok(Applied::Changed);
            }
            let change = NewChange {
                guild,
                decided_on: read.version,
                by,
                way: "agreed",
                at: self.now(),
                undoes: None,
                edits,
            };
            if let Written::At(version) = self.storage.settings().write(&change).await? {
                self.changes.tell(guild, version).await;
                return Ok(Applied::At(version));
            }
        }
        Ok(Applied::Busy)
    }

    /// Whether what the edits make goes together with everything else there is then: others may have
    /// taken its place since it was shown.
    fn fits(&self, edits: &[Edit], rows_after: &GuildRows) -> bool {
        edits.iter().all(|edit| {
            let Some(after) = edit.after.as_ref().and_then(Value::as_object) else {
                return true;
            };
            let Some((_, setting)) = self.gate.registry().setting(&edit.setting) else {
                return false;
            };
            let others = rows_after.of(setting.id);
            let others: Vec<_> = others.filter(|(entry, _)| *entry != edit.entry).collect();
            others.len() < setting.max_entries && setting.check_unique(after, &others).is_ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;

    use super::super::tests::{configuration, fields, moderator, owner, told};
    use super::*;
    use crate::framework::gate::ROLES;
    use crate::settings::Operation;

    /// The one setting with something that can become weaker.
    const SETTING: &str = "guarded_operations";

    /// On where the guild's own entry says so; keeps what was proposed.
    #[derive(Default)]
    struct Kept(Mutex<Vec<Proposal>>);

    #[async_trait]
    impl Guard for Kept {
        fn is_on(&self, rows: &GuildRows) -> bool {
            let entry = rows.get(SETTING, "server");
            entry.is_some_and(|entry| entry["enabled"] == true)
        }

        fn language(&self, _: GuildId) -> Language {
            Language::German
        }

        async fn propose(&self, proposal: Proposal) -> Result<Proposed, ProposeError> {
            self.0.lock().unwrap().push(proposal);
            Ok(Proposed("others are asked".to_owned()))
        }
    }

    #[tokio::test]
    async fn what_weakens_is_proposed_and_made_as_it_was_shown() {
        let kept = Arc::new(Kept::default());
        let configuration = configuration().await.guarded_by(Arc::clone(&kept) as _);
        let (c, owner) = (&configuration, owner());
        let set = |enabled| fields(json!({"scope": "server", "enabled": enabled}));
        let refused = c.set(&moderator(), SETTING, &set(true)).await;
        assert!(told(refused).contains("Only the owner"));
        let on = c.set(&owner, SETTING, &set(true)).await.unwrap();
        // Neither on its own nor by another way.
        let off = c.set(&owner, SETTING, &set(false)).await;
        assert_eq!(told(off), "others are asked");
        let undone = c.roll_back(&owner, on.version).await;
        assert_eq!(told(undone), "others are asked");
        let file = "form: 1\nguild: '1'\nsettings:\n  guarded_operations:\n  - {scope: server, \
                    enabled: false, mass_ban_above: 10}\n";
        let imported = c.import(&owner, file, false, None).await;
        assert_eq!(told(imported), "others are asked");
        let key = fields(json!({"scope": "server"}));
        let deleted = c.change(&owner, SETTING, Operation::Delete, &key).await;
        assert_eq!(told(deleted), "others are asked");

        let proposals = std::mem::take(&mut *kept.0.lock().unwrap());
        assert_eq!(proposals.len(), 4);
        assert_eq!(proposals[0].digest, proposals[2].digest, "the same change");
        assert_ne!(proposals[0].digest, proposals[3].digest);
        let said = "Gesicherte Vorgänge gehen aus: Eine Person allein genügt.";
        assert_eq!(proposals[0].summary, [said]);
        let mut edits = recorded(&record(&proposals[0].edits)).unwrap();
        assert_eq!(digest(&edits), proposals[0].digest);
        let apply = |edits: Vec<Edit>| {
            let owner = &owner;
            async move {
                let applied = c.apply_agreed(owner.guild, owner.user, &edits);
                applied.await.unwrap()
            }
        };
        let shown = edits[0].before.replace(json!({"scope": "server"}));
        assert_eq!(
            apply(edits.clone()).await,
            Applied::Changed,
            "it is another"
        );
        edits[0].before = shown;
        assert!(matches!(apply(edits.clone()).await, Applied::At(_)));
        assert_eq!(apply(edits).await, Applied::Already, "once");
        let past = c.history(&owner, None, 1).await.unwrap();
        assert_eq!(past[0].way, "agreed");
    }

    #[tokio::test]
    async fn what_was_agreed_to_takes_no_place_that_others_have_by_now() {
        let (c, owner) = (&configuration().await, owner());
        let row = |role: &str, index: i64| json!({"role_id": role, "perms": [], "index": index, "display_name": null});
        let edits = [Edit {
            setting: ROLES.to_owned(),
            entry: "10".to_owned(),
            before: None,
            after: Some(row("10", 5)),
        }];
        let apply = async || {
            c.apply_agreed(owner.guild, owner.user, &edits)
                .await
                .unwrap()
        };
        c.set(&owner, ROLES, &fields(row("20", 5))).await.unwrap();
        assert_eq!(apply().await, Applied::Changed);
        let view = c.view(&owner, ROLES, 0, 9).await.unwrap();
        assert_eq!(view.count, 1, "nothing by halves");
        c.set(&owner, ROLES, &fields(row("20", 6))).await.unwrap();
        assert!(matches!(apply().await, Applied::At(_)));
        assert_eq!(apply().await, Applied::Already);
    }
}
