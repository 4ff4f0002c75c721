//! The fields of introspection that the specification of September 2025 has and the validating library does not know yet. The
//! executing library answers them.

use apollo_compiler::Schema;
use apollo_compiler::ast::{DirectiveList, FieldDefinition, Type};
use apollo_compiler::name;
use apollo_compiler::schema::{Component, ExtendedType};
use apollo_compiler::validation::Valid;

use super::SchemaError;

/// The schema that documents are validated against.
pub(super) fn schema(sdl: &str) -> Result<Valid<Schema>, SchemaError> {
    let schema = Schema::parse_and_validate(sdl, "schema.graphql");
    let mut schema = schema.map_err(|invalid| SchemaError(invalid.errors.to_string()))?.into_inner();
    if let Some(ExtendedType::Object(kind)) = schema.types.get_mut("__Type") {
        let is_one_of = FieldDefinition {
            description: Some("Of an input object: exactly one of its fields is to be given, and not null.".into()),
            name: name!(isOneOf),
            arguments: Vec::new(),
            ty: Type::Named(name!(Boolean)),
            directives: DirectiveList::default(),
        };
        kind.make_mut().fields.insert(name!(isOneOf), Component::new(is_one_of));
    }
    schema.validate().map_err(|invalid| SchemaError(invalid.errors.to_string()))
}
