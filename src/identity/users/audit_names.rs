//! Accounts that were there before their names and addresses were held against the rules of today.

use std::collections::HashMap;

use uuid::Uuid;

use crate::identity::Identity;
use crate::identity::fields::stored_email;
use crate::identity::lookalikes::{looks, odd_in_email, odd_in_text};
use crate::store::users::names::{self, UserNames};
use crate::store::{self, Scope, StatementCount};
use crate::text::nfc;

/// An account whose name or address would be refused today, or can be taken for another one.
pub struct OddAccount {
    pub id: Uuid,
    pub email: String,
    /// The field, and what is wrong with it.
    pub problems: Vec<(&'static str, String)>,
}

impl Identity {
    /// Hands every such account to `give`, by id; how many users there are.
    pub async fn audit_names<E: From<store::Error>>(
        &self,
        mut give: impl FnMut(OddAccount) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut transaction = self.database.read(&Scope::system(), &StatementCount::default()).await?;
        transaction.take_time().await?;
        // Two addresses in plain letters are told apart by who reads them; of any other pair one is in neither.
        let mut others: HashMap<String, Vec<String>> = HashMap::new();
        names::each(&mut transaction, |user| {
            if !user.email.is_ascii() {
                others.entry(looks(&user.email)).or_default();
            }
            Ok::<(), E>(())
        })
        .await?;
        let mut users = 0;
        names::each(&mut transaction, |user| {
            users += 1;
            if let Some(alike) = others.get_mut(&looks(&user.email)) {
                alike.push(user.email);
            }
            Ok::<(), E>(())
        })
        .await?;
        names::each(&mut transaction, |user| {
            let mut problems = problems(&user);
            let alike = others.get(&looks(&user.email)).into_iter().flatten().filter(|other| **other != user.email);
            problems
                .extend(alike.map(|other| ("email", format!("This address looks like {}.", other.escape_default()))));
            if problems.is_empty() { Ok(()) } else { give(OddAccount { id: user.id, email: user.email, problems }) }
        })
        .await?;
        Ok(users)
    }
}

fn problems(user: &UserNames) -> Vec<(&'static str, String)> {
    let address = if stored_email(&user.email).is_none_or(|stored| stored != user.email) {
        Some("This is not how an address is stored today, so nobody is found by it.".to_owned())
    } else {
        odd_in_email(&user.email)
    };
    let name = |name: &Option<String>| {
        let name = name.as_deref()?;
        odd_in_text(name).or_else(|| (nfc(name) != name).then(|| "This is not in Unicode's form NFC.".to_owned()))
    };
    [("email", address), ("first_name", name(&user.first_name)), ("last_name", name(&user.last_name))]
        .into_iter()
        .filter_map(|(field, problem)| Some((field, problem?)))
        .collect()
}
