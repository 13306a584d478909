//! Where waiting comes from.
use std::time::Duration;

use async_trait::async_trait;

/// How a host waits: with the application's runtime.
///
/// **Promises** the implementor makes: it is ready after about so long, and dropping it costs
/// nothing. One that is never ready only keeps what is not answered from being sent again, and who
/// takes nothing from being given up.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot wait",
    note = "implement `Timer` with the sleep of your runtime"
)]
pub trait Timer: Send + Sync + 'static {
    /// Waits for `duration`.
    async fn wait(&self, duration: Duration);
}

/// Waits with tokio.
#[cfg(feature = "tokio")]
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioTimer;

#[cfg(feature = "tokio")]
#[async_trait]
impl Timer for TokioTimer {
    async fn wait(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
