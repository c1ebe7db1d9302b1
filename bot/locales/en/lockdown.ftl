# Lockdowns.

lockdown-title = Lockdown
lockdown-begins = Lock { $number } is being put up. `/lockdown unlock number:{ $number }` ends it.
lockdown-staff-silenced = These roles of the staff are silent, too, where a channel does not itself allow them to write or connect: { $roles }. Administrators are not.
lockdown-ends = Lock { $number } is being taken away.
lockdown-unknown = There is no lock { $number } that stands.
lockdown-too-many = { $most } locks stand already. End one first.
lockdown-none = Nothing is locked.
lockdown-lacks = A quick lock takes from roles what I could not give back: I lack { $names }. Take the traditional one, or grant me that.
lockdown-still-speaking = A quick lock would leave these roles their voice: { $roles }. Take it from them, add them with `/lockdown_roles update`, or take the traditional lock.
lockdown-no-channel = { $channel } cannot be locked by itself. Name a channel in which people write or speak and that I can see: a thread is locked with the channel it is in, a category by locking its channels.
lockdown-kind-quick = Quick lock
lockdown-kind-traditional = Lock of all channels
lockdown-kind-channel = Lock of { $channel }
lockdown-state-locking = is being put up
lockdown-state-locked = stands
lockdown-state-lifting = is being taken away
lockdown-refused = { $count ->
    [one] { $count } place is not locked, because I may not change it: { $places }
   *[other] { $count } places are not locked, because I may not change them: { $places }
}
lockdown-left = { $count ->
    [one] { $count } place is still locked: { $places }. Where I see nothing or may change nothing I try again.
   *[other] { $count } places are still locked: { $places }. Where I see nothing or may change nothing I try again.
}
lockdown-line = **{ $number }** { $what } { $state } · { $by }, { $at } · { $reason }
