//! The schema as a subgraph of Apollo Federation 2: users, roles and hotels are entities that other subgraphs add to, by
//! their ids. Switched on by configuration; where it is off, the schema has no trace of it.
//!
//! The library switches federation on for every schema whose query type has entity functions. This part has none that it
//! could see: what makes an entity is registered by [`Keys`], and only where it is wanted.

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::{MetaType, MetaTypeId, Registry};
use async_graphql::{
    ContainerType, Context, ContextSelectionSet, ID, MergedObjectTail, OutputType, Positioned, ServerResult, Value,
};

use super::context::RequestContext;
use super::errors::Result;
use super::ids::GlobalId;
use super::node::{self, Node};
use crate::identity::require_ready;

/// The types that are entities, each by its `id`.
const ENTITIES: [&str; 3] = ["User", "Role", "Hotel"];

/// A part of the query type without fields, which finds entities.
#[derive(Default)]
pub struct EntityLookUps;

impl ContainerType for EntityLookUps {
    async fn resolve_field(&self, _: &Context<'_>) -> ServerResult<Option<Value>> {
        Ok(None)
    }

    /// An entity as the gateway asks for it. What does not exist, may not be seen or is no entity of ours is null: an error
    /// would lose the gateway all the others of its batch.
    async fn find_entity(&self, context: &Context<'_>, representation: &Value) -> ServerResult<Option<Value>> {
        let found = find(context, representation).await;
        let found = found.map_err(|error| async_graphql::Error::from(error).into_server_error(context.item.pos))?;
        let selected = context.with_selection_set(&context.item.node.selection_set);
        let resolved = match &found {
            Some(Node::User(user)) => OutputType::resolve(user, &selected, context.item).await?,
            Some(Node::Role(role)) => OutputType::resolve(role, &selected, context.item).await?,
            Some(Node::Hotel(hotel)) => OutputType::resolve(hotel, &selected, context.item).await?,
            _ => Value::Null,
        };
        Ok(Some(resolved))
    }
}

async fn find(context: &Context<'_>, representation: &Value) -> Result<Option<Node>> {
    require_ready(&context.caller())?;
    let Value::Object(fields) = representation else { return Ok(None) };
    let (Some(Value::String(name)), Some(Value::String(id))) = (fields.get("__typename"), fields.get("id")) else {
        return Ok(None);
    };
    let Ok(id) = GlobalId::parse(&ID(id.clone()), "representations") else { return Ok(None) };
    let is_named = match &id {
        GlobalId::User(_) => name == "User",
        GlobalId::Role(_) => name == "Role",
        GlobalId::Hotel(_) => name == "Hotel",
        _ => false,
    };
    if is_named { node::load(context, id).await } else { Ok(None) }
}

impl OutputType for EntityLookUps {
    fn type_name() -> Cow<'static, str> {
        "EntityLookUps".into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        // As the library's own end of merged objects: an object without fields, which is left out of the schema.
        let mut nothing = registry.create_fake_output_type::<MergedObjectTail>();
        if let MetaType::Object { name, rust_typename, .. } = &mut nothing {
            *name = Self::type_name().into_owned();
            *rust_typename = Some(std::any::type_name::<Self>());
        }
        registry.create_output_type::<Self, _>(MetaTypeId::Object, |_| nothing.clone())
    }

    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(Value::Null)
    }
}

/// Registers what makes types entities; a type of the schema it is not.
pub struct Keys;

impl OutputType for Keys {
    fn type_name() -> Cow<'static, str> {
        "Keys".into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        for entity in ENTITIES {
            registry.add_keys(entity, "id");
        }
        String::new()
    }

    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(Value::Null)
    }
}
