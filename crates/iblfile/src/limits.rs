/// Bounds applied while reading and writing, so that a hostile file cannot exhaust memory.
///
/// Of a full-file container, encrypted or not, no more than one section is in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest container, in bytes.
    pub max_total: u64,
    /// Largest single member, in bytes.
    pub max_member: u64,
    /// Most members, duplicates included.
    pub max_members: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_total: 1 << 30,
            max_member: 512 << 20,
            max_members: 100_000,
        }
    }
}

impl Limits {
    /// Limits with the given total; a member may be as large as the whole.
    pub fn with_total(max_total: u64) -> Self {
        Self {
            max_total,
            max_member: max_total,
            ..Self::default()
        }
    }
}
