//! What jobs say in their logs, with its code.

use serde_json::{Map, Value};
use splashtail_api_types::job_lines::{KEY, Line};
use splashtail_jobs::{JobContext, Level};

/// Writes a sentence of the table into the log. `extra`: an object, or `null` for none.
pub async fn say(cx: &JobContext, level: Level, line: Line, extra: Value) {
    let (text, extra) = with_code(line, extra);
    cx.log(level, text, extra).await;
}

/// The sentence, and the values of an entry with its code.
pub fn with_code(line: Line, extra: Value) -> (String, Value) {
    let mut extra = match extra {
        Value::Object(extra) => extra,
        _ => Map::new(),
    };
    let text = line.say(&extra);
    extra.insert(KEY.to_owned(), line.code().into());
    (text, extra.into())
}
