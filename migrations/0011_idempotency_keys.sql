-- Requests that a client may send again under a key of its own, so that what was asked for is done once. A row is written in
-- the transaction that does it; the answer follows, encrypted by the key, of which nothing but a hash is here.
CREATE TABLE idempotency_keys (
    caller       text COLLATE "C" NOT NULL,
    key_hash     bytea NOT NULL CHECK (octet_length(key_hash) = 32),
    request_hash bytea NOT NULL CHECK (octet_length(request_hash) = 32),
    claim        uuid NOT NULL,
    answer       bytea,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (caller, key_hash)
);
CREATE INDEX idx_idempotency_keys_created_at ON idempotency_keys (created_at);
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY system_does_everything ON idempotency_keys
    USING ((SELECT principal_is_system())) WITH CHECK ((SELECT principal_is_system()));
GRANT SELECT, INSERT, DELETE, UPDATE (answer) ON idempotency_keys TO voicehive_app, voicehive_all;
