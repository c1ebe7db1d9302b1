//! The questions and their answers.

use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use splashtail_core::ids::GuildId;
use splashtail_ipc::http::ErrorResponse;

use crate::cluster::{GuildPresence, ShardView};

/// Guilds one question may be about.
pub const MAX_GUILDS: usize = 10_000;

/// One externally tagged value: `"Modules"`, `{"Modules":null}`, `{"Modules":{}}` or
/// `{"GuildsExist":{"guilds":[…]}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// 1 for each guild in this cluster's cache, 0 for others, in the order asked.
    GuildsExist(Vec<GuildId>),
    /// By guild: `present`, `unavailable`, `absent` or `wrong_cluster`.
    GuildsStatus(Vec<GuildId>),
    /// All modules by id.
    Modules,
    /// One record per shard, as in a diag reply.
    Health,
}

#[derive(Deserialize)]
struct Guilds {
    guilds: Vec<GuildId>,
}

impl Query {
    /// # Errors
    /// 400 when the body is not JSON, 422 when it is no query.
    pub fn parse(body: &[u8]) -> Result<Self, ErrorResponse> {
        let value: Value = serde_json::from_slice(body).map_err(|error| {
            refuse(
                StatusCode::BAD_REQUEST,
                "invalid_json",
                "the body is not JSON",
                error,
            )
        })?;
        let (tag, fields) = match value {
            Value::String(tag) => (tag, Value::Null),
            Value::Object(object) if object.len() == 1 => {
                object.into_iter().next().unwrap_or_default()
            }
            _ => {
                return Err(invalid(
                    "a query is a string or an object with exactly one key",
                ));
            }
        };
        match tag.as_str() {
            "GuildsExist" => guilds(fields).map(Self::GuildsExist),
            "GuildsStatus" => guilds(fields).map(Self::GuildsStatus),
            "Modules" => without_fields(&fields).map(|()| Self::Modules),
            "Health" => without_fields(&fields).map(|()| Self::Health),
            _ => Err(refuse(
                StatusCode::UNPROCESSABLE_ENTITY,
                "unknown_query",
                "this cluster does not know the query",
                tag,
            )),
        }
    }

    pub const fn name(&self) -> &'static str {
        match self {
            Self::GuildsExist(_) => "GuildsExist",
            Self::GuildsStatus(_) => "GuildsStatus",
            Self::Modules => "Modules",
            Self::Health => "Health",
        }
    }

    /// The bare value, not tagged again.
    pub async fn answer(self, view: &dyn ShardView, modules: &Value) -> Value {
        match self {
            Self::GuildsExist(guilds) => guilds
                .into_iter()
                .map(|guild| u8::from(view.guild(guild) == GuildPresence::Present))
                .collect(),
            Self::GuildsStatus(guilds) => {
                let status =
                    |guild: GuildId| (guild.to_string(), view.guild(guild).as_str().into());
                Value::Object(guilds.into_iter().map(status).collect::<Map<_, _>>())
            }
            Self::Modules => modules.clone(),
            // Numbers and booleans always serialise.
            Self::Health => serde_json::to_value(view.health().await).unwrap_or_default(),
        }
    }
}

fn guilds(fields: Value) -> Result<Vec<GuildId>, ErrorResponse> {
    let Guilds { guilds } = read(fields)?;
    if guilds.len() > MAX_GUILDS {
        return Err(invalid(&format!("at most {MAX_GUILDS} guilds at a time")));
    }
    Ok(guilds)
}

fn read<T: DeserializeOwned>(fields: Value) -> Result<T, ErrorResponse> {
    serde_json::from_value(fields).map_err(|error| {
        refuse(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_query",
            "the query's fields cannot be read",
            error,
        )
    })
}

/// Unknown fields are ignored everywhere, so any object will do.
fn without_fields(fields: &Value) -> Result<(), ErrorResponse> {
    match fields {
        Value::Null | Value::Object(_) => Ok(()),
        _ => Err(invalid("this query has no fields")),
    }
}

fn invalid(detail: &str) -> ErrorResponse {
    refuse(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_query",
        "this is no query",
        detail,
    )
}

fn refuse(
    status: StatusCode,
    code: &str,
    message: &str,
    detail: impl std::fmt::Display,
) -> ErrorResponse {
    let mut response = ErrorResponse::new(status, code, message);
    response.body = response.body.with_context("detail", detail.to_string());
    response
}
