INSERT INTO profiles (user_id, profile, told_at) VALUES
    (1100000000000000010, '{"username":"owner"}', ms(1700000000000));
