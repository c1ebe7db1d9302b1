//! Members of a server, for whoever hands out powers there.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use splashtail_api_types::guilds::{GuildMember, GuildMemberList};
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::ids::UserId;
use splashtail_storage::SettingRow;
use utoipa::IntoParams;

use super::tasks::page_limit;
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{PathOf, QueryOf, guild_id};
use crate::people::{self, MemberTold};

/// Whoever may look at what members have set.
const LOOK: &str = "guild_members view";
const SETTING: &str = "guild_members";
const DEFAULT_PAGE: u32 = 50;
/// As long as Discord's names are.
const MAX_SEARCH: usize = 32;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MembersQuery {
    /// How a name or nickname begins. Without it those who have powers of their own.
    #[param(max_length = 32)]
    search: Option<String>,
    /// Only who comes behind this user, without `search`.
    after: Option<String>,
    /// At most 100; 50 when absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Members of a server: those who have powers of their own, by id, or whose name begins so.
#[utoipa::path(get, path = "/guilds/{guild_id}/members", tag = "Guilds", operation_id = "list_members",
    params(("guild_id" = String, Path, description = "The server"), MembersQuery),
    security(("User" = [])),
    responses(
        (status = 200, description = "One page", body = GuildMemberList),
        (status = 400, description = "The query is not valid", body = ErrorBody),
        (status = 403, description = "You may not look at them", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run, or Discord cannot be reached; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn list_members(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
    QueryOf(query): QueryOf<MembersQuery>,
) -> Result<Json<GuildMemberList>, ApiError> {
    let guild = guild_id(&guild)?;
    let limit = page_limit(query.limit, DEFAULT_PAGE)?;
    let search = query.search.as_deref().map(str::trim).unwrap_or_default();
    if search.chars().count() > MAX_SEARCH {
        return Err(wrong("search", "a name has at most 32 characters"));
    }
    let after = query.after.as_deref().map(str::parse::<UserId>).transpose();
    let after = after.map_err(|_| wrong("after", "this is no id"))?;
    app.fleet.standing(guild, &caller, LOOK).await?.allowed()?;
    let rows = app
        .storage
        .settings()
        .read(guild, Some(SETTING))
        .await?
        .rows;
    let mut own: BTreeMap<UserId, &SettingRow> = rows
        .iter()
        .filter_map(|row| Some((row.entry.parse().ok()?, row)))
        .collect();
    let mut members = Vec::new();
    if search.is_empty() {
        own.retain(|user, _| after.is_none_or(|after| *user > after));
        for (user, row) in own.into_iter().take(limit as usize) {
            if let Some(profile) = people::find(&app, user).await? {
                members.push(shown(MemberTold::of(profile), Some(row)));
            }
        }
    } else {
        for told in app.people.search(guild, search, limit).await? {
            let user = told.user.id.parse().ok();
            let row = user.and_then(|user: UserId| own.get(&user).copied());
            members.push(shown(told, row));
        }
    }
    Ok(Json(GuildMemberList { members }))
}

fn shown(told: MemberTold, row: Option<&SettingRow>) -> GuildMember {
    let overrides = row.and_then(|row| row.fields["perm_overrides"].as_array());
    let overrides = overrides.into_iter().flatten();
    GuildMember {
        user: told.user,
        nick: told.nick,
        roles: told.roles,
        perm_overrides: overrides
            .filter_map(|perm| perm.as_str().map(str::to_owned))
            .collect(),
        public: row.is_some_and(|row| row.fields["public"] == true),
    }
}

fn wrong(name: &'static str, why: &str) -> ApiError {
    ApiError::Invalid {
        code: Code::InvalidQuery,
        message: why.to_owned(),
        context: Some((name, why.to_owned())),
    }
}
