-- Somebody who may be brought back into two servers, and whose grant is being renewed.
INSERT INTO join_grants (user_id, sealed, ends_at, version, held_until, updated_at)
VALUES (1100000000000000013, x'0102', ms(1700000000000), 3, ms(1700000000001), ms(1699999999999));

INSERT INTO join_consents (guild_id, user_id, given_at)
VALUES (1100000000001179648, 1100000000000000013, ms(1699999999998));

INSERT INTO join_consents (guild_id, user_id, given_at)
VALUES (1100000000005373952, 1100000000000000013, ms(1699999999999));
