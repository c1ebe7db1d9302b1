# Viele Banns auf einmal: /massban und /massunban.

massban-title = Massenbann
massban-none-named = Nenne, wen du bannen willst: Ids oder Erwähnungen in `users` oder eine Textdatei damit in `file`.
massban-too-many = Das sind { $count } Leute. Ein Massenbann fasst höchstens { $most }.
massban-file = Die Datei ist zu groß: höchstens { $most } KiB.
massban-file-unread = Die Datei ist nicht lesbar. Sie muss reiner Text sein (UTF-8).
massban-count = { $count ->
    [one] **{ $count } Person** würde gebannt
   *[other] **{ $count } Leute** würden gebannt
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
massban-ask = Bisher ist niemand gebannt. `/massunban` nähme es zurück; gelöschte Nachrichten bleiben verloren.
massban-yes = { $count } bannen
massban-no = Niemanden bannen
massban-form = Viele Leute bannen
massban-type = Tippe { $count }, um sie zu bannen
massban-wrong-number = Das ist nicht { $count }. Niemand ist gebannt.
massban-nothing = Niemand ist gebannt.
massban-too-old = Der Plan ist zu alt. Rufe `/massban` noch einmal auf.
massban-guarded = Gesicherte Vorgänge sind inzwischen an, also müssen andere zustimmen. Rufe `/massban` noch einmal auf: dann werden sie gefragt.
massban-begun = Der Massenbann hat begonnen. Zurücknehmen: `/massunban ban:{ $task }`
massban-already = Er hat schon begonnen.
massban-refused = Niemand ist gebannt: { $why }
massban-cancelled = Niemand ist gebannt: Er wurde abgebrochen oder nach langer Zeit aufgegeben.
massban-told = { $count ->
    [one] { $who } bannt { $count } Person mit `/massban`. Zurücknehmen: `/massunban ban:{ $task }`
   *[other] { $who } bannt { $count } Leute mit `/massban`. Zurücknehmen: `/massunban ban:{ $task }`
}
massunban-unknown = { $what } ist nicht die Id eines Massenbanns dieses Servers.
