//! Any file and any variables: a configuration or one line that says what is wrong, which holds no secret.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voicehive_identity::config::Config;

const SECRET: &str = "hunter2hunter2";

fuzz_target!(|input: (String, Vec<(String, String)>)| {
    let (text, variables) = input;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    let variables = variables.into_iter().map(|(name, value)| (format!("VOICEHIVE_{}", name.to_uppercase()), value));
    let secret = ("DATABASE_PASSWORD".to_owned(), SECRET.to_owned());
    match Config::from_parts(Some(file.path()), variables.chain([secret])) {
        Ok(config) => assert!(!format!("{config:?}").contains(SECRET)),
        Err(error) => {
            let line = error.to_string();
            assert!(!line.contains('\n') && !line.contains(SECRET), "{line}");
        }
    }
});
