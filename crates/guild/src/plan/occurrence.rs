//! When an event begins the next time. Discord takes no event of the past.

use chrono::{DateTime, Datelike as _, Days, Months, SecondsFormat, Utc, Weekday};
use serde_json::{Map, Value};

/// Occurrences that are looked at: daily ones of a decade.
const MOST: u32 = 3660;

/// Whether an event can still be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It lies ahead as it is.
    Ahead,
    /// It is repeated, the next time then.
    At(DateTime<Utc>),
    Over,
}

pub(super) fn next(event: &Value, now: DateTime<Utc>) -> Next {
    let Some(start) = time(&event["scheduled_start_time"]) else {
        return Next::Ahead;
    };
    if start > now {
        return Next::Ahead;
    }
    let rule = &event["recurrence_rule"];
    if rule.is_null() {
        return Next::Over;
    }
    let end = time(&rule["end"]);
    let found = (1..=MOST).find_map(|turn| {
        let at = occurrence(start, rule, turn)?;
        (at > now).then_some(at)
    });
    match found.filter(|at| end.is_none_or(|end| *at <= end)) {
        Some(at) => Next::At(at),
        None => Next::Over,
    }
}

/// Moves an event's times to a later occurrence.
pub(super) fn move_to(body: &mut Map<String, Value>, event: &Value, at: DateTime<Utc>) {
    let start = time(&event["scheduled_start_time"]);
    let end = time(&event["scheduled_end_time"]);
    let text = |at: DateTime<Utc>| Value::from(at.to_rfc3339_opts(SecondsFormat::Millis, true));
    body.insert("scheduled_start_time".to_owned(), text(at));
    if let (Some(start), Some(end)) = (start, end) {
        body.insert("scheduled_end_time".to_owned(), text(at + (end - start)));
    }
    if let Some(rule) = body.get_mut("recurrence_rule").filter(|r| r.is_object()) {
        rule["start"] = text(at);
    }
}

/// The n-th time after the first; `None` on a day that the rule leaves out.
fn occurrence(start: DateTime<Utc>, rule: &Value, turn: u32) -> Option<DateTime<Utc>> {
    let every = u32::try_from(rule["interval"].as_u64().unwrap_or(1))
        .ok()?
        .max(1);
    let steps = turn.checked_mul(every)?;
    match rule["frequency"].as_u64()? {
        0 => start.checked_add_months(Months::new(steps.checked_mul(12)?)),
        1 => {
            let month = start.checked_add_months(Months::new(steps))?;
            match rule["by_n_weekday"]
                .as_array()
                .and_then(|list| list.first())
            {
                None => Some(month),
                Some(day) => nth_weekday(month, day),
            }
        }
        2 => start.checked_add_days(Days::new(u64::from(steps) * 7)),
        3 => {
            let day = start.checked_add_days(Days::new(u64::from(steps)))?;
            let days = rule["by_weekday"].as_array();
            let on = days.is_none_or(|days| {
                let today = u64::from(day.weekday().num_days_from_monday());
                days.iter().any(|d| d.as_u64() == Some(today))
            });
            on.then_some(day)
        }
        _ => None,
    }
}

/// The n-th such weekday of a month, at the time of day of `month`.
fn nth_weekday(month: DateTime<Utc>, day: &Value) -> Option<DateTime<Utc>> {
    let n = u8::try_from(day["n"].as_u64()?).ok()?;
    let weekday = Weekday::try_from(u8::try_from(day["day"].as_u64()?).ok()?).ok()?;
    let date = month.date_naive();
    let date = chrono::NaiveDate::from_weekday_of_month_opt(date.year(), date.month(), weekday, n)?;
    Some(date.and_time(month.time()).and_utc())
}

fn time(value: &Value) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
    Some(at.to_utc())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        time(&json!(text)).unwrap()
    }

    fn found(start: &str, rule: Value) -> Next {
        let event = json!({"scheduled_start_time": start, "recurrence_rule": rule});
        next(&event, at("2026-11-30T12:00:00Z"))
    }

    /// Case 24 of the restore matrix.
    #[test]
    fn an_event_of_yesterday_comes_again_or_is_over() {
        let yesterday = "2026-11-29T18:00:00Z";
        assert_eq!(found(yesterday, Value::Null), Next::Over);
        assert_eq!(found("2026-12-01T18:00:00Z", Value::Null), Next::Ahead);
        let weekly = json!({"frequency": 2, "interval": 2});
        assert_eq!(
            found(yesterday, weekly),
            Next::At(at("2026-12-13T18:00:00Z"))
        );
        let workdays = json!({"frequency": 3, "interval": 1, "by_weekday": [1, 2, 3]});
        assert_eq!(
            found(yesterday, workdays),
            Next::At(at("2026-12-01T18:00:00Z"))
        );
        let yearly = json!({"frequency": 0, "interval": 1});
        assert_eq!(
            found(yesterday, yearly),
            Next::At(at("2027-11-29T18:00:00Z"))
        );
        let fourth = json!({"frequency": 1, "interval": 1, "by_n_weekday": [{"n": 4, "day": 6}]});
        assert_eq!(
            found("2026-11-22T18:00:00Z", fourth),
            Next::At(at("2026-12-27T18:00:00Z"))
        );
        let ended = json!({"frequency": 2, "interval": 1, "end": "2026-12-01T00:00:00Z"});
        assert_eq!(found(yesterday, ended), Next::Over);
    }

    #[test]
    fn an_event_keeps_its_length() {
        let event = json!({"scheduled_start_time": "2026-11-29T18:00:00Z",
                           "scheduled_end_time": "2026-11-29T20:30:00Z",
                           "recurrence_rule": {"frequency": 2, "interval": 1,
                                               "start": "2026-11-29T18:00:00Z"}});
        let mut body = event.as_object().unwrap().clone();
        move_to(&mut body, &event, at("2026-12-06T18:00:00Z"));
        assert_eq!(body["scheduled_end_time"], "2026-12-06T20:30:00.000Z");
        assert_eq!(body["recurrence_rule"]["start"], "2026-12-06T18:00:00.000Z");
    }
}
