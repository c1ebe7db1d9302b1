//! What the sources of the bot say: a look at their literals, for the tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Calls, macros and attributes (`#`) around a literal that no user reads, or that is the English of a
/// declaration, which the catalogue has in other languages.
const UNREAD: &[&str] = &[
    "#",
    "About::new",
    "Column::new",
    "Task::new",
    "anyhow!",
    "asked",
    "asked_by",
    "bail!",
    "command",
    "concat!",
    "context",
    "counter!",
    "debug!",
    "debug_struct",
    "delete",
    "env!",
    "error!",
    "extended",
    "gauge!",
    "histogram!",
    "include_str!",
    INDEX,
    "info!",
    KEY,
    "log",
    "may",
    "permission",
    "permissions",
    "set",
    "set_policy",
    "text!",
    "warn!",
    "with_context",
];

/// Around the name of a field that is looked up, and around one that is given a value.
const INDEX: &str = "[]";
const KEY: &str = ":";

/// A file of the bot, without its tests.
pub struct Source {
    /// Below `src`.
    pub path: String,
    text: String,
}

struct Literal {
    text: String,
    /// Names of all calls, macros and attributes around it, the innermost last.
    around: Vec<String>,
    /// What comes behind it in the innermost one.
    behind: String,
}

/// A bracket that is open, with what stood before it and the literals directly in it.
#[derive(Default)]
struct Open {
    name: String,
    /// By place, and where each ends.
    literals: Vec<(usize, usize)>,
}

pub fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    found
}

fn collect(root: &Path, directory: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
            continue;
        }
        let name = path.strip_prefix(root).unwrap().to_str().unwrap();
        let is_test = name.ends_with("tests.rs") || name.contains("tests/");
        if !name.ends_with(".rs") || is_test || name.starts_with("catalogue/") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let end = text.find("#[cfg(test)]\nmod tests {");
        found.push(Source {
            path: name.to_owned(),
            text: text[..end.unwrap_or(text.len())].to_owned(),
        });
    }
}

impl Source {
    /// Keys that are said here, with the names of what they are filled with.
    pub fn said(&self) -> Vec<(String, BTreeSet<String>)> {
        let literals = self.literals().into_iter();
        let said = literals.filter(|l| l.around.last().is_some_and(|name| last(name) == "text!"));
        // A literal that fills a placeholder stands behind a `=`.
        let keys = said.filter(|l| l.text.contains('-') && !l.text.contains(' '));
        keys.map(|literal| (literal.text, names(&literal.behind)))
            .collect()
    }

    /// Literals that look like something to be read.
    pub fn prose(&self) -> Vec<String> {
        let literals = self.literals().into_iter();
        let read = literals.filter(|literal| {
            let unread =
                |name: &String| UNREAD.contains(&name.as_str()) || UNREAD.contains(&last(name));
            !literal.around.iter().any(unread) && is_prose(&literal.text)
        });
        read.map(|literal| literal.text).collect()
    }

    fn literals(&self) -> Vec<Literal> {
        let text: Vec<char> = self.text.chars().collect();
        let mut found = Vec::<Literal>::new();
        let (mut open, mut word, mut at) = (vec![Open::default()], String::new(), 0);
        while let [letter, rest @ ..] = &text[at..] {
            at += match (letter, rest) {
                ('/', ['/', ..]) => {
                    let line = rest.iter().position(|c| *c == '\n');
                    line.map_or(rest.len() + 1, |end| end + 1)
                }
                // A character, no lifetime.
                ('\'', ['\\', _, '\'', ..]) => 4,
                ('\'', [_, '\'', ..]) => 3,
                ('"', _) => {
                    let mut length = 0;
                    while rest.get(length).is_some_and(|c| *c != '"') {
                        let escapes = rest[length] == '\\' && word != "r";
                        length += if escapes { 2 } else { 1 };
                    }
                    let end = at + length + 2;
                    if let Some(open) = open.last_mut() {
                        open.literals.push((found.len(), end));
                    }
                    let mut around: Vec<_> = open.iter().map(|open| open.name.clone()).collect();
                    if text.get(end) == Some(&':') {
                        around.push(KEY.to_owned());
                    }
                    found.push(Literal {
                        text: rest.iter().take(length).collect(),
                        around,
                        behind: String::new(),
                    });
                    word.clear();
                    length + 2
                }
                ('(' | '[' | '{', _) => {
                    let mut name = std::mem::take(&mut word);
                    let before = at.checked_sub(1).map(|before| text[before]);
                    let indexes = |c: char| c.is_alphanumeric() || matches!(c, '_' | ']' | ')');
                    if *letter == '[' && before.is_some_and(indexes) {
                        INDEX.clone_into(&mut name);
                    }
                    open.push(Open {
                        name,
                        literals: Vec::new(),
                    });
                    1
                }
                (')' | ']' | '}', _) => {
                    let closed = open.pop().unwrap_or_default();
                    for (literal, end) in closed.literals {
                        found[literal].behind = text[end..at].iter().collect();
                    }
                    word.clear();
                    1
                }
                (c, _) if c.is_alphanumeric() || matches!(c, '_' | '!' | '#' | ':') => {
                    word.push(*c);
                    1
                }
                _ => {
                    word.clear();
                    1
                }
            };
        }
        found
    }
}

/// Without the modules before it.
fn last(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or(name)
}

/// `number` and `of` in `, number = 1, of = f(2, 3)`.
fn names(behind: &str) -> BTreeSet<String> {
    let (mut names, mut depth, mut part) = (BTreeSet::new(), 0, String::new());
    let mut note = |part: &mut String| {
        if let Some((name, _)) = part.split_once('=') {
            names.insert(name.trim().to_owned());
        }
        part.clear();
    };
    for letter in behind.chars() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                note(&mut part);
                continue;
            }
            _ => {}
        }
        part.push(letter);
    }
    note(&mut part);
    names
}

/// Several words, or one that is written large.
fn is_prose(literal: &str) -> bool {
    let mut bare = String::new();
    let mut depth = 0;
    for letter in literal.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            letter if depth == 0 => bare.push(letter),
            _ => {}
        }
    }
    // A word in capitals is one of Discord's.
    let is_word = |word: &&str| {
        let letters = word.trim_matches(|c: char| !c.is_alphabetic());
        let alphabetic = letters.chars().all(char::is_alphabetic);
        letters.chars().count() >= 2 && alphabetic && letters.chars().any(char::is_lowercase)
    };
    let words: Vec<&str> = bare.split_whitespace().filter(is_word).collect();
    match words[..] {
        [] => false,
        [word] => word.starts_with(char::is_uppercase) && word.len() > 2,
        _ => true,
    }
}

#[test]
fn what_is_said_and_what_is_prose() {
    let text = r##"
        // "A comment is nothing"
        #[description = "An attribute neither"]
        fn f<'a>(cx: &'a str) -> String {
            warn!(error = %g("x"), "a log is nothing");
            let quoted = text!(cx, "some-key", name = h(1, "inner-key"), other = ['"'; 2]);
            let value = json!({"A key": row["Field"], "title": "The title"});
            say("Here is prose").label("Stop").id("an:{verb}").sum(format!("{a}: {b}"))
        }
    "##;
    let source = Source {
        path: String::new(),
        text: text.to_owned(),
    };
    assert_eq!(source.prose(), ["The title", "Here is prose", "Stop"]);
    let names = ["name", "other"].map(str::to_owned).into_iter().collect();
    assert_eq!(source.said(), [("some-key".to_owned(), names)]);
}
