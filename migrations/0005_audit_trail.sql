-- The audit trail: who may read it, how it is kept, and what proves that it is whole.
--
-- An event says what happened, and for good. What it tells of people (names, email addresses, client addresses, agents)
-- stands in columns of their own that are emptied when the person's data is erased. Each has a digest, made with a salt
-- that is erased along with it: what is there can be proved, what is gone cannot be guessed.
--
--   about            the user an event is about; everyone may read what is about themself
--   hotels           that user's hotels at the time, or the hotel that was changed; empty where it was every hotel
--   personal         what it tells of the user it is about
--   ip_address, user_agent   of whoever did it, or tried to: the actor, or else the user it is about
--
--   app.read_audit   'true' where an active role grants system:monitor or system:admin

SELECT set_config('app.principal', 'system', true);

ALTER TABLE audit_events
    ADD COLUMN about           uuid,
    ADD COLUMN hotels          text[] COLLATE "C" NOT NULL DEFAULT '{}',
    ADD COLUMN personal        json,
    ADD COLUMN personal_salt   bytea,
    ADD COLUMN personal_digest bytea,
    ADD COLUMN origin_salt     bytea,
    ADD COLUMN origin_digest   bytea;
UPDATE audit_events SET about = substr(CASE WHEN subject LIKE 'user:%' THEN subject ELSE actor END, 6)::uuid
 WHERE subject LIKE 'user:%' OR (subject LIKE 'session:%' AND actor LIKE 'user:%');

-- As src/store/audit/mod.rs makes them: each text as \x01, its length in eight bytes and itself, or \x00 where there is none.
UPDATE audit_events SET origin_salt = uuid_send(gen_random_uuid()) WHERE ip_address IS NOT NULL OR user_agent IS NOT NULL;
UPDATE audit_events SET origin_digest = sha256(origin_salt
    || coalesce('\x01'::bytea || int8send(octet_length(ip_address)) || convert_to(ip_address, 'UTF8'), '\x00')
    || coalesce('\x01'::bytea || int8send(octet_length(user_agent)) || convert_to(user_agent, 'UTF8'), '\x00'))
 WHERE origin_salt IS NOT NULL;

-- Each filter of the trail has its index, in the order in which events are listed.
CREATE INDEX idx_audit_events_id ON audit_events (id);
CREATE INDEX idx_audit_events_type ON audit_events (type, occurred_at, id);
CREATE INDEX idx_audit_events_about ON audit_events (about, occurred_at, id) WHERE about IS NOT NULL;
CREATE INDEX idx_audit_events_actor ON audit_events (actor, occurred_at, id) WHERE actor IS NOT NULL;
CREATE INDEX idx_audit_events_subject ON audit_events (subject, occurred_at, id) WHERE subject IS NOT NULL;
CREATE INDEX idx_audit_events_address ON audit_events (ip_address, occurred_at, id) WHERE ip_address IS NOT NULL;
CREATE INDEX idx_audit_events_request ON audit_events (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX idx_audit_events_failure ON audit_events (occurred_at, id) WHERE outcome = 'FAILURE';

-- Events by hotel. A table instead of an index on the array: under a policy only operators that cannot leak may use an
-- index, and those of arrays may.
CREATE TABLE audit_event_hotels (
    hotel_id    text COLLATE "C" NOT NULL,
    occurred_at timestamptz NOT NULL,
    event_id    uuid NOT NULL,
    PRIMARY KEY (hotel_id, occurred_at, event_id)
) PARTITION BY RANGE (occurred_at);
CREATE TABLE audit_event_hotels_default PARTITION OF audit_event_hotels DEFAULT;

-- Events that no seal holds yet.
CREATE TABLE audit_events_unsealed (
    event_id    uuid PRIMARY KEY,
    occurred_at timestamptz NOT NULL
);

-- The chain: each seal holds the hashes of some events of one month and the hash of the seal before it, under a key that
-- the database does not have. The lists are emptied when their month is dropped; the chain itself stays.
CREATE TABLE audit_seals (
    number            bigint PRIMARY KEY CHECK (number > 0),
    month             date NOT NULL,
    first_occurred_at timestamptz NOT NULL,
    last_occurred_at  timestamptz NOT NULL,
    event_ids         uuid[],
    event_hashes      bytea,
    events            integer NOT NULL CHECK (events > 0),
    events_hash       bytea NOT NULL,
    previous_hash     bytea NOT NULL,
    hash              bytea NOT NULL,
    key_id            text NOT NULL,
    sealed_at         timestamptz NOT NULL
);
CREATE INDEX idx_audit_seals_month ON audit_seals (month) WHERE event_ids IS NOT NULL;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['audit_event_hotels', 'audit_event_hotels_default', 'audit_events_unsealed', 'audit_seals'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY system_does_everything ON %I
                        USING ((SELECT principal_is_system())) WITH CHECK ((SELECT principal_is_system()))', name);
    END LOOP;
END
$$;
GRANT SELECT ON audit_event_hotels TO voicehive_app;
GRANT SELECT, DELETE ON audit_events_unsealed TO voicehive_app;
GRANT SELECT, INSERT ON audit_seals TO voicehive_app;

CREATE FUNCTION principal_reads_audit() RETURNS boolean LANGUAGE sql STABLE
    RETURN principal_is_system()
           OR (principal_is_set() AND coalesce(current_setting('app.read_audit', true), '') = 'true');

-- Events about oneself; with system:monitor or system:admin those of one's hotels, under scope ALL every one. An event
-- that tells of a hotel elsewhere is not shown.
CREATE POLICY events_in_reach ON audit_events FOR SELECT USING (
    about = (SELECT principal_user_id())
    OR (SELECT principal_reads_audit() AND principal_reaches_all_hotels())
    OR ((SELECT principal_reads_audit()) AND hotels <> '{}' AND hotels <@ (SELECT principal_hotels())::text[]));
CREATE POLICY events_of_my_hotels ON audit_event_hotels FOR SELECT USING (
    (SELECT principal_reads_audit() AND principal_reaches_all_hotels())
    OR ((SELECT principal_reads_audit()) AND hotel_id = ANY ((SELECT principal_hotels())::text[])));

-- Whoever writes an event, it is found by hotel and awaits its seal.
CREATE POLICY events_are_noted ON audit_event_hotels FOR INSERT WITH CHECK ((SELECT principal_is_set()));
CREATE POLICY events_are_noted ON audit_events_unsealed FOR INSERT WITH CHECK ((SELECT principal_is_set()));
CREATE FUNCTION note_audit_events() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO public.audit_events_unsealed (event_id, occurred_at) SELECT id, occurred_at FROM added;
    INSERT INTO public.audit_event_hotels (hotel_id, occurred_at, event_id)
    SELECT DISTINCT hotel_id, added.occurred_at, added.id FROM added, unnest(added.hotels) AS hotel_id;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION note_audit_events() FROM PUBLIC;
CREATE TRIGGER note_audit_events AFTER INSERT ON audit_events
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION note_audit_events();
INSERT INTO audit_events_unsealed (event_id, occurred_at) SELECT id, occurred_at FROM audit_events;

-- Makes the partitions of `months` months from `first` on, where they are missing. What lies in a default partition
-- meanwhile moves to its month.
CREATE FUNCTION prepare_audit_partitions(first date, months integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog AS $$
DECLARE
    month date;
    parent text;
    partition text;
    made integer := 0;
BEGIN
    IF NOT public.principal_is_system() THEN
        RAISE EXCEPTION 'only the system itself makes partitions' USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOR month IN SELECT generate_series(date_trunc('month', first::timestamp), first::timestamp + make_interval(months => months - 1), '1 month')::date LOOP
        FOREACH parent IN ARRAY ARRAY['audit_events', 'audit_event_hotels'] LOOP
            partition := parent || to_char(month, '_YYYY_MM');
            CONTINUE WHEN to_regclass('public.' || quote_ident(partition)) IS NOT NULL;
            EXECUTE format('LOCK TABLE public.%I IN ACCESS EXCLUSIVE MODE', parent || '_default');
            -- Another server may have made it while this one waited.
            CONTINUE WHEN to_regclass('public.' || quote_ident(partition)) IS NOT NULL;
            EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition, parent);
            EXECUTE format('WITH moved AS (DELETE FROM public.%I WHERE occurred_at >= $1 AND occurred_at < $2 RETURNING *)
                            INSERT INTO public.%I SELECT * FROM moved', parent || '_default', partition)
                USING month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC';
            EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', parent, partition,
                           month::text || ' 00:00:00+00', (month + interval '1 month')::date::text || ' 00:00:00+00');
            EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', partition);
            EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', partition);
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;

-- Drops the months that were over before `before`, and the lists of their seals. Nobody drops what is younger than 30 days.
CREATE FUNCTION drop_audit_partitions(before timestamptz) RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog AS $$
DECLARE
    partition text;
    gone date;
BEGIN
    IF NOT public.principal_is_system() THEN
        RAISE EXCEPTION 'only the system itself drops partitions' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF before > now() - interval '30 days' THEN
        RAISE EXCEPTION 'audit events are kept for at least 30 days' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR partition IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'public.audit_events'::regclass AND c.relname ~ '^audit_events_[0-9]{4}_[0-9]{2}$'
         ORDER BY c.relname LOOP
        gone := to_date(right(partition, 7), 'YYYY_MM');
        EXIT WHEN (gone + interval '1 month') AT TIME ZONE 'UTC' > before;
        EXECUTE format('DROP TABLE public.%I', partition);
        EXECUTE format('DROP TABLE IF EXISTS public.%I', replace(partition, 'audit_events', 'audit_event_hotels'));
        UPDATE public.audit_seals s SET event_ids = NULL, event_hashes = NULL
         WHERE s.month = gone AND s.event_ids IS NOT NULL;
        DELETE FROM public.audit_events_unsealed u
         WHERE u.occurred_at >= gone::timestamp AT TIME ZONE 'UTC' AND u.occurred_at < (gone + interval '1 month') AT TIME ZONE 'UTC';
        RETURN NEXT to_char(gone, 'YYYY-MM');
    END LOOP;
END
$$;

-- Erases what the trail tells of a person whose account is gone. What happened, and the id, stay.
CREATE FUNCTION erase_person_from_audit_events(person uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog AS $$
DECLARE
    principal constant text := coalesce(current_setting('app.principal', true), '');
BEGIN
    IF NOT public.principal_is_set() THEN
        RAISE EXCEPTION 'nobody asks for it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM set_config('app.principal', 'system', true);
    IF EXISTS (SELECT FROM public.users WHERE id = person) THEN
        RAISE EXCEPTION 'the account must be deleted first' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE public.audit_events SET personal = NULL, personal_salt = NULL WHERE about = person AND personal IS NOT NULL;
    UPDATE public.audit_events SET ip_address = NULL, user_agent = NULL, origin_salt = NULL
     WHERE (actor = 'user:' || person OR (actor IS NULL AND about = person))
       AND (ip_address IS NOT NULL OR user_agent IS NOT NULL OR origin_salt IS NOT NULL);
    PERFORM set_config('app.principal', principal, true);
END
$$;
REVOKE ALL ON FUNCTION prepare_audit_partitions(date, integer), drop_audit_partitions(timestamptz),
                       erase_person_from_audit_events(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prepare_audit_partitions(date, integer), drop_audit_partitions(timestamptz),
                          erase_person_from_audit_events(uuid) TO voicehive_app;

-- Events of earlier months, written before there were partitions, stay in the default partition.
SELECT prepare_audit_partitions(current_date, 3);
