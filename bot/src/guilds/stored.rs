//! A structure at rest: most servers have no events that change it for hours, and as a tree it takes
//! many times the room.

use splashtail_core::telemetry::Chain;
use splashtail_guild::{Id, Structure};
use tracing::error;

/// zstd's quickest ordinary level; higher ones save little of JSON.
const LEVEL: i32 = 1;

#[derive(Debug)]
pub(super) struct Stored {
    id: Id,
    /// JSON, compressed; while `open` is there, of some time before.
    packed: Box<[u8]>,
    open: Option<Structure>,
    /// Somebody needed the tree since the last [`Stored::rest`].
    touched: bool,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum PackError {
    #[error("its JSON")]
    Json(#[from] serde_json::Error),
    #[error("its compression")]
    Zstd(#[from] std::io::Error),
}

impl Stored {
    pub(super) fn new(id: Id) -> Self {
        Self {
            id,
            packed: Box::default(),
            open: None,
            touched: false,
        }
    }

    pub(super) fn open(&mut self) -> &mut Structure {
        self.touched = true;
        let (id, packed) = (self.id, &self.packed);
        self.open.get_or_insert_with(|| {
            if packed.is_empty() {
                return Structure::empty(id);
            }
            unpack(packed).unwrap_or_else(|problem| {
                // It was written here; the server's next GUILD_CREATE brings all of it again.
                error!(guild.id = %id, error = %Chain(&problem), "a server's structure cannot be read back");
                Structure::empty(id)
            })
        })
    }

    /// Packs at once: nobody is expected to need it soon.
    pub(super) fn pack(&mut self) {
        self.touched = false;
        let Some(open) = &self.open else { return };
        match pack(open) {
            Ok(packed) => (self.packed, self.open) = (packed, None),
            Err(problem) => {
                error!(guild.id = %self.id, error = %Chain(&problem), "a server's structure stays as a tree");
            }
        }
    }

    /// Packs what nobody has needed since the last call.
    pub(super) fn rest(&mut self) {
        if !std::mem::take(&mut self.touched) {
            self.pack();
        }
    }
}

fn pack(structure: &Structure) -> Result<Box<[u8]>, PackError> {
    let mut packer = zstd::stream::Encoder::new(Vec::new(), LEVEL)?;
    serde_json::to_writer(&mut packer, structure)?;
    Ok(packer.finish()?.into_boxed_slice())
}

fn unpack(packed: &[u8]) -> Result<Structure, PackError> {
    let json = zstd::stream::decode_all(packed)?;
    Ok(serde_json::from_slice(&json)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_comes_back_as_it_was_when_somebody_needs_it() {
        let id = Id::new(1);
        let mut stored = Stored::new(id);
        assert_eq!(*stored.open(), Structure::empty(id));
        let whole = json!({"id": "1", "name": "Häfen ⚓", "roles": [{"id": "1", "permissions": "1024"}],
            "channels": [{"id": "2", "name": "a", "flags": 0, "topic": null, "rate": 1.5}]});
        stored.open().apply_event("GUILD_CREATE", &whole);
        let before = stored.open().clone();
        stored.rest();
        assert!(stored.open.is_some(), "somebody needed it a moment ago");
        stored.rest();
        assert!(stored.open.is_none() && !stored.packed.is_empty());
        assert_eq!(*stored.open(), before);
        stored
            .open()
            .apply_event("GUILD_ROLE_DELETE", &json!({"role_id": "1"}));
        let changed = stored.open().clone();
        stored.pack();
        assert_eq!(*stored.open(), changed);
    }
}
