//! Passwords that look alike: the same letters, composed or decomposed.

#![allow(clippy::unwrap_used)]

use std::io::Cursor;

use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use chrono::DateTime;
use sha2::{Digest as _, Sha256};
use splashtail_iblfile::{Archive, DerivedKey, Encryption, Error, FileType, Limits, Meta, Writer};

const COMPOSED: &str = "caf\u{e9} \u{ac00} \u{1e69}";
const DECOMPOSED: &str = "cafe\u{301} \u{1100}\u{1161} s\u{323}\u{307}";
/// One letter of each kind.
const MIXED: &str = "caf\u{e9} \u{1100}\u{1161} \u{1e69}";

fn rev7(password: &str) -> Vec<u8> {
    let mut writer = Writer::new(Cursor::new(Vec::new()), Limits::default()).unwrap();
    writer.add("greeting", b"hello").unwrap();
    let meta = Meta::new(FileType::SERVER_BACKUP, DateTime::UNIX_EPOCH);
    let key = DerivedKey::derive(password, *b"saltsalt");
    let file = writer.finish(&meta, &Encryption::Aes256(key)).unwrap();
    file.into_inner()
}

/// As the first generation wrote it.
fn rev6(password: &str) -> Vec<u8> {
    let key: [u8; 32] = Sha256::digest(password.as_bytes()).into();
    let nonce = [7; 12];
    let mut sealed = nonce.to_vec();
    let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(key));
    sealed.extend(cipher.encrypt(&Nonce::from(nonce), &b"hello"[..]).unwrap());
    let meta = br#"{"c":"2024-01-20T12:00:00Z","p":"frostpaw-rev6","v":"a1","t":"backup.server"}"#;
    let mut tar = tar::Builder::new(Vec::new());
    for (name, data) in [
        ("sec/encKeyHashMethod", &b"0"[..]),
        ("greeting", &sealed),
        ("meta", meta),
        ("sec/sourceType", b"aes256"),
        ("sec/encSections", b"[\"greeting\"]\n"),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_size(data.len() as u64);
        tar.append_data(&mut header, name, data).unwrap();
    }
    tar.into_inner().unwrap()
}

fn greeting(file: &[u8], password: &str) -> Result<Vec<u8>, Error> {
    let file = Cursor::new(file.to_vec());
    Archive::open(file, Some(password), Limits::default())?.read("greeting")
}

#[test]
fn the_same_letters_open_a_file_however_they_were_typed() {
    for file in [rev7, rev6] {
        for (written, typed) in [
            (COMPOSED, DECOMPOSED),
            (DECOMPOSED, COMPOSED),
            (COMPOSED, MIXED),
            (DECOMPOSED, MIXED),
            (MIXED, MIXED),
        ] {
            assert_eq!(greeting(&file(written), typed).unwrap(), b"hello");
        }
        let other = greeting(&file(COMPOSED), "cafe \u{ac00} \u{1e69}");
        assert!(matches!(other, Err(Error::WrongPassword)));
    }
}

/// Other readers of the format derive the key from what is typed, so that is what is written.
#[test]
fn a_file_is_written_under_the_password_as_typed() {
    for typed in [COMPOSED, DECOMPOSED, MIXED] {
        let key = DerivedKey::generate(typed);
        assert_eq!(key, DerivedKey::derive(typed, key.salt()));
    }
    assert_ne!(
        DerivedKey::derive(COMPOSED, *b"saltsalt"),
        DerivedKey::derive(DECOMPOSED, *b"saltsalt")
    );
}
