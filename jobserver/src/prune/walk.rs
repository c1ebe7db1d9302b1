//! Which page to look through next, and how much of it may go. Pure, as the walk of a backup is:
//! the same answers lead to the same requests.

use splashtail_core::ids::MessageId;

use crate::backup::allocate::Share;

/// Pages that are looked through in one channel: ten thousand messages.
const MOST_PAGES: u32 = 100;

/// A page to look through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// Index of the share.
    pub share: usize,
    /// Number of the page within its channel, from 0.
    pub page: u32,
    /// Where the page before ended.
    pub before: Option<MessageId>,
    /// How many messages of it may go.
    pub grant: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Every share as allocated.
    Allocated,
    /// Channels that got nothing, out of what others left.
    Empty,
    /// Channels with older messages, out of what is still left.
    Older,
    Done,
}

#[derive(Debug, Clone, Default)]
struct Progress {
    pages: u32,
    before: Option<MessageId>,
    /// Nothing older is wanted, or can be had.
    closed: bool,
}

#[derive(Debug)]
pub struct Walk {
    shares: Vec<Share>,
    progress: Vec<Progress>,
    phase: Phase,
    at: usize,
    /// What the present channel may still lose in this phase.
    grant: Option<u32>,
    /// Of the maximum.
    unused: u32,
    per_channel: u32,
    rollover: bool,
}

impl Walk {
    pub fn new(shares: Vec<Share>, most: u32, per_channel: u32, rollover: bool) -> Self {
        Self {
            progress: vec![Progress::default(); shares.len()],
            shares,
            phase: Phase::Allocated,
            at: 0,
            grant: None,
            unused: most,
            per_channel,
            rollover,
        }
    }

    pub fn share(&self, at: usize) -> &Share {
        &self.shares[at]
    }

    /// The next page, or `None` at the end. Asking again without an answer gives the same one.
    pub fn next_page(&mut self) -> Option<PageRequest> {
        while self.phase != Phase::Done {
            if self.at == self.shares.len() {
                self.at = 0;
                self.phase = match self.phase {
                    Phase::Allocated if self.rollover => Phase::Empty,
                    Phase::Empty => Phase::Older,
                    _ => Phase::Done,
                };
                continue;
            }
            let share = &self.shares[self.at];
            let grant = *self.grant.get_or_insert_with(|| match self.phase {
                Phase::Allocated => share.messages,
                Phase::Empty if share.messages == 0 && !share.special => {
                    self.per_channel.min(self.unused)
                }
                Phase::Older if !share.special => self.unused,
                _ => 0,
            });
            let progress = &self.progress[self.at];
            if grant == 0 || progress.closed || progress.pages == MOST_PAGES {
                self.at += 1;
                self.grant = None;
                continue;
            }
            return Some(PageRequest {
                share: self.at,
                page: progress.pages,
                before: progress.before,
                grant,
            });
        }
        None
    }

    /// Records what a page came to: how many of it were taken, where to go on, and whether there
    /// is anything behind it.
    pub fn record(
        &mut self,
        request: &PageRequest,
        taken: u32,
        before: Option<MessageId>,
        ended: bool,
    ) {
        let progress = &mut self.progress[request.share];
        progress.pages += 1;
        progress.before = before.or(progress.before);
        progress.closed |= ended || before.is_none();
        self.unused = self.unused.saturating_sub(taken);
        self.grant = self.grant.map(|grant| grant.saturating_sub(taken));
    }

    /// What was to be taken of it was not: the rest of the channel is left alone.
    pub fn close(&mut self, share: usize, returned: u32) {
        self.progress[share].closed = true;
        self.unused = self.unused.saturating_add(returned);
    }
}

#[cfg(test)]
mod tests {
    use splashtail_core::ids::ChannelId;

    use super::*;
    use crate::backup::allocate::Candidate;

    fn share(id: u64, messages: u32, special: bool) -> Share {
        let channel = Candidate {
            id: ChannelId::new(id).unwrap(),
            name: String::new(),
            parent: None,
            silent: false,
        };
        Share {
            channel,
            messages,
            special,
        }
    }

    fn message(id: u64) -> Option<MessageId> {
        MessageId::new(id)
    }

    /// A page without a match ended the channel, and one page was read at most.
    #[test]
    fn a_page_without_a_match_is_followed_by_the_next() {
        let mut walk = Walk::new(vec![share(1, 10, false)], 10, 10, false);
        let first = walk.next_page().unwrap();
        assert_eq!((first.page, first.before, first.grant), (0, None, 10));
        walk.record(&first, 0, message(900), false);
        let second = walk.next_page().unwrap();
        assert_eq!(
            (second.page, second.before, second.grant),
            (1, message(900), 10)
        );
        walk.record(&second, 4, message(800), false);
        assert_eq!(walk.next_page().unwrap().grant, 6);
        let third = walk.next_page().unwrap();
        walk.record(&third, 2, message(700), true);
        assert_eq!(walk.next_page(), None, "what is older is not wanted");
    }

    #[test]
    fn what_is_left_goes_on_to_others_within_the_maximum() {
        let shares = vec![share(1, 10, false), share(2, 5, true), share(3, 0, false)];
        let mut walk = Walk::new(shares, 15, 10, true);
        let page = walk.next_page().unwrap();
        walk.record(&page, 3, message(50), true);
        let page = walk.next_page().unwrap();
        assert_eq!((page.share, page.grant), (1, 5));
        walk.record(&page, 5, message(60), false);
        let page = walk.next_page().unwrap();
        assert_eq!((page.share, page.grant), (2, 7), "what the first left");
        walk.record(&page, 7, message(70), false);
        assert_eq!(walk.next_page(), None);
    }

    #[test]
    fn a_refused_channel_gives_its_share_back() {
        let shares = vec![share(1, 10, false), share(2, 0, false)];
        let mut walk = Walk::new(shares, 10, 10, true);
        let page = walk.next_page().unwrap();
        walk.record(&page, 10, message(50), false);
        walk.close(0, 10);
        assert_eq!(
            walk.next_page().map(|page| (page.share, page.grant)),
            Some((1, 10))
        );
    }

    #[test]
    fn a_channel_without_matches_ends() {
        let mut walk = Walk::new(vec![share(1, 1, false)], 1, 1, false);
        let mut pages = 0;
        while let Some(page) = walk.next_page() {
            walk.record(&page, 0, message(1_000_000 - u64::from(pages)), false);
            pages += 1;
        }
        assert_eq!(pages, MOST_PAGES);
    }
}
