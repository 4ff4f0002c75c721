-- API keys as principals. What src/store/transaction.rs sets for them:
--
--   app.principal      'api_key'
--   app.api_key_id     the API key
--   app.see_api_keys   'true' for a user to whom an active role grants system:admin
--   app.writes         'api_keys' while keys are made or revoked
--
-- last_used_at is written often and must stay out of every index, so that its updates stay within their page (HOT).
ALTER TABLE api_keys SET (fillfactor = 80);
CREATE INDEX idx_api_keys_created ON api_keys (created_at, id);

CREATE OR REPLACE FUNCTION principal_is_set() RETURNS boolean LANGUAGE sql STABLE
    RETURN coalesce(current_setting('app.principal', true), '') IN ('system', 'user', 'api_key');
CREATE FUNCTION principal_api_key_id() RETURNS uuid LANGUAGE sql STABLE
    RETURN CASE WHEN current_setting('app.principal', true) = 'api_key'
                THEN NULLIF(current_setting('app.api_key_id', true), '')::uuid END;
-- Who is written down as having made a row.
CREATE FUNCTION principal_id() RETURNS uuid LANGUAGE sql STABLE
    RETURN coalesce(principal_user_id(), principal_api_key_id());
CREATE FUNCTION principal_sees_api_keys() RETURNS boolean LANGUAGE sql STABLE
    RETURN principal_is_system()
           OR (principal_user_id() IS NOT NULL AND coalesce(current_setting('app.see_api_keys', true), '') = 'true');

-- As before, and the hotels of an API key.
CREATE OR REPLACE FUNCTION principal_hotels() RETURNS text[] LANGUAGE plpgsql STABLE SECURITY DEFINER
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
    RETURN hotels;
END
$$;

-- People know those they work with; an API key sees people where it holds user:view.
CREATE FUNCTION principal_hotels_of_people() RETURNS text[] LANGUAGE sql STABLE
    RETURN CASE WHEN principal_api_key_id() IS NULL OR principal_views_users() THEN principal_hotels() ELSE '{}' END;
ALTER POLICY people_of_my_hotels ON users USING (
    id = (SELECT principal_user_id())
    OR (SELECT principal_sees_all_users())
    OR EXISTS (SELECT 1 FROM user_hotels
                WHERE user_hotels.user_id = users.id
                  AND user_hotels.hotel_id = ANY ((SELECT principal_hotels_of_people())::text[])));
ALTER POLICY assignments_within_my_hotels ON user_hotels USING (
    user_id = (SELECT principal_user_id())
    OR (SELECT principal_sees_all_users())
    OR hotel_id = ANY ((SELECT principal_hotels_of_people())::text[]));

-- As before; and somebody without hotels is in reach of the API key that has just made the account.
CREATE OR REPLACE FUNCTION principal_reaches_user(wanted uuid) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog AS $$
DECLARE
    principal constant text := coalesce(current_setting('app.principal', true), '');
    me constant uuid := public.principal_id();
    mine constant text[] := public.principal_hotels();
    reaches boolean;
BEGIN
    PERFORM set_config('app.principal', 'system', true);
    SELECT u.hotel_scope = 'ASSIGNED'
           AND CASE WHEN EXISTS (SELECT FROM public.user_hotels h WHERE h.user_id = wanted)
                    THEN NOT EXISTS (SELECT FROM public.user_hotels h
                                      WHERE h.user_id = wanted AND h.hotel_id <> ALL (mine))
                    ELSE u.created_by = me OR u.id = me END
      INTO reaches FROM public.users u WHERE u.id = wanted;
    PERFORM set_config('app.principal', principal, true);
    RETURN coalesce(reaches, false);
END
$$;
ALTER POLICY people_are_added ON users WITH CHECK (
    (SELECT principal_writes()) = 'users'
    AND ((SELECT principal_reaches_all_hotels())
         OR (hotel_scope = 'ASSIGNED' AND created_by = (SELECT principal_id()))));

-- The API keys of which every hotel is the principal's. Looks past the policies, as principal_hotels() does.
CREATE FUNCTION principal_api_keys() RETURNS uuid[] LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog AS $$
DECLARE
    principal constant text := coalesce(current_setting('app.principal', true), '');
    me constant uuid := public.principal_id();
    mine constant text[] := public.principal_hotels();
    keys uuid[];
BEGIN
    IF NOT public.principal_sees_api_keys() THEN
        RETURN '{}';
    END IF;
    PERFORM set_config('app.principal', 'system', true);
    SELECT coalesce(array_agg(k.id), '{}') INTO keys FROM public.api_keys k
     WHERE k.hotel_scope = 'ASSIGNED'
       AND NOT EXISTS (SELECT FROM public.api_key_hotels h WHERE h.api_key_id = k.id AND h.hotel_id <> ALL (mine))
       AND (k.created_by = me OR EXISTS (SELECT FROM public.api_key_hotels h WHERE h.api_key_id = k.id));
    PERFORM set_config('app.principal', principal, true);
    RETURN keys;
END
$$;
REVOKE ALL ON FUNCTION principal_api_keys() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION principal_api_keys() TO voicehive_app;

CREATE POLICY own_key_and_those_in_reach ON api_keys FOR SELECT USING (
    id = (SELECT principal_api_key_id())
    OR (SELECT principal_sees_api_keys() AND principal_reaches_all_hotels())
    OR id = ANY ((SELECT principal_api_keys())::uuid[]));
CREATE POLICY keys_in_reach_are_made ON api_keys FOR INSERT WITH CHECK (
    (SELECT principal_writes()) = 'api_keys' AND (SELECT principal_sees_api_keys())
    AND ((SELECT principal_reaches_all_hotels())
         OR (hotel_scope = 'ASSIGNED' AND created_by = (SELECT principal_id()))));
-- A key that was made only ever ends: what it may do, and where, is not changed by anybody.
CREATE POLICY keys_in_reach_are_revoked ON api_keys FOR UPDATE
    USING ((SELECT principal_writes()) = 'api_keys' AND (SELECT principal_sees_api_keys())
           AND ((SELECT principal_reaches_all_hotels()) OR id = ANY ((SELECT principal_api_keys())::uuid[])))
    WITH CHECK ((SELECT principal_writes()) = 'api_keys' AND NOT active AND revoked_at IS NOT NULL);
REVOKE UPDATE ON api_keys FROM voicehive_app;
GRANT UPDATE (active, revoked_at, revoke_reason, last_used_at) ON api_keys TO voicehive_app;
CREATE POLICY hotels_of_visible_keys ON api_key_hotels FOR SELECT USING (
    EXISTS (SELECT 1 FROM api_keys WHERE api_keys.id = api_key_hotels.api_key_id));
CREATE POLICY my_hotels_are_given_to_keys ON api_key_hotels FOR INSERT WITH CHECK (
    (SELECT principal_writes()) = 'api_keys' AND (SELECT principal_sees_api_keys())
    AND ((SELECT principal_reaches_all_hotels())
         OR (hotel_id = ANY ((SELECT principal_hotels())::text[]) AND api_key_id = ANY ((SELECT principal_api_keys())::uuid[]))));
