-- What happens in servers, for whoever follows them. The database notes it itself, so no writer can
-- forget it. The twin for PostgreSQL has the same table and columns.

CREATE TABLE guild_events (
    -- Numbers are never given twice.
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    guild_id INTEGER NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('incident', 'job', 'approval', 'settings')),
    -- The incident, the job, the request or the version of the settings.
    subject  TEXT NOT NULL,
    -- What that is now.
    state    TEXT,
    at       INTEGER NOT NULL DEFAULT (CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER))
) STRICT;
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
