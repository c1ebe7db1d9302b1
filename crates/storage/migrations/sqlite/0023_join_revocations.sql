-- What Discord gave for consents that were taken back, until Discord has taken it back, too. The twin for
-- PostgreSQL has the same tables and columns.

CREATE TABLE join_revocations (
    user_id    INTEGER PRIMARY KEY,
    -- Discord's tokens, sealed under the installation's data key.
    sealed     BLOB NOT NULL,
    attempts   INTEGER NOT NULL,
    -- When Discord is asked next.
    due_at     INTEGER NOT NULL,
    -- Until then somebody is asking.
    held_until INTEGER,
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX join_revocations_due ON join_revocations (due_at);
