//! What others may do, for back-end services: decisions in bulk, and the hotels that a user may access.

use std::collections::HashSet;
use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, SelectionField};

use super::connection::{PageArguments, TotalCount, read_text_cursor};
use super::context::RequestContext;
use super::errors::{GraphqlError, Result};
use super::hotel::{HotelConnection, hotel_connection};
use super::ids;
use super::loaders::{HotelCount, HotelPage, ReachOf};
use super::role::Role;
use super::written::{Fields, Selection, Selections, Write, Written};
use crate::identity::{Check, Decision, Reach, Reason};

/// May this user do this at this hotel?
#[derive(InputObject)]
pub struct AccessCheck {
    /// user:<uuid>
    user: ID,
    /// e.g. call:start
    permission: String,
    /// hotel:<PMS hotel id>. Left out: at any hotel.
    hotel: Option<ID>,
}

/// Why access is granted, or what stands in its way first.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Reason")]
pub enum AccessReason {
    /// An active role grants the permission, and the user may access the hotel.
    Granted,
    /// There is no such user that the caller may see.
    NoSuchUser,
    /// The user was deactivated.
    UserInactive,
    /// The user is locked after failed sign-ins.
    UserLocked,
    /// No active role of the user grants the permission.
    PermissionMissing,
    /// There is no such hotel that the caller may see.
    NoSuchHotel,
    /// The hotel is inactive: nobody does anything there.
    HotelInactive,
    /// The hotel is not among those assigned to the user; where none was asked for, no active one is.
    HotelNotAssigned,
}

pub struct AccessDecision(Decision);

/// The answer to a check.
#[Object]
impl AccessDecision {
    /// Whether the user may.
    async fn allowed(&self) -> bool {
        self.0.reason == Reason::Granted
    }

    /// Why, or why not.
    async fn reason(&self) -> AccessReason {
        self.0.reason.into()
    }

    /// The active roles that grant the permission; empty where none does.
    async fn granted_by(&self) -> Vec<Role> {
        self.0.granted_by.iter().map(|role| Role(Arc::clone(role))).collect()
    }
}

impl Fields for AccessDecision {
    const TYPE_NAME: &'static str = "AccessDecision";

    fn write(field: &SelectionField<'_>) -> Option<Write<Self>> {
        Some(match field.name() {
            "allowed" => Box::new(|it, _, json| json.value(&(it.0.reason == Reason::Granted))),
            "reason" => Box::new(|it, _, json| json.value(&it.0.reason.as_str())),
            "grantedBy" => {
                let selection = Selection::of(field)?;
                Box::new(move |it, request, json| {
                    json.list(it.0.granted_by.iter().map(|role| &**role), &selection, request)
                })
            }
            _ => return None,
        })
    }
}

#[derive(Default)]
pub struct AccessQueries;

#[Object]
impl AccessQueries {
    /// The hotels a user may access, and with `permission` only if an active role grants it; null where there is no such user
    /// to see. By id: those at which `checkAccess` says GRANTED. Needs user:view.
    #[allow(clippy::too_many_arguments, reason = "the contract's arguments")]
    async fn accessible_hotels(
        &self,
        context: &Context<'_>,
        user: ID,
        permission: Option<String>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Option<HotelConnection>> {
        let page = PageArguments { first, after, last, before }.request(|cursor| read_text_cursor("hotel", cursor))?;
        let key = ReachOf { user: ids::user_id(&user, "user")?, permission };
        Ok(match context.load(key).await? {
            None => None,
            Some(Reach::Nowhere) => Some(hotel_connection(None, TotalCount::Known(0))),
            Some(Reach::At(of)) => {
                let hotels = context.load(HotelPage { of, page }).await?;
                Some(hotel_connection(hotels, TotalCount::HotelsOf(HotelCount { of, at_most: None })))
            }
        })
    }

    /// May these users do these things at these hotels? Answers stand in the order asked; at most 1,000 a call, and none of
    /// them twice. What the caller may not see is answered as what does not exist. Needs user:view.
    async fn check_access(
        &self,
        context: &Context<'_>,
        checks: Vec<AccessCheck>,
    ) -> Result<Vec<Written<AccessDecision>>> {
        let mut parsed = Vec::with_capacity(checks.len());
        let mut seen = HashSet::with_capacity(checks.len());
        for (place, check) in checks.into_iter().enumerate() {
            let check = Check {
                user: ids::user_id(&check.user, "user").map_err(|error| error.within("checks", place))?,
                permission: check.permission,
                hotel: match check.hotel {
                    Some(id) => Some(ids::hotel_id(&id, "hotel").map_err(|error| error.within("checks", place))?),
                    None => None,
                },
            };
            if !seen.insert(check.clone()) {
                let argument = format!("checks.{place}");
                return Err(GraphqlError::bad_input(argument, "asks what was asked before: ask each thing once"));
            }
            parsed.push(check);
        }
        let decisions = context.identity().check_access(&context.caller(), &parsed).await?;
        let selections = Selections::of(context, &[context.look_ahead()]);
        let written = |decision| Written { object: AccessDecision(decision), selections: selections.clone() };
        Ok(decisions.into_iter().map(written).collect())
    }
}
