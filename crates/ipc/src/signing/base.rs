//! The signature base (RFC 9421 §2.5) and its MAC (§3.3.3).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// One line per component, then the parameters, without a final newline.
pub(super) fn signature_base(components: &[(&str, &str)], parameters: &str) -> String {
    let mut base = String::new();
    for (name, value) in components {
        base.push('"');
        base.push_str(name);
        base.push_str("\": ");
        base.push_str(value);
        base.push('\n');
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(parameters);
    base
}

/// HMAC accepts keys of every length, so the error case cannot occur; it still fails closed.
pub(super) fn mac(key: &[u8], base: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(base.as_bytes());
    Some(mac)
}
