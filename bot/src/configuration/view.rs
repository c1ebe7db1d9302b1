use super::ask::Trial;
use super::{Asked, Configuration, Refusal, command_of};
use crate::settings::{Fields, Operation};

/// Some entries of a setting.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    pub rows: Vec<Fields>,
    /// All there are.
    pub count: usize,
    /// No more can be created.
    pub is_full: bool,
}

impl Configuration {
    /// Entries by primary key, from `offset` on.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn view(
        &self,
        asked: &Asked,
        setting: &str,
        offset: usize,
        limit: usize,
    ) -> Result<View, Refusal> {
        let setting = self.setting(setting)?;
        let read = self.read(asked.guild).await?;
        let trial = Trial::new(&self.gate, asked, &read);
        match asked.command {
            Some(command) => trial.require(command)?,
            None => trial.require(&command_of(setting.id, Operation::View))?,
        }
        let count = read.rows.count(setting.id);
        let untouched = setting.untouched().filter(|_| count == 0);
        let stored = read.rows.of(setting.id).map(|(_, fields)| fields);
        let rows = stored.chain(&untouched).skip(offset).take(limit);
        let count = count.max(usize::from(untouched.is_some()));
        Ok(View {
            rows: rows.map(|fields| setting.shown(fields)).collect(),
            count,
            is_full: count >= setting.max_entries,
        })
    }
}
