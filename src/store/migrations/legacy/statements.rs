//! What the old tables hold, what in them cannot be taken over, and how each row becomes ours.

/// Where the old tables are set aside.
pub const OLD: &str = "voicehive_old";

/// One table, copied.
pub struct Copy {
    pub table: &'static str,
    /// What tells its rows apart, in the old table and in the new one.
    pub key: &'static str,
    /// What must come out the same, as an expression that reads alike in both.
    pub kept: &'static str,
    /// In this order.
    pub statements: &'static [&'static str],
}

/// The columns of the old service; all of them are kept.
pub const COLUMNS: [(&str, &[&str]); 6] = [
    (
        "users",
        &[
            "id",
            "email",
            "password_hash",
            "first_name",
            "last_name",
            "active",
            "email_verified",
            "created_at",
            "updated_at",
            "last_login_at",
            "password_changed_at",
            "failed_login_attempts",
            "locked_until",
            "created_by",
            "updated_by",
        ],
    ),
    (
        "roles",
        &[
            "id",
            "name",
            "display_name",
            "description",
            "permissions",
            "active",
            "created_at",
            "updated_at",
            "created_by",
            "updated_by",
        ],
    ),
    (
        "hotels",
        &[
            "id",
            "name",
            "brand",
            "country",
            "city",
            "address",
            "pms_type",
            "pms_config",
            "active",
            "created_at",
            "updated_at",
        ],
    ),
    ("user_roles", &["user_id", "role_id", "created_at", "created_by"]),
    ("user_hotels", &["user_id", "hotel_id", "created_at", "created_by"]),
    (
        "user_sessions",
        &[
            "id",
            "session_id",
            "user_id",
            "access_token_jti",
            "refresh_token_jti",
            "ip_address",
            "user_agent",
            "device_fingerprint",
            "created_at",
            "accessed_at",
            "expires_at",
            "active",
            "revoked",
            "revoked_at",
            "revoke_reason",
        ],
    ),
];

/// Sets aside how email addresses were written.
pub const EMAIL_BEFORE: &str = "
    ALTER TABLE voicehive_old.users RENAME COLUMN email TO email_before;
    ALTER TABLE voicehive_old.users ADD COLUMN email text";

/// Writes email addresses as they are stored and looked up.
pub const STORE_EMAILS: &str = "
    UPDATE voicehive_old.users AS old SET email = new.email
      FROM unnest($1::uuid[], $2::text[]) AS new(id, email) WHERE old.id = new.id";

/// Writes names in Unicode's form NFC, as the new tables do: what was kept is compared afterwards.
pub const STORE_NAMES: &str = "
    DO $$
    BEGIN
        IF getdatabaseencoding() <> 'UTF8' THEN
            RETURN;
        END IF;
        UPDATE voicehive_old.users SET first_name = normalize(first_name, NFC), last_name = normalize(last_name, NFC)
         WHERE first_name IS NOT NFC NORMALIZED OR last_name IS NOT NFC NORMALIZED;
        UPDATE voicehive_old.roles SET display_name = normalize(display_name, NFC), description = normalize(description, NFC)
         WHERE display_name IS NOT NFC NORMALIZED OR description IS NOT NFC NORMALIZED;
        UPDATE voicehive_old.hotels SET name = normalize(name, NFC), brand = normalize(brand, NFC), city = normalize(city, NFC),
                                        address = normalize(address, NFC)
         WHERE name IS NOT NFC NORMALIZED OR brand IS NOT NFC NORMALIZED OR city IS NOT NFC NORMALIZED
            OR address IS NOT NFC NORMALIZED;
    END
    $$";

/// What goes with the old tables, for the report.
pub const LEFT_BEHIND: &str = "
    WITH old AS (
        SELECT c.oid, c.relname, c.relacl, c.relowner FROM pg_class c
         WHERE c.oid = ANY (ARRAY['public.users', 'public.roles', 'public.hotels', 'public.user_roles',
                                  'public.user_hotels', 'public.user_sessions']::regclass[]))
    SELECT format('the trigger %s of table %s is gone', t.tgname, old.relname)
      FROM old JOIN pg_trigger t ON t.tgrelid = old.oid WHERE NOT t.tgisinternal
    UNION ALL
    SELECT format('the rule %s of table %s is gone', r.rulename, old.relname) FROM old JOIN pg_rewrite r ON r.ev_class = old.oid
    UNION ALL
    SELECT format('what %s was granted on table %s is gone (%s)', g.grantee::regrole, old.relname,
                  string_agg(g.privilege_type, ', ' ORDER BY g.privilege_type))
      FROM old, aclexplode(old.relacl) g WHERE g.grantee <> old.relowner AND g.grantee <> 0
     GROUP BY g.grantee, old.relname
    ORDER BY 1";

/// What cannot be taken over: what it is, and a statement that names each of it.
pub const PROBLEMS: [(&str, &str); 13] = [
    (
        "users with one email address, but for upper and lower case",
        "SELECT string_agg(id::text, ' and ') FROM voicehive_old.users
          WHERE email IS NOT NULL GROUP BY email HAVING count(*) > 1",
    ),
    (
        "rows that lack what they must have",
        "SELECT format('users %s', id) FROM voicehive_old.users
          WHERE num_nulls(active, email_verified, failed_login_attempts, created_at, updated_at) > 0
         UNION ALL
         SELECT format('roles %s', id) FROM voicehive_old.roles
          WHERE num_nulls(name, display_name, permissions, active, created_at, updated_at) > 0
         UNION ALL
         SELECT format('hotels %s', id) FROM voicehive_old.hotels
          WHERE num_nulls(name, pms_type, active, created_at, updated_at) > 0
         UNION ALL
         SELECT format('user_sessions %s', id) FROM voicehive_old.user_sessions
          WHERE num_nulls(user_id, created_at, accessed_at, active, revoked) > 0",
    ),
    (
        "assignments and sessions of users who are not there",
        "SELECT format('user_roles %s', user_id) FROM voicehive_old.user_roles
          WHERE NOT EXISTS (SELECT FROM voicehive_old.users u WHERE u.id = user_id)
         UNION ALL
         SELECT format('user_hotels %s', user_id) FROM voicehive_old.user_hotels
          WHERE NOT EXISTS (SELECT FROM voicehive_old.users u WHERE u.id = user_id)
         UNION ALL
         SELECT format('user_sessions %s', id) FROM voicehive_old.user_sessions
          WHERE NOT EXISTS (SELECT FROM voicehive_old.users u WHERE u.id = user_id)",
    ),
    (
        "assigned roles that are not there",
        "SELECT format('%s to user %s', role_id, user_id) FROM voicehive_old.user_roles
          WHERE NOT EXISTS (SELECT FROM voicehive_old.roles r WHERE r.id = role_id)",
    ),
    (
        "assignments that stand there twice",
        "SELECT format('user_roles %s', user_id) FROM voicehive_old.user_roles GROUP BY user_id, role_id HAVING count(*) > 1
         UNION ALL
         SELECT format('user_hotels %s', user_id) FROM voicehive_old.user_hotels GROUP BY user_id, hotel_id HAVING count(*) > 1",
    ),
    (
        "sessions with an id that another one has",
        "SELECT session_id::text FROM voicehive_old.user_sessions GROUP BY session_id HAVING count(*) > 1",
    ),
    (
        "roles with a name that cannot be written in upper snake case",
        "SELECT name::text FROM voicehive_old.roles WHERE upper(btrim(name::text)) !~ '^[A-Z][A-Z0-9_]{1,62}$'",
    ),
    (
        "roles with one name, but for upper and lower case",
        "SELECT string_agg(name::text, ' and ') FROM voicehive_old.roles
          GROUP BY upper(btrim(name::text)) HAVING count(*) > 1",
    ),
    (
        "permissions that nothing here knows",
        "SELECT DISTINCT granted::text FROM voicehive_old.roles, unnest(permissions) AS granted
          WHERE granted::text <> ALL (ARRAY['call:end', 'call:manage', 'call:start', 'call:view', 'hotel:create',
                'hotel:delete', 'hotel:update', 'hotel:view', 'system:admin', 'system:config', 'system:monitor',
                'user:create', 'user:delete', 'user:update', 'user:view'])",
    ),
    (
        "hotels whose id is empty or longer than 100 bytes",
        "SELECT id FROM (SELECT id::text FROM voicehive_old.hotels UNION SELECT hotel_id::text FROM voicehive_old.user_hotels) h
          WHERE octet_length(id) NOT BETWEEN 1 AND 100",
    ),
    (
        "hotels whose country is not two letters",
        "SELECT id::text FROM voicehive_old.hotels WHERE country !~ '^[A-Za-z]{2}$'",
    ),
    (
        "times that are infinite, or lie outside of the years 1 to 9999",
        "SELECT format('%s %s', kind, id) FROM (
             SELECT 'users' AS kind, id::text, ARRAY[created_at, updated_at, last_login_at, locked_until, password_changed_at]::timestamp[] AS times
               FROM voicehive_old.users
             UNION ALL
             SELECT 'roles', id::text, ARRAY[created_at, updated_at]::timestamp[] FROM voicehive_old.roles
             UNION ALL
             SELECT 'hotels', id::text, ARRAY[created_at, updated_at]::timestamp[] FROM voicehive_old.hotels
             UNION ALL
             SELECT 'user_sessions', id::text, ARRAY[created_at, accessed_at, expires_at, revoked_at]::timestamp[] FROM voicehive_old.user_sessions) old
          WHERE EXISTS (SELECT FROM unnest(times) AS time WHERE time NOT BETWEEN '0001-01-02' AND '9999-12-30')",
    ),
    (
        "sessions that say nothing of when they end",
        "SELECT id::text FROM voicehive_old.user_sessions WHERE expires_at IS NULL OR session_id IS NULL",
    ),
];

/// Foreign keys of other tables to the old ones: the table, the constraint, and how to write it again.
pub const FOREIGN_KEYS: &str = "
    SELECT c.conrelid::regclass::text, quote_ident(c.conname), pg_get_constraintdef(c.oid)
      FROM pg_constraint c
      JOIN unnest(ARRAY['users', 'roles', 'hotels', 'user_roles', 'user_hotels', 'user_sessions']) AS old(name)
        ON c.confrelid = to_regclass('public.' || old.name)
     WHERE c.contype = 'f'
       AND c.conrelid <> ALL (ARRAY['public.users', 'public.roles', 'public.hotels', 'public.user_roles',
                                    'public.user_hotels', 'public.user_sessions']::regclass[])
     ORDER BY 1, 2";

/// The system is not a new one: no demo users come beside those that were taken over.
pub const CLAIM_SEEDS: &str = "INSERT INTO seeds (name) VALUES ('demo')";

/// In an order in which every row finds what it refers to.
pub const COPIES: [Copy; 6] = [
    Copy {
        table: "users",
        key: "id",
        kept: "id, email::text, password_hash::text, first_name::text, last_name::text, active, \
               email_verified, failed_login_attempts, locked_until::timestamptz, last_login_at::timestamptz, \
               password_changed_at::timestamptz, created_at::timestamptz, updated_at::timestamptz, created_by, updated_by",
        // Whoever administers and was given no hotels reached them all; anyone else reached none.
        statements: &["
            INSERT INTO users (id, email, password_hash, first_name, last_name, active, email_verified,
                   failed_login_attempts, locked_until, last_login_at, password_changed_at, hotel_scope,
                   created_at, updated_at, created_by, updated_by)
            SELECT id, email, password_hash, first_name, last_name, active, email_verified,
                   failed_login_attempts, locked_until, last_login_at, password_changed_at,
                   CASE WHEN NOT EXISTS (SELECT FROM voicehive_old.user_hotels h WHERE h.user_id = u.id)
                         AND EXISTS (SELECT FROM voicehive_old.user_roles held
                                       JOIN voicehive_old.roles r ON r.id = held.role_id
                                      WHERE held.user_id = u.id
                                        AND upper(btrim(r.name::text)) IN ('SYSTEM_ADMIN', 'HOTEL_ADMIN'))
                        THEN 'ALL' ELSE 'ASSIGNED' END,
                   created_at, updated_at, created_by, updated_by
              FROM voicehive_old.users u"],
    },
    Copy {
        table: "roles",
        key: "id",
        kept: "id, upper(btrim(name::text)), active",
        // The built-in ones are what they are here, but keep their ids; others are copied.
        statements: &[
            "UPDATE roles SET id = old.id, active = old.active, created_at = old.created_at
               FROM voicehive_old.roles old WHERE roles.name = upper(btrim(old.name::text))",
            "INSERT INTO roles (id, name, display_name, description, permissions, active, created_at, updated_at,
                    created_by, updated_by)
             SELECT id, upper(btrim(name::text)), display_name, description,
                    ARRAY(SELECT DISTINCT granted::text FROM unnest(permissions) AS granted ORDER BY 1), active,
                    created_at, updated_at, created_by, updated_by
               FROM voicehive_old.roles old WHERE NOT EXISTS (SELECT FROM roles WHERE roles.id = old.id)",
        ],
    },
    Copy {
        table: "hotels",
        key: "id",
        kept: "id::text, name::text, brand::text, upper(country::text), city::text, address::text, pms_type::text, \
               nullif(pms_config::jsonb, 'null'), active, created_at::timestamptz, updated_at::timestamptz",
        statements: &[
            "INSERT INTO hotels (id, name, brand, country, city, address, pms_type, pms_config, active, created_at,
                    updated_at)
             SELECT id, name, brand, upper(country), city, address, pms_type,
                    nullif(pms_config::jsonb, 'null'), active, created_at, updated_at
               FROM voicehive_old.hotels",
            // user_hotels had no foreign key: its hotels need not be there.
            "INSERT INTO hotels (id, name, pms_type)
             SELECT DISTINCT hotel_id, hotel_id, 'unknown' FROM voicehive_old.user_hotels ON CONFLICT (id) DO NOTHING",
        ],
    },
    Copy {
        table: "user_roles",
        key: "user_id, role_id",
        kept: "user_id, role_id, created_by",
        statements: &["
            INSERT INTO user_roles (user_id, role_id, created_at, created_by)
            SELECT user_id, role_id, coalesce(created_at, now()), created_by FROM voicehive_old.user_roles"],
    },
    Copy {
        table: "user_hotels",
        key: "user_id, hotel_id",
        kept: "user_id, hotel_id::text, created_by",
        statements: &["
            INSERT INTO user_hotels (user_id, hotel_id, created_at, created_by)
            SELECT user_id, hotel_id, coalesce(created_at, now()), created_by FROM voicehive_old.user_hotels"],
    },
    Copy {
        table: "user_sessions",
        key: "id",
        kept: "id, session_id::text, user_id, split_part(ip_address::text, '/', 1), user_agent::text, device_fingerprint::text, \
               created_at::timestamptz, accessed_at::timestamptz, expires_at::timestamptz, active, revoked, \
               revoked_at::timestamptz, revoke_reason::text",
        // Tokens of the old service are honoured no more, so their ids need only stay apart.
        statements: &["
            INSERT INTO user_sessions (id, session_id, user_id, access_token_jti, refresh_token_jti, rotated_at,
                   ip_address, user_agent, device_fingerprint, created_at, accessed_at, expires_at, active, revoked,
                   revoked_at, revoke_reason)
            SELECT id, session_id, user_id,
                   CASE WHEN access_token_jti ~* '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$'
                        THEN access_token_jti::uuid ELSE md5('access ' || id)::uuid END,
                   CASE WHEN refresh_token_jti ~* '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$'
                        THEN refresh_token_jti::uuid ELSE md5('refresh ' || id)::uuid END,
                   created_at, split_part(ip_address::text, '/', 1), user_agent, device_fingerprint, created_at, accessed_at, expires_at, active,
                   revoked, revoked_at, revoke_reason
              FROM voicehive_old.user_sessions"],
    },
];

/// What is otherwise than it was: each statement answers lines for the report. Run when the rows have been copied.
pub const NOTES: [&str; 8] = [
    "SELECT format('role %s is called %s', old.name, roles.name)
       FROM voicehive_old.roles old JOIN roles USING (id) WHERE old.name::text <> roles.name ORDER BY 1",
    "SELECT format('role %s is built in: it now grants %s as well', roles.name, string_agg(granted, ', ' ORDER BY granted))
       FROM voicehive_old.roles old JOIN roles USING (id), unnest(roles.permissions) AS granted
      WHERE roles.system AND granted <> ALL (old.permissions::text[]) GROUP BY roles.name ORDER BY 1",
    "SELECT format('role %s is built in: it no longer grants %s', roles.name, string_agg(granted::text, ', ' ORDER BY granted))
       FROM voicehive_old.roles old JOIN roles USING (id), unnest(old.permissions) AS granted
      WHERE roles.system AND granted::text <> ALL (roles.permissions) GROUP BY roles.name ORDER BY 1",
    "SELECT format('user %s (%s) administers and had no hotels: has the scope ALL', id, email)
       FROM users WHERE hotel_scope = 'ALL' ORDER BY email",
    "SELECT format('user %s (%s) has no hotels and does not administer: reaches none', id, email)
       FROM users u WHERE hotel_scope = 'ASSIGNED'
        AND NOT EXISTS (SELECT FROM user_hotels h WHERE h.user_id = u.id) ORDER BY email",
    "SELECT format('user %s has the email address %s, written %s before', id, users.email, old.email_before)
       FROM voicehive_old.users old JOIN users USING (id) WHERE old.email_before <> users.email ORDER BY 1",
    "SELECT format('hotel %s was assigned and did not exist: it was made, with its id for a name', id)
       FROM hotels WHERE NOT EXISTS (SELECT FROM voicehive_old.hotels old WHERE old.id = hotels.id) ORDER BY 1",
    "SELECT format('%s sessions are kept as records; their tokens are honoured no more, so everyone signs in once', count(*))
       FROM user_sessions WHERE active AND NOT revoked AND expires_at > now() HAVING count(*) > 0",
];
