//! Floor 2: what the system does. One file a verb or a noun; who may do what stands in [`rules`] alone.
//!
//! Knows nothing of HTTP or GraphQL, and holds no SQL: it decides, and has `store` act in one transaction.

pub mod access;
mod api_key_text;
pub mod api_keys;
mod audit;
mod background;
mod bootstrap;
mod caller;
mod error;
mod fields;
mod foreign_hashes;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hashing_queue;
pub mod hotels;
mod idempotency;
mod introspection;
mod keys;
mod last_uses;
mod lockout;
mod lookalikes;
mod masking;
mod password_check;
mod password_file;
mod password_rules;
mod passwords;
pub mod permissions;
mod principals;
mod refresh;
pub mod roles;
mod rules;
mod server_key;
pub mod sessions;
mod sign_in;
mod sign_out;
mod signing_keys;
mod throttle;
mod tokens;
pub mod users;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use access::{Check, Decision, MAX_CHECKS, Reach, Reason};
pub use api_keys::NewApiKey;
pub use audit::{Exported, Finding, Verification, whole_detail};
pub use background::Swept;
pub use bootstrap::{Administrator, BootstrapError, Seeds};
pub use caller::{Actor, Caller, Client, Principal, Who, require_ready};
pub use error::{Error, Failure, Refusal, RefusalCode, Result};
pub use fields::Edit;
pub use foreign_hashes::{FirebaseParameters, is_known as is_known_hash};
pub use hotels::{HotelUpdate, NewHotel};
pub use idempotency::{Before, Repeatable};
pub use introspection::LiveToken;
pub use keys::{Algorithm, KeyError};
pub use lockout::Lockout;
pub use passwords::HashingSettings;
pub use roles::{NewRole, RoleUpdate};
pub use rules::{origin_is_visible, pms_config_of, sign_ins_are_visible};
pub use sign_in::{SignIn, SignedIn};
pub use sign_out::{PasswordChange, SignOut};
pub use signing_keys::{ListedKey, Rotation, new_signing_key};
pub use throttle::{Allowance, ThrottleSettings, network_of};
pub use tokens::IssuedTokens;
pub use users::{
    Assignment, Import, Imported, Keep, NewUser, PasswordSet, UserRecord, UserUpdate, Wrong, email_to_look_up,
};

use crate::clock::Clock;
use crate::store::Database;
use crate::store::session_ends::Lifetimes;

/// What sign-in and sessions go by. Lengths of time are positive.
#[derive(Clone, Debug)]
pub struct Settings {
    pub access_token_lifetime: Duration,
    pub session_lifetimes: Lifetimes,
    /// How long ended sessions are kept.
    pub session_retention: Duration,
    pub lockout: Lockout,
    pub hashing: HashingSettings,
    pub throttle: ThrottleSettings,
    /// A larger list of passwords that nobody may choose.
    pub common_passwords_file: Option<PathBuf>,
    /// Whether a user who must change the password can do nothing else before.
    pub enforce_password_change: bool,
    pub issuer: String,
    pub audience: String,
    pub algorithm: Algorithm,
    /// Made when it is not there. None: the database holds the keys, for all servers.
    pub signing_key_file: Option<PathBuf>,
    /// Keys whose tokens are still honoured.
    pub previous_key_files: Vec<PathBuf>,
    /// How long audit events are kept, by the month; None keeps them for good.
    pub audit_retention: Option<Duration>,
    /// The key of the audit trail's chain; made when it is not there.
    pub audit_key_file: PathBuf,
    /// Keys whose seals are still verified.
    pub previous_audit_key_files: Vec<PathBuf>,
    /// What is kept of secrets is derived under it; made when it is not there.
    pub server_key_file: PathBuf,
}

/// The system: everything a floor above can ask for. Made once, shared by all requests.
pub struct Identity {
    database: Database,
    clock: Clock,
    settings: Settings,
    hasher: passwords::Hasher,
    tokens: tokens::Tokens,
    principals: principals::Principals,
    used_sessions: last_uses::LastUses,
    used_api_keys: last_uses::LastUses,
    chain_keys: audit::chain::ChainKeys,
    server_key: server_key::ServerKey,
    last_look: signing_keys::LastLook,
    throttle: throttle::Throttle,
    password_rules: password_rules::PasswordRules,
}

impl Identity {
    /// Reads the keys that files hold (those in the database [`Identity::load_keys`] reads) and starts the hashing workers.
    pub fn new(database: Database, clock: Clock, settings: Settings) -> Result<Arc<Self>, KeyError> {
        let keys = signing_keys::from_files(&settings)?;
        let tokens = tokens::Tokens::new(keys, settings.issuer.clone(), settings.audience.clone());
        let chain_keys = audit::chain::ChainKeys::load(&settings.audit_key_file, &settings.previous_audit_key_files)?;
        let server_key = server_key::ServerKey::load(&settings.server_key_file)?;
        let hasher = passwords::Hasher::start(settings.hashing)?;
        let last_look = signing_keys::LastLook::default();
        let throttle = throttle::Throttle::new(settings.throttle);
        let file = settings.common_passwords_file.as_deref().map(|path| {
            let unusable = |problem| KeyError::CommonPasswords { path: path.to_owned(), problem };
            password_file::PasswordFile::open(path).map_err(unusable)
        });
        let password_rules = password_rules::PasswordRules { file: file.transpose()? };
        Ok(Arc::new(Self {
            database,
            clock,
            settings,
            hasher,
            tokens,
            principals: principals::Principals::default(),
            used_sessions: last_uses::LastUses::default(),
            used_api_keys: last_uses::LastUses::default(),
            chain_keys,
            server_key,
            last_look,
            throttle,
            password_rules,
        }))
    }

    pub fn database(&self) -> &Database {
        &self.database
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The public keys by which anyone can check an access token: a JWK set (RFC 7517).
    pub fn public_keys(&self) -> serde_json::Value {
        self.tokens.keys().public()
    }
}
