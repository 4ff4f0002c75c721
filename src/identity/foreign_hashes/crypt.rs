//! Hashes that go over a digest again and again: bcrypt and what is hashed before it, the SHA-crypt of Unix, phpass of
//! PHP's programs, and the salted digests of LDAP, which go over it once.

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64ct::{Base64ShaCrypt, Encoding};
use md5::{Digest, Md5};
use sha_crypt::{PasswordHashRef, PasswordVerifier};
use subtle::ConstantTimeEq;

use super::{decode, number};

/// The costs of bcrypt: the least there are, and one that takes two seconds. OWASP advises 10 and more, and most systems
/// use 10 to 13.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=15;
/// The rounds of SHA-crypt: the least there are, and what passlib has always used for its own (656,000) but little more;
/// for a password of 1,024 bytes they take two seconds. Unix itself uses 5,000.
const SHA_CRYPT_ROUNDS: std::ops::RangeInclusive<u32> = 1_000..=700_000;
/// The base-2 logarithm of phpass's rounds: the least and the most there is short of two seconds. WordPress has 13.
const PHPASS_LOG_ROUNDS: std::ops::RangeInclusive<usize> = 7..=20;
/// The digits of phpass.
const PHPASS_DIGITS: &str = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What is done to a password before bcrypt, which looks at 72 bytes only and ends at a zero.
enum Before {
    Nothing,
    /// Django's `bcrypt_sha256$$2b$...`.
    Sha256Hexadecimal,
    /// The first version of passlib's `$bcrypt-sha256$`.
    Sha256,
    /// The second one: keyed with the salt's text.
    KeyedSha256(String),
    /// WordPress's `$wp$2y$...`, since 6.8.
    WordPress,
}

pub struct Bcrypt {
    before: Before,
    hash: String,
}

impl Bcrypt {
    pub fn read(text: &str) -> Option<Self> {
        let (before, hash) = if let Some(rest) = text.strip_prefix("bcrypt_sha256$") {
            (Before::Sha256Hexadecimal, rest.to_owned())
        } else if let Some(rest) = text.strip_prefix("$bcrypt-sha256$") {
            Self::read_passlibs(rest)?
        } else if let Some(rest) = text.strip_prefix("$wp$").map(|_| text.get(3..).unwrap_or_default()) {
            (Before::WordPress, rest.to_owned())
        } else {
            // Django writes its scheme's name before it once more.
            (Before::Nothing, text.strip_prefix("bcrypt$").unwrap_or(text).to_owned())
        };
        let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|prefix| hash.strip_prefix(prefix))?;
        let cost = number(rest.get(..2)?)?;
        (BCRYPT_COSTS.contains(&cost) && hash.parse::<bcrypt::HashParts>().is_ok()).then_some(Self { before, hash })
    }

    /// `v=2,t=2b,r=12$salt$hash`, or `2b,12$salt$hash`.
    fn read_passlibs(text: &str) -> Option<(Before, String)> {
        let [settings, salt, hash] = *text.split('$').collect::<Vec<_>>().as_slice() else { return None };
        let (before, kind, cost) = match *settings.split(',').collect::<Vec<_>>().as_slice() {
            ["v=2", kind, cost] => {
                (Before::KeyedSha256(salt.to_owned()), kind.strip_prefix("t=")?, cost.strip_prefix("r=")?)
            }
            [kind, cost] => (Before::Sha256, kind, cost),
            _ => return None,
        };
        Some((before, format!("${kind}${:02}${salt}{hash}", number::<u32>(cost)?)))
    }

    pub fn verify(&self, password: &str) -> bool {
        let sha256 = || digest::digest(&digest::SHA256, password.as_bytes());
        let keyed = |algorithm, key: &str| {
            STANDARD.encode(hmac::sign(&hmac::Key::new(algorithm, key.as_bytes()), password.as_bytes()))
        };
        let password = match &self.before {
            Before::Nothing => password.to_owned(),
            Before::Sha256Hexadecimal => sha256().as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
            Before::Sha256 => STANDARD.encode(sha256()),
            Before::KeyedSha256(salt) => keyed(hmac::HMAC_SHA256, salt),
            Before::WordPress => keyed(hmac::HMAC_SHA384, "wp-sha384"),
        };
        bcrypt::verify(zeroize::Zeroizing::new(password), &self.hash).unwrap_or(false)
    }
}

/// `$5$...` and `$6$...`.
pub struct ShaCrypt(String);

impl ShaCrypt {
    pub fn read(text: &str) -> Option<Self> {
        let fields: Vec<_> = text.split('$').collect();
        let (scheme, rounds, salt, hash) = match *fields.as_slice() {
            ["", scheme, rounds, salt, hash] => (scheme, number(rounds.strip_prefix("rounds=")?)?, salt, hash),
            ["", scheme, salt, hash] => (scheme, 5_000, salt, hash),
            _ => return None,
        };
        let digits = match scheme {
            "5" => 43,
            "6" => 86,
            _ => return None,
        };
        let fits = SHA_CRYPT_ROUNDS.contains(&rounds) && hash.len() == digits && salt.len() <= 16;
        (fits && PasswordHashRef::new(text).is_ok()).then(|| Self(text.to_owned()))
    }

    pub fn verify(&self, password: &str) -> bool {
        sha_crypt::ShaCrypt::default().verify_password(password.as_bytes(), self.0.as_str()).is_ok()
    }
}

/// `$P$...` and `$H$...`: WordPress until 6.7, phpBB and others.
pub struct Phpass {
    rounds: u32,
    salt: String,
    hash: Vec<u8>,
}

impl Phpass {
    pub fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("$P$").or_else(|| text.strip_prefix("$H$"))?;
        if !text.is_ascii() || rest.len() != 31 {
            return None;
        }
        let log_rounds = PHPASS_DIGITS.find(rest.get(..1)?).filter(|log| PHPASS_LOG_ROUNDS.contains(log))?;
        Some(Self {
            rounds: 1 << log_rounds,
            salt: rest.get(1..9)?.to_owned(),
            hash: Base64ShaCrypt::decode_vec(rest.get(9..)?).ok().filter(|hash| hash.len() == 16)?,
        })
    }

    pub fn verify(&self, password: &str) -> bool {
        let mut hash = Md5::new_with_prefix(&self.salt).chain_update(password).finalize();
        for _ in 0..self.rounds {
            hash = Md5::new_with_prefix(hash).chain_update(password).finalize();
        }
        hash.as_slice().ct_eq(&self.hash).into()
    }
}

/// `{SSHA}...` of LDAP (SHA-1), `{SSHA256}` and `{SSHA512}`: a digest, and the salt behind it.
pub struct SaltedSha {
    algorithm: &'static digest::Algorithm,
    hash_and_salt: Vec<u8>,
}

impl SaltedSha {
    pub fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.strip_prefix('{')?.split_once('}')?;
        let algorithm = match scheme.to_ascii_uppercase().as_str() {
            "SSHA" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            "SSHA256" => &digest::SHA256,
            "SSHA512" => &digest::SHA512,
            _ => return None,
        };
        let hash_and_salt = decode(rest)?;
        // Without a salt, lists of hashes are lists of passwords.
        (hash_and_salt.len() > algorithm.output_len()).then_some(Self { algorithm, hash_and_salt })
    }

    pub fn verify(&self, password: &str) -> bool {
        let Some((hash, salt)) = self.hash_and_salt.split_at_checked(self.algorithm.output_len()) else { return false };
        let mut context = digest::Context::new(self.algorithm);
        context.update(password.as_bytes());
        context.update(salt);
        context.finish().as_ref().ct_eq(hash).into()
    }
}
