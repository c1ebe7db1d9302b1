-- What Discord gave for consents that were taken back, until Discord has taken it back, too. The twin for
-- SQLite has the same tables and columns.

CREATE TABLE join_revocations (
    user_id    BIGINT PRIMARY KEY,
    -- Discord's tokens, sealed under the installation's data key.
    sealed     BYTEA NOT NULL,
    attempts   BIGINT NOT NULL,
    -- When Discord is asked next.
    due_at     TIMESTAMPTZ NOT NULL,
    -- Until then somebody is asking.
    held_until TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX join_revocations_due ON join_revocations (due_at);
