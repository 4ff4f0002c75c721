-- Tables as the old Python service makes them through its object mapper, with a little of everything in them.
CREATE TABLE users (
    id uuid PRIMARY KEY, email varchar(255) NOT NULL UNIQUE, password_hash varchar(255) NOT NULL,
    first_name varchar(100), last_name varchar(100), active boolean NOT NULL, email_verified boolean NOT NULL,
    created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, last_login_at timestamptz,
    password_changed_at timestamptz, failed_login_attempts integer NOT NULL CHECK (failed_login_attempts >= 0),
    locked_until timestamptz, created_by uuid REFERENCES users, updated_by uuid REFERENCES users);
CREATE INDEX ix_users_email ON users (email);
CREATE INDEX idx_users_email_active ON users (email) WHERE active;
CREATE TABLE roles (
    id uuid PRIMARY KEY, name varchar(50) NOT NULL UNIQUE, display_name varchar(100) NOT NULL, description text,
    permissions varchar[] NOT NULL, active boolean NOT NULL, created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL, created_by uuid REFERENCES users, updated_by uuid REFERENCES users);
CREATE TABLE hotels (
    id varchar(255) PRIMARY KEY, name varchar(255) NOT NULL, brand varchar(100), country varchar(2), city varchar(100),
    address text, pms_type varchar(50) NOT NULL, pms_config json, active boolean NOT NULL,
    created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL);
CREATE TABLE user_roles (
    user_id uuid REFERENCES users, role_id uuid REFERENCES roles, created_at timestamptz,
    created_by uuid REFERENCES users, PRIMARY KEY (user_id, role_id));
CREATE TABLE user_hotels (
    user_id uuid REFERENCES users, hotel_id varchar(255), created_at timestamptz, created_by uuid REFERENCES users,
    PRIMARY KEY (user_id, hotel_id));
CREATE TABLE user_sessions (
    id uuid PRIMARY KEY, session_id varchar(255) NOT NULL UNIQUE, user_id uuid NOT NULL REFERENCES users,
    access_token_jti varchar(255) NOT NULL UNIQUE, refresh_token_jti varchar(255) UNIQUE, ip_address varchar(45),
    user_agent text, device_fingerprint varchar(255), created_at timestamptz NOT NULL, accessed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL, active boolean NOT NULL, revoked boolean NOT NULL, revoked_at timestamptz,
    revoke_reason varchar(100), UNIQUE (user_id, session_id));
CREATE TABLE user_mfa (
    id uuid PRIMARY KEY, user_id uuid NOT NULL UNIQUE REFERENCES users, enabled boolean NOT NULL, totp_secret varchar(255));

INSERT INTO users (id, email, password_hash, first_name, last_name, active, email_verified, created_at, updated_at,
       last_login_at, failed_login_attempts, created_by) VALUES
    ('00000000-0000-4000-8000-000000000001', 'admin@voicehive-hotels.eu', '', 'Ann', 'Ames', true, true,
     '2024-01-01 08:00:00+00', '2024-01-02 08:00:00+00', '2024-05-01 08:00:00.123456+00', 0, NULL),
    ('00000000-0000-4000-8000-000000000002', 'operator@voicehive-hotels.eu', '', NULL, NULL, true, true,
     '2024-01-01 08:00:00+00', '2024-01-01 08:00:00+00', NULL, 0, '00000000-0000-4000-8000-000000000001'),
    ('00000000-0000-4000-8000-000000000003', 'manager@hotel1.com', '', 'Mo', 'Mills', true, true,
     '2024-01-01 08:00:00+00', '2024-01-01 08:00:00+00', NULL, 2, '00000000-0000-4000-8000-000000000001'),
    ('00000000-0000-4000-8000-000000000004', 'Night@Hotel1.com', '', 'Nia', NULL, true, true,
     '2024-01-01 08:00:00+00', '2024-01-01 08:00:00+00', NULL, 0, NULL),
    ('00000000-0000-4000-8000-000000000005', 'gone@hotel1.com', '', NULL, NULL, false, true,
     '2024-01-01 08:00:00+00', '2024-01-01 08:00:00+00', NULL, 0, NULL),
    ('00000000-0000-4000-8000-000000000006', 'x@xn--bcher-kva.de', '', NULL, NULL, true, true,
     '2024-01-01 08:00:00+00', '2024-01-01 08:00:00+00', NULL, 0, NULL);
INSERT INTO roles (id, name, display_name, permissions, active, created_at, updated_at) VALUES
    ('00000000-0000-4000-9000-000000000001', 'system_admin', 'System Admin', ARRAY['system:admin'], true, now(), now()),
    ('00000000-0000-4000-9000-000000000002', 'hotel_admin', 'Hotel Admin', ARRAY['user:view'], true, now(), now()),
    ('00000000-0000-4000-9000-000000000003', 'hotel_staff', 'Hotel Staff', ARRAY['call:view'], true, now(), now()),
    ('00000000-0000-4000-9000-000000000004', 'night_porter', 'Night Porter', ARRAY['call:view', 'call:start'], true, now(), now());
INSERT INTO user_roles (user_id, role_id) VALUES
    ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-9000-000000000001'),
    ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-9000-000000000002'),
    ('00000000-0000-4000-8000-000000000003', '00000000-0000-4000-9000-000000000003'),
    ('00000000-0000-4000-8000-000000000004', '00000000-0000-4000-9000-000000000004'),
    ('00000000-0000-4000-8000-000000000005', '00000000-0000-4000-9000-000000000003');
INSERT INTO hotels VALUES
    ('hotel-001', 'Berlin', 'VoiceHive', 'de', 'Berlin', NULL, 'apaleo', '{"api_key": "k", "rooms": 7}', true, now(), now()),
    ('alpha', 'A', NULL, NULL, NULL, NULL, 'mews', NULL, true, now(), now()),
    ('Zeta', 'Z', NULL, NULL, NULL, NULL, 'mews', NULL, true, now(), now());
INSERT INTO user_hotels (user_id, hotel_id) SELECT '00000000-0000-4000-8000-000000000003', id
    FROM unnest(ARRAY['hotel-001', 'alpha', 'Zeta', 'hotel-777']) id;
INSERT INTO user_sessions (id, session_id, user_id, access_token_jti, refresh_token_jti, ip_address, created_at,
       accessed_at, expires_at, active, revoked, revoked_at, revoke_reason) VALUES
    (gen_random_uuid(), 'session-abc', '00000000-0000-4000-8000-000000000001', 'jti-1', NULL, '10.0.0.1', now(), now(),
     now() + interval '1 hour', true, false, NULL, NULL),
    (gen_random_uuid(), 'session-def', '00000000-0000-4000-8000-000000000001', gen_random_uuid()::text,
     gen_random_uuid()::text, '::1', now(), now(), now() + interval '1 hour', true, true, now(), 'manual'),
    (gen_random_uuid(), 'session-ghi', '00000000-0000-4000-8000-000000000003', 'jti-3', 'refresh-3', NULL, now(), now(),
     now() - interval '1 hour', false, false, NULL, NULL);
INSERT INTO user_mfa SELECT gen_random_uuid(), id, true, 'sealed' FROM users WHERE email IN ('admin@voicehive-hotels.eu', 'manager@hotel1.com');
GRANT SELECT ON users TO reporting;
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at := now(); RETURN NEW; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON user_sessions FOR EACH ROW EXECUTE FUNCTION touched();
