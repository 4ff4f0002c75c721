//! Floor 3: the GraphQL schema. One file a noun; resolvers are thin and call `identity`.
//!
//! Knows nothing of HTTP and no SQL. A document is guarded before anything else looks at it ([`guard`]), and run with
//! data loaders of its own ([`execute`]).

mod access;
mod api_key;
mod audit;
mod connection;
mod context;
pub mod documents;
mod errors;
mod execute;
mod federation;
mod fingerprint;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod guard;
mod hotel;
mod ids;
mod loaders;
mod node;
mod payload;
mod permission;
mod role;
mod scalars;
mod session;
mod sign_in;
#[cfg(test)]
mod tests;
mod user;
mod viewer;
mod written;

use async_graphql::{EmptySubscription, MergedObject, SDLExportOptions, ValidationMode};

pub use context::{Keeper, Kept};
pub use errors::{code, error_response, failed, refused, shortened};
pub use execute::execute;
pub use fingerprint::fingerprint;
pub use written::spliced;

/// Every list takes `first`/`after` or `last`/`before`, at most 100 rows a page, 25 where neither is given.
/// What the caller may not see is absent from lists and null on look-ups: a row's existence is never told.
/// But for `viewer`, `me` and `currentSession`, every field needs a signed-in caller.
#[derive(Default, MergedObject)]
pub struct Query(
    node::NodeQueries,
    viewer::ViewerQueries,
    user::UserQueries,
    role::RoleQueries,
    hotel::HotelQueries,
    session::SessionQueries,
    audit::AuditQueries,
    permission::PermissionQueries,
    api_key::ApiKeyQueries,
    access::AccessQueries,
    federation::EntityLookUps,
);

/// A mutation answers with a payload. What a person can put right stands in `errors` (and then nothing was changed);
/// what only a developer or an operator can put right is a GraphQL error with `extensions.code`:
/// UNAUTHENTICATED, FORBIDDEN, PASSWORD_CHANGE_REQUIRED, MFA_REQUIRED, BAD_USER_INPUT, QUERY_TOO_COMPLEX,
/// RATE_LIMITED, UNAVAILABLE, INTERNAL.
#[derive(Default, MergedObject)]
pub struct Mutation(
    sign_in::SignInMutations,
    user::mutations::UserMutations,
    role::mutations::RoleMutations,
    hotel::mutations::HotelMutations,
    session::mutations::SessionMutations,
    api_key::mutations::ApiKeyMutations,
);

pub type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// What the schema is for, beside answering requests.
#[derive(Clone, Copy, Debug)]
pub struct SchemaOptions {
    /// It answers questions about itself.
    pub introspection: bool,
    /// It is a subgraph of Apollo Federation 2.
    pub federation: bool,
}

pub fn schema(options: SchemaOptions) -> Schema {
    // Documents are bounded by the guard; what the library counts by itself expands every fragment while it does.
    // And what is run has been validated, to the letter, before it gets here.
    let mut builder = async_graphql::Schema::build(Query::default(), Mutation::default(), EmptySubscription)
        .validation_mode(ValidationMode::Fast)
        .register_output_type::<connection::Descriptions>()
        .limit_recursive_depth(64)
        .limit_directives(usize::MAX);
    if options.federation {
        builder = builder.register_output_type::<federation::Keys>().enable_federation();
    }
    if options.introspection { builder.finish() } else { builder.disable_introspection().finish() }
}

/// The schema in the schema definition language, as `schema.graphql` holds it; of a subgraph with what federation adds.
pub fn sdl(federation: bool) -> String {
    printed(federation, written())
}

/// A subgraph's schema, as it is composed with others.
pub fn federated_sdl() -> String {
    printed(true, written().federation())
}

fn written() -> SDLExportOptions {
    SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items().prefer_single_line_descriptions()
}

fn printed(federation: bool, options: SDLExportOptions) -> String {
    let mut sdl = schema(SchemaOptions { introspection: true, federation }).sdl_with_options(options);
    sdl.truncate(sdl.trim_end().len());
    sdl.push('\n');
    sdl
}
