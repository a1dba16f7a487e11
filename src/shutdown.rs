//! Stub, replaced.
use tokio_util::sync::CancellationToken;
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);
impl Shutdown {
    pub fn requested(&self) -> bool {
        self.0.is_cancelled()
    }
    pub async fn wait(&self) {
        self.0.cancelled().await
    }
}
