//! A user in Firebase's export, and the parameters of a project's hashes, which its console shows and the export lacks.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{Fields, UNKNOWN_HASH, names};
use crate::identity::{FirebaseParameters, UserRecord};

pub fn user(parameters: &FirebaseParameters, fields: &Fields) -> Result<UserRecord, String> {
    let email = fields.text("email")?.ok_or("has no email address")?;
    let (first_name, last_name) = fields.text("displayName")?.map(names).unwrap_or_default();
    let password_hash = fields.text("passwordHash")?.filter(|hash| !hash.is_empty()).map(|hash| {
        let salt = fields.text("salt").ok().flatten();
        salt.and_then(|salt| parameters.hash(salt, hash)).unwrap_or_else(|| UNKNOWN_HASH.to_owned())
    });
    Ok(UserRecord {
        first_name,
        last_name,
        active: !fields.truth("disabled")?.unwrap_or(false),
        email_verified: fields.truth("emailVerified")?.unwrap_or(false),
        created_at: fields.milliseconds("createdAt")?,
        last_login_at: fields.milliseconds("lastSignedInAt")?,
        password_hash,
        ..super::user(email)
    })
}

/// From a file, because a command line can be read by everyone on the machine. Its text is the console's own,
/// `hash_config { algorithm: SCRYPT, base64_signer_key: ... }`, or JSON with these names.
pub fn parameters(file: &Path) -> anyhow::Result<FirebaseParameters> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = Zeroizing::new(text);
    read_parameters(&text).with_context(|| format!("{} does not hold the hash parameters of a project", file.display()))
}

fn read_parameters(text: &str) -> anyhow::Result<FirebaseParameters> {
    let plain = |text: &str| {
        text.trim_matches(|character: char| character.is_whitespace() || "\"'{},".contains(character)).to_owned()
    };
    let given: HashMap<String, String> = text
        .split(['\n', ',', '{'])
        .filter_map(|part| part.split_once(':'))
        .map(|(name, value)| (plain(name), plain(value)))
        .collect();
    let named = |name: &str| given.get(name).map(String::as_str).ok_or_else(|| anyhow!("it has no {name}"));
    if let Ok(algorithm) = named("algorithm")
        && algorithm != "SCRYPT"
    {
        bail!("its algorithm is not SCRYPT");
    }
    // The values are secrets and not quoted.
    let bytes = |name| STANDARD.decode(named(name)?).map_err(|_| anyhow!("its {name} is not base64"));
    let parameters = FirebaseParameters {
        signer_key: Zeroizing::new(bytes("base64_signer_key")?),
        salt_separator: bytes("base64_salt_separator")?,
        rounds: named("rounds")?.parse().map_err(|_| anyhow!("its rounds are no number"))?,
        mem_cost: named("mem_cost")?.parse().map_err(|_| anyhow!("its mem_cost is no number"))?,
    };
    if parameters.signer_key.len() < 32 {
        bail!("its base64_signer_key is too short");
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_consoles_text_and_json_are_read() {
        let key = STANDARD.encode([7; 64]);
        for text in [
            format!(
                "hash_config {{\n  algorithm: SCRYPT,\n  base64_signer_key: {key},\n  base64_salt_separator: Bw==,\n  rounds: 8,\n  mem_cost: 14,\n}}\n"
            ),
            format!(
                "{{\"base64_signer_key\": \"{key}\", \"base64_salt_separator\": \"Bw==\", \"rounds\": 8, \"mem_cost\": 14}}"
            ),
        ] {
            let read = read_parameters(&text).expect("parameters");
            let found = (read.signer_key.to_vec(), read.salt_separator, read.rounds, read.mem_cost);
            assert_eq!(found, (vec![7; 64], vec![7], 8, 14), "{text}");
            for (spoilt, told) in [
                (text.replace("SCRYPT", "HMAC_SHA512"), "algorithm"),
                (text.replace("rounds", "round"), "it has no rounds"),
                (text.replace(&key, "no base64"), "base64_signer_key is not base64"),
                (text.replace(&key, "AAAA"), "too short"),
                (text.replace("14", "many"), "mem_cost is no number"),
            ] {
                if spoilt != text {
                    let error = read_parameters(&spoilt).err().expect(told).to_string();
                    assert!(error.contains(told) && !error.contains(&key), "{error}");
                }
            }
        }
        assert!(read_parameters("").is_err());
    }
}
