//! Who may run which command: the kittycat permission language, checks of commands, and the rules
//! that turn given facts into one result.
//!
//! Everything is a function of its arguments. There is no I/O, no cache and no Discord type in
//! here; whoever calls gathers the facts and denies when it cannot.

pub mod checks;
pub mod command;
pub mod edit;
pub mod kittycat;
pub mod modifier;
pub mod native;
pub mod result;
pub mod walk;

pub use checks::{PermissionCheck, PermissionChecks};
pub use command::{CheckOptions, CommandRequest, MemberFacts, ModuleFacts, check_command};
pub use kittycat::{Permission, has_perm};
pub use modifier::Modifier;
pub use native::NativePermissions;
pub use result::PermissionResult;
pub use walk::{CommandConfiguration, CommandExtendedData, ExtendedData, ModuleConfiguration};
