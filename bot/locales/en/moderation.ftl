# Bans of many at once: /massban and /massunban.

massban-title = Mass ban
massban-none-named = Name whom to ban: ids or mentions in `users`, or a text file with them in `file`.
massban-too-many = Those are { $count } people. One mass ban takes { $most } at most.
massban-file = The file is too large: { $most } KiB at most.
massban-file-unread = The file cannot be read. It has to be plain text (UTF-8).
massban-count = { $count ->
    [one] **{ $count } person** would be banned
   *[other] **{ $count } people** would be banned
}
massban-no-reason = Without a reason
massban-reason = Reason: { $reason }
massban-deletes = { $days ->
    [0] No messages are deleted
    [one] Their messages of the last day are deleted
   *[other] Their messages of the last { $days } days are deleted
}
massban-spared = spared, { $why }: { $people }
massban-and-more = { $people } and { $more } more
massban-unread = { $count ->
    [one] { $count } part is neither an id nor a mention: { $named }
   *[other] { $count } parts are neither ids nor mentions, such as { $named }
}
massban-why-owner = the owner
massban-why-itself = me
massban-why-caller = you
massban-why-bot = bots: ban them one by one
massban-why-trusted = trusted by the owner
massban-why-staff = staff: take their roles first
massban-why-above-caller = not below you
massban-why-above-bot = not below me
massban-why-unknown = unclear where they stand
massban-impossible = It cannot be done: { $why }.
massban-nobody = Nobody is left to ban.
massban-ask = Nobody is banned so far. `/massunban` would take it back; messages that are deleted stay lost.
massban-yes = Ban { $count }
massban-no = Ban nobody
massban-form = Ban many people
massban-type = Type { $count } to ban them
massban-wrong-number = That is not { $count }.
massban-nothing = Nobody is banned.
massban-too-old = The plan is too old. Run the command again.
massban-guarded = With what was done in the last 24 hours it is more than one person may do, so others have to agree. Run the command again: they are asked.
massban-begun = The mass ban has begun. To take it back: `/massunban ban:{ $task }`
massban-already = It has begun already.
massban-refused = Nobody is banned: { $why }
massban-cancelled = Nothing is done: it was cancelled, or given up after a long time.
massban-stop = Stop
massban-stopped = Stopped: { $done } of { $of } were banned when it was last counted. To take it back: `/massunban ban:{ $task }`
massban-over = It has ended already.
massban-told = { $count ->
    [one] { $who } bans { $count } person with `/massban`. To take it back: `/massunban ban:{ $task }`
   *[other] { $who } bans { $count } people with `/massban`. To take it back: `/massunban ban:{ $task }`
}
massunban-title = Lift a mass ban
massunban-count = { $count ->
    [one] **{ $count } ban** would be lifted
   *[other] **{ $count } bans** would be lifted
}
massunban-nobody = No ban of it is left to lift.
massunban-ask = Nobody is freed so far.
massunban-yes = Free { $count }
massunban-no = Free nobody
massunban-form = Free many people
massunban-type = Type { $count } to free them
massunban-nothing = Nobody is freed.
massunban-begun = The bans are being lifted.
massunban-refused = Nobody is freed: { $why }
massunban-stopped = Stopped: { $done } of { $of } were freed when it was last counted.
massunban-told = { $count ->
    [one] { $who } lifts { $count } ban with `/massunban`.
   *[other] { $who } lifts { $count } bans with `/massunban`.
}
massunban-unknown = { $what } is not the id of a mass ban of this server.

# One person at a time: sanctions, cases and what stings lead to.

sanction-oneself = You cannot do that to yourself.
sanction-bot = I do not do that to myself.
sanction-owner = Nobody does that to the owner.
sanction-not-there = They are not in this server.
sanction-above-caller = They stand as high as you, or higher.
sanction-above-bot = They stand as high as I do, or higher.
sanction-lacks = I may not do that here: I lack { $names }.
sanction-unknown = It cannot be told where they stand, so nothing is done. Please try again in a minute.
sanction-not-banned = They are not banned.
sanction-banned-otherwise = They are banned already, and not by a case of mine. Lift that ban first, then ban them for a while.
sanction-ambiguous = Discord did not say whether it was done. I find out within minutes: `/case view number:{ $number }` shows it.
sanction-lost = It was not done: Discord or I failed at that moment.
sanction-by-threshold = { $stings } stings
sanction-length-ban = Say how long, such as `12h`, `7d` or `4w`: a minute at least, five years at most.
sanction-length-timeout = Say how long, such as `10m`, `2h` or `7d`: 28 days at most.
sanction-length-prune = Say how old they may be, such as `2h` or `7d`.
sanction-did-kick = { $who } is out, and can come back.
sanction-did-ban = { $who } is banned.
sanction-did-temp-ban = { $who } is banned for a while.
sanction-did-unban = { $who } is not banned any more.
sanction-did-timeout = { $who } cannot write or speak for a while.
sanction-did-stay = { $who } is in timeout already, and for longer: until { $until }. That stays.
sanction-until = Until { $until }
sanction-stings = { $more ->
    [one] { $more } sting, { $stings } in all
   *[other] { $more } stings, { $stings } in all
}
sanction-punished = { $stings } stings were reached: { $what }, case { $number }
sanction-not-punished = { $stings } stings were reached, but nothing came of it ({ $what }): { $why }
case-kind-kick = Kick
case-kind-ban = Ban
case-kind-temp-ban = Ban for a while
case-kind-unban = Ban lifted
case-kind-timeout = Timeout
case-title = Case { $number }
case-list-title = Cases
case-line = **{ $number }** { $kind } · { $who } · { $at } · { $reason }
case-what = { $kind } of { $who }, { $at }
case-by = By { $by }
case-by-rule = By a rule of this server
case-by-outside = By { $by }, without me
case-by-nobody = Nobody knows by whom
case-reason = Reason: { $reason }
case-counts = { $stings ->
    [one] Counts { $stings } sting
   *[other] Counts { $stings } stings
}
case-ends = Ends { $at }
case-ended = Has ended
case-superseded = Does not end by itself any more
case-unsure = It is not known yet whether Discord did it
case-void = Void: { $why }
case-note = { $author }, { $at }: { $note }
case-none = There is no case.
case-stings = { $stings ->
    [one] { $stings } sting counts now
   *[other] { $stings } stings count now
}
case-noted = It is written down.
case-voided = It counts no more. What was done at Discord stays as it is.
case-void-already = It was void already.
case-unknown = There is no case { $number } here.
