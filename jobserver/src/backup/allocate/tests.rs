use super::*;
use chrono::DateTime;
use serde_json::json;

const READ: u64 = bits::VIEW_CHANNEL | bits::READ_MESSAGE_HISTORY;

fn channel(id: u64) -> ChannelId {
    ChannelId::new(id).unwrap()
}

fn subject(everyone: u64) -> Subject {
    let guild = json!({"id": "1", "owner_id": "2",
                       "roles": [{"id": "1", "permissions": everyone.to_string()}]});
    let member = json!({"user": {"id": "3"}, "roles": []});
    Subject::new(&guild, &member, DateTime::UNIX_EPOCH).unwrap()
}

fn options(max_messages: u32, per_channel: u32) -> Options {
    Options {
        max_messages,
        per_channel,
        rollover_leftovers: true,
        ..Options::default()
    }
}

fn shares(survey: &Survey, options: &Options) -> Vec<(u64, u32)> {
    allocate(survey, &[], options)
        .unwrap()
        .iter()
        .map(|share| (share.channel.id.get(), share.messages))
        .collect()
}

fn text_channels(count: u64) -> Survey {
    let channels: Vec<Value> = (0..count)
        .map(|n| json!({"id": (10 + n).to_string(), "type": 0, "position": n}))
        .collect();
    survey(&channels, &[], &subject(READ))
}

/// Reads everything from channels that hold so many messages; message ids fall from 10,000.
/// Checks on the way that no message is read twice and no limit is out of range.
fn collect(survey: &Survey, options: &Options, held: &[(u64, u32)]) -> Vec<(u64, u32)> {
    let mut walk = Collection::new(allocate(survey, &[], options).unwrap(), options);
    let mut seen = HashSet::new();
    let mut requests = 0;
    while let Some(request) = walk.next_page() {
        requests += 1;
        assert!(requests < 1000, "the walk does not end");
        assert!((1..=PAGE).contains(&request.limit), "{request:?}");
        let id = walk.shares()[request.share].channel.id.get();
        let held = held
            .iter()
            .find(|(channel, _)| *channel == id)
            .map_or(0, |(_, n)| *n);
        let newest = u64::from(held);
        let from = request.before.map_or(newest, |before| before.get() - 1);
        let count = request.limit.min(u32::try_from(from).unwrap());
        for message in (from - u64::from(count) + 1)..=from {
            assert!(
                seen.insert((id, message)),
                "message {message} of {id} twice"
            );
        }
        let oldest = MessageId::new(from - u64::from(count) + 1).filter(|_| count > 0);
        walk.record(&request, count, oldest);
    }
    walk.shares()
        .iter()
        .enumerate()
        .map(|(at, share)| (share.channel.id.get(), walk.collected(at)))
        .collect()
}

#[test]
fn candidates_come_in_guild_order_with_their_threads() {
    let channels = [
        json!({"id": "30", "type": 0, "position": 5, "parent_id": "90"}),
        json!({"id": "90", "type": 4, "position": 1}),
        json!({"id": "80", "type": 4, "position": 0}),
        json!({"id": "31", "type": 0, "position": 1, "parent_id": "90"}),
        json!({"id": "32", "type": 15, "position": 9, "parent_id": "80"}),
        json!({"id": "33", "type": 5, "position": 7}),
    ];
    let thread = |id: u64, parent: u64, archived: bool| {
        json!({"id": id.to_string(), "parent_id": parent.to_string(), "type": 11,
               "thread_metadata": {"archived": archived}})
    };
    let threads = [
        thread(52, 32, true),
        thread(51, 32, false),
        thread(50, 32, true),
        thread(40, 31, false),
        thread(49, 32, false),
        thread(49, 32, false),
    ];
    let found = survey(&channels, &threads, &subject(READ));
    let order: Vec<u64> = found.candidates.iter().map(|c| c.id.get()).collect();
    assert_eq!(order, [33, 49, 51, 50, 52, 31, 40, 30]);
    assert_eq!(
        found.omitted[&channel(32)].why,
        Passed::Kind,
        "a forum has no messages of its own"
    );
}

#[test]
fn reading_needs_history_and_voice_needs_connect() {
    let channels = [
        json!({"id": "10", "type": 0}),
        json!({"id": "11", "type": 2}),
        json!({"id": "12", "type": 0, "permission_overwrites": [
            {"id": "1", "type": 0, "deny": bits::READ_MESSAGE_HISTORY.to_string(), "allow": "0"}]}),
    ];
    let order = |granted| -> Vec<u64> {
        let found = survey(&channels, &[], &subject(granted));
        found.candidates.iter().map(|c| c.id.get()).collect()
    };
    assert_eq!(order(READ), [10]);
    assert_eq!(order(READ | bits::CONNECT), [10, 11]);
    assert!(order(bits::VIEW_CHANNEL).is_empty());
}

/// 150 per channel at a maximum of 500 gave 600.
#[test]
fn the_last_share_is_clamped() {
    let found = text_channels(5);
    assert_eq!(
        shares(&found, &options(500, 150)),
        [(10, 150), (11, 150), (12, 150), (13, 50), (14, 0)]
    );
}

/// Once the maximum was reached, channels with a special allocation were reset to 0.
#[test]
fn special_allocations_come_first_and_stay() {
    let found = text_channels(4);
    let mut options = options(300, 100);
    options.special_allocations = [(channel(13), 250), (channel(11), 0)].into();
    assert_eq!(
        shares(&found, &options),
        [(10, 50), (11, 0), (12, 0), (13, 250)]
    );
    options.special_allocations = [(channel(12), 200), (channel(13), 300)].into();
    assert_eq!(
        shares(&found, &options),
        [(10, 0), (11, 0), (12, 200), (13, 100)]
    );
}

#[test]
fn special_allocations_must_be_readable_channels() {
    let channels = [
        json!({"id": "10", "type": 15}),
        json!({"id": "11", "type": 0, "permission_overwrites": [
            {"id": "1", "type": 0, "deny": bits::VIEW_CHANNEL.to_string(), "allow": "0"}]}),
        json!({"id": "12", "type": 0}),
    ];
    let found = survey(&channels, &[], &subject(READ));
    let with = |id| {
        let mut options = options(500, 100);
        options.special_allocations = [(channel(id), 5)].into();
        allocate(&found, &[], &options).unwrap_err()
    };
    assert_eq!(with(10), AllocationError::Kind(channel(10)));
    assert_eq!(with(11), AllocationError::Permission(channel(11)));
    assert_eq!(with(99), AllocationError::Unknown(channel(99)));
    let mut chosen = options(500, 100);
    chosen.channels = vec![channel(98)];
    let error = allocate(&found, &[], &chosen).unwrap_err();
    assert_eq!(error, AllocationError::UnknownChosen(channel(98)));
}

#[test]
fn chosen_channels_bring_their_threads() {
    let channels = [
        json!({"id": "10", "type": 15}),
        json!({"id": "11", "type": 0, "position": 1}),
    ];
    let threads = [json!({"id": "50", "parent_id": "10", "type": 11})];
    let found = survey(&channels, &threads, &subject(READ));
    let mut options = options(500, 100);
    options.channels = vec![channel(10)];
    assert_eq!(shares(&found, &options), [(50, 100)]);
}

/// The cursor was never set, so pages repeated; and an exactly met share asked for limit 0.
#[test]
fn pages_go_backwards_and_stop_when_the_share_is_met() {
    let found = text_channels(1);
    let mut options = options(500, 230);
    options.rollover_leftovers = false;
    let mut walk = Collection::new(allocate(&found, &[], &options).unwrap(), &options);
    let mut asked = Vec::new();
    let mut next_id = 1230_u64;
    while let Some(request) = walk.next_page() {
        assert_eq!(
            walk.next_page(),
            Some(request),
            "asking twice changes nothing"
        );
        asked.push((
            request.page,
            request.before.map(MessageId::get),
            request.limit,
        ));
        next_id -= u64::from(request.limit);
        walk.record(&request, request.limit, MessageId::new(next_id + 1));
    }
    assert_eq!(
        asked,
        [(0, None, 100), (1, Some(1131), 100), (2, Some(1031), 30)]
    );
}

#[test]
fn the_newest_500_of_a_large_channel() {
    let found = text_channels(1);
    assert_eq!(
        collect(&found, &options(500, 100), &[(10, 1230)]),
        [(10, 500)]
    );
    assert_eq!(
        collect(&found, &options(2000, 100), &[(10, 1230)]),
        [(10, 1230)]
    );
}

#[test]
fn leftovers_go_to_empty_shares_first_and_then_to_older_messages() {
    let found = text_channels(4);
    // 10 and 11 get 100 each, 12 and 13 nothing.
    let held = [(10, 300), (11, 20), (12, 30), (13, 90)];
    let collected = collect(&found, &options(200, 100), &held);
    assert_eq!(collected, [(10, 100), (11, 20), (12, 30), (13, 50)]);
    let held = [(10, 300), (11, 20), (12, 10), (13, 10)];
    let collected = collect(&found, &options(200, 100), &held);
    assert_eq!(collected, [(10, 160), (11, 20), (12, 10), (13, 10)]);
}

#[test]
fn leftovers_never_go_to_special_channels() {
    let found = text_channels(3);
    let mut options = options(500, 100);
    options.special_allocations = [(channel(10), 50), (channel(11), 0)].into();
    let collected = collect(&found, &options, &[(10, 900), (11, 900), (12, 120)]);
    assert_eq!(collected, [(10, 50), (11, 0), (12, 120)]);
}

#[test]
fn without_rollover_shares_are_final() {
    let found = text_channels(2);
    let mut options = options(500, 100);
    options.rollover_leftovers = false;
    assert_eq!(
        collect(&found, &options, &[(10, 900), (11, 3)]),
        [(10, 100), (11, 3)]
    );
}

#[test]
fn a_failed_channel_returns_its_share() {
    let found = text_channels(2);
    let options = options(200, 100);
    let mut walk = Collection::new(allocate(&found, &[], &options).unwrap(), &options);
    let first = walk.next_page().unwrap();
    walk.fail(&first);
    let mut next_id = 5000;
    let mut total = 0;
    while let Some(request) = walk.next_page() {
        assert_eq!(request.share, 1);
        next_id -= u64::from(request.limit);
        total += request.limit;
        walk.record(&request, request.limit, MessageId::new(next_id));
    }
    assert_eq!(total, 200);
}

/// Whatever the options and contents: never more than the maximum, never a message twice.
#[test]
fn no_combination_exceeds_the_maximum() {
    for seed in 0..300_u32 {
        let count = u64::from(1 + seed % 7);
        let found = text_channels(count);
        let held: Vec<(u64, u32)> = (0..count)
            .map(|n| (10 + n, (seed * 37 + 91 * n as u32) % 260))
            .collect();
        let max = 50 + (seed * 13) % 700;
        let mut options = options(max, 50.max((seed * 7) % 160).min(max));
        options.rollover_leftovers = seed % 3 != 0;
        if seed % 2 == 0 {
            options.special_allocations = [(channel(10), (seed * 11) % (max + 1))].into();
        }
        let collected: u32 = collect(&found, &options, &held)
            .iter()
            .map(|(_, count)| count)
            .sum();
        assert!(collected <= max, "{collected} of {max}");
        let available: u32 = held.iter().map(|(_, held)| held).sum();
        if options.rollover_leftovers && options.special_allocations.is_empty() {
            assert_eq!(collected, available.min(max));
        }
    }
}

#[test]
fn hidden_and_odd_channels_are_told_apart() {
    let hidden = [Hidden {
        id: channel(20),
        kind: Some(0),
        parent_id: None,
    }];
    let channels = [
        json!({"id": "10", "type": 99, "name": "odd"}),
        json!({"id": "11", "type": 15, "name": "shut", "permission_overwrites": [
            {"id": "1", "type": 0, "deny": bits::VIEW_CHANNEL.to_string(), "allow": "0"}]}),
        json!({"id": "12", "type": 15, "name": "open"}),
        json!({"id": "13", "type": 4, "name": "category"}),
    ];
    let found = survey(&channels, &[], &subject(READ));
    let left_out: Vec<_> = found.left_out().iter().map(LeftOut::shown).collect();
    assert_eq!(
        left_out,
        ["#odd (10)", "#shut (11)"],
        "a forum without sight is told"
    );
    let chosen = |ids: &[u64], ignore| {
        let mut options = options(500, 100);
        options.channels = ids.iter().map(|id| channel(*id)).collect();
        options.ignore_message_backup_errors = ignore;
        allocate(&found, &hidden, &options)
    };
    let unreadable = chosen(&[10, 11, 12, 20], false).unwrap_err();
    assert_eq!(
        unreadable,
        AllocationError::Unreadable("#odd (10), #shut (11), 20 is hidden from the bot".into())
    );
    assert_eq!(chosen(&[10, 20], true), Ok(Vec::new()));
    assert_eq!(
        chosen(&[12], false),
        Ok(Vec::new()),
        "an empty forum is just empty"
    );
    let mut special = options(500, 100);
    special.special_allocations = [(channel(20), 5)].into();
    let error = allocate(&found, &hidden, &special).unwrap_err();
    assert_eq!(error, AllocationError::Hidden(channel(20)));
}

/// How surveys were made, looking through all threads for each channel.
fn survey_by_search(channels: &[Value], threads: &[Value], subject: &Subject) -> Vec<Candidate> {
    let mut found = Vec::new();
    for channel in guild_order(channels) {
        let Some(own_id) = channel_id(channel) else {
            continue;
        };
        let kind = channel["type"].as_u64().unwrap_or(u64::MAX);
        if readable(kind, subject.in_channel(channel)).is_ok() {
            found.push(candidate(channel, own_id, None));
        }
        if !has_threads(kind) {
            continue;
        }
        let mut own: Vec<(bool, ChannelId, &Value)> = threads
            .iter()
            .filter(|thread| id(&thread["parent_id"]) == Some(own_id.get()))
            .filter_map(|thread| {
                let archived = thread["thread_metadata"]["archived"] == true;
                Some((archived, channel_id(thread)?, thread))
            })
            .collect();
        own.sort_by_key(|(archived, id, _)| (*archived, *id));
        own.dedup_by_key(|(_, id, _)| *id);
        let needed = bits::VIEW_CHANNEL | bits::READ_MESSAGE_HISTORY;
        if subject.in_thread(channel) & needed == needed {
            found.extend(
                own.iter()
                    .map(|(_, id, thread)| candidate(thread, *id, Some(own_id))),
            );
        }
    }
    found
}

/// How shares were made, looking through all shares for each special allocation.
fn allocate_by_search(candidates: &[Candidate], options: &Options) -> Option<Vec<Share>> {
    let chosen = |candidate: &&Candidate| {
        options.channels.is_empty()
            || options.channels.contains(&candidate.id)
            || candidate
                .parent
                .is_some_and(|parent| options.channels.contains(&parent))
    };
    let mut left = options.max_messages;
    let mut shares: Vec<Share> = candidates
        .iter()
        .filter(chosen)
        .map(|channel| Share {
            channel: channel.clone(),
            messages: 0,
            special: false,
        })
        .collect();
    for special in options.special_allocations.keys() {
        shares.iter().find(|share| share.channel.id == *special)?;
    }
    for share in &mut shares {
        if let Some(wanted) = options.special_allocations.get(&share.channel.id) {
            share.special = true;
            share.messages = (*wanted).min(left);
            left -= share.messages;
        }
    }
    for share in shares.iter_mut().filter(|share| !share.special) {
        share.messages = options.per_channel.min(left);
        left -= share.messages;
    }
    Some(shares)
}

/// Finding threads and shares by a table changes nothing about what is found.
#[test]
fn the_tables_find_what_a_search_finds() {
    let subject = subject(READ);
    for seed in 0..400_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut draw = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let kinds = [0, 0, 5, 15, 16, 2, 4, 99];
        let count = 1 + draw(12);
        let channels: Vec<Value> = (0..count)
            .map(|n| {
                let mut channel = json!({"id": (10 + n).to_string(), "position": draw(4),
                    "type": kinds[usize::try_from(draw(8)).unwrap()]});
                if draw(4) == 0 {
                    channel["permission_overwrites"] = json!([{"id": "1", "type": 0,
                        "deny": bits::VIEW_CHANNEL.to_string(), "allow": "0"}]);
                }
                channel
            })
            .collect();
        let threads: Vec<Value> = (0..draw(40))
            .map(|_| {
                json!({"id": (100 + draw(30)).to_string(), "type": 11,
                       "parent_id": (10 + draw(count + 2)).to_string(),
                       "thread_metadata": {"archived": draw(2) == 0}})
            })
            .collect();
        let found = survey(&channels, &threads, &subject);
        assert_eq!(
            found.candidates,
            survey_by_search(&channels, &threads, &subject),
            "seed {seed}"
        );
        let mut options = options(50 + u32::try_from(draw(500)).unwrap(), 50);
        options.ignore_message_backup_errors = true;
        let ids: Vec<_> = found.candidates.iter().map(|c| c.id).collect();
        let mut some = || -> Vec<ChannelId> {
            let among = ids.iter().copied();
            among.filter(|_| draw(3) == 0).collect()
        };
        options.channels = some();
        options.channels.sort();
        options.channels.dedup();
        for id in some() {
            options
                .special_allocations
                .insert(id, u32::try_from(id.get()).unwrap());
        }
        assert_eq!(
            allocate(&found, &[], &options).ok(),
            allocate_by_search(&found.candidates, &options),
            "seed {seed}"
        );
    }
}

/// Of a channel in which nobody ever wrote no page is asked for, and its share goes to others.
#[test]
fn silent_channels_cost_nothing() {
    let channels = [
        json!({"id": "10", "type": 0, "position": 0, "last_message_id": null}),
        json!({"id": "11", "type": 0, "position": 1, "last_message_id": "5"}),
    ];
    let survey = survey(&channels, &[], &subject(READ));
    let options = options(50, 50);
    assert_eq!(shares(&survey, &options), [(10, 0), (11, 50)]);
    let mut walk = Collection::new(allocate(&survey, &[], &options).unwrap(), &options);
    let asked = walk.next_page().map(|request| request.share);
    assert_eq!(asked, Some(1));
    assert_eq!(walk.next_of(0), None);
}
