-- The tables of VoiceHive Identity. Names and columns are those operators know from the migration guide.
-- Text columns that are compared or sorted use the "C" collation: it is the same on every machine, so an index
-- never breaks when the operating system's locale data changes.

CREATE TABLE users (
    id                    uuid PRIMARY KEY,
    email                 text COLLATE "C" NOT NULL UNIQUE
                          CHECK (email = lower(btrim(email)) AND octet_length(email) BETWEEN 3 AND 254),
    password_hash         text NOT NULL,
    first_name            text,
    last_name             text,
    active                boolean NOT NULL DEFAULT true,
    email_verified        boolean NOT NULL DEFAULT false,
    failed_login_attempts integer NOT NULL DEFAULT 0 CHECK (failed_login_attempts >= 0),
    locked_until          timestamptz,
    last_login_at         timestamptz,
    password_changed_at   timestamptz,
    must_change_password  boolean NOT NULL DEFAULT false,
    mfa_enabled           boolean NOT NULL DEFAULT false,
    hotel_scope           text NOT NULL DEFAULT 'ASSIGNED' CHECK (hotel_scope IN ('ALL', 'ASSIGNED')),
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    created_by            uuid REFERENCES users ON DELETE SET NULL,
    updated_by            uuid REFERENCES users ON DELETE SET NULL,
    -- Keys to sort and page by that are never null and never depend on upper or lower case: a keyset cursor needs
    -- one comparison then, and the comparison is leakproof, so row-level security lets it use the index.
    last_name_order       text COLLATE "C" NOT NULL GENERATED ALWAYS AS (lower(coalesce(last_name, ''))) STORED,
    last_login_order      timestamptz NOT NULL
                          GENERATED ALWAYS AS (coalesce(last_login_at, '1970-01-01 00:00:00+00'::timestamptz)) STORED,
    search_text           text NOT NULL GENERATED ALWAYS AS
                          (lower(email || ' ' || coalesce(first_name, '') || ' ' || coalesce(last_name, ''))) STORED
);
CREATE INDEX idx_users_email_active ON users (email, active);
CREATE INDEX idx_users_last_login ON users (last_login_order, id);
CREATE INDEX idx_users_last_name ON users (last_name_order, id);
CREATE INDEX idx_users_created ON users (created_at, id);

CREATE TABLE roles (
    id           uuid PRIMARY KEY,
    name         text COLLATE "C" NOT NULL UNIQUE CHECK (name ~ '^[A-Z][A-Z0-9_]{1,62}$'),
    display_name text NOT NULL,
    description  text,
    permissions  text[] NOT NULL DEFAULT '{}',
    active       boolean NOT NULL DEFAULT true,
    system       boolean NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    created_by   uuid REFERENCES users ON DELETE SET NULL,
    updated_by   uuid REFERENCES users ON DELETE SET NULL
);
CREATE INDEX idx_roles_active ON roles (active, name);

CREATE TABLE hotels (
    id         text COLLATE "C" PRIMARY KEY CHECK (octet_length(id) BETWEEN 1 AND 100),
    name       text NOT NULL,
    brand      text,
    country    char(2),
    city       text,
    address    text,
    pms_type   text NOT NULL,
    pms_config jsonb,
    active     boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users ON DELETE SET NULL,
    updated_by uuid REFERENCES users ON DELETE SET NULL
);

CREATE TABLE user_roles (
    user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    role_id    uuid NOT NULL REFERENCES roles ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users ON DELETE SET NULL,
    PRIMARY KEY (user_id, role_id)
);
CREATE INDEX idx_user_roles_role ON user_roles (role_id, user_id);

CREATE TABLE user_hotels (
    user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    hotel_id   text COLLATE "C" NOT NULL REFERENCES hotels ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users ON DELETE SET NULL,
    PRIMARY KEY (user_id, hotel_id)
);
CREATE INDEX idx_user_hotels_hotel ON user_hotels (hotel_id, user_id);

-- accessed_at is written often and must stay out of every index, so that its updates stay within their page (HOT).
CREATE TABLE user_sessions (
    id                         uuid PRIMARY KEY,
    session_id                 text COLLATE "C" NOT NULL UNIQUE,
    user_id                    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    access_token_jti           uuid NOT NULL UNIQUE,
    refresh_token_jti          uuid NOT NULL UNIQUE,
    -- Rotation: how many refresh tokens this session has had, the one before the current, and since when it is not.
    refresh_token_generation   integer NOT NULL DEFAULT 0 CHECK (refresh_token_generation >= 0),
    previous_refresh_token_jti uuid,
    rotated_at                 timestamptz NOT NULL,
    remember_me                boolean NOT NULL DEFAULT false,
    ip_address                 text,
    user_agent                 text,
    device_fingerprint         text,
    created_at                 timestamptz NOT NULL,
    accessed_at                timestamptz NOT NULL,
    expires_at                 timestamptz NOT NULL,
    active                     boolean NOT NULL DEFAULT true,
    revoked                    boolean NOT NULL DEFAULT false,
    revoked_at                 timestamptz,
    revoke_reason              text
) WITH (fillfactor = 80);
CREATE INDEX idx_user_sessions_active ON user_sessions (user_id, active, id DESC);
CREATE INDEX idx_user_sessions_expires ON user_sessions (expires_at) WHERE active;
CREATE INDEX idx_user_sessions_created ON user_sessions (created_at, id);

-- Failed sign-ins by what they are counted for: an email address (known or not, so that both answer alike), a device
-- that has signed in before, or a client address. The subject is a digest, never the address itself.
CREATE TABLE sign_in_failures (
    kind           text COLLATE "C" NOT NULL CHECK (kind IN ('email', 'device', 'address')),
    subject        bytea NOT NULL,
    failures       integer NOT NULL,
    counting_since timestamptz NOT NULL,
    locked_until   timestamptz,
    PRIMARY KEY (kind, subject)
);
CREATE INDEX idx_sign_in_failures_since ON sign_in_failures (counting_since);

CREATE TABLE api_keys (
    id            uuid PRIMARY KEY,
    name          text NOT NULL,
    service_name  text NOT NULL,
    prefix        text NOT NULL,
    secret_hash   bytea NOT NULL UNIQUE,
    permissions   text[] NOT NULL DEFAULT '{}',
    hotel_scope   text NOT NULL DEFAULT 'ASSIGNED' CHECK (hotel_scope IN ('ALL', 'ASSIGNED')),
    active        boolean NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL DEFAULT now(),
    created_by    uuid REFERENCES users ON DELETE SET NULL,
    last_used_at  timestamptz,
    expires_at    timestamptz,
    revoked_at    timestamptz,
    revoke_reason text
);

CREATE TABLE api_key_hotels (
    api_key_id uuid NOT NULL REFERENCES api_keys ON DELETE CASCADE,
    hotel_id   text COLLATE "C" NOT NULL REFERENCES hotels ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users ON DELETE SET NULL,
    PRIMARY KEY (api_key_id, hotel_id)
);
CREATE INDEX idx_api_key_hotels_hotel ON api_key_hotels (hotel_id, api_key_id);

-- No foreign keys: an event outlives what it tells of. Partitioned by time from the first day, because a table cannot
-- become partitioned later without being copied.
CREATE TABLE audit_events (
    id           uuid NOT NULL,
    occurred_at  timestamptz NOT NULL,
    type         text COLLATE "C" NOT NULL CHECK (type ~ '^[a-z][a-z0-9_]*$'),
    outcome      text NOT NULL CHECK (outcome IN ('SUCCESS', 'FAILURE')),
    actor        text COLLATE "C",
    subject      text COLLATE "C",
    ip_address   text,
    user_agent   text,
    request_id   text,
    detail       jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (occurred_at, id)
) PARTITION BY RANGE (occurred_at);
CREATE TABLE audit_events_default PARTITION OF audit_events DEFAULT;

-- What was put in once and is not put in again, even where someone has since deleted it.
CREATE TABLE seeds (
    name       text PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);
