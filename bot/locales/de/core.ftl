# Hilfe, Statistik, ein Lebenszeichen und was rund um jeden Befehl gesagt wird.

ping-title = Pong!
ping-gateway = Gateway
ping-unknown = noch nicht bekannt
ping-sending = Senden

stats-title = Statistik des Bots
stats-name = Name
stats-version = Version
stats-rustc = rustc
stats-commit = Git-Commit
stats-uptime = Laufzeit
stats-cluster = Cluster
stats-cluster-value = { $name } ({ $id } von { $count })
stats-servers = Server
stats-users = Mitglieder
stats-shards = Shards
stats-clusters = Cluster insgesamt
stats-message = Commit-Nachricht
stats-built = Gebaut auf
stats-profile = Cargo-Profil

help-unknown = Den Befehl „{ $name }“ gibt es nicht.
help-no-description = Ohne Beschreibung.
help-none = Es gibt keine Befehle.
help-parameters = Parameter
help-parameter = `{ $name }`: { $about }
help-optional = `{ $name }` (nicht nötig): { $about }
help-needs = Was es braucht, und wozu
help-foot = Seite { $number } von { $pages }. Befehle gehen mit / und mit { $prefix }
help-choose = Wähle ein Modul

page-not-yours = Diese Knöpfe sind für die Person, die den Befehl ausgeführt hat.
page-previous = Zurück
page-next = Weiter
page-cancel = Schließen
page-of = Seite { $number } von { $pages }
press-busy = Was du davor gedrückt hast, läuft noch. Bitte versuche es gleich noch einmal.
press-stale = Dieser Knopf stammt von einer anderen Version von mir und tut nichts mehr. Führe den Befehl noch einmal aus.

maintenance-support = Hilfe: { $link }
maintenance-title = Wartung
maintenance-text = Am Bot wird gearbeitet. Bitte komm später wieder.
maintenance-updates = Neues
maintenance-updates-text = Auf dem Hilfe-Server steht, wann der Bot wieder da ist.
maintenance-statistics = Statistik
