-- Digests of requests are made, and answers to them encrypted, under a key that the database does not have; this is what
-- that key is named by. Null: kept by a release that had no such key, and forgotten within a day.
ALTER TABLE idempotency_keys ADD COLUMN key_id text COLLATE "C";
