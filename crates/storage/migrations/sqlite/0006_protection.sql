-- What the anti-nuke engine knows beyond its memory. The twin for PostgreSQL has the same tables and
-- columns.

CREATE TABLE protections (
    guild_id   INTEGER PRIMARY KEY,
    -- Absent: the defaults.
    policy     TEXT CHECK (json_valid(policy)),
    -- Counts the changes of the policy.
    version    INTEGER NOT NULL DEFAULT 0,
    -- Windows and states, to go on after a restart.
    state      TEXT CHECK (json_valid(state)),
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE protection_incidents (
    guild_id      INTEGER NOT NULL,
    incident_id   INTEGER NOT NULL,
    kind          TEXT NOT NULL,
    mode          TEXT NOT NULL,
    state         TEXT NOT NULL,
    document      TEXT NOT NULL CHECK (json_valid(document)),
    -- The message that shows it.
    alert_channel INTEGER,
    alert_message INTEGER,
    updated_at    INTEGER NOT NULL,
    PRIMARY KEY (guild_id, incident_id)
) STRICT;

CREATE INDEX protection_incidents_by_time ON protection_incidents (updated_at);
