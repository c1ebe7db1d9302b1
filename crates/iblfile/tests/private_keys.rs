//! Files for the holder of a private key.

#![allow(clippy::unwrap_used)]

use std::io::Cursor;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use splashtail_iblfile::{
    Archive, Encryption, EncryptionKind, Error, FileType, Limits, Meta, PublicKey, SealedKey,
    Writer, block,
};

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let lines = lines.join("\r\n");
    format!("# made for a test\n-----BEGIN {label}-----\r\n{lines}\r\n-----END {label}-----\n")
}

/// Private and public half.
fn pair(size: KeySize) -> (String, String) {
    let key = PrivateDecryptingKey::generate(size).unwrap();
    let private: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let public: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
    (
        pem("PRIVATE KEY", private.as_ref()),
        pem("PUBLIC KEY", public.as_ref()),
    )
}

fn file(key: SealedKey, section: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new(Cursor::new(Vec::new()), Limits::default()).unwrap();
    writer.add("core/guild", section).unwrap();
    let meta = Meta::new(FileType::SERVER_BACKUP, DateTime::UNIX_EPOCH);
    let written = writer.finish(&meta, &Encryption::Pem(key)).unwrap();
    written.into_inner()
}

#[test]
fn only_the_private_key_opens_what_the_public_one_closed() {
    let (private, public) = pair(KeySize::Rsa2048);
    let key = PublicKey::parse(&public).unwrap().seal().unwrap();
    // Longer than what is worked on at a time, and no multiple of it.
    let section: Vec<u8> = (0..3_000_001_u32).map(|n| (n % 251) as u8).collect();
    let file = file(key.clone(), &section);
    let open = |password: Option<&str>| {
        Archive::open(Cursor::new(file.clone()), password, Limits::default())
    };
    let mut archive = open(Some(&private)).unwrap();
    assert_eq!(archive.encryption(), EncryptionKind::Pem);
    assert_eq!(archive.read("core/guild").unwrap(), section);
    let mut archive =
        Archive::open_keyed(Cursor::new(file.clone()), key.key(), Limits::default()).unwrap();
    assert_eq!(archive.read("core/guild").unwrap(), section);

    assert!(matches!(open(None), Err(Error::PasswordRequired)));
    let (other, _) = pair(KeySize::Rsa2048);
    for wrong in [other.as_str(), public.as_str(), "a password"] {
        assert!(matches!(open(Some(wrong)), Err(Error::WrongPassword)));
    }
    let mut cut = file.clone();
    cut.truncate(900);
    let cut = Archive::open(Cursor::new(cut), Some(&private), Limits::default());
    assert!(matches!(cut, Err(Error::Corrupt(_))));
}

#[test]
fn each_file_has_a_key_of_its_own() {
    let (private, public) = pair(KeySize::Rsa2048);
    let public = PublicKey::parse(&public).unwrap();
    let (one, other) = (public.seal().unwrap(), public.seal().unwrap());
    assert!(PublicKey::of_private(&private).is_some());
    assert!(PublicKey::of_private("a password").is_none());
    assert_ne!(one.head(), other.head());
    assert_ne!(one.key(), other.key());
    // It can be put together again of its parts.
    let again = SealedKey::new(one.head().to_vec(), one.key().clone());
    assert_eq!(again.as_ref(), Some(&one));
    assert!(SealedKey::new(one.head()[1..].to_vec(), one.key().clone()).is_none());
    assert!(SealedKey::new(Vec::new(), one.key().clone()).is_none());
}

#[test]
fn single_values_open_too() {
    let (_, public) = pair(KeySize::Rsa2048);
    let key = PublicKey::parse(&public).unwrap().seal().unwrap();
    let sealed = block::seal(b"page".to_vec(), &Encryption::Pem(key.clone())).unwrap();
    assert_eq!(block::open(sealed, Some(key.key())).unwrap(), b"page");
}

#[test]
fn keys_of_another_kind_are_refused() {
    let (private, _) = pair(KeySize::Rsa2048);
    let (_, large) = pair(KeySize::Rsa3072);
    let empty = pem("PUBLIC KEY", b"");
    for wrong in [
        "",
        "ssh-rsa AAAA",
        private.as_str(),
        large.as_str(),
        empty.as_str(),
    ] {
        assert!(PublicKey::parse(wrong).is_err(), "{wrong}");
    }
}
