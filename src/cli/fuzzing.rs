//! What the fuzzer reaches of this floor.

use super::users::elsewhere::Source;
use super::users::format::{Format, Writer, read};
use crate::identity::FirebaseParameters;

/// Reads bytes as a file of users in each form. Users that were read and written are read as the same.
pub fn importers(bytes: &[u8]) {
    let firebase =
        FirebaseParameters { signer_key: vec![7; 64].into(), salt_separator: vec![7], rounds: 8, mem_cost: 14 };
    for source in [Source::Keycloak, Source::Auth0, Source::Firebase(firebase)] {
        let mut users = 0;
        let _ = source.read(bytes, &mut |_| {
            users += 1;
            users < 1000
        });
    }
    for format in [Format::Jsonl, Format::Csv] {
        let mut users = Vec::new();
        let _ = read(format, bytes, |(_, row)| {
            users.extend(row);
            users.len() < 1000
        });
        for user in users {
            for format in [Format::Jsonl, Format::Csv] {
                let Ok(mut writer) = Writer::new(format, Vec::new()) else { continue };
                let written = writer.write(&user).and_then(|()| writer.finish());
                let Ok(written) = written else { continue };
                let mut again = Vec::new();
                let _ = read(format, written.as_slice(), |(_, row)| {
                    again.extend(row);
                    true
                });
                assert_eq!(again.len(), 1, "{user:?}");
                // Empty texts and none are one in CSV, and times are kept in microseconds.
                let name = |name: &Option<String>| name.clone().unwrap_or_default();
                let same = |again: &crate::identity::UserRecord| {
                    (&again.email, again.active) == (&user.email, user.active)
                        && name(&again.first_name) == name(&user.first_name)
                };
                assert!(again.iter().all(same), "{user:?}");
            }
        }
    }
}
