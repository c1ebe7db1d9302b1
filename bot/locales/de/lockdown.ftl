# Sperren.

lockdown-title = Sperre
lockdown-begins = Sperre { $number } wird errichtet. `/{ command-lockdown } { command-lockdown-unlock } { command-lockdown-unlock.option-number }:{ $number }` beendet sie.
lockdown-staff-silenced = Auch diese Rollen des Teams schweigen, wo ein Kanal ihnen Schreiben oder Verbinden nicht selbst erlaubt: { $roles }. Administratoren schweigen nicht.
lockdown-ends = Sperre { $number } wird aufgehoben.
lockdown-unknown = Es gibt keine Sperre { $number }, die besteht.
lockdown-too-many = Es bestehen schon { $most } Sperren. Hebe erst eine auf.
lockdown-none = Nichts ist gesperrt.
lockdown-lacks = Eine schnelle Sperre nimmt Rollen, was ich nicht zurückgeben könnte: Mir fehlt { $names }. Nimm die gründliche, oder gib mir das.
lockdown-still-speaking = Eine schnelle Sperre ließe diesen Rollen ihre Stimme: { $roles }. Nimm sie ihnen, füge sie mit `/{ command-lockdown_roles } { command-lockdown_roles-update }` hinzu, oder nimm die gründliche Sperre.
lockdown-no-channel = { $channel } lässt sich nicht für sich sperren. Nenne einen Kanal, in dem geschrieben oder gesprochen wird und den ich sehe: Ein Thread wird mit seinem Kanal gesperrt, eine Kategorie, indem du ihre Kanäle sperrst.
lockdown-kind-quick = Schnelle Sperre
lockdown-kind-traditional = Sperre aller Kanäle
lockdown-kind-channel = Sperre von { $channel }
lockdown-state-locking = wird errichtet
lockdown-state-locked = besteht
lockdown-state-lifting = wird aufgehoben
lockdown-refused = { $count ->
    [one] { $count } Ort ist nicht gesperrt, weil ich ihn nicht ändern darf: { $places }
   *[other] { $count } Orte sind nicht gesperrt, weil ich sie nicht ändern darf: { $places }
}
lockdown-left = { $count ->
    [one] { $count } Ort ist noch gesperrt: { $places }. Wo ich nichts sehe oder nichts ändern darf, versuche ich es wieder.
   *[other] { $count } Orte sind noch gesperrt: { $places }. Wo ich nichts sehe oder nichts ändern darf, versuche ich es wieder.
}
lockdown-line = **{ $number }** { $what } { $state } · { $by }, { $at } · { $reason }
