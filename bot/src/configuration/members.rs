use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use splashtail_core::ids::{GuildId, RoleId, UserId};

use super::{Configuration, Refusal};
use crate::settings::Setting;

/// Members that Discord is asked about at a time.
const AT_A_TIME: usize = 4;

impl Configuration {
    /// Roles of the members that these entries are about.
    ///
    /// # Errors
    /// [`Refusal::Denied`]: of one of them it is not known.
    pub(super) async fn members_of(
        &self,
        guild: GuildId,
        entries: impl IntoIterator<Item = (&Setting, &str)>,
    ) -> Result<BTreeMap<UserId, Vec<RoleId>>, Refusal> {
        let entries = entries.into_iter();
        let about = entries.filter(|(setting, _)| setting.is_about_members());
        let about: BTreeSet<UserId> = about.filter_map(|(_, entry)| entry.parse().ok()).collect();
        let roles = about.into_iter().map(|user| async move {
            let roles = self.guilds.roles(guild, user).await;
            roles.map(|roles| (user, roles)).map_err(Refusal::Denied)
        });
        stream::iter(roles)
            .buffer_unordered(AT_A_TIME)
            .try_collect()
            .await
    }
}
