//! What a container holds, without knowing what it means.

use std::fmt::Write as _;
use std::io::{Read, Seek};

use serde::Serialize;

use crate::archive::digest;
use crate::{Archive, Meta, Result};

/// A container and its sections, as `backup inspect` shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// 6 or 7.
    pub revision: u8,
    /// Nesting of blocks and archive.
    pub container: &'static str,
    /// Identifier of the encryption; `noencryption` without any.
    pub encryption: &'static str,
    /// The checked metadata.
    pub meta: Meta,
    /// In stored order.
    pub sections: Vec<InspectedSection>,
}

/// A section and the digest of its bytes once decrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InspectedSection {
    /// Key of the section; never a path.
    pub name: String,
    /// Bytes once decrypted.
    pub size: u64,
    /// Of these bytes, in hexadecimal digits.
    pub sha256: String,
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the first `most` sections to their end.
    ///
    /// # Errors
    /// A section is damaged.
    pub fn inspect(&mut self, most: usize) -> Result<Inspection> {
        let mut sections = Vec::new();
        for section in self.sections().into_iter().take(most) {
            let sha256 = hex(&digest(&mut self.section(&section.name)?)?);
            sections.push(InspectedSection {
                name: section.name,
                size: section.size,
                sha256,
            });
        }
        Ok(Inspection {
            revision: self.revision().number(),
            container: self.container().as_str(),
            encryption: self.encryption().id(),
            meta: self.meta().clone(),
            sections,
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
