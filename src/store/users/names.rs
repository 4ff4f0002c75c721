//! How users are called.

use futures_util::TryStreamExt;
use uuid::Uuid;

use crate::store::{Result, Transaction};

pub struct UserNames {
    pub id: Uuid,
    pub email: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
}

/// Hands every user's names to `give`, in the order of their ids, holding one at a time.
pub async fn each<E: From<crate::store::Error>>(
    transaction: &mut Transaction,
    mut give: impl FnMut(UserNames) -> Result<(), E>,
) -> Result<(), E> {
    let mut rows = sqlx::query_as!(UserNames, "SELECT id, email, first_name, last_name FROM users ORDER BY id")
        .fetch(transaction.statement());
    while let Some(row) = rows.try_next().await.map_err(crate::store::Error::from)? {
        give(row)?;
    }
    Ok(())
}
