//! The permissions that the service knows, and what each allows.

/// `(name, description)`, sorted by name.
pub const PERMISSIONS: [(&str, &str); 15] = [
    ("call:end", "End calls."),
    ("call:manage", "Manage calls: transfer, hold and take over."),
    ("call:start", "Start calls."),
    ("call:view", "Look at calls and their history."),
    ("hotel:create", "Add hotels."),
    ("hotel:delete", "Remove hotels."),
    ("hotel:update", "Change a hotel's particulars and see its PMS settings."),
    ("hotel:view", "Look at a hotel's particulars."),
    ("system:admin", "Administer roles and API keys."),
    ("system:config", "Change the system's configuration."),
    ("system:monitor", "Read the audit trail and the system's figures."),
    ("user:create", "Add users."),
    ("user:delete", "Erase users."),
    ("user:update", "Change users, and end their sessions."),
    ("user:view", "Look at users within one's hotel scope, and at their sessions."),
];

#[cfg(test)]
mod tests {
    use super::PERMISSIONS;

    #[test]
    fn permissions_are_sorted_and_well_formed() {
        assert!(PERMISSIONS.is_sorted_by(|one, next| one.0 < next.0));
        for (name, description) in PERMISSIONS {
            assert!(name.split_once(':').is_some_and(|(resource, action)| !resource.is_empty() && !action.is_empty()));
            assert!(description.ends_with('.'));
        }
    }
}
