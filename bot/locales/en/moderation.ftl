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
