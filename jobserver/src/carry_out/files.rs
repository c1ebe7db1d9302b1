//! Bytes of pictures and sounds, put into bodies that name them by their digest.

use std::collections::BTreeMap;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};
use splashtail_discord::Upload;
use splashtail_guild::{Kind, Operation, digest_of, file_fields};
use splashtail_jobs::JobError;

/// Where bytes are kept.
#[async_trait]
pub trait Files: Send + Sync {
    /// The bytes of this digest; `None` when nobody kept them.
    async fn bytes(&self, digest: &str) -> Result<Option<Bytes>, JobError>;
}

/// The bytes that one operation needs, by digest.
#[derive(Debug, Default)]
pub struct Loaded(BTreeMap<String, Bytes>);

impl Loaded {
    /// # Errors
    /// Bytes that the plan counts on are not there.
    pub async fn of(files: &dyn Files, operation: &Operation) -> Result<Self, JobError> {
        let mut loaded = Self::default();
        let (Operation::Create { kind, body, .. } | Operation::Edit { kind, body, .. }) = operation
        else {
            return Ok(loaded);
        };
        for field in file_fields(*kind) {
            let Some(digest) = body.get(field).and_then(digest_of) else {
                continue;
            };
            let bytes = files.bytes(digest).await?.ok_or_else(|| {
                JobError::permanent("file_lost", "its picture or sound is not kept any more")
            })?;
            loaded.0.insert(digest.to_owned(), bytes);
        }
        Ok(loaded)
    }

    /// A body as Discord takes it: with data URLs. A sticker's file is [`Loaded::upload`]'s matter.
    pub fn body(&self, kind: Kind, body: &Map<String, Value>) -> Value {
        let mut body = body.clone();
        let inline = kind != Kind::Sticker;
        for field in file_fields(kind).filter(|_| inline) {
            let bytes = body.get(field).and_then(digest_of);
            let bytes = bytes.and_then(|digest| self.0.get(digest));
            if let Some(bytes) = bytes {
                let address = data_url(bytes);
                body.insert(field.to_owned(), address.into());
            }
        }
        Value::Object(body)
    }

    /// A sticker's file, which leaves its body.
    pub fn upload(&self, body: &mut Value) -> Option<Upload> {
        let file = body.as_object_mut()?.shift_remove("file")?;
        let bytes = self.0.get(digest_of(&file)?)?;
        Some(Upload {
            filename: format!("sticker.{}", sniff(bytes).1),
            bytes: bytes.clone(),
        })
    }
}

fn data_url(bytes: &[u8]) -> String {
    let (kind, _) = sniff(bytes);
    format!("data:{kind};base64,{}", STANDARD.encode(bytes))
}

/// MIME type and extension, by the first bytes.
fn sniff(bytes: &[u8]) -> (&'static str, &'static str) {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => ("image/jpeg", "jpg"),
        [b'G', b'I', b'F', b'8', ..] => ("image/gif", "gif"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => ("image/webp", "webp"),
        [b'O', b'g', b'g', b'S', ..] => ("audio/ogg", "ogg"),
        [b'I', b'D', b'3', ..] | [0xff, 0xe0..=0xff, ..] => ("audio/mpeg", "mp3"),
        [b'{', ..] => ("application/json", "json"),
        _ => ("image/png", "png"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use splashtail_guild::{Id, Subject};

    use super::*;

    struct One;

    #[async_trait]
    impl Files for One {
        async fn bytes(&self, digest: &str) -> Result<Option<Bytes>, JobError> {
            Ok((digest == "d1").then(|| Bytes::from_static(b"GIF89a")))
        }
    }

    fn emoji(image: &str) -> Operation {
        Operation::Create {
            kind: Kind::Emoji,
            subject: Subject::Wanted(Id::new(7)),
            body: json!({"name": "file:d1", "image": image})
                .as_object()
                .unwrap()
                .clone(),
        }
    }

    #[tokio::test]
    async fn bytes_are_put_where_a_file_belongs_and_nowhere_else() {
        let operation = emoji("file:d1");
        let loaded = Loaded::of(&One, &operation).await.unwrap();
        let Operation::Create { body, .. } = &operation else {
            unreachable!()
        };
        assert_eq!(
            loaded.body(Kind::Emoji, body),
            json!({"name": "file:d1", "image": "data:image/gif;base64,R0lGODlh"})
        );
        let error = Loaded::of(&One, &emoji("file:d2")).await.unwrap_err();
        assert_eq!(error.code(), "file_lost");
    }

    #[tokio::test]
    async fn a_stickers_file_goes_beside_its_texts() {
        let body = json!({"name": "n", "tags": "t", "file": "file:d1"});
        let operation = Operation::Create {
            kind: Kind::Sticker,
            subject: Subject::Wanted(Id::new(8)),
            body: body.as_object().unwrap().clone(),
        };
        let loaded = Loaded::of(&One, &operation).await.unwrap();
        let mut body = loaded.body(Kind::Sticker, body.as_object().unwrap());
        let upload = loaded.upload(&mut body).unwrap();
        assert_eq!(
            (upload.filename.as_str(), body),
            ("sticker.gif", json!({"name": "n", "tags": "t"}))
        );
    }
}
