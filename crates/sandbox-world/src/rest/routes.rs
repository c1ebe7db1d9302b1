//! The route table: every operation with its authorisation and its limit.

use std::collections::HashMap;
use std::sync::LazyLock;

use http::Method;

use super::cx::{Cx, Reply};
use super::error::ApiError;
use super::limits::{Bucket, Major};
use super::ops;
use crate::world::Id;

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Nothing.
    Open,
    /// A bot token, or a person.
    Bot,
    /// A bot token, a person, or a bearer token with this scope.
    Scope(&'static str),
    /// A bearer token, whatever its scopes.
    Grant,
}

/// An operation.
pub struct Route {
    pub method: Method,
    pub template: &'static str,
    /// Operation id of the API description.
    pub operation: &'static str,
    pub auth: Auth,
    pub bucket: Bucket,
    pub(super) run: fn(&mut Cx<'_>) -> Result<Reply, ApiError>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route")
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

/// Path parameters by name, decoded.
pub type Params = Vec<(&'static str, String)>;

/// A route with the parameters of a path.
pub type Found = (&'static Route, Params);

#[derive(Default)]
struct Node {
    fixed: HashMap<&'static str, Node>,
    /// A placeholder with its name.
    any: Option<(Box<Node>, &'static str)>,
    routes: Vec<&'static Route>,
}

static TABLE: LazyLock<Vec<Route>> = LazyLock::new(ops::table);

static TREE: LazyLock<Node> = LazyLock::new(|| {
    let mut root = Node::default();
    for route in TABLE.iter() {
        let mut node = &mut root;
        for step in route.template.split('/').skip(1) {
            node = match step.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
                Some(name) => &mut *node.any.get_or_insert_with(|| (Box::default(), name)).0,
                None => node.fixed.entry(step).or_default(),
            };
        }
        node.routes.push(route);
    }
    root
});

/// Every operation.
pub fn all() -> &'static [Route] {
    &TABLE
}

const DELETE_MESSAGE: &str = "delete_message";
/// Messages are deleted from one of three buckets by their age: up to which, its name and its limit.
const DELETIONS: [(i64, &str, u32, i64); 3] = [
    (10_000, "delete_message_new", 5, 1000),
    (14 * 86_400_000, DELETE_MESSAGE, 3, 333),
    (i64::MAX, "delete_message_old", 30, 4000),
];

/// Where applications get tokens, which the API's description leaves out. How many requests Discord takes
/// there is not told, only that there are 429s.
pub const OAUTH2_TOKEN: Bucket = undescribed("oauth2_token");
/// Where they give tokens up.
pub const OAUTH2_REVOKE: Bucket = undescribed("oauth2_revoke");

const fn undescribed(name: &'static str) -> Bucket {
    Bucket {
        name,
        limit: 50,
        per_ms: 1000,
        major: Major::None,
    }
}

/// All buckets, each with an operation that takes from it.
pub(super) fn buckets() -> impl Iterator<Item = (Bucket, &'static str)> {
    let undescribed = [
        (OAUTH2_TOKEN, "POST /oauth2/token"),
        (OAUTH2_REVOKE, "POST /oauth2/token/revoke"),
    ];
    let described = TABLE.iter().flat_map(|route| {
        let deletions = (route.operation == DELETE_MESSAGE).then_some(DELETIONS);
        let deletions = deletions.into_iter().flatten();
        let by_age = deletions.map(|(_, name, limit, per_ms)| Bucket {
            name,
            limit,
            per_ms,
            ..route.bucket
        });
        let plain = (route.operation != DELETE_MESSAGE).then_some(route.bucket);
        by_age.chain(plain).map(|bucket| (bucket, route.operation))
    });
    described.chain(undescribed)
}

/// The route of a path below `/api/v10` with its decoded parameters; 404 or 405 otherwise.
pub fn find(method: &Method, path: &str) -> Result<Found, ApiError> {
    let steps: Vec<&str> = path.trim_end_matches('/').split('/').skip(1).collect();
    let mut values = Vec::new();
    let node = descend(&TREE, &steps, &mut values).ok_or_else(ApiError::not_found)?;
    let route = node
        .routes
        .iter()
        .find(|r| r.method == *method)
        .ok_or_else(ApiError::wrong_method)?;
    // Two templates may name one placeholder differently: the route's own names count.
    let names = route
        .template
        .split('/')
        .filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'));
    Ok((route, names.zip(values).collect()))
}

/// Fixed steps win over placeholders, with a way back.
fn descend<'n>(node: &'n Node, steps: &[&str], values: &mut Vec<String>) -> Option<&'n Node> {
    let Some((step, rest)) = steps.split_first() else {
        return (!node.routes.is_empty()).then_some(node);
    };
    let decoded = percent_encoding::percent_decode_str(step).decode_utf8_lossy();
    if let Some(next) = node.fixed.get(decoded.as_ref())
        && let Some(found) = descend(next, rest, values)
    {
        return Some(found);
    }
    let (next, _) = node.any.as_ref().filter(|_| !step.is_empty())?;
    let mark = values.len();
    values.push(decoded.into_owned());
    let found = descend(next, rest, values);
    if found.is_none() {
        values.truncate(mark);
    }
    found
}

/// The bucket of a request and the major parameter it counts by.
pub fn bucket_of(route: &Route, params: &[(&'static str, String)], now: i64) -> (Bucket, String) {
    let get = |name: &str| {
        params
            .iter()
            .find(|(n, _)| *n == name)
            .map_or("", |(_, v)| v.as_str())
    };
    let mut bucket = route.bucket;
    if route.operation == DELETE_MESSAGE {
        let age = get("message_id")
            .parse::<Id>()
            .map_or(0, |id| now - id.created().0);
        let found = DELETIONS.into_iter().find(|(up_to, ..)| age < *up_to);
        if let Some((_, name, limit, per_ms)) = found {
            bucket = Bucket {
                name,
                limit,
                per_ms,
                ..bucket
            };
        }
    }
    let major = match bucket.major {
        Major::None => String::new(),
        Major::Channel => get("channel_id").to_owned(),
        Major::Guild => get("guild_id").to_owned(),
        Major::Webhook => format!("{}/{}", get("webhook_id"), get("webhook_token")),
    };
    (bucket, major)
}
