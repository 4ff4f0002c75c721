//! Whether a user may do something at a hotel: the one rule behind every access decision.

use chrono::{DateTime, Utc};

use crate::store::users::HotelScope;
use crate::store::users::decisions::Standing;

/// Why access is granted, or what stands in its way first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    Granted,
    NoSuchUser,
    UserInactive,
    UserLocked,
    PermissionMissing,
    NoSuchHotel,
    HotelInactive,
    HotelNotAssigned,
}

impl Reason {
    /// As it is told, in the words of the schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "GRANTED",
            Self::NoSuchUser => "NO_SUCH_USER",
            Self::UserInactive => "USER_INACTIVE",
            Self::UserLocked => "USER_LOCKED",
            Self::PermissionMissing => "PERMISSION_MISSING",
            Self::NoSuchHotel => "NO_SUCH_HOTEL",
            Self::HotelInactive => "HOTEL_INACTIVE",
            Self::HotelNotAssigned => "HOTEL_NOT_ASSIGNED",
        }
    }
}

/// Where something is to be done, as the caller sees it.
#[derive(Clone, Copy, Debug)]
pub(in crate::identity) enum Place<'a> {
    AnyHotel,
    /// No such hotel that the caller may see.
    Nowhere,
    Hotel {
        id: &'a str,
        active: bool,
    },
}

/// Looks at the user first, then at the permission, then at the hotel. `user` is None where there is none that the caller
/// may see, `granted` whether an active role of theirs grants the permission.
pub(in crate::identity) fn decide(
    user: Option<&Standing>,
    granted: bool,
    place: Place<'_>,
    now: DateTime<Utc>,
) -> Reason {
    let Some(user) = user else { return Reason::NoSuchUser };
    if !user.active {
        return Reason::UserInactive;
    }
    if user.locked_until.is_some_and(|until| until > now) {
        return Reason::UserLocked;
    }
    if !granted {
        return Reason::PermissionMissing;
    }
    let reached = match place {
        Place::Nowhere => return Reason::NoSuchHotel,
        Place::Hotel { active: false, .. } => return Reason::HotelInactive,
        Place::Hotel { id, .. } => user.hotel_scope == HotelScope::All || user.hotels.contains(id),
        Place::AnyHotel => user.hotel_scope == HotelScope::All || user.has_active_hotel,
    };
    if reached { Reason::Granted } else { Reason::HotelNotAssigned }
}
