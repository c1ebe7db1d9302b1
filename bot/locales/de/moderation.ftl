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
