//! What the fuzzer reaches of this floor.

use super::users::format::{Format, Writer, read};

/// Reads bytes as a file of users in each form. Users that were read and written are read as the same.
pub fn importers(bytes: &[u8]) {
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
                assert!(again.iter().all(|again| again.email == user.email && again.active == user.active), "{user:?}");
            }
        }
    }
}
