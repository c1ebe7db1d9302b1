-- How servers were before something happened to them. The twin for SQLite has the same tables and
-- columns; documents are compressed, their shape is the caller's.

CREATE TABLE structure_histories (
    guild_id   BIGINT PRIMARY KEY,
    -- A server's structure, and what changed since.
    base       BYTEA NOT NULL,
    changes    BYTEA NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- The structure as it was before an incident, for as long as the incident is kept.
CREATE TABLE incident_pins (
    guild_id    BIGINT NOT NULL,
    incident_id BIGINT NOT NULL,
    document    BYTEA NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (guild_id, incident_id)
);

CREATE INDEX incident_pins_by_time ON incident_pins (updated_at);
