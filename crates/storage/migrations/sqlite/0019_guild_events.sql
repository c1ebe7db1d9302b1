-- Also that a server itself has changed, and that a backup is late. The twin for PostgreSQL has the same
-- table and columns. SQLite changes no check of a table: it is made anew, with the same numbers.

DROP TRIGGER tasks_that_begin;
DROP TRIGGER tasks_that_get_on;
DROP TRIGGER incidents_that_open;
DROP TRIGGER incidents_that_change;
DROP TRIGGER requests_that_open;
DROP TRIGGER requests_that_move;
DROP TRIGGER requests_that_are_answered;
DROP TRIGGER settings_that_begin;
DROP TRIGGER settings_that_change;
DROP INDEX guild_events_by_guild;
DROP INDEX guild_events_by_time;

CREATE TABLE guild_events_with_more (seq INTEGER PRIMARY KEY AUTOINCREMENT, guild_id INTEGER NOT NULL,
kind TEXT NOT NULL CHECK (kind IN ('incident', 'job', 'approval', 'settings', 'guild', 'backup_late')),
subject TEXT NOT NULL, state TEXT,
at INTEGER NOT NULL DEFAULT (CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER))) STRICT;
INSERT INTO guild_events_with_more (seq, guild_id, kind, subject, state, at)
SELECT seq, guild_id, kind, subject, state, at FROM guild_events;
DROP TABLE guild_events;
ALTER TABLE guild_events_with_more RENAME TO guild_events;
CREATE INDEX guild_events_by_guild ON guild_events (guild_id, seq);
CREATE INDEX guild_events_by_time ON guild_events (at);

CREATE TRIGGER tasks_that_begin AFTER INSERT ON tasks FOR EACH ROW
WHEN NEW.owner LIKE 'g/%'
BEGIN
INSERT INTO guild_events (guild_id, kind, subject, state) VALUES (CAST(substr(NEW.owner, 3) AS INTEGER), 'job', NEW.task_id, NEW.state);
END;
CREATE TRIGGER tasks_that_get_on AFTER UPDATE OF state ON tasks FOR EACH ROW
WHEN NEW.owner LIKE 'g/%' AND NEW.state IS NOT OLD.state
BEGIN
INSERT INTO guild_events (guild_id, kind, subject, state) VALUES (CAST(substr(NEW.owner, 3) AS INTEGER), 'job', NEW.task_id, NEW.state);
END;
CREATE TRIGGER incidents_that_open AFTER INSERT ON protection_incidents FOR EACH ROW
BEGIN
INSERT INTO guild_events (guild_id, kind, subject, state) VALUES (NEW.guild_id, 'incident', NEW.incident_id, NEW.state);
END;
CREATE TRIGGER incidents_that_change AFTER UPDATE OF document ON protection_incidents FOR EACH ROW
WHEN NEW.document IS NOT OLD.document OR NEW.state IS NOT OLD.state
BEGIN
INSERT INTO guild_events (guild_id, kind, subject, state) VALUES (NEW.guild_id, 'incident', NEW.incident_id, NEW.state);
END;
CREATE TRIGGER requests_that_open AFTER INSERT ON guarded_requests FOR EACH ROW
BEGIN
INSERT INTO guild_events (guild_id, kind, subject, state) VALUES (NEW.guild_id, 'approval', NEW.request_id, NEW.state);
END;
CREATE TRIGGER requests_that_move AFTER UPDATE OF state ON guarded_requests FOR EACH ROW
WHEN NEW.state IS NOT OLD.state
BEGIN
INSERT INTO guild_events (guild_id, kind, subject, state) VALUES (NEW.guild_id, 'approval', NEW.request_id, NEW.state);
END;
CREATE TRIGGER requests_that_are_answered AFTER INSERT ON guarded_answers FOR EACH ROW
BEGIN
INSERT INTO guild_events (guild_id, kind, subject, state) SELECT guild_id, 'approval', request_id, state
FROM guarded_requests WHERE request_id = NEW.request_id;
END;
CREATE TRIGGER settings_that_begin AFTER INSERT ON guild_versions FOR EACH ROW
BEGIN
INSERT INTO guild_events (guild_id, kind, subject, state) VALUES (NEW.guild_id, 'settings', NEW.version, NULL);
END;
CREATE TRIGGER settings_that_change AFTER UPDATE OF version ON guild_versions FOR EACH ROW
WHEN NEW.version IS NOT OLD.version
BEGIN
INSERT INTO guild_events (guild_id, kind, subject, state) VALUES (NEW.guild_id, 'settings', NEW.version, NULL);
END;

CREATE TRIGGER structures_that_begin AFTER INSERT ON structure_histories FOR EACH ROW
BEGIN
INSERT INTO guild_events (guild_id, kind, subject, state) VALUES (NEW.guild_id, 'guild', printf('%u', NEW.guild_id), NULL);
END;
CREATE TRIGGER structures_that_change AFTER UPDATE OF base, changes ON structure_histories FOR EACH ROW
WHEN NEW.base IS NOT OLD.base OR NEW.changes IS NOT OLD.changes
BEGIN
INSERT INTO guild_events (guild_id, kind, subject, state) VALUES (NEW.guild_id, 'guild', printf('%u', NEW.guild_id), NULL);
END;
CREATE TRIGGER schedules_that_are_late AFTER UPDATE OF late_told ON schedules FOR EACH ROW
WHEN NEW.guild_id IS NOT NULL AND NEW.late_told IS NOT NULL AND NEW.late_told IS NOT OLD.late_told
BEGIN
INSERT INTO guild_events (guild_id, kind, subject, state) VALUES (NEW.guild_id, 'backup_late', NEW.schedule_id, NULL);
END;
