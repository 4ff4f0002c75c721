//! What the schema says of itself to the library.

use apollo_compiler::Schema as ParsedSchema;
use apollo_compiler::schema::ExtendedType;
use async_graphql::Variables;
use async_graphql::parser::parse_query;

use super::fingerprint::written_down;
use super::sdl;

#[tokio::test]
async fn inputs_that_carry_secrets_are_known_to_the_library_as_such() {
    let parsed = ParsedSchema::parse_and_validate(sdl(false), "schema.graphql").unwrap();
    let Some(ExtendedType::Object(mutations)) = parsed.types.get("Mutation") else { panic!("there are mutations") };
    let mut found = Vec::new();
    for (mutation, definition) in &mutations.fields {
        for argument in &definition.arguments {
            let Some(ExtendedType::InputObject(input)) = parsed.types.get(argument.ty.inner_named_type()) else {
                continue;
            };
            let secret =
                |name: &str| ["password", "token", "pmsconfig"].iter().any(|word| name.to_lowercase().contains(word));
            for field in input.fields.values() {
                if !secret(&field.name) || field.ty.inner_named_type() == "Boolean" {
                    continue;
                }
                let (argument, field) = (&argument.name, &field.name);
                let document =
                    format!("mutation {{ {mutation}({argument}: {{ {field}: \"hunter2\" }}) {{ __typename }} }}");
                let logged = written_down(parse_query(document).unwrap(), &Variables::default()).await;
                assert!(
                    logged.contains(field.as_str()) && logged.contains("<secret>") && !logged.contains("hunter2"),
                    "{logged}"
                );
                found.push(format!("{mutation}.{field}"));
            }
        }
    }
    for known in ["login.password", "refresh.refreshToken", "changePassword.newPassword", "updateHotel.pmsConfig"] {
        assert!(found.iter().any(|name| name == known), "{known} is not among {found:?}");
    }
}
