//! Boxed futures, for traits that are used as objects.

use std::future::Future;
use std::pin::Pin;

/// A future that can be returned through `dyn Backend`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
