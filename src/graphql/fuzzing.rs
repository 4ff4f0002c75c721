//! What the fuzzer reaches of this floor.

use async_graphql::ID;

use super::connection::{
    event_cursor, read_event_cursor, read_session_cursor, read_text_cursor, read_user_cursor, session_cursor,
    text_cursor, user_cursor,
};
use super::ids::GlobalId;
use crate::store::users::UserOrderField;

/// Reads a text as every id and cursor there is. What is read must be written in a form that is read as the same.
pub fn ids_and_cursors(text: &str) {
    if let Ok(id) = GlobalId::parse(&ID::from(text), "id") {
        let again = GlobalId::parse(&id.to_id(), "id");
        assert!(again.is_ok_and(|again| again.to_id() == id.to_id()), "{text:?}");
    }
    if let Some(cursor) = read_session_cursor(text) {
        assert!(read_session_cursor(&session_cursor(&cursor)).is_some(), "{text:?}");
    }
    if let Some(cursor) = read_event_cursor(text) {
        assert!(read_event_cursor(&event_cursor(&cursor)).is_some(), "{text:?}");
    }
    if let Some(cursor) = read_text_cursor("roles", text) {
        assert_eq!(read_text_cursor("roles", &text_cursor("roles", &cursor)), Some(cursor));
    }
    for field in
        [UserOrderField::Email, UserOrderField::LastName, UserOrderField::CreatedAt, UserOrderField::LastLoginAt]
    {
        if let Some(cursor) = read_user_cursor(field, text) {
            assert!(read_user_cursor(field, &user_cursor(field, &cursor)).is_some(), "{text:?}");
        }
    }
}
