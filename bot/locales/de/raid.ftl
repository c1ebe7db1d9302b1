# Wellen von Neuen: Karten, Antworten und Gründe.

raid-title = Raids
raid-title-raid = Raid: { $count } Konten in { $seconds } s, sonst { $usual }
raid-title-wave = Viele Neue: { $count } in { $seconds } s, sonst { $usual }
raid-title-dry = Probelauf · { $said }
raid-title-over = Vorbei · { $said }
raid-title-dismissed = Hereingelassen · { $said }
raid-counts = Angreifer: { $raiders } · vielleicht Angreifer: { $suspects } · andere, die kamen: { $others }
raid-regular = Sie kamen so regelmäßig wie ein Programm
raid-nothing-done = Nichts wurde getan: Das ist ein Probelauf
raid-paused = Einladungen ruhen bis { $until }
raid-level-phone = Neue ohne Rolle brauchen eine Telefonnummer, um zu schreiben
raid-level-minutes = Neue ohne Rolle dürfen nach zehn Minuten schreiben
raid-done = Gebannt: { $banned } · festgehalten: { $held }
raid-refused = { $count ->
    [one] { $count } Beitrittsanfrage wurde abgelehnt
   *[other] { $count } Beitrittsanfragen wurden abgelehnt
}
raid-spared = { $count ->
    [one] { $count } Konto war nicht zu erreichen: Es steht über mir oder ist ausgenommen
   *[other] { $count } Konten waren nicht zu erreichen: Sie stehen über mir oder sind ausgenommen
}
raid-waiting = { $count ->
    [one] { $count } Angreifer wartet auf dein Wort
   *[other] { $count } Angreifer warten auf dein Wort
}
raid-late = { $count ->
    [one] { $count } Konto kam, während ich nichts hörte
   *[other] { $count } Konten kamen, während ich nichts hörte
}
raid-stopped = Das Bannen endete vorzeitig: { $why }
raid-approved = Banns gebilligt von { $who }
raid-approved-policy = Banns durch eure Einstellung gebilligt
raid-let-in-by = Hereingelassen von { $who }
raid-refused-pause = Einladungen können nicht ruhen: { $why }
raid-refused-unpause = Die Ruhe der Einladungen kann nicht enden: { $why }
raid-refused-level = Die Verifizierungsstufe lässt sich nicht anheben, also wird einzeln festgehalten: { $why }
raid-refused-level-back = Die Verifizierungsstufe lässt sich nicht zurücksetzen: { $why }
raid-refused-release = Jemand kann nicht freigelassen werden: { $why }
raid-refused-lift = Banns können nicht aufgehoben werden: { $why }
raid-job-gone = der Auftrag ist nicht mehr da
raid-cut = Es kamen mehr als die { $most }, die aufgeführt sind
raid-foot = Welle { $id }
raid-button-ban = { $count } bannen
raid-button-hold = { $count } festhalten
raid-button-letin = Alle hereinlassen
raid-button-undo = Rückgängig
raid-button-why = Warum?
raid-person = { $who } ({ $fate }): { $reasons }
raid-people-more = … und { $count } weitere
raid-nobody = Niemand aus dieser Welle gilt als Angreifer.
raid-fate-free = nichts getan
raid-fate-held = festgehalten
raid-fate-banned = gebannt
raid-fate-refused = abgelehnt
raid-fate-releasing = wird hereingelassen
raid-fate-letin = hereingelassen
raid-fate-spared = nicht zu erreichen
raid-family = { $what }: { $count } von { $of }, sonst { $usual } von 100
raid-family-day = keinen Tag alt, als sie kamen
raid-family-week = keine Woche alt, als sie kamen
raid-family-month = keinen Monat alt, als sie kamen
raid-family-no-avatar = kein Bild
raid-family-bare = kein Bild und auch sonst nichts Eigenes
raid-family-spoke = schrieben binnen fünf Minuten
raid-family-fast-screen = nahmen die Regeln binnen zwei Sekunden an
raid-family-shape = nach einem Muster benannt
raid-family-avatar = dasselbe Bild
raid-family-batch = alte Konten, alle an einem Tag angelegt
raid-family-text = schrieben dasselbe
raid-family-cluster = Namen, die einander gleichen
raid-reason-trap = schrieb, wo niemand schreiben soll
raid-reason-spammer = von Discord einmal gekennzeichnet
raid-reason-back = kam nach einem Raid zurück
raid-reason-hold = Gehört vielleicht zu einem Raid: festgehalten, bis jemand entscheidet
raid-reason-release = Gehört doch nicht zu einem Raid
raid-reason-level = Ein Raid ist im Gange
raid-reason-level-back = Der Raid ist vorbei
raid-reason-ban = { $count ->
    [one] Raid von { $count } Konto
   *[other] Raid von { $count } Konten
}
raid-reason-ban-by = { $count ->
    [one] Raid von { $count } Konto, gebilligt von { $by }
   *[other] Raid von { $count } Konten, gebilligt von { $by }
}
raid-reason-undo = Es war kein Raid
raid-none = In letzter Zeit kam niemand in Scharen.
raid-not-latest = Seither kam eine andere Welle. `/{ command-raid } { command-raid-people }` zeigt die letzte; Banns eines Auftrags hebt `/{ command-massunban }` auf.
raid-only-dry = Das war ein Probelauf, also ist nichts zu tun und nichts zurückzunehmen. `/{ command-raid } { command-raid-mode }` schaltet den Schutz an.
raid-dismissed = Diese Welle wurde schon hereingelassen.
raid-guarded = { $count } Banns auf einmal brauchen hier eine zweite Person: Nimm `/{ command-massban }` mit den Konten, die `/{ command-raid } { command-raid-people }` nennt.
raid-said-ban = { $count ->
    [0] Angreifer dieser Welle, die noch kommen, werden gebannt.
    [one] { $count } Angreifer wird gebannt, und wer noch kommt.
   *[other] { $count } Angreifer werden gebannt, und wer noch kommt.
}
raid-said-hold = Wer vielleicht ein Angreifer ist, wird eine Stunde festgehalten.
raid-said-letin = { $bans ->
    [0] Alle sind hereingelassen, und Einladungen gelten wieder. Niemand von ihnen wird 30 Tage lang verdächtigt.
   *[other] Alle sind hereingelassen, und Einladungen gelten wieder. Laufende Banns halten an, und alle werden aufgehoben. Niemand von ihnen wird 30 Tage lang verdächtigt.
}
raid-said-letin-one = { $who } darf bleiben: Was gegen sie oder ihn getan wurde, wird zurückgenommen, und 30 Tage lang gibt es keinen Verdacht.
raid-said-undo = { $count ->
    [0] Was getan wurde, ist zurückgenommen. Gebannt war niemand.
   *[other] Was getan wurde, ist zurückgenommen, und die Banns werden aufgehoben.
}
raid-is-off = Auf Raids wird nicht geachtet
raid-is-dry = Probelauf: Raids werden gemeldet, getan wird nichts
raid-is-ask = An: Einladungen ruhen und Angreifer werden festgehalten, gebannt wird auf dein Wort
raid-is-auto = An: Frische Konten werden bei voller Gewissheit gleich gebannt, andere auf dein Wort
raid-alerts = Alarme gehen nach { $channel }
raid-alerts-none = Alarme gehen nirgendwohin: Wähle einen Kanal mit `/{ command-raid } { command-raid-alerts }`
raid-expects = { $people } Leute werden bis { $until } erwartet
raid-expects-nobody = Es wird keine Menge mehr erwartet
raid-usual = Üblich zu dieser Zeit: { $usual } in der Stunde
raid-length = Sag, wie lange, etwa `2h` oder `3d`.
weaker-raid-mode = Gegen Raids wird weniger getan.
weaker-raid-expected = Für mehr als einen Tag wird eine Menge erwartet.
