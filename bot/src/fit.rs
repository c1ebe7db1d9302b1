//! What Discord takes of a message: every text is made to fit where the message leaves, with a mark where
//! it was cut, and nobody is called unless the message says whom.

use poise::serenity_prelude::{CreateEmbed, EditInteractionResponse, Embed};
use serde_json::{Value, json};

use crate::markdown::{DESCRIPTION, EMBEDS, FIELD, LABEL, MESSAGE, TITLE, length, shorten};

/// Discord documentation, "Embed Limits", "Create Message".
const MOST_EMBEDS: usize = 10;
const MOST_FIELDS: usize = 25;
const FOOTER: usize = 2048;
/// In place of what is empty where Discord wants a text.
const NOTHING: &str = "\u{200b}";
/// Kinds of components ("Component Reference").
const BUTTON: u64 = 2;
const PLACEHOLDER: usize = 150;
const OPTION: usize = 100;

/// Makes a message fit, as it goes to Discord.
pub fn fit(body: &mut Value) {
    cut(&mut body["content"], MESSAGE);
    if let Some(embeds) = body["embeds"].as_array_mut() {
        fit_embeds(embeds);
    }
    fit_components(&mut body["components"]);
    let Some(fields) = body.as_object_mut() else {
        return;
    };
    // Asking for a field that is not there has made it.
    fields.retain(|_, value| !value.is_null());
    fields
        .entry("allowed_mentions")
        .or_insert_with(|| json!({"parse": []}));
}

/// Makes the answer of a command fit. Whom it may call says the framework.
pub fn fit_edit(edit: EditInteractionResponse) -> EditInteractionResponse {
    let Ok(before) = serde_json::to_value(&edit) else {
        return edit;
    };
    let mut body = before.clone();
    fit(&mut body);
    let edit = match (before.get("content"), body["content"].as_str()) {
        (Some(content), Some(fitted)) if content != fitted => edit.content(fitted),
        _ => edit,
    };
    if before.get("embeds") == body.get("embeds") {
        return edit;
    }
    // What we wrote ourselves can be read.
    match serde_json::from_value::<Vec<Embed>>(body["embeds"].take()) {
        Ok(embeds) => edit.embeds(embeds.into_iter().map(CreateEmbed::from).collect()),
        Err(_) => edit,
    }
}

fn fit_embeds(embeds: &mut Vec<Value>) {
    embeds.truncate(MOST_EMBEDS);
    for embed in embeds.iter_mut() {
        cut(&mut embed["title"], TITLE);
        cut(&mut embed["description"], DESCRIPTION);
        if let Some(footer) = embed.get_mut("footer") {
            cut(&mut footer["text"], FOOTER);
        }
        if let Some(fields) = embed.get_mut("fields").and_then(Value::as_array_mut) {
            fields.truncate(MOST_FIELDS);
            for field in fields {
                for (name, limit) in [("name", TITLE), ("value", FIELD)] {
                    cut(&mut field[name], limit);
                    if field[name]
                        .as_str()
                        .is_none_or(|text| text.trim().is_empty())
                    {
                        field[name] = NOTHING.into();
                    }
                }
            }
        }
        if let Some(embed) = embed.as_object_mut() {
            embed.retain(|_, value| !value.is_null());
        }
    }
    // The longest texts give way first.
    loop {
        let mut texts: Vec<&mut Value> = embeds.iter_mut().flat_map(texts).collect();
        let lengths = texts.iter().map(|text| text.as_str().map_or(0, length));
        let lengths: Vec<usize> = lengths.collect();
        let excess = lengths.iter().sum::<usize>().saturating_sub(EMBEDS);
        let longest = (0..lengths.len()).max_by_key(|at| lengths[*at]);
        let Some(longest) = longest.filter(|_| excess > 0) else {
            return;
        };
        // No text is cut to less than half at a time, so that equals stay equal.
        let limit = (lengths[longest] - excess.min(lengths[longest])).max(lengths[longest] / 2);
        cut(texts[longest], limit.max(1));
    }
}

/// All texts of an embed that count.
fn texts(embed: &mut Value) -> Vec<&mut Value> {
    let mut found = Vec::new();
    let Some(embed) = embed.as_object_mut() else {
        return found;
    };
    for (name, value) in embed.iter_mut() {
        match name.as_str() {
            "title" | "description" => found.push(value),
            "footer" => found.extend(value.get_mut("text")),
            "author" => found.extend(value.get_mut("name")),
            "fields" => {
                let fields = value.as_array_mut().into_iter().flatten();
                for field in fields.filter_map(Value::as_object_mut) {
                    let texts = field.iter_mut();
                    let texts = texts.filter(|(name, _)| matches!(name.as_str(), "name" | "value"));
                    found.extend(texts.map(|(_, text)| text));
                }
            }
            _ => {}
        }
    }
    found
}

fn fit_components(components: &mut Value) {
    for component in components.as_array_mut().into_iter().flatten() {
        let Some(component) = component.as_object_mut() else {
            continue;
        };
        let is_button = component.get("type").and_then(Value::as_u64) == Some(BUTTON);
        for (name, value) in component.iter_mut() {
            match name.as_str() {
                "label" if is_button => cut(value, LABEL),
                "placeholder" => cut(value, PLACEHOLDER),
                "components" => fit_components(value),
                "options" => {
                    let options = value.as_array_mut().into_iter().flatten();
                    for option in options.filter_map(Value::as_object_mut) {
                        for name in ["label", "description"] {
                            if let Some(text) = option.get_mut(name) {
                                cut(text, OPTION);
                            }
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

fn cut(text: &mut Value, limit: usize) {
    let cut = text.as_str().map(|text| shorten(text, limit));
    if let Some(std::borrow::Cow::Owned(cut)) = cut {
        *text = cut.into();
    }
}

/// Names that people give to servers, channels and roles to see what happens.
#[cfg(test)]
pub fn names() -> Vec<String> {
    vec![
        "👩\u{200d}👩\u{200d}👧\u{200d}👦".repeat(14),
        "\u{202e}שלום עולם\u{202c}".repeat(9),
        "**`||~~__[a](http://b)__~~||`**".repeat(3),
        "@everyone @here <@1> <@&2> <#3>".repeat(3),
        "\n\r\u{2028}# Title\n> quote\n".repeat(4),
        r"\".repeat(100),
        "z\u{0310}\u{0329}\u{0353}".repeat(25),
        String::new(),
    ]
}

/// Whether Discord would take it, and nobody is called.
#[cfg(test)]
pub fn assert_fits(body: &Value) {
    let mut fitted = body.clone();
    fit(&mut fitted);
    assert_eq!(*body, fitted, "it does not fit");
    assert_eq!(body["allowed_mentions"]["parse"], json!([]), "{body}");
    for text in body["embeds"].as_array().into_iter().flatten() {
        let text = text["description"].as_str().unwrap_or_default();
        assert!(
            !text.contains("@everyone") && !text.contains("@here"),
            "{text}"
        );
    }
    let content = body["content"].as_str().unwrap_or_default();
    assert!(!content.contains("@everyone"), "{content}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(body: &Value) -> usize {
        let mut embeds = body["embeds"].as_array().unwrap().clone();
        let texts = embeds.iter_mut().flat_map(texts);
        texts.map(|text| length(text.as_str().unwrap())).sum()
    }

    #[test]
    fn whatever_is_too_long_is_cut_with_a_mark() {
        let long = |times: usize| "👩\u{200d}🚀 long ".repeat(times);
        let field = json!({"name": long(90), "value": long(400), "inline": true});
        let embed = json!({"title": long(90), "description": long(900), "color": 5,
            "footer": {"text": long(500)}, "fields": vec![field; 30]});
        let option = json!({"label": long(30), "description": long(30), "value": "a"});
        let mut body = json!({"content": long(500), "embeds": [embed, {"title": ""}],
            "components": [{"type": 1, "components": [
                {"type": 2, "label": long(20), "custom_id": "a"},
                {"type": 3, "placeholder": long(30), "options": [option]}]}]});
        fit(&mut body);
        assert!(length(body["content"].as_str().unwrap()) <= 2000);
        let embed = &body["embeds"][0];
        assert_eq!(embed["fields"].as_array().unwrap().len(), 25);
        assert!(length(embed["fields"][3]["value"].as_str().unwrap()) <= 1024);
        assert!(embed["description"].as_str().unwrap().ends_with('…'));
        assert!(total(&body) <= 6000, "{}", total(&body));
        let row = &body["components"][0]["components"];
        assert!(length(row[0]["label"].as_str().unwrap()) <= 80);
        assert!(length(row[1]["options"][0]["label"].as_str().unwrap()) <= 100);
        assert_eq!(body["allowed_mentions"], json!({"parse": []}));
        let again = body.clone();
        fit(&mut body);
        assert_eq!(body, again);
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let body = json!({"content": "<@1>", "embeds": [{"title": "a", "description": "b"}],
            "allowed_mentions": {"parse": [], "users": ["1"]}, "components": []});
        let mut fitted = body.clone();
        fit(&mut fitted);
        assert_eq!(fitted, body);
        let mut empty = json!({"embeds": [{"fields": [{"name": " ", "value": ""}]}]});
        fit(&mut empty);
        assert_eq!(empty["embeds"][0]["fields"][0]["value"], NOTHING);
        assert!(empty.get("content").is_none());
    }

    #[test]
    fn answers_of_commands_fit_too() {
        let embed = CreateEmbed::new()
            .title("t".repeat(300))
            .description("d".repeat(5000))
            .field("n", "v".repeat(2000), true)
            .colour(crate::colours::RED);
        let edit = EditInteractionResponse::new().content("c".repeat(3000));
        let edit = serde_json::to_value(fit_edit(edit.embed(embed))).unwrap();
        assert_eq!(length(edit["content"].as_str().unwrap()), 2000);
        let embed = &edit["embeds"][0];
        assert_eq!(length(embed["title"].as_str().unwrap()), 256);
        assert_eq!(length(embed["fields"][0]["value"].as_str().unwrap()), 1024);
        assert_eq!(embed["color"], crate::colours::RED.0);
        assert_eq!(embed["fields"][0]["inline"], true);
    }
}
