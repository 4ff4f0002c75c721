//! Password hashes of other systems: which can be checked, at a cost that is bounded, and how. Argon2 is read here and
//! checked where our own hashes are, in the workers' memory.
//!
//! The bounds: on one core of a small server none takes more than some two seconds, and none more than 256 MiB while it
//! lasts, so that a few rows in a table cannot hold all workers or all memory. What systems advise today stays well
//! below; what is said at each.

mod crypt;
mod derived;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crypt::{Bcrypt, Phpass, SaltedSha, ShaCrypt};
use derived::{FirebaseScrypt, Pbkdf2, Scrypt};

pub use derived::FirebaseParameters;

/// The longest text of a hash: the longest of these schemes have some 200 bytes.
const LONGEST: usize = 512;
/// The most memory a hash may ask for, in KiB. Libsodium's middle level and the highest of OWASP's, RFC 9106's second
/// choice is a quarter of it.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
/// The most that argon2 may go over in all its passes, in KiB: four times over the most memory.
const MAX_MEMORY_PASSES_KIB: u64 = 1024 * 1024;
const MAX_LANES: u32 = 64;

/// A hash that another system's program made.
pub enum ForeignHash {
    Bcrypt(Bcrypt),
    FirebaseScrypt(FirebaseScrypt),
    Pbkdf2(Pbkdf2),
    Phpass(Phpass),
    SaltedSha(SaltedSha),
    Scrypt(Scrypt),
    ShaCrypt(ShaCrypt),
}

impl ForeignHash {
    /// None where the text is no hash of a scheme that is known, argon2 apart, or asks for too much.
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let bcrypt = || Bcrypt::read(text).map(Self::Bcrypt);
        let firebase = || FirebaseScrypt::read(text).map(Self::FirebaseScrypt);
        let pbkdf2 = || Pbkdf2::read(text).map(Self::Pbkdf2);
        let phpass = || Phpass::read(text).map(Self::Phpass);
        let salted = || SaltedSha::read(text).map(Self::SaltedSha);
        let scrypt = || Scrypt::read(text).map(Self::Scrypt);
        let sha_crypt = || ShaCrypt::read(text).map(Self::ShaCrypt);
        // Each begins as no other does.
        bcrypt().or_else(pbkdf2).or_else(scrypt).or_else(firebase).or_else(sha_crypt).or_else(phpass).or_else(salted)
    }

    pub fn verify(&self, password: &str) -> bool {
        match self {
            Self::Bcrypt(hash) => hash.verify(password),
            Self::FirebaseScrypt(hash) => hash.verify(password),
            Self::Pbkdf2(hash) => hash.verify(password),
            Self::Phpass(hash) => hash.verify(password),
            Self::SaltedSha(hash) => hash.verify(password),
            Self::Scrypt(hash) => hash.verify(password),
            Self::ShaCrypt(hash) => hash.verify(password),
        }
    }
}

/// An argon2 hash of whatever parameters.
pub struct Argon2Hash {
    pub algorithm: Algorithm,
    pub version: Version,
    pub params: Params,
    pub salt: Vec<u8>,
    pub hash: Vec<u8>,
}

impl Argon2Hash {
    /// None where the text is none, or costs too much; what we ourselves are configured to make never does.
    pub fn read(text: &str, ours: Option<&Params>) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        // Django writes its scheme's name before it once more.
        let text = text.strip_prefix("argon2").filter(|rest| rest.starts_with("$argon2")).unwrap_or(text);
        let parsed = PasswordHash::new(text).ok()?;
        let params = Params::try_from(&parsed).ok()?;
        let is_ours = ours.is_some_and(|ours| (ours.m_cost(), ours.t_cost()) == (params.m_cost(), params.t_cost()));
        (is_ours || is_affordable(&params)).then_some(())?;
        Some(Self {
            algorithm: Algorithm::try_from(parsed.algorithm.as_str()).ok()?,
            version: parsed.version.map_or(Some(Version::V0x10), |version| Version::try_from(version).ok())?,
            params,
            salt: parsed.salt?.as_ref().to_vec(),
            hash: parsed.hash?.as_bytes().to_vec(),
        })
    }

    /// Whether no password has it: hashes of nothing but zeros are made for those who have none.
    pub fn is_nobodys(&self) -> bool {
        self.hash.iter().all(|byte| *byte == 0)
    }
}

fn is_affordable(params: &Params) -> bool {
    params.m_cost() <= MAX_MEMORY_KIB
        && u64::from(params.m_cost()) * u64::from(params.t_cost()) <= MAX_MEMORY_PASSES_KIB
        && params.p_cost() <= MAX_LANES
}

/// Whether a password can be checked against this hash.
#[must_use]
pub fn is_known(hash: &str) -> bool {
    Argon2Hash::read(hash, None).is_some() || ForeignHash::read(hash).is_some()
}

/// Base64 with or without padding; some write "." for "+".
fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.replace('.', "+");
    if text.ends_with('=') { STANDARD.decode(text).ok() } else { STANDARD_NO_PAD.decode(text).ok() }
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    (text.len().is_multiple_of(2)).then(|| text.as_bytes().chunks(2).map(digits).collect())?
}

/// A number as programs write it: digits alone, and no sign.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
#[path = "tests.rs"]
pub mod tests;
