//! `voicehive users list|create|unlock|reset-password|deactivate|reactivate`: by whoever has the machine, through the same
//! operations and rules as the API, told in the audit trail.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{system, tell};
use crate::config::Config;
use crate::identity::{Caller, Identity, NewUser, PasswordSet};
use crate::store::page::PageRequest;
use crate::store::users::{HotelScope, User, UserFilter, UserOrder, UserOrderField, UsersOf, With};

/// Users that are read at a time.
const PAGE: u32 = 1000;

#[derive(Args)]
pub struct Who {
    /// user:<uuid>, the bare uuid, or the email address.
    user: String,
    /// The outcome as one JSON object instead of text for people.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct Password {
    /// A file with the password; - is standard input. One line break at its end is not part of it.
    #[arg(long)]
    password_file: Option<PathBuf>,
}

#[derive(Args)]
pub struct List {
    /// Only whose name or email address contains this.
    #[arg(long)]
    search: Option<String>,
    /// Only who holds this role.
    #[arg(long)]
    role: Option<String>,
    /// Only who may access this hotel.
    #[arg(long)]
    hotel: Option<String>,
    /// Only users who may sign in (true), or who may not (false).
    #[arg(long)]
    active: Option<bool>,
    /// Only users who are locked (true), or who are not (false).
    #[arg(long)]
    locked: Option<bool>,
    /// One JSON object a user and line.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct Create {
    /// The email address.
    email: String,
    #[arg(long)]
    first_name: Option<String>,
    #[arg(long)]
    last_name: Option<String>,
    /// A role's name; may be given several times.
    #[arg(long = "role")]
    roles: Vec<String>,
    /// A hotel's id; may be given several times.
    #[arg(long = "hotel")]
    hotels: Vec<String>,
    /// Reach every hotel, those to come included.
    #[arg(long)]
    all_hotels: bool,
    /// The email address has not been verified.
    #[arg(long)]
    unverified: bool,
    #[command(flatten)]
    password: Password,
    /// The outcome as one JSON object instead of text for people.
    #[arg(long)]
    json: bool,
}

impl Password {
    fn read(&self) -> anyhow::Result<Option<Zeroizing<String>>> {
        let Some(file) = &self.password_file else { return Ok(None) };
        let mut text = Zeroizing::new(String::new());
        let read = if file.as_os_str() == "-" {
            std::io::stdin().read_to_string(&mut text)
        } else {
            fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text))
        };
        read.with_context(|| format!("cannot read the password from {}", file.display()))?;
        let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        Ok(Some(Zeroizing::new(line.to_owned())))
    }
}

pub async fn list(config: Config, wanted: List) -> anyhow::Result<ExitCode> {
    system::with_identity(&config, async |identity| {
        let caller = identity.operator();
        let roles = match &wanted.role {
            Some(name) => Some(role_ids(&identity, &caller, std::slice::from_ref(name)).await?),
            None => None,
        };
        let filter = UserFilter {
            search: wanted.search.clone(),
            active: wanted.active,
            locked: wanted.locked.map(|locked| (locked, identity.clock().now())),
            roles,
            hotels: wanted.hotel.clone().map(|hotel| vec![hotel]),
            ..UserFilter::default()
        };
        let order = UserOrder { field: UserOrderField::Email, descending: false };
        let mut request = PageRequest { limit: PAGE, backward: false, cursor: None };
        let mut output = std::io::BufWriter::new(std::io::stdout());
        loop {
            let pages =
                identity.user_pages(&caller, &[UsersOf::Everyone], &filter, order, &request, With::default()).await?;
            let Some(page) = pages.into_values().next() else { break };
            let ids: Vec<Uuid> = page.rows.iter().map(|user| user.id).collect();
            let roles = identity.roles_by_user(&caller, &ids).await?;
            for user in &page.rows {
                let roles = roles.get(&user.id).map(Vec::as_slice).unwrap_or_default();
                let roles: Vec<&str> = roles.iter().map(|role| role.name.as_str()).collect();
                let locked = user.locked_until.filter(|until| *until > identity.clock().now());
                if wanted.json {
                    writeln!(output, "{}", in_json(user, &roles))?;
                } else {
                    let state = match (user.active, locked) {
                        (false, _) => "inactive",
                        (true, Some(_)) => "locked",
                        (true, None) => "active",
                    };
                    writeln!(output, "{}  {:<8}  {}  {}", user.id, state, user.email, roles.join(","))?;
                }
            }
            request.cursor = page.rows.last().map(|user| user.cursor(order.field));
            if !page.has_next {
                break;
            }
        }
        output.flush()?;
        Ok(ExitCode::SUCCESS)
    })
    .await
}

fn in_json(user: &User, roles: &[&str]) -> Value {
    json!({
        "id": format!("user:{}", user.id), "email": user.email, "first_name": user.first_name,
        "last_name": user.last_name, "active": user.active, "email_verified": user.email_verified,
        "locked_until": user.locked_until, "must_change_password": user.must_change_password,
        "last_login_at": user.last_login_at, "created_at": user.created_at,
        "hotel_scope": if user.hotel_scope == HotelScope::All { "ALL" } else { "ASSIGNED" }, "roles": roles,
    })
}

pub async fn create(config: Config, new: Create) -> anyhow::Result<ExitCode> {
    let password = new.password.read()?;
    system::with_identity(&config, async |identity| {
        let caller = identity.operator();
        let user = NewUser {
            email: new.email.clone(),
            password: password.as_ref().map(|password| password.to_string()),
            first_name: new.first_name.clone(),
            last_name: new.last_name.clone(),
            email_verified: !new.unverified,
            hotel_scope: if new.all_hotels { HotelScope::All } else { HotelScope::Assigned },
            roles: role_ids(&identity, &caller, &new.roles).await?,
            hotels: new.hotels.clone(),
        };
        let (id, password) = identity.create_user(&caller, user).await?;
        done(new.json, "created", id, &new.email, password)
    })
    .await
}

pub async fn unlock(config: Config, who: Who) -> anyhow::Result<ExitCode> {
    system::with_identity(&config, async |identity| {
        let caller = identity.operator();
        let user = find(&identity, &caller, &who.user).await?;
        identity.unlock_user(&caller, user.id).await?;
        done(who.json, "unlocked", user.id, &user.email, PasswordSet::default())
    })
    .await
}

pub async fn reset_password(config: Config, who: Who, password: Password) -> anyhow::Result<ExitCode> {
    let password = password.read()?;
    system::with_identity(&config, async |identity| {
        let caller = identity.operator();
        let user = find(&identity, &caller, &who.user).await?;
        let password = password.as_ref().map(|password| password.as_str());
        let password = identity.reset_password(&caller, user.id, password).await?;
        done(who.json, "given a new password", user.id, &user.email, password)
    })
    .await
}

pub async fn deactivate(config: Config, who: Who, reason: Option<String>) -> anyhow::Result<ExitCode> {
    system::with_identity(&config, async |identity| {
        let caller = identity.operator();
        let user = find(&identity, &caller, &who.user).await?;
        identity.deactivate_user(&caller, user.id, reason.as_deref()).await?;
        done(who.json, "deactivated", user.id, &user.email, PasswordSet::default())
    })
    .await
}

pub async fn reactivate(config: Config, who: Who) -> anyhow::Result<ExitCode> {
    system::with_identity(&config, async |identity| {
        let caller = identity.operator();
        let user = find(&identity, &caller, &who.user).await?;
        identity.reactivate_user(&caller, user.id).await?;
        done(who.json, "reactivated", user.id, &user.email, PasswordSet::default())
    })
    .await
}

fn done(json: bool, what: &str, id: Uuid, email: &str, password: PasswordSet) -> anyhow::Result<ExitCode> {
    let PasswordSet { made, expires_at } = password;
    let told = json!({
        "id": format!("user:{id}"), "email": email, "temporary_password": made, "temporary_password_expires_at": expires_at,
    });
    tell(json, &told, || {
        let mut text = format!("{email} ({id}) was {what}.");
        if let Some(end) = expires_at {
            let end = end.format("%Y-%m-%d %H:%M UTC");
            let _ = write!(text, "\nThe password must be changed at the first sign-in, and by {end}.");
        }
        if let Some(made) = made {
            text.push_str("\nThe temporary password, shown this once and to be changed at the first sign-in:\n");
            text.push_str(&made);
        }
        text
    })
}

/// The user who is named like this.
pub async fn find(identity: &Identity, caller: &Caller, name: &str) -> anyhow::Result<User> {
    let user = identity.find_user(caller, name).await?;
    user.ok_or_else(|| anyhow!("there is no user {name:?}: name one by id or email address (`voicehive users list`)"))
}

async fn role_ids(identity: &Identity, caller: &Caller, names: &[String]) -> anyhow::Result<Vec<Uuid>> {
    let mut ids = Vec::new();
    for name in names {
        let role = identity.role_by_name(caller, name).await?;
        ids.push(role.ok_or_else(|| anyhow!("there is no role {name:?}; SYSTEM_ADMIN is one"))?.id);
    }
    Ok(ids)
}
