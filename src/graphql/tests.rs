//! What the schema says of itself to the library.

use std::sync::{Arc, Mutex};

use apollo_compiler::Schema as ParsedSchema;
use apollo_compiler::schema::ExtendedType;
use async_graphql::async_trait::async_trait;
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextParseQuery};
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{EmptySubscription, ServerError, ServerResult, Variables};

use super::{Mutation, Query, sdl};

/// Keeps the document as the library would write it to a log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl ExtensionFactory for Log {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl Extension for Log {
    async fn parse_query(
        &self,
        context: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let document = next.run(context, query, variables).await?;
        *self.0.lock().unwrap() = context.stringify_execute_doc(&document, variables);
        // It is not to be run.
        Err(ServerError::new("read", None))
    }
}

#[tokio::test]
async fn inputs_that_carry_secrets_are_known_to_the_library_as_such() {
    let log = Log::default();
    let schema = async_graphql::Schema::build(Query::default(), Mutation::default(), EmptySubscription)
        .extension(log.clone())
        .finish();
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
                schema
                    .execute(format!(
                        "mutation {{ {mutation}({argument}: {{ {field}: \"hunter2\" }}) {{ __typename }} }}"
                    ))
                    .await;
                let logged = std::mem::take(&mut *log.0.lock().unwrap());
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
