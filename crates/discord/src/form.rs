//! JSON with files: `multipart/form-data` as Discord takes it (Discord docs, "Uploading Files").

use std::fmt::Write as _;

use bytes::Bytes;
use http::HeaderValue;
use sha2::{Digest as _, Sha256};

/// A file to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Shown to people; a path in it means nothing.
    pub filename: String,
    /// Its bytes.
    pub bytes: Bytes,
}

pub(crate) struct Form {
    pub(crate) content_type: HeaderValue,
    pub(crate) body: Bytes,
}

impl Form {
    /// Files are `files[0]` and so on. The same contents make the same form.
    pub(crate) fn new(json: &[u8], files: &[Upload]) -> Self {
        let boundary = boundary(json, files);
        let mut body = Vec::new();
        part(
            &mut body,
            &boundary,
            "payload_json",
            None,
            "application/json",
        );
        body.extend_from_slice(json);
        for (index, file) in files.iter().enumerate() {
            let name = format!("files[{index}]");
            let kind = "application/octet-stream";
            body.extend_from_slice(b"\r\n");
            part(&mut body, &boundary, &name, Some(&file.filename), kind);
            body.extend_from_slice(&file.bytes);
        }
        Self::closed(body, &boundary)
    }

    /// Plain fields and one file, as stickers are sent (Discord docs, "Create Guild Sticker").
    pub(crate) fn fields(fields: &[(&str, &str)], file: &Upload) -> Self {
        let mut digested = Vec::new();
        for (name, value) in fields {
            digested.extend_from_slice(name.as_bytes());
            digested.extend_from_slice(value.as_bytes());
        }
        let boundary = boundary(&digested, std::slice::from_ref(file));
        let mut body = Vec::new();
        for (name, value) in fields {
            part(
                &mut body,
                &boundary,
                name,
                None,
                "text/plain; charset=utf-8",
            );
            body.extend_from_slice(value.as_bytes());
            body.extend_from_slice(b"\r\n");
        }
        let kind = match file.filename.rsplit_once('.') {
            Some((_, "png")) => "image/png",
            Some((_, "gif")) => "image/gif",
            Some((_, "json")) => "application/json",
            _ => "application/octet-stream",
        };
        part(&mut body, &boundary, "file", Some(&file.filename), kind);
        body.extend_from_slice(&file.bytes);
        Self::closed(body, &boundary)
    }

    fn closed(mut body: Vec<u8>, boundary: &str) -> Self {
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let content_type = HeaderValue::try_from(content_type)
            .unwrap_or_else(|_| HeaderValue::from_static("multipart/form-data"));
        Self {
            content_type,
            body: body.into(),
        }
    }
}

/// A digest of all that it separates, so that none of it contains it.
fn boundary(json: &[u8], files: &[Upload]) -> String {
    let mut digest = Sha256::new();
    digest.update(json);
    for file in files {
        digest.update((file.bytes.len() as u64).to_be_bytes());
        digest.update(&file.bytes);
    }
    let digest = digest.finalize();
    digest
        .iter()
        .take(16)
        .fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn part(body: &mut Vec<u8>, boundary: &str, name: &str, filename: Option<&str>, kind: &str) {
    let mut head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"");
    if let Some(filename) = filename {
        head.push_str(&format!("; filename=\"{}\"", quoted(filename)));
    }
    head.push_str(&format!("\r\nContent-Type: {kind}\r\n\r\n"));
    body.extend_from_slice(head.as_bytes());
}

/// As browsers write it (HTML Standard, "multipart/form-data").
fn quoted(filename: &str) -> String {
    let escape = |c: char| match c {
        '"' => "%22".to_owned(),
        '\r' => "%0D".to_owned(),
        '\n' => "%0A".to_owned(),
        c => c.to_string(),
    };
    filename.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_out_of_its_header() {
        let file = Upload {
            filename: "a\"\r\nX: y.txt".to_owned(),
            bytes: Bytes::from_static(b"\x00bytes"),
        };
        let form = Form::new(b"{}", std::slice::from_ref(&file));
        let text = String::from_utf8_lossy(&form.body);
        assert!(
            text.contains("filename=\"a%22%0D%0AX: y.txt\"\r\n"),
            "{text}"
        );
        let boundary = form.content_type.to_str().unwrap();
        let boundary = boundary.split_once("boundary=").unwrap().1;
        assert_eq!(text.matches(&format!("--{boundary}")).count(), 3);
        assert!(text.ends_with(&format!("--{boundary}--\r\n")));
        assert_eq!(
            Form::new(b"{}", &[file]).body,
            form.body,
            "a repetition is the same"
        );
    }
}
