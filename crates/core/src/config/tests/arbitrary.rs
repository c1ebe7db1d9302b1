//! The loader answers every input.

use proptest::prelude::*;

use super::*;

/// Text made of pieces that mean something to YAML or to us.
fn pieces() -> impl Strategy<Value = String> {
    let keys: Vec<String> = schema::keys()
        .flat_map(|(path, _)| path.split('.').map(str::to_owned).collect::<Vec<_>>())
        .chain(["staging", "prod", "api", "bot"].map(str::to_owned))
        .collect();
    let piece = prop_oneof![
        prop::sample::select(keys),
        prop::sample::select(
            [
                ":",
                ": ",
                "\n",
                "\n  ",
                "\n    ",
                "- ",
                "{",
                "}",
                "[",
                "]",
                ", ",
                "\"",
                "'",
                "${X}",
                "file:/",
                "&a ",
                "*a",
                "<<: *a",
                "!t ",
                "|\n",
                "~",
                "0",
                "-1",
                "65535",
                "1e9",
                "849331145862283275",
                "http://h",
                "#",
                "\t",
                "\u{0}",
                "é"
            ]
            .map(str::to_owned)
            .to_vec()
        ),
        ".{0,8}",
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("~".to_owned()),
        Just("[1, {a: b}]".to_owned()),
        Just("{staging: {x: 1}, prod: [2]}".to_owned()),
        Just("{staging: , other: }".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        "[a-z:/.@$0-9{}]{0,20}".prop_map(|text| format!("'{text}'")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_text_never_panics(text in pieces()) {
        let place = Place::with(&text);
        for component in [Component::All, Component::Webserver] {
            if let Err(error) = place.load_as(component) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }

    #[test]
    fn arbitrary_values_of_known_keys_never_panic(
        entries in prop::collection::vec((0..schema::keys().count(), value()), 0..8)
    ) {
        let mut text = String::new();
        for (index, value) in entries {
            let (path, _) = schema::keys().nth(index).unwrap();
            let mut indent = 0;
            for part in path.split('.') {
                text.push_str(&format!("\n{:indent$}{part}:", ""));
                indent += 2;
            }
            text.push_str(&format!(" {value}"));
        }
        let place = Place::with(&text);
        if let Ok(loaded) = place.load_as(Component::All) {
            // Whatever was accepted survives the way to the children.
            place.write("again.yaml", &loaded.config.to_yaml());
            let options = LoadOptions { path: Some("again.yaml".into()), ..LoadOptions::default() };
            let again = place.load(&options).unwrap();
            prop_assert_eq!(format!("{:?}", again.config), format!("{:?}", loaded.config));
        }
    }
}
