-- What the anti-nuke engine knows beyond its memory. The twin for SQLite has the same tables and
-- columns.

CREATE TABLE protections (
    guild_id   BIGINT PRIMARY KEY,
    -- Absent: the defaults.
    policy     TEXT,
    -- Counts the changes of the policy.
    version    BIGINT NOT NULL DEFAULT 0,
    -- Windows and states, to go on after a restart.
    state      TEXT,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE protection_incidents (
    guild_id      BIGINT NOT NULL,
    incident_id   BIGINT NOT NULL,
    kind          TEXT NOT NULL,
    mode          TEXT NOT NULL,
    state         TEXT NOT NULL,
    document      TEXT NOT NULL,
    -- The message that shows it.
    alert_channel BIGINT,
    alert_message BIGINT,
    updated_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (guild_id, incident_id)
);

CREATE INDEX protection_incidents_by_time ON protection_incidents (updated_at);
