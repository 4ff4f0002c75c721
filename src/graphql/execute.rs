//! Runs one guarded document.
//!
//! The document and its loads run in one task: loads go on only when no resolver can, so every key that a level of the
//! document asks for is in its batch. Left to a timer on other threads, a busy machine would split batches, and the
//! number of statements would depend on the weather.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_graphql::Response;
use async_graphql::dataloader::{DataLoader, HashMapCache};
use futures_util::future::{BoxFuture, poll_fn};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;

use super::Schema;
use super::context::{Keeper, Request};
use super::documents::Ready;
use super::errors::settle;
use super::loaders::Loaders;
use crate::identity::{Caller, Identity};

/// Runs a document for this caller. With a `keeper`, refresh tokens go there and into no answer.
pub async fn execute(
    schema: &Schema,
    identity: Arc<Identity>,
    caller: Caller,
    ready: Ready,
    keeper: Option<Arc<Keeper>>,
) -> Response {
    let (loads, spawned) = mpsc::unbounded_channel::<BoxFuture<'static, ()>>();
    let request = Arc::new(Request::new(identity, caller, keeper, ready.is_plain));
    let loaders = Loaders(request.clone());
    let loader =
        DataLoader::with_cache(loaders, move |load| loads.send(load), HashMapCache::default()).delay(Duration::ZERO);
    let mut graphql = async_graphql::Request::new("").variables(ready.variables).data(request).data(loader);
    graphql.set_parsed_query(ready.document);
    settle(run_with_loads(schema.execute(graphql), spawned).await)
}

async fn run_with_loads(
    document: impl Future<Output = Response>,
    mut spawned: mpsc::UnboundedReceiver<BoxFuture<'static, ()>>,
) -> Response {
    // Unconstrained: tokio would otherwise interrupt it at any point, and it would look as if it could go no further.
    let mut document = pin!(tokio::task::unconstrained(document));
    let mut loads = FuturesUnordered::new();
    poll_fn(move |context| {
        let stalled = Arc::new(Stalled { outer: context.waker().clone(), woken: AtomicBool::new(true) });
        let waker = Waker::from(stalled.clone());
        // A document that has woken itself while it was polled only paused between its fields.
        while stalled.woken.swap(false, Ordering::AcqRel) {
            if let Poll::Ready(response) = document.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Poll::Ready(response);
            }
        }
        while let Poll::Ready(Some(load)) = spawned.poll_recv(context) {
            loads.push(load);
        }
        while let Poll::Ready(Some(())) = loads.poll_next_unpin(context) {}
        Poll::Pending
    })
    .await
}

/// Wakes the task, and remembers that it did.
struct Stalled {
    outer: Waker,
    woken: AtomicBool,
}

impl Wake for Stalled {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.outer.wake_by_ref();
    }
}
