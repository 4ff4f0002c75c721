//! Hashes that are keys derived from a password: PBKDF2, scrypt, and Firebase's own use of scrypt.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq;

use super::{MAX_MEMORY_KIB, decode, from_hexadecimal, number};

/// The most rounds of PBKDF2, those of each block of its output counted: some two seconds, and eight times what OWASP
/// advises for SHA-256 (600,000).
const MAX_ROUNDS: u32 = 5_000_000;
/// The most that scrypt may go over, in KiB, one lane after the other: twice the most memory, and four times what OWASP
/// advises (128 MiB).
const MAX_SCRYPT_KIB: u64 = 2 * MAX_MEMORY_KIB as u64;
/// How long a hash may be, in bytes: from what MD5 has to what SHA-512 has.
const HASH_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

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
        let rounds: NonZeroU32 = number(rounds)?;
        let blocks = u32::try_from(hash.len().div_ceil(block)).ok()?;
        let fits = rounds.get().saturating_mul(blocks) <= MAX_ROUNDS;
        let whole = !salt.is_empty() && HASH_BYTES.contains(&hash.len());
        (fits && whole).then_some(Self { algorithm, rounds, salt, hash })
    }

    pub fn verify(&self, password: &str) -> bool {
        pbkdf2::verify(self.algorithm, self.rounds, &self.salt, password.as_bytes(), &self.hash).is_ok()
    }
}

/// A scrypt hash: `$scrypt$ln=16,r=8,p=1$salt$hash`, Werkzeug's `scrypt:32768:8:1$salt$hash`, or Django's
/// `scrypt$16384$salt$8$5$hash`, where the salt is the text itself.
pub struct Scrypt {
    params: scrypt::Params,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Scrypt {
    pub fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('$').collect();
        let (params, salt, hash) = match *parts.as_slice() {
            ["", "scrypt", settings, salt, hash] => (params_of(settings)?, decode(salt)?, decode(hash)?),
            ["scrypt", n, salt, r, p, hash] => (params(log2(n)?, r, p)?, salt.into(), decode(hash)?),
            [settings, salt, hash] => match *settings.split(':').collect::<Vec<_>>().as_slice() {
                ["scrypt", n, r, p] => (params(log2(n)?, r, p)?, salt.into(), from_hexadecimal(hash)?),
                _ => return None,
            },
            _ => return None,
        };
        let whole = !salt.is_empty() && HASH_BYTES.contains(&hash.len());
        whole.then_some(Self { params, salt, hash })
    }

    pub fn verify(&self, password: &str) -> bool {
        let mut found = vec![0; self.hash.len()];
        scrypt::scrypt(password.as_bytes(), &self.salt, &self.params, &mut found).is_ok()
            && found.ct_eq(&self.hash).into()
    }
}

fn params_of(settings: &str) -> Option<scrypt::Params> {
    let [ln, r, p] = *settings.split(',').collect::<Vec<_>>().as_slice() else { return None };
    params(number(ln.strip_prefix("ln=")?)?, r.strip_prefix("r=")?, p.strip_prefix("p=")?)
}

/// None where they ask for too much.
fn params(log_n: u8, r: &str, p: &str) -> Option<scrypt::Params> {
    let (r, p): (u32, u32) = (number(r)?, number(p)?);
    let memory = 2_u64.checked_pow(log_n.into())?.checked_mul(r.into())?.checked_mul(128)? / 1024;
    let fits = log_n > 0 && memory <= MAX_MEMORY_KIB.into() && memory.checked_mul(p.into())? <= MAX_SCRYPT_KIB;
    // Lanes cost something of their own, where each is small.
    (fits && r <= 1024 && p <= 1024).then(|| scrypt::Params::new(log_n, r, p).ok())?
}

fn log2(n: &str) -> Option<u8> {
    let n: u64 = number(n)?;
    n.is_power_of_two().then(|| u8::try_from(n.ilog2()).ok())?
}

/// Firebase derives a key by scrypt and keeps its project's signer key encrypted by that, in counter mode. As this service
/// keeps it, `$firebase-scrypt$ln=14,r=8,p=1$salt$stream`, the signer key has been taken out again: what is left is the
/// stream that the password's key makes. So the project's secret, which opens its other hashes too, is kept nowhere.
pub struct FirebaseScrypt(Scrypt);

impl FirebaseScrypt {
    pub fn read(text: &str) -> Option<Self> {
        Scrypt::read(&format!("$scrypt${}", text.strip_prefix("$firebase-scrypt$")?)).map(Self)
    }

    pub fn verify(&self, password: &str) -> bool {
        let mut key = zeroize::Zeroizing::new([0; 32]);
        let derived = scrypt::scrypt(password.as_bytes(), &self.0.salt, &self.0.params, key.as_mut_slice());
        let cipher = UnboundCipherKey::new(&AES_256, key.as_slice()).and_then(EncryptingKey::ctr);
        let (Ok(()), Ok(cipher)) = (derived, cipher) else { return false };
        // What it makes of zeros is the stream itself.
        let mut stream = vec![0; self.0.hash.len()];
        let counter = EncryptionContext::Iv128(FixedLength::from([0; 16]));
        cipher.less_safe_encrypt(&mut stream, counter).is_ok() && stream.ct_eq(&self.0.hash).into()
    }
}

/// What a Firebase project's hashes have in common, as its console shows it.
pub struct FirebaseParameters {
    pub signer_key: zeroize::Zeroizing<Vec<u8>>,
    pub salt_separator: Vec<u8>,
    pub rounds: u32,
    pub mem_cost: u8,
}

impl FirebaseParameters {
    /// The text that is kept of a hash and its salt, both in base64 as they are exported; None where they are none.
    #[must_use]
    pub fn hash(&self, salt: &str, hash: &str) -> Option<String> {
        let (mut salt, hash) = (decode(salt)?, decode(hash)?);
        salt.extend(&self.salt_separator);
        let stream: Vec<u8> = hash.iter().zip(self.signer_key.iter()).map(|(one, other)| one ^ other).collect();
        let whole = hash.len() == self.signer_key.len();
        // Half of it tells a password as surely.
        let stream = stream.get(..stream.len().min(32)).filter(|_| whole)?;
        let (salt, stream) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(stream));
        Some(format!("$firebase-scrypt$ln={},r={},p=1${salt}${stream}", self.mem_cost, self.rounds))
    }
}
