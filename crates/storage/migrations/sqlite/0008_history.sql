-- How servers were before something happened to them. The twin for PostgreSQL has the same tables
-- and columns; documents are compressed, their shape is the caller's.

CREATE TABLE structure_histories (
    guild_id   INTEGER PRIMARY KEY,
    -- A server's structure, and what changed since.
    base       BLOB NOT NULL,
    changes    BLOB NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- The structure as it was before an incident, for as long as the incident is kept.
CREATE TABLE incident_pins (
    guild_id    INTEGER NOT NULL,
    incident_id INTEGER NOT NULL,
    document    BLOB NOT NULL,
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (guild_id, incident_id)
) STRICT;

CREATE INDEX incident_pins_by_time ON incident_pins (updated_at);
