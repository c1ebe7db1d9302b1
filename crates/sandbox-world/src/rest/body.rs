//! Request bodies: JSON, forms and multipart, all reduced to one JSON value and files.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value};

use super::error::{ApiError, BROKEN_JSON};

/// Most fields of a form or parts of a multipart body. Nothing documented needs a tenth of them.
const MAX_FIELDS: usize = 1000;

/// A body.
#[derive(Debug, Default)]
pub struct Body {
    /// Null when there was none.
    pub json: Value,
    pub files: Vec<File>,
}

/// An uploaded file.
#[derive(Debug, Clone)]
pub struct File {
    /// Name of the form field, as `files[0]`.
    pub field: String,
    pub name: String,
    pub content_type: Option<String>,
    pub bytes: Bytes,
}

/// Reads a body. An empty one is fine whatever its type says.
pub fn read(headers: &HeaderMap, bytes: &Bytes) -> Result<Body, ApiError> {
    if bytes.is_empty() {
        return Ok(Body::default());
    }
    let kind = headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    let essence = kind
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => {
            let json = serde_json::from_slice(bytes).map_err(|_| ApiError::from(BROKEN_JSON))?;
            Ok(Body {
                json,
                files: Vec::new(),
            })
        }
        "application/x-www-form-urlencoded" => {
            let mut fields = url::form_urlencoded::parse(bytes);
            let json: Map<String, Value> = fields
                .by_ref()
                .take(MAX_FIELDS)
                .map(|(k, v)| (k.into_owned(), Value::String(v.into_owned())))
                .collect();
            if fields.next().is_some() {
                return Err(too_many());
            }
            Ok(Body {
                json: Value::Object(json),
                files: Vec::new(),
            })
        }
        "multipart/form-data" => multipart(kind, bytes),
        _ => Err(ApiError::field(
            "",
            "CONTENT_TYPE_INVALID",
            "Expected \"Content-Type\" header to be one of {'application/json', 'application/x-www-form-urlencoded', 'multipart/form-data'}.",
        )),
    }
}

fn too_many() -> ApiError {
    ApiError::field(
        "",
        "BASE_TYPE_MAX_LENGTH",
        format!("Must be {MAX_FIELDS} or fewer in length."),
    )
}

fn broken_form() -> ApiError {
    ApiError::field(
        "",
        "BASE_TYPE_BAD_MULTIPART",
        "The multipart body could not be read.",
    )
}

fn multipart(kind: &str, bytes: &Bytes) -> Result<Body, ApiError> {
    let boundary = kind
        .split(';')
        .skip(1)
        .filter_map(|p| p.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("boundary"))
        .map(|(_, value)| value.trim_matches('"'))
        .ok_or_else(broken_form)?;
    let mut body = Body {
        json: Value::Object(Map::new()),
        files: Vec::new(),
    };
    let mut payload = None;
    let parts = parts(bytes, boundary).ok_or_else(broken_form)?;
    if parts.len() > MAX_FIELDS {
        return Err(too_many());
    }
    for (head, content) in parts {
        let part = Part::read(&head).ok_or_else(broken_form)?;
        if part.name == "payload_json" {
            payload = Some(
                serde_json::from_slice::<Value>(&content)
                    .map_err(|_| ApiError::from(BROKEN_JSON))?,
            );
        } else if let Some(name) = part.filename {
            body.files.push(File {
                field: part.name,
                name,
                content_type: part.content_type,
                bytes: content,
            });
        } else {
            body.json[part.name] = String::from_utf8_lossy(&content).into_owned().into();
        }
    }
    match payload {
        Some(Value::Object(fields)) => {
            if let Some(map) = body.json.as_object_mut() {
                map.extend(fields);
            }
        }
        Some(_) => return Err(BROKEN_JSON.into()),
        None => {}
    }
    Ok(body)
}

/// Heads and contents, of one part too many at most; `None` when the framing is broken.
fn parts(bytes: &Bytes, boundary: &str) -> Option<Vec<(String, Bytes)>> {
    let delimiter = format!("\r\n--{boundary}");
    let finder = memchr::memmem::Finder::new(&delimiter);
    let first = memchr::memmem::find(bytes, &delimiter.as_bytes()[2..])?;
    let mut at = first + delimiter.len() - 2;
    let mut parts = Vec::new();
    loop {
        match bytes.get(at..at + 2)? {
            b"--" => return Some(parts),
            b"\r\n" if parts.len() > MAX_FIELDS => return Some(parts),
            b"\r\n" => at += 2,
            _ => return None,
        }
        let end = at + finder.find(&bytes[at..])?;
        let split = at + memchr::memmem::find(&bytes[at..end], b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[at..split]).ok()?.to_owned();
        parts.push((head, bytes.slice(split + 4..end)));
        at = end + delimiter.len();
    }
}

struct Part {
    name: String,
    filename: Option<String>,
    content_type: Option<String>,
}

impl Part {
    fn read(head: &str) -> Option<Self> {
        let mut part = Self {
            name: String::new(),
            filename: None,
            content_type: None,
        };
        for line in head.split("\r\n") {
            let (key, value) = line.split_once(':')?;
            if key.eq_ignore_ascii_case("content-type") {
                part.content_type = Some(value.trim().to_owned());
            } else if key.eq_ignore_ascii_case("content-disposition") {
                part.name = parameter(value, "name")?;
                part.filename = extended(value).or_else(|| parameter(value, "filename"));
            }
        }
        Some(part)
    }
}

/// A quoted or bare parameter of a header value.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut rest = value;
    while let Some(at) = rest.find(';') {
        rest = rest[at + 1..].trim_start();
        let (key, after) = rest.split_once('=')?;
        let text = if let Some(quoted) = after.strip_prefix('"') {
            let mut text = String::new();
            let mut escaped = false;
            let mut end = quoted.len();
            for (i, c) in quoted.char_indices() {
                match c {
                    _ if escaped => {
                        text.push(c);
                        escaped = false;
                    }
                    '\\' => escaped = true,
                    '"' => {
                        end = i + 1;
                        break;
                    }
                    _ => text.push(c),
                }
            }
            rest = &quoted[end..];
            text
        } else {
            let end = after.find(';').unwrap_or(after.len());
            rest = &after[end..];
            after[..end].trim().to_owned()
        };
        if key.trim().eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
    }
    None
}

/// `filename*=UTF-8''…` (RFC 5987).
fn extended(value: &str) -> Option<String> {
    let text = parameter(value, "filename*")?;
    let encoded = text
        .strip_prefix("UTF-8''")
        .or_else(|| text.strip_prefix("utf-8''"))?;
    Some(
        percent_encoding::percent_decode_str(encoded)
            .decode_utf8_lossy()
            .into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn headers(kind: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, kind.parse().unwrap());
        headers
    }

    #[test]
    fn multipart_bodies_keep_bytes_and_payload() {
        let raw = Bytes::from_static(
            b"--b\r\nContent-Disposition: form-data; name=\"payload_json\"\r\nContent-Type: application/json\r\n\r\n\
              {\"content\":\"hi\"}\r\n--b\r\nContent-Disposition: form-data; name=\"files[0]\"; filename=\"a \\\"b\\\".bin\"\r\n\
              Content-Type: application/octet-stream\r\n\r\n\x00\r\n--c\xff\r\n--b--\r\n",
        );
        let body = read(&headers("multipart/form-data; boundary=b"), &raw).unwrap();
        assert_eq!(body.json, json!({"content": "hi"}));
        assert_eq!(body.files[0].field, "files[0]");
        assert_eq!(body.files[0].name, "a \"b\".bin");
        assert_eq!(&body.files[0].bytes[..], b"\x00\r\n--c\xff");
    }

    #[test]
    fn the_number_of_parts_and_fields_is_bounded() {
        let part = |n| format!("--b\r\nContent-Disposition: form-data; name=\"f{n}\"\r\n\r\nx\r\n");
        let field = |n| format!("f{n}=x");
        let read_all = |count: usize| {
            let parts: String = (0..count).map(part).collect();
            let fields: Vec<String> = (0..count).map(field).collect();
            [
                ("multipart/form-data; boundary=b", parts + "--b--"),
                ("application/x-www-form-urlencoded", fields.join("&")),
            ]
            .map(|(kind, raw)| read(&headers(kind), &raw.into()))
        };
        for body in read_all(MAX_FIELDS) {
            assert_eq!(body.unwrap().json.as_object().unwrap().len(), MAX_FIELDS);
        }
        for count in [MAX_FIELDS + 1, 10_000] {
            for refused in read_all(count) {
                assert_eq!(refused.unwrap_err().code, 50035);
            }
        }
    }

    #[test]
    fn refusals() {
        let code = |kind: &str, raw: &'static [u8]| {
            read(&headers(kind), &Bytes::from_static(raw))
                .unwrap_err()
                .code
        };
        assert_eq!(code("application/json", b"{"), 50109);
        assert_eq!(code("text/plain", b"{}"), 50035);
        assert_eq!(code("multipart/form-data; boundary=b", b"--b\r\nx"), 50035);
        assert_eq!(code("multipart/form-data", b"--b\r\nx"), 50035);
    }
}
