-- What administration writes, and the second wall around it.
--
--   app.writes         what this transaction may change of others: '', 'users', 'roles', 'hotels' or 'sessions'. Set once
--                      the rules have allowed a change (src/store/transaction.rs); without it one changes oneself alone.

-- Who made or last changed a row is kept as an id that may outlive the person. A foreign key would have every deletion
-- read every table for rows to change, and lock rows out of the order in which all changes lock them.
ALTER TABLE users DROP CONSTRAINT users_created_by_fkey, DROP CONSTRAINT users_updated_by_fkey;
ALTER TABLE roles DROP CONSTRAINT roles_created_by_fkey, DROP CONSTRAINT roles_updated_by_fkey;
ALTER TABLE hotels DROP CONSTRAINT hotels_created_by_fkey, DROP CONSTRAINT hotels_updated_by_fkey;
ALTER TABLE user_roles DROP CONSTRAINT user_roles_created_by_fkey;
ALTER TABLE user_hotels DROP CONSTRAINT user_hotels_created_by_fkey;
ALTER TABLE api_keys DROP CONSTRAINT api_keys_created_by_fkey;
ALTER TABLE api_key_hotels DROP CONSTRAINT api_key_hotels_created_by_fkey;

CREATE FUNCTION principal_writes() RETURNS text LANGUAGE sql STABLE
    RETURN CASE WHEN principal_is_set() THEN coalesce(current_setting('app.writes', true), '') ELSE '' END;

-- Whether every hotel that this user reaches is the principal's too; so it is of oneself. Somebody without hotels is in reach
-- of whoever has just made the account, and has not assigned its hotels yet. Looks past the policies, as principal_hotels() does.
CREATE FUNCTION principal_reaches_user(wanted uuid) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog AS $$
DECLARE
    principal constant text := coalesce(current_setting('app.principal', true), '');
    me constant uuid := NULLIF(current_setting('app.user_id', true), '')::uuid;
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
REVOKE ALL ON FUNCTION principal_reaches_user(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION principal_reaches_user(uuid) TO voicehive_app;

-- People: those of whom every hotel is one's own.
CREATE POLICY people_are_added ON users FOR INSERT WITH CHECK (
    (SELECT principal_writes()) = 'users'
    AND ((SELECT principal_reaches_all_hotels())
         OR (hotel_scope = 'ASSIGNED' AND created_by = (SELECT principal_user_id()))));
CREATE POLICY people_in_reach_are_changed ON users FOR UPDATE
    USING ((SELECT principal_writes()) = 'users'
           AND ((SELECT principal_reaches_all_hotels()) OR principal_reaches_user(id)))
    WITH CHECK ((SELECT principal_writes()) = 'users'
           AND ((SELECT principal_reaches_all_hotels()) OR hotel_scope = 'ASSIGNED'));
CREATE POLICY people_in_reach_are_deleted ON users FOR DELETE
    USING ((SELECT principal_writes()) = 'users'
           AND ((SELECT principal_reaches_all_hotels()) OR principal_reaches_user(id)));

-- Their hotels: none but one's own are given or taken.
CREATE POLICY my_hotels_are_assigned ON user_hotels FOR INSERT WITH CHECK (
    (SELECT principal_writes()) = 'users'
    AND ((SELECT principal_reaches_all_hotels())
         OR (hotel_id = ANY ((SELECT principal_hotels())::text[]) AND principal_reaches_user(user_id))));
CREATE POLICY my_hotels_are_unassigned ON user_hotels FOR DELETE USING (
    (SELECT principal_writes()) = 'users'
    AND ((SELECT principal_reaches_all_hotels())
         OR (hotel_id = ANY ((SELECT principal_hotels())::text[]) AND principal_reaches_user(user_id))));

CREATE POLICY roles_are_assigned ON user_roles FOR INSERT WITH CHECK (
    (SELECT principal_writes()) = 'users'
    AND ((SELECT principal_reaches_all_hotels()) OR principal_reaches_user(user_id)));
CREATE POLICY roles_are_unassigned ON user_roles FOR DELETE USING (
    (SELECT principal_writes()) = 'users'
    AND ((SELECT principal_reaches_all_hotels()) OR principal_reaches_user(user_id)));

-- Their sessions end with a change, whether or not the principal may look at sessions.
CREATE POLICY sessions_in_reach_are_found ON user_sessions FOR SELECT USING (
    (SELECT principal_writes()) IN ('users', 'sessions')
    AND ((SELECT principal_reaches_all_hotels()) OR principal_reaches_user(user_id)));
CREATE POLICY sessions_in_reach_are_ended ON user_sessions FOR UPDATE
    USING ((SELECT principal_writes()) IN ('users', 'sessions')
           AND ((SELECT principal_reaches_all_hotels()) OR principal_reaches_user(user_id)))
    WITH CHECK ((SELECT principal_writes()) IN ('users', 'sessions'));

-- Roles belong to the whole group, so only who reaches all of it changes them.
CREATE POLICY roles_are_changed ON roles
    USING ((SELECT principal_writes()) = 'roles' AND (SELECT principal_reaches_all_hotels()))
    WITH CHECK ((SELECT principal_writes()) = 'roles' AND (SELECT principal_reaches_all_hotels()));

CREATE POLICY hotels_are_added ON hotels FOR INSERT WITH CHECK (
    (SELECT principal_writes()) = 'hotels' AND (SELECT principal_reaches_all_hotels()));
CREATE POLICY my_hotels_are_changed ON hotels FOR UPDATE
    USING ((SELECT principal_writes()) = 'hotels'
           AND ((SELECT principal_reaches_all_hotels()) OR id = ANY ((SELECT principal_hotels())::text[])))
    WITH CHECK ((SELECT principal_writes()) = 'hotels');
