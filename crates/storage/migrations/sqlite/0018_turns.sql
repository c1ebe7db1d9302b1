-- Addresses are served in turn, and for somebody who may have what they are told; and what is old is
-- found by its time. The twin for PostgreSQL has the same tables and columns.

-- Whose rights in the server it takes: who made it, or switched it on or sent it elsewhere since.
ALTER TABLE webhooks ADD COLUMN vouched_by INTEGER NOT NULL DEFAULT 0;
-- What a message is sent to: scheme, host and port of the URL.
ALTER TABLE webhooks ADD COLUMN address TEXT NOT NULL DEFAULT '';
-- When it is looked at next for messages that are due; never later than the first of them is. NULL: none
-- waits.
ALTER TABLE webhooks ADD COLUMN turn_at INTEGER;

UPDATE webhooks SET address = substr(url, 1, 7 + instr(substr(url, 9) || '/', '/')),
    vouched_by = created_by,
    turn_at = (SELECT MIN(due_at) FROM webhook_messages
        WHERE webhook_messages.webhook_id = webhooks.webhook_id);

CREATE INDEX webhooks_by_turn ON webhooks (turn_at) WHERE turn_at IS NOT NULL;
DROP INDEX webhook_messages_due;
CREATE INDEX webhook_messages_due ON webhook_messages (webhook_id, due_at) WHERE due_at IS NOT NULL;

CREATE INDEX guarded_requests_by_end ON guarded_requests (ended_at) WHERE ended_at IS NOT NULL;
