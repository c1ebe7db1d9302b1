//! Small talk, the same every time.

const OPENINGS: &[&str] = &[
    "Has anyone tried",
    "I finally finished",
    "Who wants to join",
    "Remember to check",
    "We should talk about",
    "Just saw",
    "Quick question about",
    "Thanks for helping with",
    "Tomorrow we start",
    "I made a draft of",
];
const THINGS: &[&str] = &[
    "the harbour map",
    "the new playlist",
    "our winter event",
    "the backup drill",
    "the blue lighthouse build",
    "the reading list",
    "the screenshot contest",
    "the voice channel test",
    "the recipe thread",
    "the naming vote",
    "the speedrun rules",
];
const CLOSINGS: &[&str] = &[
    "?",
    " already.",
    " before Friday.",
    ", it looks great!",
    " — thoughts?",
    ", see the pinned post.",
    " 🎉",
];

/// A sentence.
pub(super) fn sentence(n: u64) -> String {
    let pick = |list: &[&'static str], salt: u64| {
        let mixed = (n + 1)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(17 + salt as u32)
            ^ salt;
        list[(mixed % list.len() as u64) as usize]
    };
    format!(
        "{} {}{}",
        pick(OPENINGS, 1),
        pick(THINGS, 2),
        pick(CLOSINGS, 3)
    )
}
