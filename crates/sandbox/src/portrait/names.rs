//! What ids stand for.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

/// Shortest run of digits that can be an id.
const ID: usize = 15;

#[derive(Debug, Default)]
pub(super) struct Names {
    of: HashMap<String, String>,
    given: HashMap<String, usize>,
}

impl Names {
    /// Gives an id a name that nothing else has, and says which.
    pub fn give(&mut self, name: String, id: &Value) -> String {
        let twins = self.given.entry(name.clone()).or_default();
        *twins += 1;
        let label = match *twins {
            1 => name,
            twin => format!("{name} #{twin}"),
        };
        if let Some(id) = id.as_str() {
            self.of.entry(id.to_owned()).or_insert(label.clone());
        }
        label
    }

    /// The name of an id, or the id.
    pub fn of(&self, id: &str) -> String {
        self.of.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    /// A value with names in place of ids. Lists whose order says nothing are sorted.
    pub fn told(&self, value: Value) -> Value {
        match value {
            Value::String(text) => self.spoken(&text).into(),
            Value::Array(items) => {
                let mut items: Vec<Value> = items.into_iter().map(|item| self.told(item)).collect();
                let plain = items.iter().all(Value::is_string);
                // Overwrites, and whatever else Discord lists by id.
                let known = items.iter().all(|item| item["allow"].is_string());
                if plain || known {
                    // By name, whatever order the fields of an object came in.
                    items.sort_by_cached_key(|item| {
                        let id = item["id"].as_str().or(item.as_str());
                        id.unwrap_or_default().to_owned()
                    });
                }
                items.into()
            }
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, value)| (name, self.told(value)))
                .collect(),
            other => other,
        }
    }

    /// A text with names in place of the ids in it, mentions among them.
    fn spoken(&self, text: &str) -> String {
        let mut spoken = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let (before, from) = rest.split_at(start);
            let end = from.find(|c: char| !c.is_ascii_digit());
            let (digits, after) = from.split_at(end.unwrap_or(from.len()));
            spoken.push_str(before);
            match digits.len() >= ID {
                true => spoken.push_str(&self.of(digits)),
                false => spoken.push_str(digits),
            }
            rest = after;
        }
        spoken.push_str(rest);
        spoken
    }
}

/// A number, or an id as one.
pub(super) fn number(value: &Value) -> i64 {
    let text = value.as_str().and_then(|text| text.parse().ok());
    text.or_else(|| value.as_i64()).unwrap_or_default()
}

/// Puts channels in the order in which clients show them, and notes each one's rank among those that
/// it stands with: voice channels come after the others, whatever their positions.
pub(super) fn by_rank(channels: &mut [Value]) {
    let places: HashMap<String, i64> = channels
        .iter()
        .filter_map(|c| Some((c["id"].as_str()?.to_owned(), number(&c["position"]))))
        .collect();
    let group = |channel: &Value| {
        let parent = channel["parent_id"].as_str().map(str::to_owned);
        let at = parent
            .as_ref()
            .map_or(-1, |id| places.get(id).copied().unwrap_or(-1));
        let voice = matches!(channel["type"].as_u64(), Some(2 | 13));
        let category = channel["type"] == 4;
        (category, at, parent, voice)
    };
    channels.sort_by_key(|c| (group(c), number(&c["position"]), number(&c["id"])));
    let mut last = None;
    let mut rank = 0;
    for channel in channels {
        let own = Some(group(channel));
        rank = if own == last { rank + 1 } else { 0 };
        channel["rank"] = rank.into();
        last = own;
    }
}

/// Numbers roles and channels anew, each among those that it stands with, where some are gone.
pub(super) fn close_ranks(objects: &mut BTreeMap<String, Value>) {
    let place = |(label, object): (&String, &Value)| {
        let rank = object["rank"].as_i64()?;
        let parent = object["parent_id"].as_str().map(str::to_owned);
        let voice = matches!(object["type"].as_u64(), Some(2 | 13));
        let is_role = label.starts_with("role ");
        let group = (is_role, object["type"] == 4, parent, voice);
        Some((group, rank, label.clone()))
    };
    let mut places: Vec<_> = objects.iter().filter_map(place).collect();
    places.sort_unstable();
    let (mut last, mut next) = (None, 0);
    for (group, _, label) in places {
        next = if last.as_ref() == Some(&group) {
            next + 1
        } else {
            0
        };
        last = Some(group);
        if let Some(object) = objects.get_mut(&label) {
            object["rank"] = next.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_told_by_name_wherever_they_stand() {
        let mut names = Names::default();
        names.give("role twin".to_owned(), &json!("100000000000000001"));
        let second = names.give("role twin".to_owned(), &json!("100000000000000002"));
        assert_eq!(second, "role twin #2");
        let told = names.told(json!({
            "text": "ask <@&100000000000000002> at 12:00",
            "roles": ["100000000000000002", "100000000000000001"],
            "tags": [{"name": "b"}, {"name": "a"}],
            "permission_overwrites": [
                {"id": "100000000000000002", "allow": "0"}, {"id": "100000000000000001", "allow": "1"}]}));
        assert_eq!(told["text"], "ask <@&role twin #2> at 12:00");
        assert_eq!(told["roles"], json!(["role twin", "role twin #2"]));
        assert_eq!(
            told["tags"][0]["name"], "b",
            "their order is what people see"
        );
        assert_eq!(told["permission_overwrites"][0]["id"], "role twin");
    }

    #[test]
    fn gaps_and_ties_of_positions_are_one_order() {
        let channel = |id: u64, kind: u64, position: i64, parent: Value| json!({"id": id.to_string(), "type": kind, "position": position, "parent_id": parent});
        let mut channels = vec![
            channel(4, 2, 0, json!("1")),
            channel(3, 0, 7, json!("1")),
            channel(2, 0, 7, json!("1")),
            channel(1, 4, 3, Value::Null),
            channel(5, 0, 9, Value::Null),
        ];
        by_rank(&mut channels);
        let ranks: Vec<(i64, i64)> = channels
            .iter()
            .map(|c| (number(&c["id"]), number(&c["rank"])))
            .collect();
        assert_eq!(ranks, [(5, 0), (2, 0), (3, 1), (4, 0), (1, 0)]);
    }

    #[test]
    fn who_stood_behind_what_is_gone_moves_up_among_its_own() {
        let channel =
            |rank: u64, parent: &str| json!({"type": 0, "rank": rank, "parent_id": parent});
        let mut objects = BTreeMap::from([
            ("channel b".to_owned(), channel(1, "category one")),
            ("channel c".to_owned(), channel(3, "category one")),
            ("channel d".to_owned(), channel(2, "category two")),
            ("role r".to_owned(), json!({"rank": 4})),
            ("emoji e".to_owned(), json!({"name": "e"})),
        ]);
        close_ranks(&mut objects);
        let rank = |label: &str| objects[label]["rank"].clone();
        assert_eq!(rank("channel b"), 0);
        assert_eq!(rank("channel c"), 1);
        assert_eq!(rank("channel d"), 0);
        assert_eq!(rank("role r"), 0);
        assert!(objects["emoji e"].get("rank").is_none());
    }
}
