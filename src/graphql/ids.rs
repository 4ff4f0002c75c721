//! Global ids: they say what they are, `<kind>:<key>`. Every id that comes in or goes out passes here.

use async_graphql::ID;
use uuid::Uuid;

use super::errors::{GraphqlError, Result};

/// An id, and what it is the id of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GlobalId {
    User(Uuid),
    Role(Uuid),
    Hotel(String),
    Session(Uuid),
    AuditEvent(Uuid),
    ApiKey(Uuid),
}

impl GlobalId {
    /// Reads an id; `argument` is what to name where it is none.
    pub fn parse(id: &ID, argument: &str) -> Result<Self> {
        let text = id.as_str();
        let problem = || {
            let problem =
                "is no id of this service; ids read <kind>:<key>, such as user:<uuid> or hotel:<PMS hotel id>";
            GraphqlError::bad_input(argument, problem)
        };
        let (kind, key) = text.split_once(':').ok_or_else(problem)?;
        if kind == "hotel" {
            let fits = !key.is_empty() && key.len() <= 100 && !key.contains(char::is_control);
            return if fits { Ok(Self::Hotel(key.to_owned())) } else { Err(problem()) };
        }
        // One way to write an id: with hyphens and in lower case, as we print it.
        let uuid = Uuid::try_parse(key).ok().filter(|uuid| uuid.to_string() == key).ok_or_else(problem)?;
        match kind {
            "user" => Ok(Self::User(uuid)),
            "role" => Ok(Self::Role(uuid)),
            "session" => Ok(Self::Session(uuid)),
            "audit" => Ok(Self::AuditEvent(uuid)),
            "apikey" => Ok(Self::ApiKey(uuid)),
            _ => Err(problem()),
        }
    }

    pub fn to_id(&self) -> ID {
        ID(match self {
            Self::User(key) => format!("user:{key}"),
            Self::Role(key) => format!("role:{key}"),
            Self::Hotel(key) => format!("hotel:{key}"),
            Self::Session(key) => format!("session:{key}"),
            Self::AuditEvent(key) => format!("audit:{key}"),
            Self::ApiKey(key) => format!("apikey:{key}"),
        })
    }
}

fn other_kind<T>(argument: &str, wanted: &str) -> Result<T> {
    Err(GraphqlError::bad_input(
        argument,
        &format!("is the id of something else; this takes a {wanted} id, {wanted}:<key>"),
    ))
}

pub fn user_id(id: &ID, argument: &str) -> Result<Uuid> {
    if let GlobalId::User(key) = GlobalId::parse(id, argument)? { Ok(key) } else { other_kind(argument, "user") }
}

pub fn role_id(id: &ID, argument: &str) -> Result<Uuid> {
    if let GlobalId::Role(key) = GlobalId::parse(id, argument)? { Ok(key) } else { other_kind(argument, "role") }
}

pub fn hotel_id(id: &ID, argument: &str) -> Result<String> {
    if let GlobalId::Hotel(key) = GlobalId::parse(id, argument)? { Ok(key) } else { other_kind(argument, "hotel") }
}

pub fn session_id(id: &ID, argument: &str) -> Result<Uuid> {
    if let GlobalId::Session(key) = GlobalId::parse(id, argument)? { Ok(key) } else { other_kind(argument, "session") }
}

pub fn api_key_id(id: &ID, argument: &str) -> Result<Uuid> {
    if let GlobalId::ApiKey(key) = GlobalId::parse(id, argument)? { Ok(key) } else { other_kind(argument, "apikey") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_and_read_back() {
        let uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
        let table = [
            (GlobalId::User(uuid), "user:01900000-0000-7000-8000-000000000001"),
            (GlobalId::Role(uuid), "role:01900000-0000-7000-8000-000000000001"),
            (GlobalId::Session(uuid), "session:01900000-0000-7000-8000-000000000001"),
            (GlobalId::AuditEvent(uuid), "audit:01900000-0000-7000-8000-000000000001"),
            (GlobalId::ApiKey(uuid), "apikey:01900000-0000-7000-8000-000000000001"),
            (GlobalId::Hotel("hotel:7".to_owned()), "hotel:hotel:7"),
        ];
        for (id, text) in table {
            assert_eq!(id.to_id().as_str(), text);
            assert_eq!(GlobalId::parse(&ID(text.to_owned()), "id").ok(), Some(id));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let long = format!("hotel:{}", "x".repeat(101));
        for text in [
            "",
            "user",
            "user:",
            "user:7",
            "USER:01900000-0000-7000-8000-000000000001",
            "user:01900000000070008000000000000001",
            "user:01900000-0000-7000-8000-00000000000A",
            "user:{01900000-0000-7000-8000-000000000001}",
            "guest:01900000-0000-7000-8000-000000000001",
            "hotel:",
            "hotel:a\0b",
            long.as_str(),
        ] {
            assert!(GlobalId::parse(&ID(text.to_owned()), "id").is_err(), "{text:?}");
        }
        let role = ID("role:01900000-0000-7000-8000-000000000001".to_owned());
        assert!(user_id(&role, "id").is_err() && session_id(&role, "id").is_err() && hotel_id(&role, "id").is_err());
        assert!(role_id(&role, "id").is_ok() && role_id(&ID("hotel:x".to_owned()), "id").is_err());
    }
}
