//! The keys that tokens are signed with, and their public halves as a JWK set. Where they come from is in [`signing_keys`].
//!
//! [`signing_keys`]: super::signing_keys

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
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
    #[error("a key could not be made")]
    Making,
    #[error("the signing key {0} in the database cannot be read; take it out of signing_keys")]
    UnreadableStored(String),
    #[error(
        "jwt.signing_key_file names the key that signs: make another with `voicehive keys generate`, name that one there, and this one under jwt.previous_key_files"
    )]
    FromFile,
    #[error(
        "jwt.previous_key_files names keys that would still be honoured: take them out, restart the servers, then distrust"
    )]
    StillTrusted,
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    #[error("{path} holds no key of {whose}: 64 hexadecimal digits")]
    UnreadableSecret { path: PathBuf, whose: &'static str },
    #[error("auth.common_passwords_file: {path} cannot be used: {problem}")]
    CommonPasswords { path: PathBuf, problem: std::io::Error },
    #[error("password hashing cannot start: {0}")]
    Hashing(String),
}

/// A key that verifies, and the one algorithm that it is good for.
pub(super) struct VerifyingKey {
    pub key_id: String,
    pub algorithm: Algorithm,
    pub key: DecodingKey,
}

/// The keys of this moment.
#[derive(Default)]
pub(super) struct Keys {
    /// None until the keys are read.
    pub signing: Option<(String, PrivateKey)>,
    pub verifying: Vec<VerifyingKey>,
    public: Vec<Value>,
}

impl Keys {
    /// Signs with this key from now on; its tokens and those of the keys that are honoured already are honoured.
    pub fn sign_with(&mut self, key: PrivateKey) -> Result<(), KeyError> {
        let id = self.honour(&key)?;
        self.signing = Some((id, key));
        Ok(())
    }

    /// Publishes this key, and honours its tokens; the key's id.
    pub fn honour(&mut self, key: &PrivateKey) -> Result<String, KeyError> {
        let mut jwk = key.public()?;
        let key_id = id_of(&jwk)?;
        jwk.common.key_id = Some(key_id.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let verifying = DecodingKey::from_jwk(&jwk).map_err(|_| KeyError::Making)?;
        self.public.push(serde_json::to_value(&jwk).map_err(|_| KeyError::Making)?);
        self.verifying.push(VerifyingKey { key_id: key_id.clone(), algorithm: key.algorithm, key: verifying });
        Ok(key_id)
    }

    /// As a JWK set (RFC 7517).
    pub fn public(&self) -> Value {
        json!({ "keys": self.public })
    }
}

/// A private key, and the algorithm that its kind is for.
pub(super) struct PrivateKey {
    pub key: EncodingKey,
    pub algorithm: Algorithm,
}

impl PrivateKey {
    /// The key in a file.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = fs::read(path).map_err(|problem| KeyError::File { path: path.to_owned(), done: "read", problem })?;
        let text = Zeroizing::new(text);
        Self::parse(&text).ok_or_else(|| KeyError::Unreadable(path.to_owned()))
    }

    /// The key in a file, made now if the file is not there.
    pub fn read_or_make(path: &Path, algorithm: Algorithm) -> Result<Self, KeyError> {
        if !path.exists() {
            write_once(path, make(algorithm)?.as_bytes())?;
        }
        let key = Self::read(path)?;
        if key.algorithm != algorithm {
            let found = key.algorithm;
            return Err(KeyError::OtherAlgorithm { path: path.to_owned(), found, wanted: algorithm });
        }
        Ok(key)
    }

    /// From PKCS#8 PEM.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let found = |key, algorithm| Some(Self { key, algorithm });
        if let Ok(key) = EncodingKey::from_ed_pem(text) {
            return found(key, Algorithm::EdDsa);
        }
        if let Ok(key) = EncodingKey::from_ec_pem(text) {
            return found(key, Algorithm::Es256);
        }
        EncodingKey::from_rsa_pem(text).ok().and_then(|key| found(key, Algorithm::Rs256))
    }

    /// A key's id is its thumbprint (RFC 7638): the same on every server that has the key.
    pub fn id(&self) -> Result<String, KeyError> {
        id_of(&self.public()?)
    }

    fn public(&self) -> Result<Jwk, KeyError> {
        Jwk::from_encoding_key(&self.key, self.algorithm.jwa()).map_err(|_| KeyError::Making)
    }
}

fn id_of(public: &Jwk) -> Result<String, KeyError> {
    public.thumbprint(ThumbprintHash::SHA256).map_err(|_| KeyError::Making)
}

/// A new private key as PKCS#8 PEM.
pub(super) fn make(algorithm: Algorithm) -> Result<Zeroizing<String>, KeyError> {
    let der = Zeroizing::new(new_key(algorithm).map_err(|_| KeyError::Making)?);
    Ok(Zeroizing::new(pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_slice()))))
}

/// The 32 random bytes in a file of 64 hexadecimal digits, made now if the file is not there. `whose` names them in errors.
pub(super) fn read_or_make_secret(path: &Path, whose: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    if !path.exists() {
        let mut key = Zeroizing::new([0_u8; 32]);
        getrandom::fill(key.as_mut_slice()).map_err(|_| KeyError::Making)?;
        let text = Zeroizing::new(hex(key.as_slice()) + "\n");
        write_once(path, text.as_bytes())?;
    }
    read_secret(path, whose)
}

/// The same of a file that must be there.
pub(super) fn read_secret(path: &Path, whose: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let text =
        fs::read_to_string(path).map_err(|problem| KeyError::File { path: path.to_owned(), done: "read", problem })?;
    let text = Zeroizing::new(text);
    let digits: Option<Vec<u8>> = text
        .trim()
        .bytes()
        .map(|digit| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = Zeroizing::new(digits.unwrap_or_default());
    if digits.len() != 64 {
        return Err(KeyError::UnreadableSecret { path: path.to_owned(), whose });
    }
    let pair = |pair: &[u8]| pair.iter().fold(0, |byte, digit| byte * 16 + digit);
    Ok(Zeroizing::new(digits.chunks_exact(2).map(pair).collect()))
}

/// What a secret key is named by where it was used, which tells nothing of it.
pub(super) fn key_id(purpose: &str, key: &[u8]) -> String {
    hex(&Sha256::digest([purpose.as_bytes(), key].concat())).chars().take(16).collect()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a secret's file, unless it is there.
pub(super) fn write_once(path: &Path, content: &[u8]) -> Result<(), KeyError> {
    let written = |problem| KeyError::File { path: path.to_owned(), done: "written", problem };
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(written)?;
    }
    // Written aside and linked into place: a key is there whole or not at all, and two servers that start at once on
    // one folder end up with the same one. Aside is a name that nobody can have put a link at.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut aside = tempfile::Builder::new().prefix(".key.").suffix(".new").tempfile_in(folder).map_err(written)?;
    aside.write_all(content).and_then(|()| aside.as_file().sync_all()).map_err(written)?;
    match aside.persist_noclobber(path) {
        Err(problem) if problem.error.kind() != ErrorKind::AlreadyExists => Err(written(problem.error)),
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
