//! What staff do in a day.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    MakeChannel,
    EditChannel,
    DeleteChannel,
    SetOverwrite,
    MakeRole,
    EditRole,
    DeleteRole,
    GiveRole,
    TakeRole,
    MakeWebhook,
    RenameWebhook,
    MakeInvite,
    DeleteInvite,
    MakeEmoji,
    DeleteEmoji,
    MakeEvent,
    EditEvent,
    CancelEvent,
    MakeThread,
    DeleteThread,
    MakeRule,
    EditRule,
    DeleteRule,
    Ban,
    Unban,
    Kick,
    TimeOut,
    Rename,
    DeleteMessage,
    Purge,
    Pin,
    Ping,
    EditServer,
    AddBot,
    SetUpOnboarding,
}

pub use Errand as E;

pub const MODERATORS_DAY: [(Errand, usize); 32] = [
    (E::MakeChannel, 6),
    (E::EditChannel, 20),
    (E::DeleteChannel, 2),
    (E::SetOverwrite, 12),
    (E::MakeRole, 3),
    (E::EditRole, 8),
    (E::DeleteRole, 1),
    (E::GiveRole, 50),
    (E::TakeRole, 20),
    (E::MakeWebhook, 2),
    (E::RenameWebhook, 2),
    (E::MakeInvite, 15),
    (E::DeleteInvite, 3),
    (E::MakeEmoji, 3),
    (E::DeleteEmoji, 3),
    (E::MakeEvent, 4),
    (E::EditEvent, 2),
    (E::CancelEvent, 2),
    (E::MakeThread, 15),
    (E::DeleteThread, 3),
    (E::MakeRule, 1),
    (E::EditRule, 2),
    (E::Ban, 8),
    (E::Unban, 3),
    (E::Kick, 4),
    (E::TimeOut, 30),
    (E::Rename, 12),
    (E::DeleteMessage, 50),
    (E::Purge, 5),
    (E::Pin, 10),
    (E::Ping, 2),
    (E::EditServer, 2),
];
pub const ADMINISTRATORS_BESIDE: [(Errand, usize); 3] =
    [(E::AddBot, 1), (E::SetUpOnboarding, 1), (E::DeleteRule, 1)];

/// All of it, one after the other in an order that is always the same and follows no rule.
pub fn shuffled(day: &[(Errand, usize)]) -> Vec<Errand> {
    let each = day
        .iter()
        .flat_map(|(errand, times)| std::iter::repeat_n(*errand, *times));
    let mut all: Vec<Errand> = each.collect();
    let mut number = 20_261_201_u64;
    for at in (1..all.len()).rev() {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        all.swap(at, (number >> 33) as usize % (at + 1));
    }
    all
}
