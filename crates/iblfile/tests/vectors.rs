//! Every sample file, against values that an independent decoder produced.

#![allow(clippy::unwrap_used)]

use std::io::{Cursor, Read as _};
use std::path::PathBuf;

use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use splashtail_iblfile::msgpack::{decode, encode};
use splashtail_iblfile::{
    Archive, Container, DerivedKey, Encryption, EncryptionKind, Error, Limits, Meta, Revision,
    Writer,
};

const PASSWORD: &str = "correct horse";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

fn expected() -> Json {
    serde_json::from_slice(&bytes("expected.json")).unwrap()
}

fn open(name: &str, password: Option<&str>) -> Result<Archive<Cursor<Vec<u8>>>, Error> {
    Archive::open(Cursor::new(bytes(name)), password, Limits::default())
}

fn error(result: Result<Archive<Cursor<Vec<u8>>>, Error>) -> Error {
    result.expect_err("the file must not open")
}

/// All sections as the reference decoder shows them.
fn decoded(archive: &mut Archive<Cursor<Vec<u8>>>) -> Json {
    let mut all = serde_json::Map::new();
    for section in archive.sections() {
        let data = archive.read(&section.name).unwrap();
        assert_eq!(data.len() as u64, section.size, "size of {}", section.name);
        let value = match section.name.as_str() {
            name if name.starts_with("sec/") => continue,
            "meta" => serde_json::from_slice(&data).unwrap(),
            name if name.starts_with("attachments/") => {
                let mut text = String::new();
                flate2::read::GzDecoder::new(&data[..])
                    .read_to_string(&mut text)
                    .unwrap();
                json!({
                    "sha256": hex::encode(Sha256::digest(&data)),
                    "size": data.len(),
                    "gunzipped_text": text,
                })
            }
            _ => decode(&data).unwrap().to_json(),
        };
        all.insert(section.name, value);
    }
    Json::Object(all)
}

#[test]
fn rev7_full_files_hold_the_expected_values() {
    for (file, password, encryption) in [
        ("plain-rev7.iblfile", None, EncryptionKind::None),
        (
            "aes256-rev7.iblfile",
            Some(PASSWORD),
            EncryptionKind::Aes256,
        ),
    ] {
        let mut archive = open(file, password).unwrap();
        assert_eq!(archive.revision(), Revision::Rev7);
        assert_eq!(archive.container(), Container::FullFile);
        assert_eq!(archive.encryption(), encryption);
        assert_eq!(decoded(&mut archive), expected()["rev7"], "{file}");
    }
}

#[test]
fn rev6_files_hold_the_expected_values() {
    let mut wanted = expected()["rev7"].clone();
    for key in ["backup_opts", "meta"] {
        wanted[key] = expected()["rev6_differs"][key].clone();
    }
    for (file, password, source_type) in [
        ("plain-rev6.iblfile", None, "plain-rev6"),
        ("aes256-rev6.iblfile", Some(PASSWORD), "aes256-rev6"),
    ] {
        let mut archive = open(file, password).unwrap();
        assert_eq!(archive.revision(), Revision::Rev6);
        assert_eq!(archive.container(), Container::Tar);
        assert_eq!(decoded(&mut archive), wanted, "{file}");
        assert_eq!(
            archive.read("sec/sourceType").unwrap(),
            expected()["rev6_differs"]["sec/sourceType"][source_type]
                .as_str()
                .unwrap()
                .as_bytes()
        );
    }
}

/// The original's reader keeps the first derived key and so fails on the second member.
#[test]
fn per_section_files_derive_a_key_per_member() {
    let mut archive = open("persection-aes256-rev7.iblfile", Some("secretpw")).unwrap();
    assert_eq!(archive.container(), Container::PerSection);
    assert_eq!(archive.encryption(), EncryptionKind::Aes256);
    assert_eq!(archive.read("greeting").unwrap(), b"hello");
    assert_eq!(
        archive.read("greeting").unwrap(),
        b"hello",
        "a second read yields it again"
    );
    assert_eq!(archive.meta().file_type, "testcli.test");
    assert_eq!(archive.meta().namespace_and_name(), ("testcli", "test"));
    assert_eq!(
        archive.meta().created_at.to_rfc3339(),
        "2023-11-14T22:13:20+00:00"
    );
    let sizes: Vec<u64> = archive
        .sections()
        .iter()
        .map(|section| section.size)
        .collect();
    assert_eq!(sizes[0], 5);
}

#[test]
fn gnu_headers_of_the_other_writer_are_read() {
    let mut archive = open("altwriter-plain-rev7.iblfile", None).unwrap();
    assert_eq!(archive.read("greeting").unwrap(), b"hello");
    assert_eq!(archive.meta().extra.len(), 0);
}

#[test]
fn other_passwords_are_wrong_and_none_is_missing() {
    for file in [
        "aes256-rev7.iblfile",
        "aes256-rev6.iblfile",
        "persection-aes256-rev7.iblfile",
    ] {
        assert!(
            matches!(error(open(file, Some("nope"))), Error::WrongPassword),
            "{file}"
        );
        assert!(
            matches!(error(open(file, None)), Error::PasswordRequired),
            "{file}"
        );
    }
    // Whether a file is encrypted is read from the file, not guessed from the password.
    assert!(open("plain-rev7.iblfile", Some("unneeded")).is_ok());
    assert!(open("plain-rev6.iblfile", Some("unneeded")).is_ok());
}

#[test]
fn damage_is_told_from_a_wrong_password() {
    for (file, password) in [
        ("plain-rev7.iblfile", None),
        ("aes256-rev7.iblfile", Some("also wrong")),
    ] {
        let mut damaged = bytes(file);
        damaged[4000] ^= 1;
        let result = Archive::open(Cursor::new(damaged), password, Limits::default());
        assert!(matches!(error(result), Error::Corrupt(_)), "{file}");
    }
    let mut damaged = bytes("aes256-rev6.iblfile");
    let at = damaged
        .windows(10)
        .position(|w| w == b"core/guild")
        .unwrap()
        + 600;
    damaged[at] ^= 1;
    let mut archive =
        Archive::open(Cursor::new(damaged), Some(PASSWORD), Limits::default()).unwrap();
    assert!(matches!(archive.read("core/guild"), Err(Error::Corrupt(_))));
}

#[test]
fn derived_keys_match_the_reference() {
    let stored = bytes("aes256-rev7.iblfile");
    let key = DerivedKey::derive(PASSWORD, stored[54..62].try_into().unwrap());
    assert_eq!(
        hex::encode(key.key()),
        expected()["aes256_rev7_derived_key_hex"]
    );
    assert_eq!(format!("{key:?}"), "DerivedKey(..)");
    assert_eq!(DerivedKey::from_bytes(&key.to_bytes()), Some(key));
    assert_eq!(DerivedKey::from_bytes(&[0; 39]), None);
    assert_eq!(
        hex::encode(Sha256::digest(PASSWORD)),
        expected()["aes256_rev6_key_hex"]
    );
}

#[test]
fn interned_strings_resolve_in_stream_order() {
    let example = &expected()["msgpack_interned_example"];
    let stream = hex::decode(example["hex"].as_str().unwrap()).unwrap();
    let value = decode(&stream).unwrap();
    assert_eq!(value.to_json(), example["value"]);
    assert_eq!(
        decode(&encode(&value)).unwrap(),
        value,
        "plain strings read the same"
    );
}

/// The same sections in the same order give the same bytes as the Go writer.
#[test]
fn writing_reproduces_the_original_byte_for_byte() {
    let mut archive = open("plain-rev7.iblfile", None).unwrap();
    let mut writer = Writer::new(Cursor::new(Vec::new()), Limits::default()).unwrap();
    for section in archive.sections() {
        if section.name == "meta" {
            continue;
        }
        let data = archive.read(&section.name).unwrap();
        if section.name == "core/guild" {
            writer.add_reader(&section.name, &data[..]).unwrap();
        } else {
            writer.add(&section.name, &data).unwrap();
        }
    }
    let written = writer
        .finish(archive.meta(), &Encryption::None)
        .unwrap()
        .into_inner();
    assert!(written == bytes("plain-rev7.iblfile"), "the files differ");
}

#[test]
fn encrypted_files_hold_the_plain_archive() {
    let mut archive = open("plain-rev7.iblfile", None).unwrap();
    let meta: Meta = archive.meta().clone();
    let key = DerivedKey::generate("s3cret");
    let mut writer = Writer::new(Cursor::new(Vec::new()), Limits::default()).unwrap();
    for section in archive
        .sections()
        .iter()
        .filter(|section| section.name != "meta")
    {
        writer
            .add(&section.name, &archive.read(&section.name).unwrap())
            .unwrap();
    }
    let written = writer
        .finish(&meta, &Encryption::Aes256(key))
        .unwrap()
        .into_inner();
    assert_eq!(
        written.len(),
        bytes("aes256-rev7.iblfile").len(),
        "36 bytes of overhead"
    );
    let mut again = Archive::open(
        Cursor::new(written.clone()),
        Some("s3cret"),
        Limits::default(),
    )
    .unwrap();
    assert_eq!(decoded(&mut again), expected()["rev7"]);
    let other = Archive::open(Cursor::new(written), Some("other"), Limits::default());
    assert!(matches!(error(other), Error::WrongPassword));
}
