//! The kittycat language: permissions, holding, resolution of positions, and edits.

mod holding;
mod member;
mod patch;
mod permission;
mod resolve;

pub use holding::has_perm;
pub use member::{MemberPermissions, MemberStanding};
pub use patch::{PatchError, check_clear, check_patch_changes, check_role_edit};
pub use permission::{CLEAR, GLOBAL, InvalidPermission, Permission, WILDCARD};
pub use resolve::{Position, resolve};
