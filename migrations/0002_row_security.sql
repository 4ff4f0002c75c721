-- The second wall between tenants. Requests run as voicehive_app, which owns nothing and cannot bypass policies; who
-- makes the request is set per transaction in one place of the server (src/store/transaction.rs):
--
--   app.principal      'system' or 'user'; anything else, and every table reads empty
--   app.user_id        the user
--   app.all_hotels     'true' where the hotel scope is ALL
--   app.view_users     'true' where an active role grants user:view
--
-- Helpers stand in policies as (SELECT helper()), so that they run once per statement and not once per row.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'voicehive_app') THEN
        CREATE ROLE voicehive_app NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- another database of the same server made it in this moment
END
$$;
DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'voicehive_app', 'USAGE') THEN
        GRANT voicehive_app TO CURRENT_USER;
    END IF;
END
$$;

-- A setting that a finished transaction had set reads '' afterwards, not NULL.
CREATE FUNCTION principal_is_system() RETURNS boolean LANGUAGE sql STABLE
    RETURN coalesce(current_setting('app.principal', true), '') = 'system';
CREATE FUNCTION principal_is_set() RETURNS boolean LANGUAGE sql STABLE
    RETURN coalesce(current_setting('app.principal', true), '') IN ('system', 'user');
CREATE FUNCTION principal_user_id() RETURNS uuid LANGUAGE sql STABLE
    RETURN CASE WHEN current_setting('app.principal', true) = 'user'
                THEN NULLIF(current_setting('app.user_id', true), '')::uuid END;
CREATE FUNCTION principal_reaches_all_hotels() RETURNS boolean LANGUAGE sql STABLE
    RETURN principal_is_system()
           OR (principal_is_set() AND coalesce(current_setting('app.all_hotels', true), '') = 'true');
CREATE FUNCTION principal_views_users() RETURNS boolean LANGUAGE sql STABLE
    RETURN principal_is_system()
           OR (principal_is_set() AND coalesce(current_setting('app.view_users', true), '') = 'true');
CREATE FUNCTION principal_sees_all_users() RETURNS boolean LANGUAGE sql STABLE
    RETURN principal_reaches_all_hotels() AND principal_views_users();

-- The hotels assigned to the principal. It reads user_hotels while that table's own policy asks for it, so it must look
-- past the policy: for that one statement, run as the owner, the principal is the system. (A SET clause of the function
-- would say the same, but only a superuser may give a function one for a setting of ours.)
CREATE FUNCTION principal_hotels() RETURNS text[] LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog AS $$
DECLARE
    principal constant text := coalesce(current_setting('app.principal', true), '');
    hotels text[];
BEGIN
    PERFORM set_config('app.principal', 'system', true);
    SELECT coalesce(array_agg(hotel_id::text), '{}') INTO hotels FROM public.user_hotels
     WHERE user_id = NULLIF(current_setting('app.user_id', true), '')::uuid;
    PERFORM set_config('app.principal', principal, true);
    RETURN hotels;
END
$$;
REVOKE ALL ON FUNCTION principal_hotels() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION principal_hotels() TO voicehive_app;

-- Every table: forced policies (the owner is bound too), and no right but those granted here.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['users', 'roles', 'hotels', 'user_roles', 'user_hotels', 'user_sessions',
                                'sign_in_failures', 'api_keys', 'api_key_hotels', 'audit_events',
                                'audit_events_default', 'seeds'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY system_does_everything ON %I
                        USING ((SELECT principal_is_system())) WITH CHECK ((SELECT principal_is_system()))', name);
    END LOOP;
END
$$;
GRANT SELECT, INSERT, UPDATE, DELETE
   ON users, roles, hotels, user_roles, user_hotels, user_sessions, sign_in_failures, api_keys, api_key_hotels, seeds
   TO voicehive_app;
-- Append-only; and only by its parent, because a partition asked directly would not ask the parent's policy.
GRANT SELECT, INSERT ON audit_events TO voicehive_app;

-- People: oneself; the people of one's hotels; with scope ALL and user:view everyone.
CREATE POLICY people_of_my_hotels ON users FOR SELECT USING (
    id = (SELECT principal_user_id())
    OR (SELECT principal_sees_all_users())
    OR EXISTS (SELECT 1 FROM user_hotels
                WHERE user_hotels.user_id = users.id
                  AND user_hotels.hotel_id = ANY ((SELECT principal_hotels())::text[])));
CREATE POLICY own_profile ON users FOR UPDATE
    USING (id = (SELECT principal_user_id())) WITH CHECK (id = (SELECT principal_user_id()));

-- One's own assignments, and of others those to one's own hotels alone: nothing hints at hotels elsewhere.
CREATE POLICY assignments_within_my_hotels ON user_hotels FOR SELECT USING (
    user_id = (SELECT principal_user_id())
    OR (SELECT principal_sees_all_users())
    OR hotel_id = ANY ((SELECT principal_hotels())::text[]));

CREATE POLICY my_hotels ON hotels FOR SELECT USING (
    (SELECT principal_reaches_all_hotels())
    OR id = ANY ((SELECT principal_hotels())::text[]));

-- Roles belong to the whole group; who holds them is as visible as the holder.
CREATE POLICY roles_are_known ON roles FOR SELECT USING ((SELECT principal_is_set()));
CREATE POLICY roles_of_visible_people ON user_roles FOR SELECT USING (
    user_id = (SELECT principal_user_id())
    OR (SELECT principal_sees_all_users())
    OR EXISTS (SELECT 1 FROM users WHERE users.id = user_roles.user_id));

-- Sessions: one's own; with user:view those of visible people.
CREATE POLICY sessions_of_visible_people ON user_sessions FOR SELECT USING (
    user_id = (SELECT principal_user_id())
    OR (SELECT principal_sees_all_users())
    OR ((SELECT principal_views_users())
        AND EXISTS (SELECT 1 FROM users WHERE users.id = user_sessions.user_id)));
CREATE POLICY own_sessions ON user_sessions FOR UPDATE
    USING (user_id = (SELECT principal_user_id())) WITH CHECK (user_id = (SELECT principal_user_id()));

-- Whoever acts leaves a trace.
CREATE POLICY events_are_appended ON audit_events FOR INSERT WITH CHECK ((SELECT principal_is_set()));
