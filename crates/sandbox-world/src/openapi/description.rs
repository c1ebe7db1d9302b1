//! The description as a lookup of operations and a cache of compiled schemas.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::{ValidationError, error::ValidationErrorKind};
use serde_json::{Map, Value, json};

use super::patches::PATCHES;

const TEXT: &str = include_str!("../../data/openapi.json");

/// Which half of an exchange a schema judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Request,
    Response,
}

/// An operation and where it sits in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub id: String,
    /// Template, as `/guilds/{guild_id}`.
    pub path: String,
    /// Lower case, as the document has it.
    pub method: String,
}

type Compiled = Option<Arc<jsonschema::Validator>>;

/// Discord's description, patched, with validators compiled as they are first needed.
pub struct Description {
    request: Value,
    response: Value,
    /// By number of segments.
    operations: BTreeMap<usize, Vec<Operation>>,
    validators: Mutex<HashMap<(Side, String), Compiled>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the bundled description is not JSON")]
pub struct DescriptionError(#[source] serde_json::Error);

impl Description {
    /// The description and its compiled schemas, once per process.
    pub fn shared() -> Result<Arc<Self>, DescriptionError> {
        static SHARED: OnceLock<Arc<Description>> = OnceLock::new();
        if let Some(shared) = SHARED.get() {
            return Ok(shared.clone());
        }
        let loaded = Arc::new(Self::load()?);
        Ok(SHARED.get_or_init(|| loaded).clone())
    }

    /// Parses the bundled document; takes tens of milliseconds.
    fn load() -> Result<Self, DescriptionError> {
        let mut response: Value = serde_json::from_str(TEXT).map_err(DescriptionError)?;
        let mut request = response.clone();
        for patch in PATCHES {
            (patch.apply)(&mut request, Side::Request);
            (patch.apply)(&mut response, Side::Response);
        }
        let mut operations: BTreeMap<usize, Vec<Operation>> = BTreeMap::new();
        for (path, item) in response["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let Some(id) = operation["operationId"].as_str() else {
                    continue;
                };
                operations
                    .entry(path.split('/').count())
                    .or_default()
                    .push(Operation {
                        id: id.to_owned(),
                        path: path.clone(),
                        method: method.clone(),
                    });
            }
        }
        Ok(Self {
            request,
            response,
            operations,
            validators: Mutex::default(),
        })
    }

    /// The operation of a concrete path below `/api/v10`. Literal segments win over placeholders.
    pub fn find(&self, method: &str, path: &str) -> Option<&Operation> {
        let segments: Vec<&str> = path.split('/').collect();
        self.operations
            .get(&segments.len())?
            .iter()
            .filter(|op| op.method.eq_ignore_ascii_case(method))
            .filter_map(|op| Some((literal_segments(&op.path, &segments)?, op)))
            .max_by_key(|(literal, _)| *literal)
            .map(|(_, op)| op)
    }

    /// The operation's object in the document.
    pub fn node(&self, operation: &Operation, side: Side) -> &Value {
        &self.document(side)["paths"][&operation.path][&operation.method]
    }

    /// Query parameters: name, schema pointer and whether it is required.
    pub fn query(&self, operation: &Operation) -> Vec<(String, Value, bool)> {
        let item = &self.request["paths"][&operation.path];
        [&item["parameters"], &item[&operation.method]["parameters"]]
            .into_iter()
            .filter_map(Value::as_array)
            .flatten()
            .filter(|p| p["in"] == "query")
            .filter_map(|p| {
                let name = p["name"].as_str()?.to_owned();
                Some((name, p["schema"].clone(), p["required"] == true))
            })
            .collect()
    }

    fn document(&self, side: Side) -> &Value {
        match side {
            Side::Request => &self.request,
            Side::Response => &self.response,
        }
    }

    /// A response shared by operations; null when there is no such response.
    pub fn shared_response(&self, name: &str) -> &Value {
        &self.response["components"]["responses"][name]
    }

    /// The schema "one of these components", to judge parts of gateway events with.
    pub fn components(names: &[&str]) -> Value {
        let reference = |name: &&str| json!({"$ref": format!("#/components/schemas/{name}")});
        match names {
            [one] => reference(one),
            all => json!({"anyOf": all.iter().map(reference).collect::<Vec<_>>()}),
        }
    }

    /// Judges `instance`; `key` names the schema in the cache. Returns pointer and message of
    /// each problem, at most 20.
    pub fn problems(
        &self,
        side: Side,
        key: &str,
        schema: &Value,
        instance: &Value,
    ) -> Vec<(String, String)> {
        let Some(validator) = self.validator(side, key, schema) else {
            return vec![(String::new(), format!("schema `{key}` does not compile"))];
        };
        if validator.is_valid(instance) {
            return Vec::new();
        }
        let mut problems = Vec::new();
        for error in validator.iter_errors(instance) {
            explain(&error, &mut problems);
        }
        problems.truncate(20);
        problems
    }

    fn validator(&self, side: Side, key: &str, schema: &Value) -> Compiled {
        let key = (side, key.to_owned());
        let mut cache = self
            .validators
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = cache.get(&key) {
            return found.clone();
        }
        let compiled = compile(self.document(side), schema).map(Arc::new);
        cache.insert(key, compiled.clone());
        compiled
    }
}

/// Where a problem is and what it is. Of the alternatives of an `anyOf` only the one that was
/// most likely meant is explained, because "none of them fits" says nothing.
fn explain(error: &ValidationError<'_>, problems: &mut Vec<(String, String)>) {
    if let ValidationErrorKind::AnyOf { context } = error.kind() {
        let here = error.instance_path();
        let likely = context.iter().min_by_key(|branch| {
            let wrong = |at_here: bool, kind: fn(&ValidationErrorKind) -> bool| {
                branch
                    .iter()
                    .any(|e| kind(e.kind()) && (!at_here || e.instance_path() == here))
            };
            (
                wrong(true, |k| matches!(k, ValidationErrorKind::Type { .. })),
                wrong(false, |k| {
                    matches!(
                        k,
                        ValidationErrorKind::Constant { .. } | ValidationErrorKind::Enum { .. }
                    )
                }),
                branch.len(),
            )
        });
        if let Some(branch) = likely
            && context.len() > 1
            && branch.iter().all(|e| e.instance_path() != here)
        {
            branch.iter().for_each(|e| explain(e, problems));
            return;
        }
    }
    let mut message = error.to_string();
    if message.len() > 300 {
        let cut = (0..=300).rev().find(|at| message.is_char_boundary(*at));
        message.truncate(cut.unwrap_or(0));
        message.push('…');
    }
    problems.push((error.instance_path().to_string(), message));
}

/// How many segments match literally; `None` when the path does not match at all.
fn literal_segments(template: &str, segments: &[&str]) -> Option<usize> {
    let mut literal = 0;
    for (wanted, found) in template.split('/').zip(segments) {
        if wanted == *found {
            literal += 1;
        } else if !wanted.starts_with('{') || found.is_empty() {
            return None;
        }
    }
    Some(literal)
}

/// Compiles `schema` together with the components it reaches, and no others: compiling all of
/// them for each of hundreds of schemas would take seconds.
fn compile(document: &Value, schema: &Value) -> Option<jsonschema::Validator> {
    let mut reached = Map::new();
    let mut open = vec![schema];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(target)) = object.get("$ref")
                    && let Some(name) = target.strip_prefix("#/components/schemas/")
                    && !reached.contains_key(name)
                {
                    let component = &document["components"]["schemas"][name];
                    reached.insert(name.to_owned(), component.clone());
                    open.push(component);
                }
                open.extend(object.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    let root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "components": {"schemas": reached},
        "allOf": [schema],
    });
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .should_ignore_unknown_formats(true)
        .with_format("snowflake", |s: &str| s.parse::<u64>().is_ok())
        .build(&root)
        .inspect_err(|error| tracing::error!(%error, "a schema of the description is broken"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_paths_win_over_placeholders() {
        let description = Description::shared().unwrap();
        let id = |m, p| description.find(m, p).map(|o| o.id.as_str());
        assert_eq!(id("GET", "/users/@me"), Some("get_my_user"));
        assert_eq!(id("GET", "/users/1"), Some("get_user"));
        assert_eq!(
            id("PATCH", "/guilds/1/members/@me"),
            Some("update_my_guild_member")
        );
        assert_eq!(
            id("PATCH", "/webhooks/1/aW/messages/@original"),
            Some("update_original_webhook_message")
        );
        assert_eq!(id("GET", "/channels/1/messages/pins"), Some("list_pins"));
        assert_eq!(id("BREW", "/users/1"), None);
        assert_eq!(id("GET", "/users"), None);
    }

    #[test]
    fn every_schema_compiles() {
        let description = Description::shared().unwrap();
        for op in description.operations.values().flatten() {
            for side in [Side::Request, Side::Response] {
                let node = description.node(op, side);
                let contents = match side {
                    Side::Request => vec![&node["requestBody"]["content"]],
                    Side::Response => {
                        let all = node["responses"].as_object().into_iter().flatten();
                        all.map(|(_, r)| &r["content"]).collect()
                    }
                };
                for (kind, content) in contents.into_iter().filter_map(Value::as_object).flatten() {
                    let schema = &content["schema"];
                    assert!(
                        compile(description.document(side), schema).is_some(),
                        "{} {side:?} {kind}",
                        op.id
                    );
                }
            }
        }
    }
}
