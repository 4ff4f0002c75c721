//! Password hashes of other systems: which are taken in, and how PBKDF2 is checked. bcrypt and argon2 are checked where
//! our own are.

use std::num::NonZeroU32;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Params, Version};
use aws_lc_rs::pbkdf2;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// The most memory a stored argon2 hash may ask for, in KiB. One that asks for more was not made by any sane system.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;
/// The most that it may go over in all its passes, in KiB: some seconds of one core.
const MAX_MEMORY_PASSES_KIB: u64 = 4 * 1024 * 1024;
const MAX_LANES: u32 = 64;
/// The most rounds a stored hash may ask for, those of each block of its output counted: some ten times what is advised
/// today (OWASP, 2023: 600,000 of SHA-256).
const MAX_ROUNDS: u32 = 10_000_000;
/// The costs of bcrypt: the least there are, and one that takes some seconds.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=16;

/// A PBKDF2 hash, in one of its text forms: `$pbkdf2-sha256$29000$salt$hash`, also with `i=29000,l=32` in the place of the
/// rounds and, for SHA-1, as `$pbkdf2$...`; `pbkdf2_sha256$600000$salt$hash`, where the salt is the text itself; and
/// `pbkdf2:sha256:600000$salt$hash` with the hash in hexadecimal.
pub struct Pbkdf2 {
    algorithm: pbkdf2::Algorithm,
    rounds: NonZeroU32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Pbkdf2 {
    /// None where the text is no such hash, or asks for too much.
    pub fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('$').collect();
        let (algorithm, rounds, salt, hash) = match *parts.as_slice() {
            ["", "pbkdf2", rounds, salt, hash] => ("sha1", rounds, decode(salt)?, decode(hash)?),
            ["", scheme, rounds, salt, hash] => (scheme.strip_prefix("pbkdf2-")?, rounds, decode(salt)?, decode(hash)?),
            [scheme, rounds, salt, hash] => (scheme.strip_prefix("pbkdf2_")?, rounds, salt.into(), decode(hash)?),
            [scheme, salt, hash] => {
                let (algorithm, rounds) = scheme.strip_prefix("pbkdf2:")?.split_once(':')?;
                (algorithm, rounds, salt.into(), from_hexadecimal(hash)?)
            }
            _ => return None,
        };
        let (algorithm, block) = match algorithm {
            "sha1" => (pbkdf2::PBKDF2_HMAC_SHA1, 20),
            "sha256" => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
            "sha512" => (pbkdf2::PBKDF2_HMAC_SHA512, 64),
            _ => return None,
        };
        let rounds = rounds.strip_prefix("i=").map_or(rounds, |rest| rest.split(',').next().unwrap_or_default());
        let rounds: NonZeroU32 = rounds.parse().ok()?;
        let blocks = u32::try_from(hash.len().div_ceil(block)).ok()?;
        let fits = rounds.get().saturating_mul(blocks) <= MAX_ROUNDS;
        let whole = !salt.is_empty() && (16..=64).contains(&hash.len());
        (fits && whole).then_some(Self { algorithm, rounds, salt, hash })
    }

    pub fn verify(&self, password: &str) -> bool {
        pbkdf2::verify(self.algorithm, self.rounds, &self.salt, password.as_bytes(), &self.hash).is_ok()
    }
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

/// The hash itself, where some write its scheme's name before it once more.
pub fn without_scheme(hash: &str) -> &str {
    let rest = hash.strip_prefix("argon2").filter(|rest| rest.starts_with("$argon2"));
    rest.or_else(|| hash.strip_prefix("bcrypt$").filter(|rest| rest.starts_with("$2"))).unwrap_or(hash)
}

/// Whether this much argon2 is not a stranger's way to keep a worker busy for good.
pub fn is_affordable(params: &Params) -> bool {
    params.m_cost() <= MAX_MEMORY_KIB
        && u64::from(params.m_cost()) * u64::from(params.t_cost()) <= MAX_MEMORY_PASSES_KIB
        && params.p_cost() <= MAX_LANES
}

/// Whether a password can be checked against this hash.
#[must_use]
pub fn is_known(hash: &str) -> bool {
    if hash.len() > 512 {
        return false;
    }
    let hash = without_scheme(hash);
    if let Some(rest) = ["$2a$", "$2b$", "$2y$"].iter().find_map(|prefix| hash.strip_prefix(prefix)) {
        let cost = rest.get(..2).and_then(|cost| cost.parse().ok());
        return cost.is_some_and(|cost| BCRYPT_COSTS.contains(&cost)) && hash.parse::<bcrypt::HashParts>().is_ok();
    }
    if hash.starts_with("$argon2") {
        return PasswordHash::new(hash).is_ok_and(|parsed| {
            argon2::Algorithm::try_from(parsed.algorithm.as_str()).is_ok()
                && parsed.salt.is_some()
                && parsed.hash.is_some()
                && parsed.version.is_none_or(|version| Version::try_from(version).is_ok())
                && Params::try_from(&parsed).is_ok_and(|params| is_affordable(&params))
        });
    }
    Pbkdf2::read(hash).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_systems_wrote_is_checked() {
        let hash = |rounds: u32, salt: &[u8], bytes: usize| {
            let mut hash = vec![0; bytes];
            let rounds = NonZeroU32::new(rounds).unwrap();
            pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, b"harbour lamp", &mut hash);
            hash
        };
        let encode = |bytes: &[u8]| STANDARD_NO_PAD.encode(bytes);
        let passlib = format!("$pbkdf2-sha256$29$YS5i${}", encode(&hash(29, b"a.b", 32))).replace('+', ".");
        let phc = format!("$pbkdf2-sha256$i=30,l=32$c2FsdA${}", encode(&hash(30, b"salt", 32)));
        let django = format!("pbkdf2_sha256$31$pepper${}", STANDARD.encode(hash(31, b"pepper", 32)));
        for text in [passlib, phc, django] {
            assert!(is_known(&text), "{text}");
            let read = Pbkdf2::read(&text).unwrap();
            assert!(read.verify("harbour lamp") && !read.verify("harbour lamps"), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_checked_is_not_taken_in() {
        let hash = "A".repeat(43);
        for text in [
            "",
            "admin123",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "$2b$12$short",
            "$2b$03$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ0123.",
            "$argon2id$v=18$m=19456,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=19456,t=4294967295,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=1048576,t=5,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$2b$31$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ0123.",
            "$argon2id$v=19$m=19456,t=2,p=1$$",
            "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$scrypt$ln=1$abc$def",
            &format!("$pbkdf2-sha256$0$c2FsdA${hash}"),
            &format!("$pbkdf2-sha256$10000001$c2FsdA${hash}"),
            &format!("$pbkdf2-sha1$6000000$c2FsdA${hash}"),
            &format!("$pbkdf2-sha256$1000$${hash}"),
            "pbkdf2:sha256:1000$salt$abc",
            "pbkdf2:sha256:1000$salt$zz",
            &format!("$pbkdf2-md5$1000$c2FsdA${hash}"),
            &format!("$pbkdf2-sha256$1000$c2FsdA${hash}$more"),
            "$pbkdf2-sha256$1000$c2FsdA$AAAA",
        ] {
            assert!(!is_known(text), "{text}");
        }
    }
}
