-- What is tried again and again within a minute becomes two audit events, however often it was: the first time is written at
-- once, the others are counted here, and how many there were is written when the minute is over. An event, once written, is
-- sealed, so that nothing can be counted in it.
--
--   whose    what is counted together: a global id of whom it is about or who did it, or a client's address
--   repeats  how often, beside the first time; why is in `reasons`, each with its number
--   subject, ip_address, user_agent   as long as they are the same each time
CREATE TABLE audit_repeats (
    minute     timestamptz NOT NULL,
    type       text COLLATE "C" NOT NULL,
    whose      text COLLATE "C" NOT NULL,
    repeats    bigint NOT NULL DEFAULT 0 CHECK (repeats >= 0),
    reasons    jsonb NOT NULL DEFAULT '{}',
    actor      text COLLATE "C",
    subject    text COLLATE "C",
    about      uuid,
    hotels     text[] COLLATE "C" NOT NULL,
    detail     jsonb NOT NULL,
    ip_address text,
    user_agent text,
    last_at    timestamptz NOT NULL,
    PRIMARY KEY (minute, type, whose)
);
CREATE INDEX idx_audit_repeats_about ON audit_repeats (about) WHERE about IS NOT NULL;
ALTER TABLE audit_repeats ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_repeats FORCE ROW LEVEL SECURITY;
CREATE POLICY system_does_everything ON audit_repeats
    USING ((SELECT principal_is_system())) WITH CHECK ((SELECT principal_is_system()));
GRANT SELECT, INSERT, UPDATE, DELETE ON audit_repeats TO voicehive_app, voicehive_all;
