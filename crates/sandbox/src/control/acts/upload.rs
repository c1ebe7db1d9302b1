//! Files of an act, sent as clients send them: a multipart body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use serde_json::Value;
use sha2::{Digest, Sha256};
use splashtail_sandbox_world::rest::Request;

use crate::control::Failure;
use crate::control::types::Upload;

/// The request of an act; with files, a multipart one whose `payload_json` is `body`.
pub(super) fn request(
    method: Method,
    path: String,
    body: &Value,
    files: &[Upload],
) -> Result<Request, Failure> {
    if files.is_empty() {
        return Ok(Request::act(method, path, body));
    }
    let contents: Vec<Vec<u8>> = files.iter().map(content).collect::<Result<_, _>>()?;
    // A hash over all that is sent occurs in none of it.
    let mut hash = Sha256::new_with_prefix(body.to_string());
    contents.iter().for_each(|bytes| hash.update(bytes));
    let boundary = hex::encode(hash.finalize());
    let mut form = Vec::new();
    // A sticker comes in fields of its own (Discord documentation, "Create Guild Sticker").
    let in_fields = path.ends_with("/stickers");
    let fields = body.as_object().filter(|_| in_fields);
    for (key, value) in fields.into_iter().flatten() {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let head = format!("name=\"{}\"", quoted(key));
        part(&mut form, &boundary, &head, text.as_bytes());
    }
    if !in_fields && !body.is_null() {
        let head = "name=\"payload_json\"\r\nContent-Type: application/json";
        part(&mut form, &boundary, head, body.to_string().as_bytes());
    }
    for (n, (file, bytes)) in files.iter().zip(&contents).enumerate() {
        let name = quoted(&file.filename);
        let field = if in_fields {
            "file".to_owned()
        } else {
            format!("files[{n}]")
        };
        let head = format!("name=\"{field}\"; filename=\"{name}\"");
        part(&mut form, &boundary, &head, bytes);
    }
    form.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let mut request = Request::act(method, path, &Value::Null);
    if let Ok(kind) = HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}")) {
        request.headers.insert(CONTENT_TYPE, kind);
    }
    request.body = form.into();
    Ok(request)
}

fn content(file: &Upload) -> Result<Vec<u8>, Failure> {
    STANDARD.decode(&file.content_base64).map_err(|_| {
        let message = format!("`content_base64` of `{}` is not base64", file.filename);
        Failure::bad(message)
    })
}

fn part(form: &mut Vec<u8>, boundary: &str, head: &str, content: &[u8]) {
    let head = format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n");
    form.extend_from_slice(head.as_bytes());
    form.extend_from_slice(content);
    form.extend_from_slice(b"\r\n");
}

/// For a quoted parameter of a header.
fn quoted(name: &str) -> String {
    name.chars()
        .flat_map(|c| match c {
            '"' | '\\' => vec!['\\', c],
            c if c.is_control() => vec![' '],
            c => vec![c],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use splashtail_sandbox_world::rest::body;

    fn file(filename: &str, content: &[u8]) -> Upload {
        Upload {
            filename: filename.to_owned(),
            content_base64: STANDARD.encode(content),
        }
    }

    #[test]
    fn a_form_carries_body_names_and_bytes() {
        let files = [
            file("a \"b\"\r\n.png", b"\r\n--\x00\xff"),
            file("ümlaut.txt", b""),
        ];
        let said = json!({"content": "hi"});
        let request = request(Method::POST, "/x".into(), &said, &files).unwrap();
        let read = body::read(&request.headers, &request.body).unwrap();
        assert_eq!(read.json, said);
        let files: Vec<_> = read
            .files
            .iter()
            .map(|f| (f.field.as_str(), f.name.as_str(), &f.bytes[..]))
            .collect();
        assert_eq!(
            files,
            [
                ("files[0]", "a \"b\"  .png", &b"\r\n--\x00\xff"[..]),
                ("files[1]", "ümlaut.txt", &b""[..])
            ]
        );
    }

    #[test]
    fn broken_base64_is_refused() {
        let broken = Upload {
            filename: "a".to_owned(),
            content_base64: "*".to_owned(),
        };
        assert!(request(Method::POST, "/x".into(), &Value::Null, &[broken]).is_err());
    }
}
