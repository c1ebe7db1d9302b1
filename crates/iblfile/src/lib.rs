//! The `.iblfile` backup container.
//!
//! Two incompatible revisions are read: **rev6** (a bare tar whose encrypted members share one
//! unsalted key) and **rev7** (a checksummed block, either around the whole archive or around each
//! member). Only **rev7 full file** is written, byte for byte as the original Go writer lays it
//! out: USTAR members in write order, `meta` last.
//!
//! The crate does no networking, knows nothing of Discord and of the meaning of sections, and
//! never turns a member name into a file system path.

mod archive;
pub mod block;
mod crypto;
mod error;
mod gcm;
mod inspect;
mod limits;
mod members;
mod meta;
pub mod msgpack;
mod pem;
mod writer;

pub use archive::{Archive, Container, EncryptionKind, Revision, SectionInfo};
pub use crypto::{DerivedKey, Encryption};
pub use error::{Error, Result};
pub use inspect::{InspectedSection, Inspection};
pub use limits::Limits;
pub use meta::{FileType, Meta, PROTOCOL_REV6, PROTOCOL_REV7, REGISTERED_TYPES};
pub use pem::{InvalidPublicKey, PublicKey, SealedKey};
pub use writer::Writer;
