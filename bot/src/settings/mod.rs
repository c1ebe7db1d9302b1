//! What guilds can set, as data: a module declares a [`Setting`], and everything else follows from
//! it: slash commands, the settings operation of the IServer, checks of what is entered, history
//! and rollback. [`crate::configuration`] is where changes are made.

mod declaration;
mod forms;
mod judge;
mod values;
pub mod words;
mod wrong;

pub use declaration::{Column, Format, Kind, Setting, SettingMistake};
pub use forms::{interval, moment};
pub use judge::{Actor, Commands, Draft, EntryChange, Gravity, GuildRows, Rules, Toggles, Weaker};
pub use splashtail_api_types::settings::{Fields, Operation};
pub use wrong::{Check, Rule, Shape, Why, Wrong};
