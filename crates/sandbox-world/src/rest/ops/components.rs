//! Buttons, menus and layout: checked, numbered and completed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::rest::form::{Form, read_id};

/// Components of a message, nested ones included (component reference).
const MAX_COMPONENTS: usize = 40;
/// Characters of all text displays together (component reference, "Text Display").
const MAX_TEXT: usize = 4000;

/// What a component stands in; decides which kinds may stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A message without `IS_COMPONENTS_V2`.
    Message,
    MessageV2,
    Row,
    Section,
    Container,
    Accessory,
}

impl Place {
    fn allows(self, kind: i64) -> bool {
        match self {
            Self::Message => kind == 1,
            Self::MessageV2 => matches!(kind, 1 | 9 | 10 | 12 | 13 | 14 | 17),
            Self::Row => (2..=8).contains(&kind),
            Self::Section => kind == 10,
            Self::Container => matches!(kind, 1 | 9 | 10 | 12 | 13 | 14),
            Self::Accessory => matches!(kind, 2 | 11),
        }
    }
}

/// Checks and numbers components of a message. `files` are the names that `attachment://` may lead
/// to: what the message has and what comes with it.
pub fn read(form: &mut Form<'_>, key: &str, v2: bool, files: &BTreeSet<String>) -> Vec<Value> {
    let most = if v2 { MAX_COMPONENTS } else { 5 };
    let Some(list) = form.list(key, most) else {
        return Vec::new();
    };
    let mut state = Walk {
        seen: BTreeSet::new(),
        next: 1,
        count: 0,
        text: 0,
        files,
    };
    let place = if v2 { Place::MessageV2 } else { Place::Message };
    let path = form.path_to(key);
    let mut out = Vec::with_capacity(list.len());
    for (n, value) in list.iter().enumerate() {
        let mut part = Form::at(value, &format!("{path}.{n}"));
        out.push(state.component(&mut part, value, place));
        form.absorb(part);
    }
    if state.count > MAX_COMPONENTS {
        form.error(
            key,
            "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED",
            "The total number of components cannot exceed 40",
        );
    }
    if state.text > MAX_TEXT {
        form.error(
            key,
            "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED",
            "The total displayable text size cannot exceed 4000",
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

/// Visits every component, parents first.
pub fn visit(components: &mut Value, act: &mut impl FnMut(&mut Value)) {
    match components {
        Value::Array(list) => list.iter_mut().for_each(|c| visit(c, act)),
        Value::Object(_) => {
            act(components);
            for key in ["components", "component", "accessory"] {
                if let Some(inner) = components.get_mut(key) {
                    visit(inner, act);
                }
            }
        }
        _ => {}
    }
}

struct Walk<'f> {
    seen: BTreeSet<String>,
    next: i64,
    count: usize,
    /// Characters of text displays.
    text: usize,
    files: &'f BTreeSet<String>,
}

impl Walk<'_> {
    fn component(&mut self, part: &mut Form<'_>, value: &Value, place: Place) -> Value {
        self.count += 1;
        let kind = value["type"].as_i64().unwrap_or(0);
        if !place.allows(kind) {
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
            10 => {
                part.require("content");
                let text = part.text("content", 1..=MAX_TEXT).unwrap_or_default();
                self.text += text.chars().count();
            }
            11 => self.media(part, "media"),
            12 => self.gallery(part, &mut out),
            13 => self.media(part, "file"),
            9 => self.nested(part, Place::Section, &mut out),
            17 => self.nested(part, Place::Container, &mut out),
            _ => {}
        }
        defaults(kind, &mut out);
        out
    }

    /// A file or picture by its address; what comes with the message goes by its name.
    fn media(&mut self, part: &mut Form<'_>, key: &str) {
        part.require(key);
        let Some(item) = part.raw(key) else { return };
        let mut inner = Form::at(item, &part.path_to(key));
        inner.require("url");
        // Files are shown from uploads only (component reference, "File").
        let schemes: &[&str] = if key == "file" {
            &["attachment"]
        } else {
            &["http", "https", "attachment"]
        };
        if let Some(url) = inner.link("url", schemes)
            && let Some(name) = url.strip_prefix("attachment://")
            && !self.files.contains(name)
        {
            inner.error(
                "url",
                "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND",
                format!("The referenced attachment was not found: {url}"),
            );
        }
        part.absorb(inner);
    }

    fn gallery(&mut self, part: &mut Form<'_>, out: &mut Value) {
        part.require("items");
        let Some(list) = part.list("items", 10) else {
            return;
        };
        if list.is_empty() {
            part.error(
                "items",
                "BASE_TYPE_BAD_LENGTH",
                "Must be between 1 and 10 in length.",
            );
        }
        let path = part.path_to("items");
        let mut items = Vec::with_capacity(list.len());
        for (n, item) in list.iter().enumerate() {
            let mut inner = Form::at(item, &format!("{path}.{n}"));
            inner.text("description", 0..=1024);
            inner.flag("spoiler");
            self.media(&mut inner, "media");
            part.absorb(inner);
            let mut shown = item.clone();
            // An item carries what a thumbnail carries.
            defaults(11, &mut shown);
            items.push(shown);
        }
        out["items"] = items.into();
    }

    fn children(&mut self, part: &mut Form<'_>, list: &[Value], place: Place) -> Vec<Value> {
        let path = part.path_to("components");
        let mut out = Vec::with_capacity(list.len());
        for (n, child) in list.iter().enumerate() {
            let mut inner = Form::at(child, &format!("{path}.{n}"));
            out.push(self.component(&mut inner, child, place));
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
        out["components"] = self.children(part, list, Place::Row).into();
    }

    fn nested(&mut self, part: &mut Form<'_>, place: Place, out: &mut Value) {
        part.require("components");
        // A section has one to three texts (component reference, "Section").
        let most = if place == Place::Section {
            3
        } else {
            MAX_COMPONENTS
        };
        if let Some(list) = part.list("components", most) {
            if list.is_empty() {
                part.error(
                    "components",
                    "BASE_TYPE_BAD_LENGTH",
                    format!("Must be between 1 and {most} in length."),
                );
            }
            out["components"] = self.children(part, list, place).into();
        }
        if place == Place::Section {
            part.require("accessory");
        }
        if let Some(child) = part.raw("accessory") {
            let mut inner = Form::at(child, &part.path_to("accessory"));
            out["accessory"] = self.component(&mut inner, child, Place::Accessory);
            part.absorb(inner);
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
