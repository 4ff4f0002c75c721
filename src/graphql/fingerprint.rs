//! What a document asks for, without its secrets: by it a request is known that is sent again.
//!
//! The library writes documents down with their variables in their places and secrets left out, for logs. So what is marked
//! `#[graphql(secret)]` is what is left out, and there is no second list of it.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use async_graphql::async_trait::async_trait;
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextParseQuery};
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{EmptySubscription, Request, ServerError, ServerResult, Variables};

use super::documents::Ready;
use super::{Mutation, Query, Schema};

/// The same types, and nothing is run on it.
static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription).extension(WritesDown).finish()
});

/// Where a document is written.
type Page = Arc<Mutex<String>>;

struct WritesDown;

impl ExtensionFactory for WritesDown {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for WritesDown {
    async fn parse_query(
        &self,
        context: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let document = next.run(context, query, variables).await?;
        if let Some(page) = context.data_opt::<Page>() {
            let written = context.stringify_execute_doc(&document, variables);
            *page.lock().unwrap_or_else(PoisonError::into_inner) = written;
        }
        // It is not to be run.
        Err(ServerError::new("written down", None))
    }
}

/// Everything that says what is asked for, as bytes that are the same for the same request.
pub async fn fingerprint(ready: &Ready) -> Vec<u8> {
    let mut document = ready.document.clone();
    // One by one: they come in no order.
    let mut fragments: Vec<_> = document.fragments.drain().collect();
    fragments.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut written = written_down(document.clone(), &ready.variables).await;
    for (name, fragment) in fragments {
        let mut alone = document.clone();
        alone.fragments.insert(name, fragment);
        written += &written_down(alone, &ready.variables).await;
    }
    written.into_bytes()
}

/// A document with its variables in their places, and without secrets.
pub async fn written_down(document: ExecutableDocument, variables: &Variables) -> String {
    let page = Page::default();
    let mut request = Request::new("").variables(variables.clone()).data(page.clone());
    request.set_parsed_query(document);
    SCHEMA.execute(request).await;
    let mut written = page.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *written)
}
