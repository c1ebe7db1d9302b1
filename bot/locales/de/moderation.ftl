# Viele Banns auf einmal: /massban und /massunban.

massban-title = Massenbann
massban-none-named = Nenne, wen du bannen willst: Ids oder Erwähnungen in `{ command-massban.option-users }` oder eine Textdatei damit in `{ command-massban.option-file }`.
massban-too-many = Das sind { $count } Leute. Ein Massenbann fasst höchstens { $most }.
massban-file = Die Datei ist zu groß: höchstens { $most } KiB.
massban-file-unread = Die Datei ist nicht lesbar. Sie muss reiner Text sein (UTF-8).
massban-count = { $count ->
    [one] **{ $count } Person** würde gebannt
   *[other] **{ $count } Leute** würden gebannt
}
massban-no-reason = Ohne Grund
massban-reason = Grund: { $reason }
massban-deletes = { $days ->
    [0] Keine Nachrichten werden gelöscht
    [one] Ihre Nachrichten des letzten Tages werden gelöscht
   *[other] Ihre Nachrichten der letzten { $days } Tage werden gelöscht
}
massban-spared = verschont, { $why }: { $people }
massban-and-more = { $people } und { $more } weitere
massban-unread = { $count ->
    [one] { $count } Teil ist weder Id noch Erwähnung: { $named }
   *[other] { $count } Teile sind weder Ids noch Erwähnungen, etwa { $named }
}
massban-why-owner = wem der Server gehört
massban-why-itself = ich
massban-why-caller = du
massban-why-bot = Bots: banne sie einzeln
massban-why-trusted = genießt Vertrauen
massban-why-staff = Team: nimm ihnen zuerst ihre Rollen
massban-why-above-caller = nicht unter dir
massban-why-above-bot = nicht unter mir
massban-why-unknown = unklar, wo sie stehen
massban-impossible = Es geht nicht: { $why }.
massban-nobody = Niemand bleibt übrig.
massban-ask = Bisher ist niemand gebannt. `/{ command-massunban }` nähme es zurück; gelöschte Nachrichten bleiben verloren.
massban-yes = { $count } bannen
massban-no = Niemanden bannen
massban-form = Viele Leute bannen
massban-type = Tippe { $count }, um sie zu bannen
massban-wrong-number = Das ist nicht { $count }.
massban-nothing = Niemand ist gebannt.
massban-too-old = Der Plan ist zu alt. Rufe den Befehl noch einmal auf.
massban-guarded = Mit dem, was in den letzten 24 Stunden geschah, ist es mehr, als eine Person darf, also müssen andere zustimmen. Rufe den Befehl noch einmal auf: dann werden sie gefragt.
massban-begun = Der Massenbann hat begonnen. Zurücknehmen: `/{ command-massunban } { command-massunban.option-ban }:{ $task }`
massban-already = Er hat schon begonnen.
massban-refused = Niemand ist gebannt: { $why }
massban-cancelled = Es geschieht nichts: Es wurde abgebrochen oder nach langer Zeit aufgegeben.
massban-stop = Anhalten
massban-stopped = Angehalten: { $done } von { $of } waren gebannt, als zuletzt gezählt wurde. Zurücknehmen: `/{ command-massunban } { command-massunban.option-ban }:{ $task }`
massban-over = Es ist schon zu Ende.
massban-told = { $count ->
    [one] { $who } bannt { $count } Person mit `/{ command-massban }`. Zurücknehmen: `/{ command-massunban } { command-massunban.option-ban }:{ $task }`
   *[other] { $who } bannt { $count } Leute mit `/{ command-massban }`. Zurücknehmen: `/{ command-massunban } { command-massunban.option-ban }:{ $task }`
}
massunban-title = Massenbann aufheben
massunban-count = { $count ->
    [one] **{ $count } Bann** würde aufgehoben
   *[other] **{ $count } Banns** würden aufgehoben
}
massunban-nobody = Kein Bann davon ist mehr aufzuheben.
massunban-ask = Bisher ist niemand befreit.
massunban-yes = { $count } befreien
massunban-no = Niemanden befreien
massunban-form = Viele Leute befreien
massunban-type = Tippe { $count }, um sie zu befreien
massunban-nothing = Niemand ist befreit.
massunban-begun = Die Banns werden aufgehoben.
massunban-refused = Niemand ist befreit: { $why }
massunban-stopped = Angehalten: { $done } von { $of } waren befreit, als zuletzt gezählt wurde.
massunban-told = { $count ->
    [one] { $who } hebt { $count } Bann mit `/{ command-massunban }` auf.
   *[other] { $who } hebt { $count } Banns mit `/{ command-massunban }` auf.
}
massunban-unknown = { $what } ist nicht die Id eines Massenbanns dieses Servers.

# Einer nach dem anderen: Maßnahmen, Fälle und wozu Stiche führen.

sanction-oneself = Das geht nicht mit dir selbst.
sanction-bot = Mit mir selbst tue ich das nicht.
sanction-owner = Mit dem Eigentümer geht das nicht.
sanction-not-there = Wer gemeint ist, ist nicht auf diesem Server.
sanction-above-caller = Wer gemeint ist, steht so hoch wie du oder höher.
sanction-above-bot = Wer gemeint ist, steht so hoch wie ich oder höher.
sanction-lacks = Das darf ich hier nicht: Mir fehlt { $names }.
sanction-unknown = Es ist nicht zu sagen, wie hoch sie stehen, also geschieht nichts. Versuche es in einer Minute noch einmal.
sanction-not-banned = Wer gemeint ist, ist nicht gebannt.
sanction-banned-otherwise = Wer gemeint ist, ist schon gebannt, und nicht durch einen Fall von mir. Hebe erst diesen Bann auf, dann banne für eine Weile.
sanction-ambiguous = Discord hat nicht gesagt, ob es geschehen ist. In wenigen Minuten weiß ich es: `/{ command-case } { command-case-view } { command-case-view.option-number }:{ $number }` zeigt es.
sanction-lost = Es ist nicht geschehen: Discord oder ich fielen in diesem Moment aus.
sanction-by-threshold = { $stings } Stiche
sanction-length-ban = Sag, wie lange, etwa `12h`, `7d` oder `4w`: mindestens eine Minute, höchstens fünf Jahre.
sanction-length-timeout = Sag, wie lange, etwa `10m`, `2h` oder `7d`: höchstens 28 Tage.
sanction-length-prune = Sag, wie alt sie sein dürfen, etwa `2h` oder `7d`.
sanction-did-kick = { $who } ist draußen und kann wiederkommen.
sanction-did-ban = { $who } ist gebannt.
sanction-did-temp-ban = { $who } ist für eine Weile gebannt.
sanction-did-unban = { $who } ist nicht mehr gebannt.
sanction-did-timeout = { $who } kann für eine Weile weder schreiben noch sprechen.
sanction-did-stay = { $who } ist schon im Timeout, und länger: bis { $until }. Das bleibt so.
sanction-until = Bis { $until }
sanction-stings = { $more ->
    [one] { $more } Stich, insgesamt { $stings }
   *[other] { $more } Stiche, insgesamt { $stings }
}
sanction-punished = { $stings } Stiche sind erreicht: { $what }, Fall { $number }
sanction-not-punished = { $stings } Stiche sind erreicht, aber daraus wurde nichts ({ $what }): { $why }
case-kind-kick = Kick
case-kind-ban = Bann
case-kind-temp-ban = Bann auf Zeit
case-kind-unban = Bann aufgehoben
case-kind-timeout = Timeout
case-title = Fall { $number }
case-list-title = Fälle
case-line = **{ $number }** { $kind } · { $who } · { $at } · { $reason }
case-what = { $kind } gegen { $who }, { $at }
case-by = Von { $by }
case-by-rule = Durch eine Regel dieses Servers
case-by-outside = Von { $by }, ohne mich
case-by-nobody = Niemand weiß, von wem
case-reason = Grund: { $reason }
case-counts = { $stings ->
    [one] Zählt { $stings } Stich
   *[other] Zählt { $stings } Stiche
}
case-ends = Endet { $at }
case-ended = Ist zu Ende
case-superseded = Endet nicht mehr von selbst
case-unsure = Noch ist nicht bekannt, ob Discord es getan hat
case-void = Ungültig: { $why }
case-note = { $author }, { $at }: { $note }
case-none = Es gibt keinen Fall.
case-stings = { $stings ->
    [one] { $stings } Stich zählt jetzt
   *[other] { $stings } Stiche zählen jetzt
}
case-noted = Es ist aufgeschrieben.
case-voided = Er zählt nicht mehr. Was bei Discord geschah, bleibt, wie es ist.
case-void-already = Er war schon ungültig.
case-unknown = Es gibt hier keinen Fall { $number }.
