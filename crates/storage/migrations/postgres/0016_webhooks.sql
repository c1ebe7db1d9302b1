-- Addresses that hear of what happens in servers, and what is sent to them. The twin for SQLite has
-- the same tables and columns.

CREATE TABLE webhooks (
    webhook_id UUID PRIMARY KEY,
    guild_id   BIGINT NOT NULL,
    name       TEXT NOT NULL,
    url        TEXT NOT NULL,
    -- Types of messages as a JSON list.
    types      TEXT NOT NULL,
    -- Sealed under the installation's data key.
    secret     BYTEA NOT NULL,
    -- The event of its guild up to which messages were made.
    seen       BIGINT NOT NULL,
    -- Why nothing is sent; NULL: it is on.
    off        TEXT,
    created_by BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX webhooks_by_guild ON webhooks (guild_id, created_at);

CREATE TABLE webhook_messages (
    message_id UUID PRIMARY KEY,
    webhook_id UUID NOT NULL REFERENCES webhooks (webhook_id) ON DELETE CASCADE,
    type       TEXT NOT NULL CHECK (type <> ''),
    -- What it is about: of each type it is said once.
    subject    TEXT NOT NULL,
    body       TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    -- When it is tried next.
    due_at     TIMESTAMPTZ,
    -- What the last attempt came to, and its HTTP status.
    outcome    TEXT,
    status     INTEGER,
    created_at TIMESTAMPTZ NOT NULL,
    tried_at   TIMESTAMPTZ,
    CHECK ((state = 'waiting') = (due_at IS NOT NULL))
);

CREATE UNIQUE INDEX webhook_messages_once ON webhook_messages (webhook_id, type, subject);
CREATE INDEX webhook_messages_due ON webhook_messages (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_messages_newest ON webhook_messages (webhook_id, created_at);
CREATE INDEX webhook_messages_by_time ON webhook_messages (created_at);
