//! Unguessable values from the operating system.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rand::TryRng;
use rand::rngs::SysRng;

/// The operating system has no random bytes to give.
#[derive(Debug, thiserror::Error)]
#[error("the system's random generator failed")]
pub struct RandomError(#[source] rand::rngs::SysError);

/// `N` bytes straight from the kernel's generator.
///
/// # Errors
/// The generator is not available, as on a system without `/dev/urandom` and `getrandom(2)`.
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(RandomError)?;
    Ok(bytes)
}

/// 43 characters of base64url: 32 random bytes.
///
/// # Errors
/// As [`bytes`].
pub fn secret() -> Result<String, RandomError> {
    Ok(URL_SAFE_NO_PAD.encode(bytes::<32>()?))
}

/// 44 characters of padded base64: a 32 byte key.
///
/// # Errors
/// As [`bytes`].
pub fn key() -> Result<String, RandomError> {
    Ok(STANDARD.encode(bytes::<32>()?))
}
