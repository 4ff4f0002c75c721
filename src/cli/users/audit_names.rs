//! `voicehive users audit-names`: accounts that pass for others, or whose names hold what cannot be seen.

use std::io::Write;
use std::process::ExitCode;

use serde_json::json;

use super::system;
use crate::config::Config;
use crate::store;

pub async fn run(config: Config, in_json: bool) -> anyhow::Result<ExitCode> {
    system::with_identity(&config, async |identity| {
        let mut output = std::io::BufWriter::new(std::io::stdout());
        let mut odd = 0_u64;
        let users = identity
            .audit_names(|account| {
                odd += 1;
                if in_json {
                    let problems: Vec<_> = account
                        .problems
                        .iter()
                        .map(|(field, problem)| json!({ "field": field, "problem": problem }))
                        .collect();
                    let account =
                        json!({ "id": format!("user:{}", account.id), "email": account.email, "problems": problems });
                    return writeln!(output, "{account}").map_err(Problem::Output);
                }
                account.problems.iter().try_for_each(|(field, problem)| {
                    // In escapes, or what is told of could not be seen.
                    writeln!(output, "{}  {}  {field}: {problem}", account.id, account.email.escape_default())
                        .map_err(Problem::Output)
                })
            })
            .await?;
        if !in_json {
            writeln!(output, "{odd} of {users} users have a name or an address that would be refused today.")?;
        }
        output.flush()?;
        Ok(if odd == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
    .await
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the list could not be written: {0}")]
    Output(std::io::Error),
}
