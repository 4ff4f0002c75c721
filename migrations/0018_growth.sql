-- Work that grows with the data is done in batches, each in a transaction of its own, and goes on where it was cut off.

-- 1. People whose accounts were deleted, and how far the audit trail has been gone over for what it tells of them: by
-- whom an event is about, then by who did it; once at once, and once more when nothing can be under way any more that was
-- begun before. A row goes when nothing is left to erase.
CREATE TABLE erasures (
    user_id          uuid PRIMARY KEY,
    begun_at         timestamptz NOT NULL,
    due_at           timestamptz NOT NULL,
    is_last_time     boolean NOT NULL DEFAULT false,
    events           bigint NOT NULL DEFAULT 0,
    about_until      timestamptz NOT NULL DEFAULT '-infinity',
    about_until_id   uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    done_by_until    timestamptz NOT NULL DEFAULT '-infinity',
    done_by_until_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
);
CREATE INDEX idx_erasures_due ON erasures (due_at, user_id);

-- 2. The last time that everybody's sessions were ended: none that began before is honoured any more, whether or not its
-- own row says so yet.
CREATE TABLE session_revocation (
    is_last      boolean PRIMARY KEY DEFAULT true CHECK (is_last),
    begun_before timestamptz NOT NULL,
    reason       text NOT NULL,
    sessions     bigint NOT NULL DEFAULT 0,
    finished_at  timestamptz
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['erasures', 'session_revocation'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY system_does_everything ON %I
                        USING ((SELECT principal_is_system())) WITH CHECK ((SELECT principal_is_system()))', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO voicehive_app, voicehive_all', name);
    END LOOP;
END
$$;
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OF begun_before OR DELETE OR TRUNCATE ON session_revocation
    FOR EACH STATEMENT EXECUTE FUNCTION tell_change('everything');

-- Erases what up to `most` events tell of a person whose account is gone, and moves on; how many it looked at. Fewer than
-- `most`, and nothing is left. One event at a time: a plan for any number of them would go over all of the trail.
CREATE FUNCTION erase_person_from_audit_events(person uuid, most integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog AS $$
DECLARE
    me constant text := 'user:' || person;
    erasure public.erasures%ROWTYPE;
    event record;
    looked_at integer := 0;
BEGIN
    IF NOT public.principal_is_system() THEN
        RAISE EXCEPTION 'only the system itself erases people' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT * INTO erasure FROM public.erasures WHERE user_id = person FOR UPDATE;
    IF NOT FOUND OR EXISTS (SELECT FROM public.users WHERE id = person) THEN
        RAISE EXCEPTION 'the account must be deleted first' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR event IN
        SELECT e.occurred_at, e.id FROM public.audit_events e
         WHERE e.about = person AND (e.occurred_at, e.id) > (erasure.about_until, erasure.about_until_id)
         ORDER BY e.occurred_at, e.id LIMIT most LOOP
        UPDATE public.audit_events e
           SET personal = NULL, personal_salt = NULL,
               ip_address = CASE WHEN coalesce(e.actor, me) <> me THEN e.ip_address END,
               user_agent = CASE WHEN coalesce(e.actor, me) <> me THEN e.user_agent END,
               origin_salt = CASE WHEN coalesce(e.actor, me) <> me THEN e.origin_salt END
         WHERE e.occurred_at = event.occurred_at AND e.id = event.id
           AND (e.personal IS NOT NULL OR e.personal_salt IS NOT NULL
                OR (coalesce(e.actor, me) = me AND (e.ip_address IS NOT NULL OR e.user_agent IS NOT NULL OR e.origin_salt IS NOT NULL)));
        looked_at := looked_at + 1;
        erasure.about_until := event.occurred_at;
        erasure.about_until_id := event.id;
    END LOOP;
    FOR event IN
        SELECT e.occurred_at, e.id FROM public.audit_events e
         WHERE e.actor = me AND (e.occurred_at, e.id) > (erasure.done_by_until, erasure.done_by_until_id)
         ORDER BY e.occurred_at, e.id LIMIT most - looked_at LOOP
        UPDATE public.audit_events e SET ip_address = NULL, user_agent = NULL, origin_salt = NULL
         WHERE e.occurred_at = event.occurred_at AND e.id = event.id
           AND (e.ip_address IS NOT NULL OR e.user_agent IS NOT NULL OR e.origin_salt IS NOT NULL);
        looked_at := looked_at + 1;
        erasure.done_by_until := event.occurred_at;
        erasure.done_by_until_id := event.id;
    END LOOP;
    UPDATE public.erasures
       SET events = events + looked_at, about_until = erasure.about_until, about_until_id = erasure.about_until_id,
           done_by_until = erasure.done_by_until, done_by_until_id = erasure.done_by_until_id
     WHERE user_id = person;
    RETURN looked_at;
END
$$;
REVOKE ALL ON FUNCTION erase_person_from_audit_events(uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_person_from_audit_events(uuid, integer) TO voicehive_app, voicehive_all;

-- 3. As before; and whoever changes very many at once has it told once that everything has changed.
CREATE OR REPLACE FUNCTION tell_changed_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('voicehive_changes', CASE WHEN current_setting('app.changes', true) = 'many' THEN 'everything'
                                                ELSE TG_ARGV[0] || ' ' || OLD.id END);
    RETURN NULL;
END
$$;

-- 4. Times that cannot be told are refused: infinity, and years before 1 or after 9999. What is there is brought within that
-- range, and is not gone over again under the lock that a constraint takes (NOT VALID), which comes after all else: nobody
-- waits while rows are looked for. What the audit trail holds is left as it is, because whoever changed it would break the
-- proof that nobody did; and events have no such constraint, which would keep those that are there from being erased.
SELECT set_config('app.principal', 'system', true);
DO $$
DECLARE
    ours record;
    rules text[] := ARRAY[]::text[];
    rule text;
BEGIN
    FOR ours IN
        SELECT c.relname AS name, c.relname LIKE 'audit%' AS is_proved,
               string_agg(format('%1$I = CASE WHEN %1$I IS NOT NULL THEN least(greatest(%1$I, ''0001-01-01 00:00:00+00''), ''9999-12-31 23:59:59.999999+00'') END', a.attname), ', ') AS nearest,
               string_agg(format('%1$I >= ''0001-01-01 00:00:00+00'' AND %1$I <= ''9999-12-31 23:59:59.999999+00''', a.attname), ' AND ' ORDER BY a.attnum) AS can_be_told
          FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname IN ('system_does_everything', 'system_adds'))
           AND a.atttypid = 'timestamptz'::regtype AND NOT a.attisdropped AND a.attgenerated = ''
           -- These only ever follow another time.
           AND a.attname NOT IN ('user_created_at', 'about_until', 'done_by_until')
           AND c.relname NOT IN ('audit_events', 'audit_event_hotels')
         GROUP BY c.relname ORDER BY c.relname LOOP
        IF NOT ours.is_proved THEN
            EXECUTE format('UPDATE %I SET %s WHERE NOT (%s)', ours.name, ours.nearest, ours.can_be_told);
        END IF;
        rules := rules || format('ALTER TABLE %I ADD CONSTRAINT %I CHECK (%s) NOT VALID', ours.name, ours.name || '_times_check', ours.can_be_told);
    END LOOP;
    FOREACH rule IN ARRAY rules LOOP
        EXECUTE rule;
    END LOOP;
END
$$;
