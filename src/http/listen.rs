//! Connections: how many, how long they may say nothing, and how they end.

use super::{Door, router};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// For a request's head to come whole: whoever sends a byte a minute holds no connection.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// After an accept that failed, such as for want of file descriptors: trying again at once would only burn the CPU.
const REST: Duration = Duration::from_millis(100);

/// Why the daemon cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("the daemon cannot listen on {address}: {source}")]
pub struct ListenError {
    address: SocketAddr,
    source: std::io::Error,
}

/// A server that listens until it is stopped.
#[derive(Debug)]
pub struct Listening {
    /// Where it listens; the port is a real one where 0 was asked for.
    pub address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Listening {
    /// Listens from now on.
    ///
    /// # Errors
    /// [`ListenError`], such as where another process listens.
    pub async fn start(address: SocketAddr, door: &Arc<Door>) -> Result<Self, ListenError> {
        let bound = TcpListener::bind(address).await;
        let listener = bound.map_err(|source| ListenError { address, source })?;
        let address = listener.local_addr().map_err(|source| ListenError { address, source })?;
        let stop = CancellationToken::new();
        let connections_max = usize::try_from(door.settings.connections_max).unwrap_or(usize::MAX);
        let seats = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
        let task = tokio::spawn(accept(listener, router(door), seats, stop.clone()));
        Ok(Self { address, stop, task })
    }

    /// Takes no more requests, and waits so long for those under way.
    pub async fn stop(mut self, within: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(within, &mut self.task).await.is_err() {
            tracing::warn!("requests that did not end in time were cut off; whoever asked comes again");
            self.task.abort();
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, router: Router, seats: Arc<Semaphore>, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    loop {
        // A seat first: who finds none waits in the system's queue, and costs nothing here.
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            seat = seated(&listener, &seats) => seat,
        };
        match accepted {
            Ok((stream, seat)) => serve(stream, seat, router.clone(), graceful.watcher()),
            Err(err) => {
                tracing::warn!("a connection could not be accepted: {err}");
                tokio::time::sleep(REST).await;
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

async fn seated(listener: &TcpListener, seats: &Arc<Semaphore>) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    // Nobody closes it.
    let seat = Arc::clone(seats).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, seat))
}

fn serve(stream: TcpStream, seat: OwnedSemaphorePermit, router: Router, watcher: Watcher) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::spawn(async move {
        // A client that goes away is no news.
        if let Err(err) = watcher.watch(connection).await {
            tracing::debug!("a connection ended: {err}");
        }
        drop(seat);
    });
}
