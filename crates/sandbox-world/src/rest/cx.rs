//! What an operation works with: the world, the caller, and the request taken apart.

use std::net::IpAddr;

use http::HeaderMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::body::{Body, File};
use super::error::{self, ApiError, Known};
use super::limits::Limits;
use super::routes::{Auth, Route};
use super::{Actor, Request};
use crate::journal;
use crate::world::{AccessToken, Channel, Guild, Id, Stamp, World, compact, permissions as perm};

/// Who sends a request, once that is known.
#[derive(Debug, Clone)]
pub enum Caller {
    Anonymous,
    Bot {
        app: Id,
        user: Id,
    },
    /// A person in a client.
    User(Id),
    Bearer(AccessToken),
}

impl Caller {
    pub(super) fn identify(
        world: &World,
        actor: Actor,
        headers: &HeaderMap,
        needed: Auth,
    ) -> Result<Self, ApiError> {
        if let Actor::User(user) = actor {
            return Ok(Self::User(user));
        }
        let given = headers
            .get(http::header::AUTHORIZATION)
            .and_then(|v| v.to_str().ok());
        let Some(given) = given else {
            return if needed == Auth::Open {
                Ok(Self::Anonymous)
            } else {
                Err(ApiError::unauthorized())
            };
        };
        let (scheme, secret) = given.split_once(' ').unwrap_or(("", given));
        let caller = match scheme {
            "Bot" => world.app_by_token(secret.trim()).map(|app| Self::Bot {
                app: app.id,
                user: app.bot,
            }),
            "Bearer" => world.grant(secret.trim()).cloned().map(Self::Bearer),
            _ => None,
        };
        match (caller, needed) {
            (Some(caller), Auth::Open) => Ok(caller),
            // A stale token does no harm where none is needed.
            (None, Auth::Open) => Ok(Self::Anonymous),
            (Some(Self::Bearer(grant)), Auth::Scope(scope)) if !grant.allows(scope) => {
                Err(error::MISSING_SCOPE.into())
            }
            (Some(Self::Bearer(_)), Auth::Bot) => Err(ApiError::unauthorized()),
            (Some(Self::Bot { .. }), Auth::Grant) => Err(ApiError::unauthorized()),
            (Some(caller), _) => Ok(caller),
            (None, _) => Err(ApiError::unauthorized()),
        }
    }

    /// The user that acts; 0 for nobody.
    pub fn user(&self) -> Id {
        match self {
            Self::Anonymous => Id(0),
            Self::Bot { user, .. } | Self::User(user) => *user,
            Self::Bearer(grant) => grant.user,
        }
    }

    pub(super) fn journal(&self) -> journal::Caller {
        let (kind, id) = match self {
            Self::Anonymous => ("none", None),
            Self::Bot { app, .. } => ("bot", Some(app.to_string())),
            Self::User(user) => ("user", Some(user.to_string())),
            Self::Bearer(grant) => ("bearer", Some(grant.user.to_string())),
        };
        journal::Caller {
            kind: kind.into(),
            id,
        }
    }

    pub(super) fn limit_key(&self, address: Option<IpAddr>) -> String {
        match self {
            Self::Anonymous => address.map_or_else(String::new, |a| a.to_string()),
            Self::Bot { app, .. } => format!("bot {app}"),
            Self::User(user) => format!("user {user}"),
            Self::Bearer(grant) => format!("bearer {} {}", grant.app, grant.user),
        }
    }
}

/// A client must say who it is.
pub(super) fn acceptable_agent(headers: &HeaderMap) -> bool {
    headers
        .get(http::header::USER_AGENT)
        .is_some_and(|v| !v.as_bytes().trim_ascii().is_empty())
}

/// Interaction callbacks and follow-ups do not count against the global limit.
pub(super) fn is_exempt(world: &World, route: &Route, params: &[(&'static str, String)]) -> bool {
    let token = params
        .iter()
        .find(|(n, _)| matches!(*n, "interaction_token" | "webhook_token"));
    route.operation == "create_interaction_response"
        || token.is_some_and(|(_, t)| world.interaction_tokens.contains_key(t))
}

/// The path without secrets.
pub fn public_path(path: &str) -> String {
    let mut steps: Vec<&str> = path.split('/').collect();
    if matches!(steps.get(1), Some(&("webhooks" | "interactions"))) && steps.len() > 3 {
        steps[3] = "…";
    }
    steps.join("/")
}

/// A successful answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub body: Option<Content>,
}

/// What an answer says.
#[derive(Debug, Clone)]
pub enum Content {
    Value(Value),
    /// JSON already: long lists are written straight from the world.
    Text(String),
}

impl Content {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Value(value) => compact(&value),
            Self::Text(text) => text,
        }
    }
}

impl Reply {
    /// 200 with a list that is written at once.
    pub fn list(items: impl IntoIterator<Item: Serialize>) -> Result<Self, ApiError> {
        let mut text = Vec::new();
        let mut out = serde_json::Serializer::new(&mut text);
        // Memory takes everything, and what is listed has nothing but text for keys.
        let written = out.collect_seq(items).is_ok();
        let text = String::from_utf8(text).ok().filter(|_| written);
        Ok(Self {
            status: 200,
            body: text.map(Content::Text),
        })
    }

    pub fn ok(body: impl Into<Value>) -> Result<Self, ApiError> {
        Ok(Self {
            status: 200,
            body: Some(Content::Value(body.into())),
        })
    }

    pub fn created(body: impl Into<Value>) -> Result<Self, ApiError> {
        Ok(Self {
            status: 201,
            body: Some(Content::Value(body.into())),
        })
    }

    pub fn nothing() -> Result<Self, ApiError> {
        Ok(Self {
            status: 204,
            body: None,
        })
    }
}

/// Everything an operation needs.
pub struct Cx<'a> {
    pub world: &'a mut World,
    pub(super) limits: &'a Limits,
    pub caller: Caller,
    route: &'static Route,
    params: Vec<(&'static str, String)>,
    query: Vec<(String, String)>,
    body: Option<Result<Body, ApiError>>,
    pub(super) files: Vec<File>,
    reason: Result<Option<String>, ApiError>,
}

impl<'a> Cx<'a> {
    pub(super) fn new(
        world: &'a mut World,
        limits: &'a Limits,
        caller: Caller,
        route: &'static Route,
        params: Vec<(&'static str, String)>,
        request: &Request,
        body: Result<Body, ApiError>,
    ) -> Self {
        let query =
            url::form_urlencoded::parse(request.query.trim_start_matches(['?', '&']).as_bytes());
        let query = query.into_owned().filter(|(k, _)| !k.is_empty()).collect();
        let reason = read_reason(&request.headers);
        Self {
            world,
            limits,
            caller,
            route,
            params,
            query,
            body: Some(body),
            files: Vec::new(),
            reason,
        }
    }

    pub(super) fn run(&mut self) -> Result<Reply, ApiError> {
        (self.route.run)(self)
    }

    /// The user that acts.
    pub fn me(&self) -> Id {
        self.caller.user()
    }

    pub fn now(&self) -> Stamp {
        self.world.now()
    }

    /// By which limits and deadlines are counted.
    pub fn steady_ms(&self) -> i64 {
        self.world.steady_ms()
    }

    /// A path parameter.
    pub fn param(&self, name: &str) -> &str {
        self.params
            .iter()
            .find(|(n, _)| *n == name)
            .map_or("", |(_, v)| v.as_str())
    }

    /// A path parameter that is an id.
    pub fn id(&self, name: &str) -> Result<Id, ApiError> {
        let text = self.param(name);
        text.parse().map_err(|_| {
            ApiError::field(
                name,
                "NUMBER_TYPE_COERCE",
                format!("Value \"{text}\" is not snowflake."),
            )
        })
    }

    /// A query parameter; the last one when repeated.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .rev()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// All values of a query parameter, also those separated by commas.
    pub fn query_list(&self, name: &str) -> Vec<&str> {
        let values = self.query.iter().filter(|(n, _)| n == name);
        values
            .flat_map(|(_, v)| v.split(','))
            .filter(|v| !v.is_empty())
            .collect()
    }

    pub fn query_id(&self, name: &str) -> Result<Option<Id>, ApiError> {
        let Some(text) = self.query(name).filter(|t| !t.is_empty()) else {
            return Ok(None);
        };
        let bad = || {
            ApiError::field(
                name,
                "NUMBER_TYPE_COERCE",
                format!("Value \"{text}\" is not snowflake."),
            )
        };
        text.parse().map(Some).map_err(|_| bad())
    }

    /// A page of users, ascending: the last ones before `before`, which wins, or the first ones
    /// after `after`.
    pub fn page<'k>(
        &self,
        ascending: impl DoubleEndedIterator<Item = &'k Id>,
        limit: usize,
    ) -> Result<Vec<Id>, ApiError> {
        let after = self.query_id("after")?.unwrap_or_default();
        let Some(before) = self.query_id("before")? else {
            return Ok(ascending
                .filter(|id| **id > after)
                .take(limit)
                .copied()
                .collect());
        };
        let last = ascending.rev().filter(|id| **id < before).take(limit);
        let mut page: Vec<Id> = last.copied().collect();
        page.reverse();
        Ok(page)
    }

    /// A whole number between bounds.
    pub fn query_number(
        &self,
        name: &str,
        default: u64,
        low: u64,
        high: u64,
    ) -> Result<u64, ApiError> {
        let Some(text) = self.query(name).filter(|t| !t.is_empty()) else {
            return Ok(default);
        };
        let number: i64 = text.parse().map_err(|_| {
            ApiError::field(
                name,
                "NUMBER_TYPE_COERCE",
                format!("Value \"{text}\" is not int."),
            )
        })?;
        if number < low as i64 {
            let message = format!("int value should be greater than or equal to {low}.");
            return Err(ApiError::field(name, "NUMBER_TYPE_MIN", message));
        }
        if number > high as i64 {
            let message = format!("int value should be less than or equal to {high}.");
            return Err(ApiError::field(name, "NUMBER_TYPE_MAX", message));
        }
        Ok(number as u64)
    }

    pub fn query_flag(&self, name: &str, default: bool) -> bool {
        match self.query(name) {
            Some("true" | "True" | "1") => true,
            Some("false" | "False" | "0") => false,
            _ => default,
        }
    }

    /// The body, once: afterwards its files are in `files`.
    pub fn body(&mut self) -> Result<Value, ApiError> {
        let body = self.body.take().unwrap_or_else(|| Ok(Body::default()))?;
        self.files = body.files;
        Ok(body.json)
    }

    /// A body that must be an object; an absent one counts as empty.
    pub fn object(&mut self) -> Result<Value, ApiError> {
        match self.body()? {
            Value::Null => Ok(Value::Object(serde_json::Map::new())),
            Value::Object(map) => Ok(Value::Object(map)),
            _ => Err(ApiError::field(
                "",
                "DICT_TYPE_CONVERT",
                "Only dictionaries may be used in a DictType",
            )),
        }
    }

    /// The reason for the audit log.
    pub fn reason(&self) -> Result<Option<String>, ApiError> {
        self.reason.clone()
    }

    /// The guild in the path, if the caller is in it.
    pub fn guild(&self) -> Result<&Guild, ApiError> {
        self.guild_by(self.id("guild_id")?)
    }

    /// A guild, if the caller is in it.
    pub fn guild_by(&self, id: Id) -> Result<&Guild, ApiError> {
        let guild = self.world.guilds.get(&id).ok_or(error::UNKNOWN_GUILD)?;
        self.is_up(guild)?;
        if guild.members.contains_key(&self.me()) {
            Ok(guild)
        } else {
            Err(error::UNKNOWN_GUILD.into())
        }
    }

    /// Whether the guild is in no outage: for what only a body names, paths are looked at before.
    fn is_up(&self, guild: &Guild) -> Result<(), ApiError> {
        if guild.unavailable {
            return Err(super::outage_error(self.world));
        }
        Ok(())
    }

    /// The guild in the path for something in it: outsiders get "Missing Access".
    pub fn guild_inside(&self) -> Result<&Guild, ApiError> {
        let id = self.id("guild_id")?;
        let guild = self.world.guilds.get(&id).ok_or(error::UNKNOWN_GUILD)?;
        if guild.members.contains_key(&self.me()) {
            Ok(guild)
        } else {
            Err(error::MISSING_ACCESS.into())
        }
    }

    /// The channel in the path, if the caller sees it.
    pub fn channel(&self) -> Result<&Channel, ApiError> {
        self.channel_by(self.id("channel_id")?)
    }

    pub fn channel_by(&self, id: Id) -> Result<&Channel, ApiError> {
        let channel = self.world.channels.get(&id).ok_or(error::UNKNOWN_CHANNEL)?;
        if let Some(guild) = channel.guild_id.and_then(|g| self.world.guilds.get(&g)) {
            self.is_up(guild)?;
        }
        let bits = self.world.permissions_in(id, self.me());
        if bits & perm::VIEW_CHANNEL == 0 {
            return Err(error::MISSING_ACCESS.into());
        }
        Ok(channel)
    }

    /// Requires all of `bits` in the guild.
    pub fn require(&self, guild: Id, bits: u64) -> Result<(), ApiError> {
        missing(self.world.permissions_of(guild, self.me()), bits)?;
        self.second_factor(Some(guild), bits)
    }

    /// Requires that the guild of the channel lets the caller speak already.
    pub fn require_verified(&self, channel: &Channel) -> Result<(), ApiError> {
        let guild = channel.guild_id.and_then(|g| self.world.guilds.get(&g));
        let below = guild.is_some_and(|g| self.world.below_verification(g, self.me()));
        Self::refuse_if(below, error::VERIFICATION_TOO_HIGH)
    }

    /// Requires all of `bits` in the channel.
    pub fn require_in(&self, channel: Id, bits: u64) -> Result<(), ApiError> {
        missing(self.world.permissions_in(channel, self.me()), bits)?;
        self.second_factor(self.world.guild_of(channel), bits)
    }

    /// In guilds that demand it, moderating needs two factors; of a bot, its owner's.
    fn second_factor(&self, guild: Option<Id>, bits: u64) -> Result<(), ApiError> {
        let guild = guild.and_then(|g| self.world.guilds.get(&g));
        if guild.is_none_or(|g| g.mfa_level == 0) || bits & perm::NEED_SECOND_FACTOR == 0 {
            return Ok(());
        }
        let person = match self.caller {
            Caller::Bot { app, .. } => self.world.apps.get(&app).map(|a| a.owner),
            _ => Some(self.me()),
        };
        let enabled = person
            .and_then(|p| self.world.users.get(&p))
            .is_some_and(|u| u.mfa_enabled);
        if enabled {
            Ok(())
        } else {
            Err(error::MFA_REQUIRED.into())
        }
    }

    /// Refuses with `known` when `wrong`.
    pub fn refuse_if(wrong: bool, known: Known) -> Result<(), ApiError> {
        if wrong { Err(known.into()) } else { Ok(()) }
    }
}

fn missing(have: u64, need: u64) -> Result<(), ApiError> {
    if have & need == need {
        Ok(())
    } else {
        Err(error::MISSING_PERMISSIONS.into())
    }
}

fn read_reason(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(raw) = headers.get("x-audit-log-reason") else {
        return Ok(None);
    };
    let decoded = percent_encoding::percent_decode(raw.as_bytes())
        .decode_utf8_lossy()
        .into_owned();
    if decoded.is_empty() {
        return Ok(None);
    }
    if decoded.chars().count() > 512 {
        return Err(ApiError::field(
            "reason",
            "BASE_TYPE_MAX_LENGTH",
            "Must be 512 or fewer in length.",
        ));
    }
    Ok(Some(decoded))
}
