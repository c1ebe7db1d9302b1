//! Bodies as the description sees them: one JSON value per body, whatever its encoding.

use serde_json::{Map, Value};

/// A request body reduced to JSON, with the content type whose schema judges it.
#[derive(Debug, PartialEq)]
pub(super) enum Body {
    Empty,
    Value {
        kind: &'static str,
        value: Value,
    },
    /// Undecodable: the API answers such bodies with an error of its own.
    Broken,
}

pub(super) fn read(content_type: &str, bytes: &[u8]) -> Body {
    if bytes.is_empty() {
        return Body::Empty;
    }
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    match essence {
        "application/json" => match serde_json::from_slice(bytes) {
            Ok(value) => Body::Value {
                kind: "application/json",
                value,
            },
            Err(_) => Body::Broken,
        },
        "application/x-www-form-urlencoded" => {
            let fields = url::form_urlencoded::parse(bytes);
            let fields = fields.map(|(k, v)| (k.into_owned(), Value::String(v.into_owned())));
            Body::Value {
                kind: "application/x-www-form-urlencoded",
                value: Value::Object(fields.collect()),
            }
        }
        "multipart/form-data" => match multipart(content_type, bytes) {
            Some(value) => Body::Value {
                kind: "multipart/form-data",
                value,
            },
            None => Body::Broken,
        },
        _ => Body::Broken,
    }
}

/// `payload_json` when present, with files as strings beside its fields; else the form itself.
fn multipart(content_type: &str, bytes: &[u8]) -> Option<Value> {
    let boundary = content_type.split(';').skip(1).find_map(|p| {
        let (name, value) = p.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary")
            .then(|| value.trim_matches('"'))
    })?;
    let delimiter = format!("--{boundary}");
    let mut fields = Map::new();
    let mut payload = Map::new();
    for part in split(bytes, delimiter.as_bytes()).skip(1) {
        let part = part.strip_prefix(b"\r\n").unwrap_or(part);
        if part.starts_with(b"--") {
            break;
        }
        let end = find(part, b"\r\n\r\n")?;
        let head = std::str::from_utf8(&part[..end]).ok()?;
        let body = &part[end + 4..];
        let body = body.strip_suffix(b"\r\n").unwrap_or(body);
        let name = parameter(head, "name")?;
        if name == "payload_json" {
            payload = serde_json::from_slice(body).ok()?;
        } else if parameter(head, "filename").is_some() {
            fields.insert(name, Value::String(String::new()));
        } else {
            fields.insert(
                name,
                Value::String(String::from_utf8_lossy(body).into_owned()),
            );
        }
    }
    fields.extend(payload);
    Some(Value::Object(fields))
}

fn parameter(head: &str, name: &str) -> Option<String> {
    let disposition = head.split("\r\n").find(|line| {
        line.to_ascii_lowercase()
            .starts_with("content-disposition:")
    })?;
    disposition.split(';').skip(1).find_map(|p| {
        let (key, value) = p.trim().split_once('=')?;
        (key == name).then(|| value.trim_matches('"').to_owned())
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

fn split<'a>(mut rest: &'a [u8], delimiter: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        match find(rest, delimiter) {
            Some(at) => {
                let part = &rest[..at];
                rest = &rest[at + delimiter.len()..];
                Some(part)
            }
            None => {
                done = true;
                Some(rest)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn payload_json_speaks_for_a_multipart_body() {
        let bytes = b"--x\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\
            Content-Type: application/json\r\n\r\n{\"content\":\"hi\"}\r\n--x\r\n\
            Content-Disposition: form-data; name=\"files[0]\"; filename=\"a.txt\"\r\n\r\n\
            bytes\r\n--x--\r\n";
        let Body::Value { kind, value } = read("multipart/form-data; boundary=x", bytes) else {
            panic!("not read")
        };
        assert_eq!(kind, "multipart/form-data");
        assert_eq!(value, json!({"files[0]": "", "content": "hi"}));
    }

    #[test]
    fn broken_bodies_are_no_violations_of_a_schema() {
        assert_eq!(read("application/json", b"{"), Body::Broken);
        assert_eq!(read("multipart/form-data", b"x"), Body::Broken);
        assert_eq!(read("application/json", b""), Body::Empty);
    }
}
