//! Connections that can be made to fail in the ways that real ones do: cut before the first byte, cut in the middle,
//! or so slow that a byte takes a second.

use super::reply::Delivery;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;

/// What a handler holds of its connection: how the answer that it is about to give will travel.
#[derive(Clone, Debug)]
pub(super) struct Line(Arc<Mutex<Delivery>>);

impl Line {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Delivery::Whole)))
    }

    pub(super) fn set(&self, delivery: Delivery) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = delivery;
    }

    fn get(&self) -> Delivery {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A TCP listener whose connections can be made to fail.
pub(super) struct FailingListener(pub(super) TcpListener);

impl Listener for FailingListener {
    type Io = FailingStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Answers are small and asked for one by one: waiting to fill a packet would only delay them.
        let _ = stream.set_nodelay(true);
        (FailingStream { stream, line: Line::new(), pause: None }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, FailingListener>> for Line {
    fn connect_info(stream: IncomingStream<'_, FailingListener>) -> Self {
        stream.io().line.clone()
    }
}

/// A connection that does with written bytes what its [`Line`] says.
pub(super) struct FailingStream {
    stream: TcpStream,
    line: Line,
    pause: Option<Pin<Box<Sleep>>>,
}

impl FailingStream {
    /// At most `bytes` of the buffer.
    fn write_some(&mut self, cx: &mut Context<'_>, buffer: &[u8], bytes: usize) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, &buffer[..buffer.len().min(bytes)])
    }

    fn write_slowly(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &[u8],
        pause: std::time::Duration,
    ) -> Poll<io::Result<usize>> {
        let sleep = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
        if sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.pause = None;
        self.write_some(cx, buffer, 1)
    }
}

impl AsyncRead for FailingStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for FailingStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        match self.line.get() {
            Delivery::Whole => Pin::new(&mut self.stream).poll_write(cx, buffer),
            Delivery::Lost | Delivery::Cut { after_bytes: 0 } => {
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
            Delivery::Slow { pause } => self.write_slowly(cx, buffer, pause),
            Delivery::Cut { after_bytes } => {
                let written = std::task::ready!(self.write_some(cx, buffer, after_bytes))?;
                self.line.set(Delivery::Cut { after_bytes: after_bytes - written });
                Poll::Ready(Ok(written))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
