-- Somebody who took their last consent back while Discord was away.
INSERT INTO join_revocations (user_id, sealed, attempts, due_at, held_until, created_at)
VALUES (1100000000000000014, x'0102', 2, ms(1700000000000), ms(1700000000001), ms(1699999999999));
