-- A wall that costs nothing where everything may be seen, and changes that are told instead of asked for.

-- 1. The wider role. A policy that asks of each row what is true of all of them still costs a plan for every way in which it
-- might not be. Whoever sees every user anyway (scope ALL with user:view, and the system itself) acts as voicehive_all, for
-- whom the reading policies are simply true. One gets there only by way of voicehive_app, which does not pass on the rights
-- of the wider role to those who may act as it: with no principal set every table reads empty, as before.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'voicehive_all') THEN
        CREATE ROLE voicehive_all NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- another database of the same server made it in this moment
END
$$;
DO $$
DECLARE
    new_grants constant boolean := current_setting('server_version_num')::int >= 160000;
BEGIN
    -- Since PostgreSQL 16 it is said with the grant; before, it is the role's own.
    IF NOT new_grants AND (SELECT rolinherit FROM pg_roles WHERE rolname = 'voicehive_app') THEN
        ALTER ROLE voicehive_app NOINHERIT;
    END IF;
    IF NOT pg_has_role('voicehive_app', 'voicehive_all', 'MEMBER') THEN
        EXECUTE 'GRANT voicehive_all TO voicehive_app' || CASE WHEN new_grants THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END;
    END IF;
    -- Somebody may have granted it before. With its rights passed on, every request would see every tenant.
    IF pg_has_role('voicehive_app', 'voicehive_all', 'USAGE') AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = 'voicehive_app') THEN
        RAISE EXCEPTION 'voicehive_app has the rights of voicehive_all without asking for them'
            USING HINT = CASE WHEN new_grants THEN 'GRANT voicehive_all TO voicehive_app WITH INHERIT FALSE, SET TRUE'
                              ELSE 'ALTER ROLE voicehive_app NOINHERIT' END;
    END IF;
END
$$;
GRANT SELECT, INSERT, UPDATE, DELETE
   ON users, roles, hotels, user_roles, user_hotels, user_sessions, sign_in_failures, api_key_hotels, seeds, signing_keys
   TO voicehive_all;
GRANT SELECT, INSERT, DELETE, UPDATE (active, revoked_at, revoke_reason, last_used_at) ON api_keys TO voicehive_all;
GRANT SELECT, INSERT ON audit_events, audit_seals TO voicehive_all;
GRANT SELECT ON audit_event_hotels TO voicehive_all;
GRANT SELECT, DELETE ON audit_events_unsealed TO voicehive_all;
GRANT EXECUTE ON FUNCTION principal_hotels(), principal_reaches_user(uuid), principal_api_keys(),
                          prepare_audit_partitions(date, integer), drop_audit_partitions(timestamptz),
                          erase_person_from_audit_events(uuid) TO voicehive_all;
CREATE POLICY everyone_is_in_sight ON users FOR SELECT TO voicehive_all USING (true);
CREATE POLICY everyone_is_in_sight ON user_roles FOR SELECT TO voicehive_all USING (true);
CREATE POLICY everyone_is_in_sight ON user_hotels FOR SELECT TO voicehive_all USING (true);
CREATE POLICY everyone_is_in_sight ON user_sessions FOR SELECT TO voicehive_all USING (true);
CREATE POLICY every_hotel_is_in_sight ON hotels FOR SELECT TO voicehive_all USING (true);
CREATE POLICY every_role_is_known ON roles FOR SELECT TO voicehive_all USING (true);

-- 2. For everyone else: what the reading policies ask of the system is part of what they ask anyway, and none asks another
-- table with policies of its own more than once.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['users', 'roles', 'hotels', 'user_roles', 'user_hotels', 'user_sessions'] LOOP
        EXECUTE format('DROP POLICY system_does_everything ON %I', name);
        EXECUTE format('CREATE POLICY system_adds ON %I FOR INSERT WITH CHECK ((SELECT principal_is_system()))', name);
        EXECUTE format('CREATE POLICY system_changes ON %I FOR UPDATE USING ((SELECT principal_is_system()))', name);
        EXECUTE format('CREATE POLICY system_deletes ON %I FOR DELETE USING ((SELECT principal_is_system()))', name);
    END LOOP;
END
$$;
ALTER POLICY roles_of_visible_people ON user_roles USING (
    user_id = (SELECT principal_user_id())
    OR (SELECT principal_sees_all_users())
    OR EXISTS (SELECT 1 FROM user_hotels
                WHERE user_hotels.user_id = user_roles.user_id
                  AND user_hotels.hotel_id = ANY ((SELECT principal_hotels_of_people())::text[])));
ALTER POLICY sessions_of_visible_people ON user_sessions USING (
    user_id = (SELECT principal_user_id())
    OR (SELECT principal_sees_all_users())
    OR ((SELECT principal_views_users())
        AND EXISTS (SELECT 1 FROM user_hotels
                     WHERE user_hotels.user_id = user_sessions.user_id
                       AND user_hotels.hotel_id = ANY ((SELECT principal_hotels_of_people())::text[]))));

-- The hotels of the principal stand in most policies, and PostgreSQL asks for them once for each place where they do. In a
-- transaction that only reads, and all of it at one moment, they are looked up once and kept in a setting. That ends with the
-- transaction, and counts only for the principal and the transaction that it names: what else may be in it is not believed.
CREATE FUNCTION principal_of_transaction() RETURNS text LANGUAGE sql STABLE
    RETURN now()::text || ' ' || coalesce(current_setting('app.principal', true), '')
           || ' ' || coalesce(current_setting('app.user_id', true), '')
           || ' ' || coalesce(current_setting('app.api_key_id', true), '');
CREATE FUNCTION find_principal_hotels() RETURNS text[] LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog AS $$
DECLARE
    principal constant text := coalesce(current_setting('app.principal', true), '');
    hotels text[];
BEGIN
    PERFORM set_config('app.principal', 'system', true);
    IF principal = 'api_key' THEN
        SELECT coalesce(array_agg(hotel_id::text), '{}') INTO hotels FROM public.api_key_hotels
         WHERE api_key_id = NULLIF(current_setting('app.api_key_id', true), '')::uuid;
    ELSE
        SELECT coalesce(array_agg(hotel_id::text), '{}') INTO hotels FROM public.user_hotels
         WHERE user_id = NULLIF(current_setting('app.user_id', true), '')::uuid;
    END IF;
    PERFORM set_config('app.principal', principal, true);
    IF current_setting('transaction_isolation') = 'repeatable read' AND current_setting('transaction_read_only') = 'on' THEN
        PERFORM set_config('app.hotels', hotels::text, true),
                set_config('app.hotels_of', public.principal_of_transaction(), true);
    END IF;
    RETURN hotels;
END
$$;
REVOKE ALL ON FUNCTION find_principal_hotels() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_principal_hotels() TO voicehive_app, voicehive_all;
CREATE OR REPLACE FUNCTION principal_hotels() RETURNS text[] LANGUAGE sql STABLE
    RETURN coalesce(CASE WHEN current_setting('app.hotels_of', true) = principal_of_transaction()
                         THEN current_setting('app.hotels', true)::text[] END,
                    find_principal_hotels());

-- 3. Changes of who may do what are told to every server, whoever makes them (src/store/changes.rs reads what stands here).
-- NOTIFY takes a lock that all transactions share while they commit, so nothing is told of what happens often: signing in,
-- refreshing, failing to, being used.
CREATE FUNCTION tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('voicehive_changes', TG_ARGV[0]);
    RETURN NULL;
END
$$;
CREATE FUNCTION tell_changed_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('voicehive_changes', TG_ARGV[0] || ' ' || OLD.id);
    RETURN NULL;
END
$$;
CREATE FUNCTION tell_changed_assignments() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    users uuid[];
BEGIN
    SELECT array_agg(DISTINCT user_id) INTO users FROM changed;
    IF users IS NOT NULL THEN
        -- A notification holds 8,000 bytes at the most.
        PERFORM pg_notify('voicehive_changes',
                          CASE WHEN cardinality(users) <= 100 THEN 'user ' || array_to_string(users, ',') ELSE 'everything' END);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON roles
    FOR EACH STATEMENT EXECUTE FUNCTION tell_change('roles');
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON hotels
    FOR EACH STATEMENT EXECUTE FUNCTION tell_change('hotels');
CREATE TRIGGER tell_change
    AFTER UPDATE OF id, service_name, secret_hash, permissions, hotel_scope, active, expires_at, revoked_at OR DELETE OR TRUNCATE
    ON api_keys FOR EACH STATEMENT EXECUTE FUNCTION tell_change('api_keys');
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON api_key_hotels
    FOR EACH STATEMENT EXECUTE FUNCTION tell_change('api_keys');

-- One by one: a comparison of rows reads otherwise after a dump was restored.
CREATE TRIGGER tell_change AFTER UPDATE ON users FOR EACH ROW
    WHEN (OLD.id IS DISTINCT FROM NEW.id OR OLD.email IS DISTINCT FROM NEW.email
          OR OLD.first_name IS DISTINCT FROM NEW.first_name OR OLD.last_name IS DISTINCT FROM NEW.last_name
          OR OLD.active IS DISTINCT FROM NEW.active OR OLD.email_verified IS DISTINCT FROM NEW.email_verified
          OR OLD.password_changed_at IS DISTINCT FROM NEW.password_changed_at
          OR OLD.must_change_password IS DISTINCT FROM NEW.must_change_password
          OR OLD.mfa_enabled IS DISTINCT FROM NEW.mfa_enabled OR OLD.hotel_scope IS DISTINCT FROM NEW.hotel_scope
          OR OLD.created_at IS DISTINCT FROM NEW.created_at OR OLD.updated_at IS DISTINCT FROM NEW.updated_at
          OR OLD.created_by IS DISTINCT FROM NEW.created_by OR OLD.updated_by IS DISTINCT FROM NEW.updated_by)
    EXECUTE FUNCTION tell_changed_row('user');
CREATE TRIGGER tell_deletion AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION tell_changed_row('user');
CREATE TRIGGER tell_truncation AFTER TRUNCATE ON users FOR EACH STATEMENT EXECUTE FUNCTION tell_change('everything');

-- A session that ends before its time.
CREATE TRIGGER tell_end AFTER UPDATE ON user_sessions FOR EACH ROW
    WHEN (OLD.active AND NOT OLD.revoked AND OLD.expires_at > now()
          AND (NEW.revoked OR NOT NEW.active OR NEW.expires_at < OLD.expires_at
               OR NEW.id <> OLD.id OR NEW.user_id <> OLD.user_id))
    EXECUTE FUNCTION tell_changed_row('session');
CREATE TRIGGER tell_deletion AFTER DELETE ON user_sessions FOR EACH ROW
    WHEN (OLD.active AND NOT OLD.revoked AND OLD.expires_at > now())
    EXECUTE FUNCTION tell_changed_row('session');
CREATE TRIGGER tell_truncation AFTER TRUNCATE ON user_sessions FOR EACH STATEMENT EXECUTE FUNCTION tell_change('everything');

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['user_roles', 'user_hotels'] LOOP
        EXECUTE format('CREATE TRIGGER tell_additions AFTER INSERT ON %I REFERENCING NEW TABLE AS changed
                        FOR EACH STATEMENT EXECUTE FUNCTION tell_changed_assignments()', name);
        EXECUTE format('CREATE TRIGGER tell_deletions AFTER DELETE ON %I REFERENCING OLD TABLE AS changed
                        FOR EACH STATEMENT EXECUTE FUNCTION tell_changed_assignments()', name);
        EXECUTE format('CREATE TRIGGER tell_changes AFTER UPDATE OR TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION tell_change(%L)', name, 'everything');
    END LOOP;
END
$$;
