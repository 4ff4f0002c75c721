-- The keys that tokens are signed with, shared by all servers: published before `signs_from`, honoured until
-- `honoured_until`. Where jwt.signing_key_file names one, none is kept here.
CREATE TABLE signing_keys (
    id             text COLLATE "C" PRIMARY KEY,
    private_key    text NOT NULL,
    created_at     timestamptz NOT NULL,
    signs_from     timestamptz NOT NULL,
    honoured_until timestamptz
);
ALTER TABLE signing_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE signing_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY system_does_everything ON signing_keys
    USING ((SELECT principal_is_system())) WITH CHECK ((SELECT principal_is_system()));
GRANT SELECT, INSERT, UPDATE, DELETE ON signing_keys TO voicehive_app;

-- As before, and with a policy on each partition, for the owner's backups, which read each by itself.
CREATE OR REPLACE FUNCTION prepare_audit_partitions(first date, months integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
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
            -- For the owner's backups, which read each partition by itself.
            EXECUTE format('CREATE POLICY system_does_everything ON public.%I USING ((SELECT public.principal_is_system()))
                            WITH CHECK ((SELECT public.principal_is_system()))', partition);
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;

-- The same for the partitions that are there already.
DO $$
DECLARE
    partition regclass;
BEGIN
    FOR partition IN
        SELECT c.oid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent IN ('audit_events'::regclass, 'audit_event_hotels'::regclass)
           AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid) LOOP
        EXECUTE format('CREATE POLICY system_does_everything ON %s
                        USING ((SELECT principal_is_system())) WITH CHECK ((SELECT principal_is_system()))', partition);
    END LOOP;
END
$$;
