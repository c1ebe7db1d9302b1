//! The engine against raids: whether those who come are a crowd or an attack, and who of them belongs
//! to it.
//!
//! Pure: no I/O, no clock, no randomness. [`Engine`] is one server's; it is told who came ([`Arrival`])
//! and what they did, and when by Discord's own clock, and answers with [`Effect`]s as plain values.
//! Whoever carries them out tells how it went. What was told may be told again, and later than
//! something that came after it; everything that grows has a bound.

mod arrival;
mod baseline;
mod chance;
mod cohort;
mod detector;
mod engine;
mod family;
mod moment;
mod name;
mod policy;
mod ring;
mod shares;
mod stream;
mod wave;

pub use arrival::{Arrival, Exempt, short};
pub use baseline::Baseline;
pub use cohort::{Reason, Standing};
pub use detector::{Grade, Verdict};
pub use engine::{Answer, Command, Effect, Ended, Engine, MOST_PEOPLE, Saved};
pub use family::{Evidence, Family};
pub use moment::{DAY, HOUR, MINUTE, Moment, SECOND};
pub use name::Name;
pub use policy::{Expected, Mode, Policy};
pub use stream::StreamKind;
pub use wave::{Fate, Order, Person, Phase, Step, Wave};
