# Sicherungen und Wiederherstellungen: /backups, Fortschritt, Pläne, Berichte und Zeitpläne.

task-title = Stand des Auftrags
task-state = { $icon } Auftrag: { $state }
task-id = Auftrags-Id: { $id }
task-pending = wartet
task-running = läuft
task-completed = fertig
task-failed = gescheitert
task-percent = { $bar } { $percent } %
task-left = { $bar } { $percent } %, noch etwa { $time }
time-seconds = { $count } s
time-minutes = { $count } min
time-hours = { $count } h
task-saved = Gesichert: { $counts }
saved-channels = { $count ->
    [one] { $shown } Kanal
   *[other] { $shown } Kanäle
}
saved-roles = { $count ->
    [one] { $shown } Rolle
   *[other] { $shown } Rollen
}
saved-messages = { $count ->
    [one] { $shown } Nachricht
   *[other] { $shown } Nachrichten
}
saved-attachments = { $count ->
    [one] { $shown } Anhang
   *[other] { $shown } Anhänge
}
saved-size = { $size } MB
task-warnings = { $count ->
    [one] { $count } Warnung, siehe Details
   *[other] { $count } Warnungen, siehe Details
}
task-details = Details
task-download = Herunterladen
task-download-file = { $file } herunterladen
task-download-plan = Plan herunterladen
task-too-long = Diese Nachricht folgt dem Auftrag nicht mehr. `/{ command-backups } { command-backups-list }` zeigt, wie er ausging.
task-restarting = Der Bot startet neu; der Auftrag geht weiter. `/{ command-backups } { command-backups-list }` zeigt, wie er ausging.
task-gone = Diesen Auftrag gibt es auf diesem Server nicht mehr.
task-no-log = Bisher ist nichts aufgeschrieben.
task-busy = Gerade ändert ein anderer Auftrag diesen Server. Versuche es, wenn er zu Ende ist.
jobs-away = Der Dienst dafür ist gerade nicht da. Bitte versuche es in einer Minute noch einmal.
backups-away = Der Dienst für Sicherungen ist gerade nicht da. Bitte versuche es in einer Minute noch einmal.

backups-slash-create = Bitte benutze dafür den Slash-Befehl `/{ command-backups } { command-backups-create }`.
backups-slash-restore = Bitte benutze dafür den Slash-Befehl `/{ command-backups } { command-backups-restore }`.
backups-title = Sicherungen dieses Servers
backups-none = Es gibt noch keine. `/{ command-backups } { command-backups-create }` macht die erste.
backups-no-more = Mehr gibt es nicht.
backups-page = Neueste zuerst, Seite { $page }.
backups-line = { $icon } { $state } | erstellt { $at } ({ $since })
backups-line-encrypted = { $icon } { $state } | erstellt { $at } ({ $since }) | verschlüsselt
backups-unknown = { $what } ist nicht die Id einer Sicherung dieses Servers. `/{ command-backups } { command-backups-list }` zeigt sie.

option-attachments = Anhänge gehören zu Nachrichten: Setze auch `{ command-backups-create.option-messages }` auf wahr.
option-positive = `{ $option }` muss mindestens 1 sein.
option-asset = { $what } ist kein Bild eines Servers. `{ command-backups-create.option-backup_guild_assets }` nimmt `icon`, `splash` und `banner`, durch Kommas getrennt, oder `none`.
option-allocation = { $what } in `{ command-backups-create.option-special_allocations }` hat nicht die Form `Kanal=Zahl`.
option-twice = { $channel } kommt in `{ command-backups-create.option-special_allocations }` zweimal vor.
option-source = Gib entweder `{ command-backups-restore.option-backup_id }` an, das `/{ command-backups } { command-backups-list }` zeigt, oder `{ command-backups-restore.option-backup_file }`, oder `{ command-backups-restore.option-as_of }`.
option-as-of = { $what } ist keine Zeit. `{ command-backups-restore.option-as_of }` nimmt eine Zeit wie `2026-11-30 18:05`, in UTC, oder wie lange es her ist, etwa `20m` oder `1h30m`.
option-mention = { $what } in `{ $option }` ist weder eine Id noch eine Erwähnung.
option-part = { $what } ist kein Teil eines Servers. `{ command-backups-restore.option-parts }` nimmt { $parts }.

delete-title = Eine Sicherung löschen
delete-backup = Die Sicherung vom { $at } wäre für immer weg.
delete-report = Die Sicherheitskopie der Wiederherstellung vom { $at } und ihr Bericht, ohne die sie nicht rückgängig zu machen ist, wären für immer weg.
delete-running = Diese Sicherung wird noch gemacht. Warte, bis sie fertig ist.
delete-yes = Löschen
delete-no = Behalten
delete-kept = Sie bleibt.
delete-done = Sicherung { $id } ist gelöscht.
delete-refused = Nicht gelöscht: { $why }.

restore-title = Wiederherstellen
restore-plan-title = Wiederherstellen: der Plan
restore-impossible = Das lässt sich nicht wiederherstellen: { $why }.
restore-other-plan = Das ist nicht der Plan, den du dir angesehen hast ({ $hash }): Der Server hat sich inzwischen geändert. Nichts wird wiederhergestellt.
restore-ask = Bisher ist nichts geändert. *Wiederherstellen* fragt nach dem Namen des Servers; zuerst wird eine Sicherheitskopie gemacht.
restore-undo = Rückgängig machen
restore-undo-begun = Es wird nachgesehen, was sich dadurch ändert. Der Plan kommt in einer eigenen Nachricht, und nichts geschieht, bevor dort jemand zustimmt.
restore-yes = Wiederherstellen
restore-no = Abbrechen
restore-form = Diesen Server wiederherstellen
restore-type = Tippe { $server }
restore-wrong-name = Das ist nicht der Name des Servers: Er heißt { $server }. Nichts wird wiederhergestellt.
restore-nothing = Nichts wird wiederhergestellt.
restore-too-old = Der Plan ist zu alt. Benutze `/{ command-backups } { command-backups-restore }` noch einmal.
restore-begun = Die Wiederherstellung hat begonnen.
restore-begun-task = Die Wiederherstellung hat begonnen: Auftrag `{ $task }`.
restore-already = Die Wiederherstellung hat schon begonnen.
restore-refused = Nicht wiederhergestellt: { $why }
restore-guarded = Inzwischen sind gesicherte Vorgänge an, also müssen andere zustimmen. Benutze `/{ command-backups } { command-backups-restore }` noch einmal: Sie werden gefragt.
restore-cancelled = Der Auftrag wurde abgebrochen oder nach langer Zeit aufgegeben.
rejoin-plan-title = Leute zurückholen: der Plan
rejoin-count = { $count ->
    [one] **{ $count } Person** hat es erlaubt und käme zurück
   *[other] **{ $count } Leute** haben es erlaubt und kämen zurück
}
rejoin-here = { $count ->
    [one] { $count } hat es erlaubt und ist hier
   *[other] { $count } haben es erlaubt und sind hier
}
rejoin-not-consented = { $count ->
    [one] { $count } hat es nicht erlaubt und bleibt in Ruhe
   *[other] { $count } haben es nicht erlaubt und bleiben in Ruhe
}
rejoin-nobody = Niemand ist zurückzuholen. `/{ command-members } { command-members-consent }` schreibt eine Nachricht, in der Leute um ihre Erlaubnis gebeten werden.
rejoin-impossible = Das geht nicht: { $why }.
rejoin-ask = Bisher ist niemand hereingelassen. Sie kommen ohne ihre Rollen zurück: `/{ command-backups } { command-backups-restore }` mit dem Teil `members` gibt sie ihnen.
rejoin-yes = { $count } zurückholen
rejoin-no = Abbrechen
rejoin-nothing = Niemand wird zurückgeholt.
rejoin-too-old = Der Plan ist zu alt. Benutze `/{ command-members } { command-members-rejoin }` noch einmal.
rejoin-begun = Leute werden zurückgeholt.
rejoin-begun-task = Leute werden zurückgeholt: Auftrag `{ $task }`.
rejoin-already = Es hat schon begonnen.
rejoin-refused = Niemand wird zurückgeholt: { $why }
rejoin-guarded = Inzwischen sind gesicherte Vorgänge an, also müssen andere zustimmen. Benutze `/{ command-members } { command-members-rejoin }` noch einmal: Sie werden gefragt.
rejoin-cancelled = Der Auftrag wurde abgebrochen oder nach langer Zeit aufgegeben.
consent-title = Darf dieser Server dich zurückholen?
consent-text = Wird dieser Server angegriffen, findest du dich vielleicht draußen wieder. Erlaubst du es, kann der Server dich wieder hereinlassen. Gefragt wirst du auf einer Seite, die sagt, was das heißt: Es gilt nur für diesen Server, niemand erfährt dadurch mehr über dich, und du kannst es dort jederzeit zurücknehmen.
consent-button = Lesen und entscheiden
consent-no-application = Hier kann niemand gefragt werden: Wer diesen Bot betreibt, muss `discord_auth.client_id` und `discord_auth.client_secret` setzen.

plan-make = { $kind }: { $count } anlegen
plan-change = { $kind }: { $count } ändern
plan-delete = { $kind }: { $count } löschen
plan-permissions = { $kind }: Rechte von { $count }
plan-order = { $kind }: { $count } ordnen
plan-head-make = { $count } anzulegen
plan-head-change = { $count } zu ändern
plan-head-delete = { $count } zu löschen
plan-head-members = { $count } an Mitgliedern
plan-head-ban = { $count } zu bannen
plan-head-free = { $count ->
    [one] { $count } Bann aufzuheben
   *[other] { $count } Banns aufzuheben
}
plan-head-nothing = Es ist nichts zu tun
plan-head-left = { $count ->
    [one] { $count } bleibt, wie es ist
   *[other] { $count } bleiben, wie sie sind
}
plan-head-time = { $line }; das dauert mindestens { $time }
kind-guild = Einstellungen des Servers
kind-role = Rollen
kind-channel = Kanäle
kind-thread = Threads
kind-emoji = Emojis
kind-sticker = Sticker
kind-sound = Sounds
kind-automod-rule = AutoMod-Regeln
kind-scheduled-event = Events
kind-widget = Widget des Servers
kind-welcome-screen = Begrüßung
kind-onboarding = Onboarding-Fragen
kind-webhook = Webhooks
kind-invite = Einladungen
kind-member = Mitglieder
kind-ban = Banns
coverage-seen = { $count ->
    [one] { $count } Kanal, mehr sieht der Bot nicht
   *[other] Alle { $count } Kanäle, die der Bot sieht
}
coverage-part = { $count ->
    [one] { $visible } von { $count } Kanal
   *[other] { $visible } von { $count } Kanälen
}
coverage-hidden = { $count ->
    [one] { $count } ist für den Bot verborgen
   *[other] { $count } sind für den Bot verborgen
}
coverage-permission = { $count ->
    [one] { $count } ist nicht lesbar
   *[other] { $count } sind nicht lesbar
}
coverage-unknown-kind = { $count ->
    [one] { $count } ist von unbekannter Art
   *[other] { $count } sind von unbekannter Art
}
coverage-refused = { $count ->
    [one] { $count } fehlt nach einem Fehler
   *[other] { $count } fehlen nach Fehlern
}
coverage-threads = { $count ->
    [one] { $count } hat mehr Threads, als gesichert wurden
   *[other] { $count } haben mehr Threads, als gesichert wurden
}
coverage-private = { $count ->
    [one] { $count } hat vielleicht private Threads, die der Bot nicht sieht
   *[other] { $count } haben vielleicht private Threads, die der Bot nicht sieht
}
coverage-more = { $count ->
    [one] { $count } weiterer hat Lücken
   *[other] { $count } weitere haben Lücken
}
coverage-attachments = { $count ->
    [one] { $count } Anhang wurde nicht gesichert
   *[other] { $count } Anhänge wurden nicht gesichert
}
coverage-files = { $count ->
    [one] { $count } Bild oder Sound wurde nicht gesichert
   *[other] { $count } Bilder oder Sounds wurden nicht gesichert
}

schedule-title = Geplante Sicherungen
schedule-stored = Der Zeitplan ist gespeichert.
schedule-told = Wenn eine scheitert oder sich verspätet, steht es dort, wohin Alarme gehen: `/{ command-protection } { command-protection-alerts }`. Geplante Sicherungen haben kein Passwort.
schedule-stays = Was auch Zahl und Alter sagen: die neueste vollständige Sicherung bleibt, und die neueste von vor jedem Vorfall der letzten 30 Tage oder der noch offen ist. Eine mit weniger als drei Vierteln der Kanäle, die vorher gesichert waren, nimmt keiner anderen den Platz.
schedule-none = Es gibt keine. `/{ command-backups } { command-backups-schedule } { command-backups-schedule-add }` legt eine an.
schedule-unknown = { $what } ist nicht die Id eines Zeitplans dieses Servers. `/{ command-backups } { command-backups-schedule } { command-backups-schedule-list }` zeigt sie.
schedule-removed = `{ $id }` ist entfernt. Die Sicherungen daraus bleiben.
schedule-line = `{ $cron }` UTC, { $next }, behält { $keeps }
schedule-next = das nächste Mal { $at } ({ $when })
schedule-never = nie wieder
schedule-keeps-all = alle
schedule-keeps-newest = die neuesten { $count }
schedule-keeps-days = { $days ->
    [one] { $days } Tag lang
   *[other] { $days } Tage lang
}
schedule-keeps-both = die neuesten { $count }, höchstens { $days ->
    [one] { $days } Tag
   *[other] { $days } Tage
}
schedule-failed = Eine geplante Sicherung wurde nicht gemacht: { $why }.
schedule-fallen = Die geplante Sicherung enthält weniger als drei Viertel der Kanäle, die in den vorigen sind: Der Server wurde verwüstet, oder der Bot sieht wenig von ihm. Was vorher gemacht wurde, bleibt.
schedule-late = Die Sicherung vom { $due } ist verspätet: Der Dienst für Sicherungen läuft nicht. Sie wird gemacht, sobald er wieder läuft.
schedule-see = `/{ command-backups } { command-backups-schedule } { command-backups-schedule-list }` zeigt `{ $id }`.
