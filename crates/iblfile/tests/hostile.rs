//! Damaged, truncated, oversized and unregistered files.

#![allow(clippy::unwrap_used)]

use std::io::Cursor;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use splashtail_iblfile::msgpack::{Value, decode, encode};
use splashtail_iblfile::{
    Archive, DerivedKey, Encryption, Error, FileType, Limits, Meta, Writer, block,
};

fn created_at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

fn file_of(file_type: FileType, encryption: &Encryption) -> Vec<u8> {
    let mut writer = Writer::new(Cursor::new(Vec::new()), Limits::default()).unwrap();
    writer.add("greeting", b"hello").unwrap();
    writer
        .add("messages/1", &encode(&Value::from(vec![Value::UInt(1)])))
        .unwrap();
    writer
        .finish(&Meta::new(file_type, created_at()), encryption)
        .unwrap()
        .into_inner()
}

fn open(bytes: Vec<u8>, password: Option<&str>, limits: Limits) -> Result<(), Error> {
    let mut archive = Archive::open(Cursor::new(bytes), password, limits)?;
    for section in archive.sections() {
        archive.read(&section.name)?;
    }
    Ok(())
}

#[test]
fn any_flipped_byte_is_damage() {
    let plain = file_of(FileType::SERVER_BACKUP, &Encryption::None);
    let key = DerivedKey::derive("pw", *b"saltsalt");
    let sealed = file_of(FileType::SERVER_BACKUP, &Encryption::Aes256(key));
    for (file, password) in [(plain, None), (sealed, Some("pw"))] {
        for at in 0..file.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = file.clone();
                damaged[at] ^= flip;
                let error = open(damaged, password, Limits::default()).unwrap_err();
                assert!(matches!(error, Error::Corrupt(_)), "byte {at}: {error}");
            }
        }
    }
}

#[test]
fn every_truncation_fails_cleanly() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    for name in [
        "plain-rev7.iblfile",
        "plain-rev6.iblfile",
        "aes256-rev7.iblfile",
        "aes256-rev6.iblfile",
        "altwriter-plain-rev7.iblfile",
        "persection-aes256-rev7.iblfile",
    ] {
        let file = std::fs::read(directory.join(name)).unwrap();
        for len in 0..file.len() {
            let error = open(file[..len].to_vec(), Some("any"), Limits::default()).unwrap_err();
            assert!(
                matches!(error, Error::Corrupt(_)),
                "{name} at {len}: {error}"
            );
        }
    }
}

/// The original's open path checked neither type nor version.
#[test]
fn type_version_and_protocol_are_checked() {
    let unknown = FileType {
        name: "backup.planet",
        version: "a1",
    };
    let error = open(file_of(unknown, &Encryption::None), None, Limits::default()).unwrap_err();
    assert!(matches!(error, Error::UnknownType { .. }), "{error}");
    let newer = FileType {
        name: "backup.server",
        version: "z9",
    };
    let error = open(file_of(newer, &Encryption::None), None, Limits::default()).unwrap_err();
    assert!(matches!(error, Error::UnknownType { .. }), "{error}");

    let mut meta = Meta::new(FileType::SERVER_BACKUP, created_at());
    meta.protocol = "frostpaw-rev6".into();
    let writer = Writer::new(Cursor::new(Vec::new()), Limits::default()).unwrap();
    let file = writer
        .finish(&meta, &Encryption::None)
        .unwrap()
        .into_inner();
    let error = open(file, None, Limits::default()).unwrap_err();
    assert!(matches!(error, Error::UnsupportedProtocol(_)), "{error}");
}

#[test]
fn limits_hold_for_reading_and_writing() {
    let file = file_of(FileType::SERVER_BACKUP, &Encryption::None);
    for limits in [
        Limits {
            max_total: 100,
            ..Limits::default()
        },
        Limits {
            max_member: 4,
            ..Limits::default()
        },
        Limits {
            max_members: 2,
            ..Limits::default()
        },
    ] {
        let error = open(file.clone(), None, limits).unwrap_err();
        assert!(
            matches!(error, Error::TooLarge { .. }),
            "{limits:?}: {error}"
        );
    }
    let limits = Limits {
        max_total: 2000,
        max_member: 600,
        max_members: 3,
    };
    let mut writer = Writer::new(Cursor::new(Vec::new()), limits).unwrap();
    assert!(matches!(
        writer.add("a", &[0; 601]),
        Err(Error::TooLarge { .. })
    ));
    assert!(matches!(
        writer.add_reader("a", &[0; 601][..]),
        Err(Error::TooLarge { .. })
    ));
    writer.add_reader("a", &[1; 600][..]).unwrap();
    assert!(matches!(
        writer.add("b", &[0; 600]),
        Err(Error::TooLarge { .. })
    ));
    assert!(matches!(
        writer.add("a", b"again"),
        Err(Error::BadSectionName(_))
    ));
    for name in ["meta", "sec/x", "", "/abs", "a/../b", "nul\0", "dir/"] {
        assert!(
            matches!(writer.add(name, b""), Err(Error::BadSectionName(_))),
            "{name:?}"
        );
    }
}

/// Files written by hand: the last of several members of one name counts.
#[test]
fn the_last_duplicate_wins() {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, data) in [
        ("a", &b"old"[..]),
        ("sec/sourceType", b"noencryption"),
        ("meta", br#"{"c":"2024-01-20T12:00:00+02:00","p":"frostpaw-rev6","v":"1","t":"testcli.test","x":1,"m":null}"#),
        ("a", b"new"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_cksum();
        builder.append_data(&mut header, name, data).unwrap();
    }
    let file = builder.into_inner().unwrap();
    let mut archive = Archive::open(Cursor::new(file), None, Limits::default()).unwrap();
    assert_eq!(archive.read("a").unwrap(), b"new");
    assert_eq!(archive.sections().len(), 3);
    assert!(matches!(archive.read("b"), Err(Error::NoSuchSection(_))));
}

#[test]
fn what_only_claims_to_be_for_a_private_key_is_damaged() {
    for count in [0, 33, 255] {
        let mut file = file_of(FileType::TEST, &Encryption::None);
        file[38..54].copy_from_slice(b"pem$$$$$$$$$$$$$");
        file[54] = count;
        let digest = Sha256::digest(&file[54..]);
        file[6..38].copy_from_slice(&digest);
        let error = open(file, Some("a key"), Limits::default()).unwrap_err();
        assert!(matches!(error, Error::Corrupt(_)), "{count}: {error}");
    }
}

#[test]
fn single_blocks_seal_and_open() {
    let key = DerivedKey::derive("pw", *b"12345678");
    let sealed = block::seal(b"page".to_vec(), &Encryption::Aes256(key.clone())).unwrap();
    assert!(!sealed.windows(4).any(|window| window == b"page"));
    assert_eq!(block::open(sealed.clone(), Some(&key)).unwrap(), b"page");
    assert!(matches!(
        block::open(sealed.clone(), None),
        Err(Error::PasswordRequired)
    ));
    let other = DerivedKey::derive("other", *b"12345678");
    assert!(matches!(
        block::open(sealed, Some(&other)),
        Err(Error::WrongPassword)
    ));
    let plain = block::seal(b"page".to_vec(), &Encryption::None).unwrap();
    assert_eq!(block::open(plain, Some(&key)).unwrap(), b"page");
}

/// Three bytes per reference to a long string: the expansion is bounded.
#[test]
fn string_references_cannot_explode() {
    let mut stream = vec![0xdd];
    stream.extend_from_slice(&200_001_u32.to_be_bytes());
    stream.extend_from_slice(&encode(&Value::from("x".repeat(100_000))));
    for _ in 0..200_000 {
        stream.extend_from_slice(&[0xd4, 0x80, 0]);
    }
    assert!(matches!(decode(&stream), Err(Error::TooLarge { .. })));
    assert!(decode(&[0x91; 200]).is_err(), "nesting is bounded");
    assert!(
        decode(&[0xdd, 0xff, 0xff, 0xff, 0xff]).is_err(),
        "declared lengths are not trusted"
    );
    assert!(decode(&[0xd4, 0x80, 0]).is_err(), "dangling reference");
    assert!(decode(&[0xc0, 0xc0]).is_err(), "trailing data");
}

fn value() -> impl Strategy<Value = Value> {
    let time = (-62_135_596_800_i64..=253_402_300_799, 0_u32..1_000_000_000)
        .prop_map(|(s, ns)| Value::Time(DateTime::from_timestamp(s, ns).unwrap()));
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<u64>().prop_map(Value::UInt),
        (i64::MIN..0).prop_map(Value::Int),
        any::<f64>()
            .prop_filter("comparable", |f| !f.is_nan())
            .prop_map(Value::F64),
        any::<f32>()
            .prop_filter("comparable", |f| !f.is_nan())
            .prop_map(Value::F32),
        ".{0,40}".prop_map(|text| Value::Str(Arc::from(text))),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bin),
        (0_i8..=127, proptest::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(kind, data)| Value::Ext(kind, data)),
        time,
    ];
    leaf.prop_recursive(4, 64, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20).prop_map(Value::Array),
            proptest::collection::vec((inner.clone(), inner), 0..20).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #[test]
    fn the_decoder_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn values_round_trip(value in value()) {
        prop_assert_eq!(decode(&encode(&value)).unwrap(), value);
    }

    #[test]
    fn opening_never_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        magic in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if magic && bytes.len() > 6 {
            bytes[..6].copy_from_slice(b"iblaef");
        }
        prop_assert!(open(bytes, Some("x"), Limits::default()).is_err());
    }

    #[test]
    fn damaged_tar_headers_never_panic(at in 54_usize..3000, to in any::<u8>()) {
        let mut file = file_of(FileType::TEST, &Encryption::None);
        let at = at.min(file.len() - 1);
        file[at] = to;
        // Without the block around it, so that the checksum does not catch it first.
        let _ = open(file[54..].to_vec(), None, Limits::default());
    }
}
