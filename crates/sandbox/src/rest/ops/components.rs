//! Buttons, menus and layout: checked, numbered and completed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::rest::form::{Form, read_id};

/// Checks and numbers components. Used for messages and, with one component a row, for modals.
pub fn read(form: &mut Form<'_>, key: &str, v2: bool) -> Vec<Value> {
    let most = if v2 { 40 } else { 5 };
    let Some(list) = form.list(key, most) else {
        return Vec::new();
    };
    let mut state = Walk {
        seen: BTreeSet::new(),
        next: 1,
        count: 0,
        v2,
    };
    let path = form.path_to(key);
    let mut out = Vec::with_capacity(list.len());
    for (n, value) in list.iter().enumerate() {
        let mut part = Form::at(value, &format!("{path}.{n}"));
        out.push(state.component(&mut part, value, true));
        form.absorb(part);
    }
    if state.count > 40 {
        form.error(
            key,
            "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED",
            "The total number of components cannot exceed 40",
        );
    }
    out
}

/// Gives an id to every component that has none, from 1 in the order of the text, parents first;
/// ids that are there are not used twice (component reference, "id").
pub fn number(components: &mut Value) {
    let mut taken = BTreeSet::new();
    visit(components, &mut |component| {
        taken.extend(component["id"].as_i64());
    });
    let mut next = 1;
    visit(components, &mut |component| {
        if component["id"].as_i64().is_some_and(|id| id > 0) {
            return;
        }
        while taken.contains(&next) {
            next += 1;
        }
        component["id"] = next.into();
        next += 1;
    });
}

fn visit(components: &mut Value, act: &mut impl FnMut(&mut Value)) {
    match components {
        Value::Array(list) => list.iter_mut().for_each(|c| visit(c, act)),
        Value::Object(_) => {
            act(components);
            for key in ["components", "component"] {
                if let Some(inner) = components.get_mut(key) {
                    visit(inner, act);
                }
            }
        }
        _ => {}
    }
}

struct Walk {
    seen: BTreeSet<String>,
    next: i64,
    count: usize,
    v2: bool,
}

impl Walk {
    fn component(&mut self, part: &mut Form<'_>, value: &Value, top: bool) -> Value {
        self.count += 1;
        let kind = value["type"].as_i64().unwrap_or(0);
        let allowed = match (top, self.v2) {
            (true, false) => kind == 1 || kind == 18,
            (true, true) => matches!(kind, 1 | 9 | 10 | 12 | 13 | 14 | 17),
            (false, _) => (2..=21).contains(&kind),
        };
        if !allowed {
            part.error(
                "type",
                "BASE_TYPE_CHOICES",
                "Value is not a component type that can be used here.",
            );
            return Value::Null;
        }
        let mut out = value.clone();
        let id = value["id"]
            .as_i64()
            .filter(|id| *id > 0)
            .unwrap_or(self.next);
        self.next = self.next.max(id) + 1;
        out["id"] = id.into();
        match kind {
            1 => self.row(part, value, &mut out),
            2 => self.button(part, value, &mut out),
            3..=8 => self.select(part, kind, &mut out),
            9.. => {
                defaults(kind, &mut out);
                self.nested(part, value, &mut out);
            }
            _ => {}
        }
        out
    }

    fn children(&mut self, part: &mut Form<'_>, list: &[Value]) -> Vec<Value> {
        let path = part.path_to("components");
        let mut out = Vec::with_capacity(list.len());
        for (n, child) in list.iter().enumerate() {
            let mut inner = Form::at(child, &format!("{path}.{n}"));
            out.push(self.component(&mut inner, child, false));
            part.absorb(inner);
        }
        out
    }

    fn row(&mut self, part: &mut Form<'_>, value: &Value, out: &mut Value) {
        let Some(list) = part.list("components", 5) else {
            if value.get("components").is_none() {
                part.error("components", "BASE_TYPE_REQUIRED", "This field is required");
            }
            return;
        };
        let selects = list
            .iter()
            .filter(|c| c["type"].as_i64().is_some_and(|t| (3..=8).contains(&t)))
            .count();
        if list.is_empty() || (selects > 0 && list.len() > 1) {
            part.error(
                "components",
                "BASE_TYPE_BAD_LENGTH",
                "Must be between 1 and 5 in length.",
            );
        }
        out["components"] = self.children(part, list).into();
    }

    fn nested(&mut self, part: &mut Form<'_>, value: &Value, out: &mut Value) {
        if value.get("components").is_some()
            && let Some(list) = part.list("components", 40)
        {
            out["components"] = self.children(part, list).into();
        }
        for key in ["accessory", "component"] {
            if let Some(child) = part.raw(key) {
                let mut inner = Form::at(child, &part.path_to(key));
                out[key] = self.component(&mut inner, child, false);
                part.absorb(inner);
            }
        }
    }

    fn custom_id(&mut self, part: &mut Form<'_>) {
        part.require("custom_id");
        if let Some(id) = part.text("custom_id", 1..=100)
            && !self.seen.insert(id)
        {
            part.error(
                "custom_id",
                "COMPONENT_CUSTOM_ID_DUPLICATED",
                "Component custom id cannot be duplicated",
            );
        }
    }

    fn button(&mut self, part: &mut Form<'_>, value: &Value, out: &mut Value) {
        part.require("style");
        let style = part.choice("style", &[1, 2, 3, 4, 5, 6]).unwrap_or(0);
        let label = part.text("label", 0..=80);
        match style {
            5 => {
                part.require("url");
                part.text("url", 1..=512);
                if value.get("custom_id").is_some_and(|c| !c.is_null()) {
                    part.error(
                        "custom_id",
                        "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE",
                        "A custom id and url cannot both be specified",
                    );
                }
            }
            6 => part.require("sku_id"),
            _ => self.custom_id(part),
        }
        if label.is_none() && value["emoji"].is_null() && style != 6 {
            part.error("label", "BASE_TYPE_REQUIRED", "This field is required");
        }
        let Some(map) = out.as_object_mut() else {
            return;
        };
        map.retain(|_, v| !v.is_null());
        if let Some(emoji) = map.get_mut("emoji") {
            let id = emoji.get("id").and_then(read_id);
            let mut clean = json!({"name": emoji.get("name").cloned().unwrap_or_default()});
            if let Some(id) = id {
                clean["id"] = json!(id);
            }
            *emoji = clean;
        }
    }

    fn select(&mut self, part: &mut Form<'_>, kind: i64, out: &mut Value) {
        self.custom_id(part);
        if kind == 4 {
            part.choice("style", &[1, 2]);
            return;
        }
        let low = part.int("min_values", 0..=25).unwrap_or(1);
        let high = part.int("max_values", 1..=25).unwrap_or(1);
        if low > high {
            part.error(
                "min_values",
                "BASE_TYPE_MAX_VALUE",
                "Must not exceed max_values.",
            );
        }
        out["min_values"] = low.into();
        out["max_values"] = high.into();
        if kind != 3 {
            return;
        }
        part.require("options");
        let Some(list) = part.list("options", 25) else {
            return;
        };
        if list.is_empty() {
            part.error(
                "options",
                "BASE_TYPE_BAD_LENGTH",
                "Must be between 1 and 25 in length.",
            );
        }
        let path = part.path_to("options");
        for (n, option) in list.iter().enumerate() {
            let mut inner = Form::at(option, &format!("{path}.{n}"));
            for key in ["label", "value"] {
                inner.require(key);
                inner.text(key, 1..=100);
            }
            inner.text("description", 0..=100);
            part.absorb(inner);
        }
    }
}

/// What answers always carry, whatever was sent.
fn defaults(kind: i64, out: &mut Value) {
    let Some(map) = out.as_object_mut() else {
        return;
    };
    let mut set = |key: &str, value: Value| {
        map.entry(key).or_insert(value);
    };
    match kind {
        11 => {
            set("description", Value::Null);
            set("spoiler", false.into());
        }
        13 => {
            set("name", Value::Null);
            set("size", Value::Null);
            set("spoiler", false.into());
        }
        14 => {
            set("spacing", 1.into());
            set("divider", true.into());
        }
        17 => {
            set("accent_color", Value::Null);
            set("spoiler", false.into());
        }
        _ => {}
    }
    for key in ["media", "file"] {
        if let Some(url) = map
            .get(key)
            .and_then(|m| m["url"].as_str())
            .map(str::to_owned)
        {
            map.insert(
                key.to_owned(),
                json!({"id": "0", "url": url, "proxy_url": url}),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_ids_are_generated_around_those_that_are_there() {
        let mut form = json!([
            {"type": 1, "components": [{"type": 4}]},
            {"type": 18, "id": 3, "component": {"type": 3, "id": 0}}]);
        number(&mut form);
        let expected = json!([
            {"type": 1, "id": 1, "components": [{"type": 4, "id": 2}]},
            {"type": 18, "id": 3, "component": {"type": 3, "id": 4}}]);
        assert_eq!(form, expected);
    }
}
