//! What systemd is told: ready, alive, stopping. One datagram each; nobody there is no error, because a daemon that was
//! started by hand must work the same.

use crate::config::Environment;
use std::io;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager, as far as it wants to hear from us.
#[derive(Debug, Default)]
pub struct Systemd {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Systemd {
    /// Who started us, by the environment of the process: `NOTIFY_SOCKET` (a path, or `@` and an abstract name), and
    /// `WATCHDOG_USEC` where it is meant for `process`.
    ///
    /// # Errors
    /// When there is such a socket and it cannot be used.
    pub fn of_environment(environment: &Environment, process: u32) -> io::Result<Self> {
        let Some(name) = environment.get("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(Self::default());
        };
        let address = address(name)?;
        let socket = UnixDatagram::unbound()?;
        // A manager that does not read must not stop the daemon.
        socket.set_nonblocking(true)?;
        let is_ours = environment.get("WATCHDOG_PID").is_none_or(|meant| meant.parse() == Ok(process));
        let micros = environment.get("WATCHDOG_USEC").filter(|_| is_ours).and_then(|text| text.parse().ok());
        let watchdog = micros.filter(|micros| *micros > 0).map(Duration::from_micros);
        Ok(Self { socket: Some((socket, address)), watchdog })
    }

    /// How often it wants to hear that we are alive; `None` where it does not watch.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Start-up is over.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// Start-up goes on: it asks for so much more time, and says what for.
    pub fn still_starting(&self, more: Duration, status: &str) {
        self.tell(&format!("EXTEND_TIMEOUT_USEC={}\nSTATUS={}", more.as_micros(), one_line(status)));
    }

    /// For the watchdog.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// It ends in good order, for which it asks so much time.
    pub fn stopping(&self, within: Duration) {
        self.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}\nSTATUS=stopping", within.as_micros()));
    }

    fn tell(&self, message: &str) {
        let Some((socket, address)) = &self.socket else { return };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            tracing::debug!("systemd was not told {:?}: {error}", message.lines().next().unwrap_or_default());
        }
    }
}

#[cfg(target_os = "linux")]
fn address(name: &str) -> io::Result<SocketAddr> {
    match name.strip_prefix('@') {
        Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name),
        None => SocketAddr::from_pathname(name),
    }
}

#[cfg(not(target_os = "linux"))]
fn address(name: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_pathname(name)
}

/// A status with line breaks would be read as more messages.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 512];
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    fn systemd(variables: &[(&str, &str)]) -> Systemd {
        Systemd::of_environment(&variables.iter().copied().collect(), 7).unwrap()
    }

    #[test]
    fn each_word_is_one_datagram() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let systemd = systemd(&[("NOTIFY_SOCKET", path.to_str().unwrap())]);
        systemd.still_starting(Duration::from_secs(1), "no\ndatabase");
        systemd.ready("next run at 10:00\nWATCHDOG=trigger");
        systemd.alive();
        systemd.stopping(Duration::from_millis(8_500));
        let said =
            ["EXTEND_TIMEOUT_USEC=1000000\nSTATUS=no database", "READY=1\nSTATUS=next run at 10:00 WATCHDOG=trigger"];
        for word in said {
            assert_eq!(heard(&socket), word);
        }
        assert_eq!(heard(&socket), "WATCHDOG=1");
        assert_eq!(heard(&socket), "STOPPING=1\nEXTEND_TIMEOUT_USEC=8500000\nSTATUS=stopping");
    }

    #[test]
    fn an_abstract_socket_is_one_too() {
        let name = format!("renewd-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        systemd(&[("NOTIFY_SOCKET", &format!("@{name}"))]).alive();
        assert_eq!(heard(&socket), "WATCHDOG=1");
    }

    #[test]
    fn a_watchdog_for_somebody_else_is_not_ours() {
        let watchdog = |variables: &[(&str, &str)]| {
            let all: Vec<_> = variables.iter().copied().chain([("NOTIFY_SOCKET", "/nowhere")]).collect();
            systemd(&all).watchdog()
        };
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog(&[("WATCHDOG_USEC", "1000000"), ("WATCHDOG_PID", "7")]), second);
        assert_eq!(watchdog(&[("WATCHDOG_USEC", "1000000")]), second);
        assert_eq!(watchdog(&[("WATCHDOG_USEC", "1000000"), ("WATCHDOG_PID", "8")]), None);
        assert_eq!(watchdog(&[("WATCHDOG_USEC", "0")]), None);
        assert_eq!(watchdog(&[]), None);
    }

    #[test]
    fn nobody_there_is_no_error() {
        systemd(&[]).ready("up");
        systemd(&[("NOTIFY_SOCKET", "/nowhere/at/all")]).ready("up");
    }
}
