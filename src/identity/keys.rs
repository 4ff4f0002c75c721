//! The keys that tokens are signed with: read from files, or made at the first start, and published as a JWK set.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// How tokens are signed (RFC 7518, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    EdDsa,
    Es256,
    Rs256,
}

impl Algorithm {
    pub(super) fn jwa(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
        }
    }
}

/// Why the service cannot sign or hash.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the key file {path} cannot be {done}: {problem}")]
    File { path: PathBuf, done: &'static str, problem: std::io::Error },
    #[error("{0} holds no private key for EdDSA (Ed25519), ES256 (P-256) or RS256 in PKCS#8 PEM form")]
    Unreadable(PathBuf),
    #[error(
        "{path} holds a key for {found:?}, and jwt.algorithm asks for {wanted:?}: name another jwt.signing_key_file or that algorithm"
    )]
    OtherAlgorithm { path: PathBuf, found: Algorithm, wanted: Algorithm },
    #[error("a new key could not be made")]
    Making,
    #[error("{0} holds no key of the audit trail: 64 hexadecimal digits")]
    UnreadableAudit(PathBuf),
    #[error("password hashing cannot start: {0}")]
    Hashing(String),
}

/// A key that verifies, and the one algorithm that it is good for.
pub(super) struct VerifyingKey {
    pub key_id: String,
    pub algorithm: Algorithm,
    pub key: DecodingKey,
}

pub(super) struct Keys {
    pub signing: EncodingKey,
    pub signing_key_id: String,
    pub algorithm: Algorithm,
    /// The signing key's own public half first.
    pub verifying: Vec<VerifyingKey>,
    pub public: Value,
}

impl Keys {
    /// Reads the signing key, made now if the file is not there, and the keys before it.
    pub fn load(algorithm: Algorithm, signing_file: &Path, previous_files: &[PathBuf]) -> Result<Self, KeyError> {
        if !signing_file.exists() {
            make(algorithm, signing_file)?;
        }
        let (signing, found) = read(signing_file)?;
        if found != algorithm {
            return Err(KeyError::OtherAlgorithm { path: signing_file.to_owned(), found, wanted: algorithm });
        }
        let (first, first_public) = verifying(&signing, algorithm, signing_file)?;
        let signing_key_id = first.key_id.clone();
        let (mut verifying_keys, mut public) = (vec![first], vec![first_public]);
        for path in previous_files {
            let (key, algorithm) = read(path)?;
            let (key, published) = verifying(&key, algorithm, path)?;
            verifying_keys.push(key);
            public.push(published);
        }
        Ok(Self { signing, signing_key_id, algorithm, verifying: verifying_keys, public: json!({ "keys": public }) })
    }
}

fn verifying(key: &EncodingKey, algorithm: Algorithm, path: &Path) -> Result<(VerifyingKey, Value), KeyError> {
    let unreadable = |_| KeyError::Unreadable(path.to_owned());
    let mut jwk = Jwk::from_encoding_key(key, algorithm.jwa()).map_err(unreadable)?;
    // A key's id is its thumbprint (RFC 7638): the same on every server that has the key.
    let key_id = jwk.thumbprint(ThumbprintHash::SHA256).map_err(unreadable)?;
    jwk.common.key_id = Some(key_id.clone());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    let decoding = DecodingKey::from_jwk(&jwk).map_err(unreadable)?;
    let published = serde_json::to_value(&jwk).map_err(|_| KeyError::Unreadable(path.to_owned()))?;
    Ok((VerifyingKey { key_id, algorithm, key: decoding }, published))
}

/// The private key in this file, and the algorithm that its kind is for.
fn read(path: &Path) -> Result<(EncodingKey, Algorithm), KeyError> {
    let text = fs::read(path).map_err(|problem| KeyError::File { path: path.to_owned(), done: "read", problem })?;
    let text = Zeroizing::new(text);
    if let Ok(key) = EncodingKey::from_ed_pem(&text) {
        return Ok((key, Algorithm::EdDsa));
    }
    if let Ok(key) = EncodingKey::from_ec_pem(&text) {
        return Ok((key, Algorithm::Es256));
    }
    if let Ok(key) = EncodingKey::from_rsa_pem(&text) {
        return Ok((key, Algorithm::Rs256));
    }
    Err(KeyError::Unreadable(path.to_owned()))
}

fn make(algorithm: Algorithm, path: &Path) -> Result<(), KeyError> {
    let der = Zeroizing::new(new_key(algorithm).map_err(|_| KeyError::Making)?);
    let text = Zeroizing::new(pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_slice())));
    write_once(path, text.as_bytes())
}

/// Writes a secret's file, unless it is there.
pub(super) fn write_once(path: &Path, content: &[u8]) -> Result<(), KeyError> {
    let written = |problem| KeyError::File { path: path.to_owned(), done: "written", problem };
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(written)?;
    }
    // Written aside and linked into place: a key is there whole or not at all, and two servers that start at once on
    // one folder end up with the same one.
    let aside = path.with_extension(format!("{}.new", std::process::id()));
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside).map_err(written)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(written)?;
    let linked = fs::hard_link(&aside, path);
    fs::remove_file(&aside).map_err(written)?;
    match linked {
        Err(problem) if problem.kind() != ErrorKind::AlreadyExists => Err(written(problem)),
        _ => Ok(()),
    }
}

fn new_key(algorithm: Algorithm) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
    Ok(match algorithm {
        Algorithm::EdDsa => Ed25519KeyPair::generate()?.to_pkcs8v1()?.as_ref().to_vec(),
        Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?.to_pkcs8v1()?.as_ref().to_vec(),
        Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048)?.as_der()?.as_ref().to_vec(),
    })
}
