use std::io;

/// Result of container operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a container or a section could not be read or written.
///
/// The variants a caller has to tell apart: damaged bytes ([`Error::Corrupt`]), a password that
/// does not fit ([`Error::WrongPassword`]), a password that is missing
/// ([`Error::PasswordRequired`]), an intact file of a kind nobody registered
/// ([`Error::UnknownType`], [`Error::UnsupportedProtocol`]) and a file beyond the caller's limits
/// ([`Error::TooLarge`]).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are not what a writer produced: truncated, altered or not a container at all.
    #[error("the file is corrupt: {0}")]
    Corrupt(String),
    /// The stored bytes are intact but do not decrypt under the given password.
    #[error("wrong password")]
    WrongPassword,
    /// The file is encrypted and no password was given.
    #[error("the file is encrypted: a password is required")]
    PasswordRequired,
    /// The file is encrypted with a method this implementation does not decrypt.
    #[error("the file is encrypted with `{0}`, which is not supported")]
    UnsupportedEncryption(&'static str),
    /// The container is intact, but its type or format version is not registered.
    #[error("unknown file type `{file_type}` version `{version}`")]
    UnknownType {
        /// `t` of the metadata.
        file_type: String,
        /// `v` of the metadata.
        version: String,
    },
    /// The metadata names a protocol that does not belong to the container found.
    #[error("unsupported container protocol `{0}`")]
    UnsupportedProtocol(String),
    /// A limit of [`crate::Limits`] was exceeded.
    #[error("{what} exceeds the limit of {limit}")]
    TooLarge {
        /// What was too large.
        what: String,
        /// The limit, in bytes or members.
        limit: u64,
    },
    /// No such section.
    #[error("the file has no section `{0}`")]
    NoSuchSection(String),
    /// A section name that cannot be written.
    #[error("section name `{0}` cannot be stored")]
    BadSectionName(String),
    /// The underlying reader or writer failed.
    #[error("reading or writing the container failed")]
    Io(#[from] io::Error),
}

impl Error {
    /// With what a command ends: 2 the file is damaged, 3 the password is wrong or missing, 4 a kind
    /// of file that is not known. `None`: it says nothing about the file.
    pub const fn exit_code(&self) -> Option<u8> {
        match self {
            Self::Corrupt(_) | Self::NoSuchSection(_) => Some(2),
            Self::WrongPassword | Self::PasswordRequired => Some(3),
            Self::UnknownType { .. }
            | Self::UnsupportedProtocol(_)
            | Self::UnsupportedEncryption(_) => Some(4),
            Self::TooLarge { .. } | Self::BadSectionName(_) | Self::Io(_) => None,
        }
    }

    pub(crate) fn corrupt(why: impl Into<String>) -> Self {
        Self::Corrupt(why.into())
    }

    /// Treats an early end of the input as damage; every other I/O error stays one.
    pub(crate) fn reading(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::corrupt("the file ends too early"),
            // The tar reader reports malformed headers as `Other` or `InvalidData`.
            io::ErrorKind::Other | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                Self::Corrupt(format!("malformed archive: {error}"))
            }
            _ => Self::Io(error),
        }
    }
}
