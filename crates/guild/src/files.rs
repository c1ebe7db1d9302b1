//! Pictures and sounds of a structure. Discord names them by a hash, or not at all; whoever has
//! their bytes says by which digest they are known, and bodies name them by it.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::delta::Delta;
use crate::fields::{Shape, table};
use crate::{Id, Kind, Structure};

/// Beside Discord's own keys of an object: digests by field.
const KEY: &str = "$files";
/// How bodies name bytes that whoever sends them puts in.
const PREFIX: &str = "file:";

/// Fields of a kind that hold a picture or a sound.
pub fn file_fields(kind: Kind) -> impl Iterator<Item = &'static str> {
    let all = table(kind).iter();
    all.filter(|f| f.shape == Shape::File).map(|f| f.name)
}

/// The digest of the bytes that a body's value stands for.
pub fn digest_of(value: &Value) -> Option<&str> {
    value.as_str()?.strip_prefix(PREFIX)
}

impl Structure {
    /// The bytes of an object's field are known by this digest. Nothing for an object that is not
    /// there.
    pub fn learn_file(&mut self, kind: Kind, id: Id, field: &str, digest: &str) {
        let Some(Value::Object(object)) = self.get(kind, id) else {
            return;
        };
        let mut object = object.clone();
        let files = object
            .entry(KEY)
            .or_insert_with(|| Value::Object(Map::new()));
        if let Some(files) = files.as_object_mut() {
            files.insert(field.to_owned(), digest.into());
        }
        let object = Some(Arc::new(object.into()));
        self.set(kind, id, object, &mut Delta::default());
    }

    /// By which digest the bytes of an object's field are known.
    pub fn file(&self, kind: Kind, id: Id, field: &str) -> Option<&str> {
        digest(self.get(kind, id)?, field)
    }
}

pub(crate) fn digest<'o>(object: &'o Value, field: &str) -> Option<&'o str> {
    object[KEY][field].as_str()
}

/// Known bytes, else Discord's hash of them.
pub(crate) fn canonical(object: &Value, field: &str) -> Value {
    match digest(object, field) {
        Some(digest) => placeholder(digest),
        None => object[field].clone(),
    }
}

pub(crate) fn placeholder(digest: &str) -> Value {
    format!("{PREFIX}{digest}").into()
}

/// Replaces the hashes in a body by what their bytes are known by. Fields whose bytes nobody has
/// are taken out and returned; null stays, which removes a picture.
pub(crate) fn name_bytes(
    kind: Kind,
    object: &Value,
    body: &mut Map<String, Value>,
) -> Vec<&'static str> {
    let mut lacking = Vec::new();
    for field in file_fields(kind) {
        let Some(value) = body.get_mut(field) else {
            continue;
        };
        match digest(object, field) {
            Some(digest) => *value = placeholder(digest),
            None if value.is_null() => {}
            None => {
                body.shift_remove(field);
                lacking.push(field);
            }
        }
    }
    lacking
}

/// Sets a field of a body that is carried out on paper: bytes that it names are known from then on.
pub(crate) fn take_in(kind: Kind, object: &mut Map<String, Value>, field: &str, value: Value) {
    if !file_fields(kind).any(|name| name == field) {
        object.insert(field.to_owned(), value);
        return;
    }
    let files = object
        .entry(KEY)
        .or_insert_with(|| Value::Object(Map::new()));
    if let Some(files) = files.as_object_mut() {
        match digest_of(&value) {
            Some(digest) => files.insert(field.to_owned(), digest.into()),
            None => files.shift_remove(field),
        };
    }
    if value.is_null() {
        object.insert(field.to_owned(), value);
    }
}
