//! Reading `Signature-Input` and `Signature`: only the profile's one form is understood.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{ALGORITHM, COMPONENTS, LABEL};

/// What a signature says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SignatureInput<'a> {
    /// The inner list with its parameters, as it was sent and as it is signed.
    pub(super) parameters: &'a str,
    pub(super) created: i64,
    pub(super) nonce: &'a str,
    pub(super) client: &'a str,
    pub(super) tag: &'a str,
}

/// 16 bytes are 22 characters of base64 without padding and 32 of hex.
const NONCE_LENGTHS: std::ops::RangeInclusive<usize> = 22..=128;

impl<'a> SignatureInput<'a> {
    /// `None` when any component or parameter is missing, doubled or not in the profile. The
    /// parameters may come in any order: they are signed in the order they have.
    pub(super) fn parse(header: &'a str) -> Option<Self> {
        let parameters = header.trim().strip_prefix(LABEL)?.strip_prefix('=')?;
        let covered: Vec<String> = COMPONENTS
            .iter()
            .map(|name| format!("\"{name}\""))
            .collect();
        let rest = parameters.strip_prefix(&format!("({})", covered.join(" ")))?;
        let (mut created, mut nonce, mut client, mut algorithm, mut tag) =
            (None, None, None, None, None);
        for parameter in rest.strip_prefix(';')?.split(';') {
            let (name, value) = parameter.split_once('=')?;
            let slot = match name {
                "created" => {
                    let digits =
                        !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                    let value = digits.then(|| value.parse().ok())??;
                    if created.replace(value).is_some() {
                        return None;
                    }
                    continue;
                }
                "nonce" => &mut nonce,
                "keyid" => &mut client,
                "alg" => &mut algorithm,
                "tag" => &mut tag,
                _ => return None,
            };
            if slot.replace(quoted(value)?).is_some() {
                return None;
            }
        }
        let nonce = nonce?;
        if algorithm? != ALGORITHM || !NONCE_LENGTHS.contains(&nonce.len()) {
            return None;
        }
        Some(Self {
            parameters,
            created: created?,
            nonce,
            client: client?,
            tag: tag?,
        })
    }
}

/// A string without escapes: names, tags and nonces need none. Neither a semicolon nor a comma is
/// allowed inside, which keeps one signature apart from a list of them.
fn quoted(value: &str) -> Option<&str> {
    let text = value.strip_prefix('"')?.strip_suffix('"')?;
    let plain =
        |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b',' | b';');
    text.bytes().all(plain).then_some(text)
}

/// The bytes of `sig1=:…:`.
pub(super) fn parse_signature(header: &str) -> Option<Vec<u8>> {
    let encoded = header
        .trim()
        .strip_prefix(LABEL)?
        .strip_prefix("=:")?
        .strip_suffix(':')?;
    STANDARD.decode(encoded).ok()
}
