-- Addresses are served in turn, and for somebody who may have what they are told; and what is old is
-- found by its time. The twin for SQLite has the same tables and columns. Programs of before go on
-- writing rows meanwhile: what they do not name is NULL, and what they say is found by triggers.

-- Whose rights in the server it takes: who made it (NULL, too), or switched it on or sent it elsewhere since.
ALTER TABLE webhooks ADD COLUMN vouched_by BIGINT;
-- When it is looked at next for messages that are due; never later than the first of them is. NULL: none
-- waits.
ALTER TABLE webhooks ADD COLUMN turn_at TIMESTAMPTZ;

UPDATE webhooks SET turn_at = (SELECT MIN(due_at) FROM webhook_messages
        WHERE webhook_messages.webhook_id = webhooks.webhook_id);

CREATE FUNCTION wake_webhook() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
UPDATE webhooks SET turn_at = NEW.due_at
WHERE webhook_id = NEW.webhook_id AND (turn_at IS NULL OR turn_at > NEW.due_at);
RETURN NULL;
END
$$;

CREATE TRIGGER messages_that_are_said AFTER INSERT ON webhook_messages FOR EACH ROW
WHEN (NEW.due_at IS NOT NULL) EXECUTE FUNCTION wake_webhook();
CREATE TRIGGER messages_that_become_due AFTER UPDATE OF due_at ON webhook_messages FOR EACH ROW
WHEN (NEW.due_at IS NOT NULL AND NEW.due_at IS DISTINCT FROM OLD.due_at) EXECUTE FUNCTION wake_webhook();

CREATE INDEX webhooks_by_turn ON webhooks (turn_at) WHERE turn_at IS NOT NULL;
DROP INDEX webhook_messages_due;
CREATE INDEX webhook_messages_due ON webhook_messages (webhook_id, due_at) WHERE due_at IS NOT NULL;

CREATE INDEX guarded_requests_by_end ON guarded_requests (ended_at) WHERE ended_at IS NOT NULL;
