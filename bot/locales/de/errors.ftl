# Was gesagt wird, wenn ein Befehl scheitert.

error-title = Der Befehl ist gescheitert
error-denied = Diesen Befehl darfst du nicht ausführen
error-broken = Etwas ist kaputtgegangen
error-panicked = Das ist ein Fehler im Bot. Er wurde festgehalten und wird angesehen.
error-too-fast = Zu schnell
error-wait = Bitte warte { $seconds } s, bevor du diesen Befehl wieder ausführst.
error-subcommands = Dieser Befehl hat Unterbefehle
error-choose = Wähle einen davon: { $names }
error-bot-may-not = Das darf der Bot nicht
error-bot-lacks = Dem Bot fehlen hier diese Rechte: { $permissions }
error-old-form = Der Befehl ist veraltet
error-reload = Discord zeigt noch eine ältere Form dieses Befehls. Bitte lade Discord neu und versuche es noch einmal.
error-option = Eine Option ist nicht brauchbar
error-input = Das geht so nicht
error-guarded = Andere müssen zustimmen
error-job = Der Auftrag wurde nicht begonnen
error-code = Code
error-support = Hilfe-Server

error-no-guild = Dieser Befehl geht nur auf einem Server.
error-jobserver-away = Der Dienst für Sicherungen ist gerade nicht da. Bitte versuche es in einer Minute noch einmal.
error-jobserver-failed = Der Dienst für Sicherungen konnte den Auftrag nicht annehmen. Bitte versuche es später noch einmal.
error-job-refused = Der Auftrag wurde abgelehnt.
error-database = Die Datenbank hat nicht geantwortet. Bitte versuche es in einer Minute noch einmal.
error-service = Das ist ein Fehler im Bot. Er wurde festgehalten.
error-discord-refused = Discord hat es nicht erlaubt: { $reason }.
error-discord-failed = Discord hat nicht wie erwartet geantwortet. Bitte versuche es noch einmal.

denied-kittycat = Dir fehlt ein eigenes Recht des Bots, das dieser Befehl verlangt.
denied-native = Dir fehlt ein Discord-Recht, das dieser Befehl verlangt.
denied-any = Für diesen Befehl brauchst du mindestens eines dieser Rechte.
denied-none = Du erfüllst keine der Bedingungen dieses Befehls.
denied-few = Du erfüllst nicht genug Bedingungen dieses Befehls.
denied-command-disabled = Der Befehl `{ $command }` ist auf diesem Server abgeschaltet.
denied-unknown-module = Das Modul `{ $module }` ist nicht geladen.
denied-no-module = Zu diesem Befehl gehört kein Modul.
denied-module-disabled = Das Modul `{ $module }` ist auf diesem Server abgeschaltet.
denied-operators = Diesen Befehl dürfen nur die Betreiber des Bots ausführen.
denied-discord = Discord hat nicht gesagt, wer du auf diesem Server bist. Bitte versuche es noch einmal.
denied-unchecked = Deine Rechte konnten nicht geprüft werden: { $reason }.
