-- What a principal may write for themself, what an inactive hotel still opens, and until when a temporary password holds.

-- 1. A hotel that is not active is within nobody's assigned hotels, so whoever is assigned to it can neither see nor reactivate
-- it. Who commands whom still goes by every assignment: what is inactive now may be active again.
CREATE OR REPLACE FUNCTION find_principal_hotels() RETURNS text[] LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog AS $$
DECLARE
    principal constant text := coalesce(current_setting('app.principal', true), '');
    hotels text[];
BEGIN
    PERFORM set_config('app.principal', 'system', true);
    IF principal = 'api_key' THEN
        SELECT coalesce(array_agg(a.hotel_id::text), '{}') INTO hotels
          FROM public.api_key_hotels a JOIN public.hotels h ON h.id = a.hotel_id
         WHERE a.api_key_id = NULLIF(current_setting('app.api_key_id', true), '')::uuid AND h.active;
    ELSE
        SELECT coalesce(array_agg(a.hotel_id::text), '{}') INTO hotels
          FROM public.user_hotels a JOIN public.hotels h ON h.id = a.hotel_id
         WHERE a.user_id = NULLIF(current_setting('app.user_id', true), '')::uuid AND h.active;
    END IF;
    PERFORM set_config('app.principal', principal, true);
    IF current_setting('transaction_isolation') = 'repeatable read' AND current_setting('transaction_read_only') = 'on' THEN
        PERFORM set_config('app.hotels', hotels::text, true),
                set_config('app.hotels_of', public.principal_of_transaction(), true);
    END IF;
    RETURN hotels;
END
$$;

-- Every hotel assigned to the principal, active or not. Looks past the policies, as find_principal_hotels() does.
CREATE FUNCTION principal_assigned_hotels() RETURNS text[] LANGUAGE plpgsql STABLE SECURITY DEFINER
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

-- As before, by every assignment.
CREATE OR REPLACE FUNCTION principal_reaches_user(wanted uuid) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog AS $$
DECLARE
    principal constant text := coalesce(current_setting('app.principal', true), '');
    me constant uuid := public.principal_id();
    mine constant text[] := public.principal_assigned_hotels();
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
CREATE OR REPLACE FUNCTION principal_api_keys() RETURNS uuid[] LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog AS $$
DECLARE
    principal constant text := coalesce(current_setting('app.principal', true), '');
    me constant uuid := public.principal_id();
    mine constant text[] := public.principal_assigned_hotels();
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
ALTER POLICY my_hotels_are_changed ON hotels WITH CHECK (
    (SELECT principal_writes()) = 'hotels' AND (active OR (SELECT principal_reaches_all_hotels())));

-- 2. Until when a temporary password opens an account; NULL where it is for no certain time. The release before leaves it
-- as it is, so it counts only while the password must be changed, and where it is later than the password.
ALTER TABLE users ADD COLUMN temporary_password_expires_at timestamptz;

-- 3. Nobody makes themself more. What the principal holds by active roles, or as an API key.
CREATE FUNCTION principal_permissions() RETURNS text[] LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog AS $$
DECLARE
    principal constant text := coalesce(current_setting('app.principal', true), '');
    held text[];
BEGIN
    PERFORM set_config('app.principal', 'system', true);
    IF principal = 'api_key' THEN
        SELECT permissions INTO held FROM public.api_keys
         WHERE id = NULLIF(current_setting('app.api_key_id', true), '')::uuid;
    ELSIF principal = 'user' THEN
        SELECT array_agg(granted) INTO held
          FROM public.user_roles h JOIN public.roles r ON r.id = h.role_id, unnest(r.permissions) AS granted
         WHERE h.user_id = NULLIF(current_setting('app.user_id', true), '')::uuid AND r.active;
    END IF;
    PERFORM set_config('app.principal', principal, true);
    RETURN coalesce(held, '{}');
END
$$;
REVOKE ALL ON FUNCTION principal_assigned_hotels(), principal_permissions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION principal_assigned_hotels(), principal_permissions() TO voicehive_app, voicehive_all;

ALTER POLICY roles_are_assigned ON user_roles WITH CHECK (
    (SELECT principal_writes()) = 'users'
    AND ((SELECT principal_reaches_all_hotels()) OR principal_reaches_user(user_id))
    AND EXISTS (SELECT 1 FROM roles
                 WHERE roles.id = user_roles.role_id AND roles.permissions <@ (SELECT principal_permissions())::text[]));
ALTER POLICY roles_are_changed ON roles
    USING ((SELECT principal_writes()) = 'roles' AND (SELECT principal_reaches_all_hotels()) AND NOT system)
    WITH CHECK ((SELECT principal_writes()) = 'roles' AND (SELECT principal_reaches_all_hotels()) AND NOT system
                AND permissions <@ (SELECT principal_permissions())::text[]);
ALTER POLICY keys_in_reach_are_made ON api_keys WITH CHECK (
    (SELECT principal_writes()) = 'api_keys' AND (SELECT principal_sees_api_keys())
    AND permissions <@ (SELECT principal_permissions())::text[]
    AND ((SELECT principal_reaches_all_hotels())
         OR (hotel_scope = 'ASSIGNED' AND created_by = (SELECT principal_id()))));
ALTER POLICY people_in_reach_are_deleted ON users
    USING ((SELECT principal_writes()) = 'users' AND id IS DISTINCT FROM (SELECT principal_user_id())
           AND ((SELECT principal_reaches_all_hotels()) OR principal_reaches_user(id)));
-- A session of one's own, or of others, only ever ends.
ALTER POLICY own_sessions ON user_sessions WITH CHECK (
    user_id = (SELECT principal_user_id()) AND revoked AND NOT active);
ALTER POLICY sessions_in_reach_are_ended ON user_sessions WITH CHECK (
    (SELECT principal_writes()) IN ('users', 'sessions') AND revoked AND NOT active);

-- Of their own row people write a new password, and where the rules have allowed a change of users, what those let one do to
-- oneself. Policies see no row as it was; this does. A row of somebody else's is not looked at.
CREATE FUNCTION guard_own_row() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    old_row constant jsonb := to_jsonb(OLD);
    new_row constant jsonb := to_jsonb(NEW);
    of_password constant text[] := '{password_hash,password_changed_at,must_change_password,temporary_password_expires_at}';
    kept constant text[] := of_password || '{id,active,mfa_enabled,last_login_at,created_at,created_by}'::text[];
    refused text;
BEGIN
    IF public.principal_writes() = 'users' THEN
        SELECT key INTO refused FROM jsonb_each(new_row) WHERE key = ANY (kept) AND value IS DISTINCT FROM old_row -> key;
        IF refused IS NULL AND NEW.hotel_scope = 'ALL' AND OLD.hotel_scope <> 'ALL' THEN
            refused := 'hotel_scope';
        END IF;
    ELSE
        SELECT key INTO refused FROM jsonb_each(new_row)
         WHERE key <> ALL (of_password || '{updated_at,updated_by}'::text[]) AND value IS DISTINCT FROM old_row -> key;
        IF refused IS NULL AND NEW.password_hash = OLD.password_hash THEN
            SELECT key INTO refused FROM jsonb_each(new_row) WHERE key = ANY (of_password) AND value IS DISTINCT FROM old_row -> key;
        END IF;
    END IF;
    IF refused IS NOT NULL THEN
        RAISE EXCEPTION 'nobody changes % of themself', refused USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER guard_own_row AFTER UPDATE ON users FOR EACH ROW WHEN (OLD.id = principal_user_id())
    EXECUTE FUNCTION guard_own_row();

-- And of each table voicehive_app writes the columns that requests write, and no others.
REVOKE UPDATE ON users, roles, hotels, user_roles, user_hotels, user_sessions, api_key_hotels FROM voicehive_app;
GRANT UPDATE (email, password_hash, first_name, last_name, active, email_verified, failed_login_attempts, locked_until,
              password_changed_at, must_change_password, temporary_password_expires_at, hotel_scope, updated_at, updated_by)
   ON users TO voicehive_app;
GRANT UPDATE (display_name, description, permissions, active, updated_at, updated_by) ON roles TO voicehive_app;
GRANT UPDATE (name, brand, country, city, address, pms_type, pms_config, active, updated_at, updated_by) ON hotels TO voicehive_app;
GRANT UPDATE (active, revoked, revoked_at, revoke_reason) ON user_sessions TO voicehive_app;
