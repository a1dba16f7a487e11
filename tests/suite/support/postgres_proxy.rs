//! Somebody between renewd and PostgreSQL who understands what is said, and misbehaves at one chosen word.
//!
//! A conversation takes turns: the client speaks up to a query or a sync, the server answers up to "ready".

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

const SOCKET: &str = ".s.PGSQL.5432";
/// Kind and length of a message.
const HEAD_BYTES: usize = 5;

/// Kinds of messages.
const QUERY: u8 = b'Q';
const SYNC: u8 = b'S';
const PARSE: u8 = b'P';
const GOODBYE: u8 = b'X';
const READY: u8 = b'Z';
/// What a ready server says when it is in no transaction.
const IDLE: u8 = b'I';

/// How the proxy misbehaves.
#[derive(Clone, Copy, Debug)]
pub enum Habit {
    /// The first commit of a transaction on a connection that knows a statement with this text never reaches the
    /// server: both ends see the connection break.
    CutBeforeCommit(&'static str),
    /// The same, but the server has committed: the client sees the connection break where it waits for the word.
    CutAfterCommit(&'static str),
    /// Each transaction finds a server that knows nothing of the one before: no settings, no prepared statements. A
    /// pooler that hands out a server for each transaction is like that.
    ForgetSessions,
}

/// Listens on a socket of its own; forwards to the server of a URL.
pub struct PostgresProxy {
    folder: TempDir,
    url: String,
    struck: Arc<AtomicU32>,
}

impl PostgresProxy {
    /// Stands between the clients of [`PostgresProxy::url`] and the database at `url`.
    pub fn start(url: &str, habit: Habit) -> Self {
        let folder = tempfile::Builder::new().prefix("renewd-px-").tempdir_in("/tmp").expect("a short folder");
        let listener = UnixListener::bind(folder.path().join(SOCKET)).expect("a socket");
        let (address, host) = url.split_once("?host=").expect("a URL of this suite");
        let server = Path::new(host).join(SOCKET);
        let ours = format!("{address}?host={}&sslmode=disable", folder.path().display());
        let proxy = Self { folder, url: ours, struck: Arc::default() };
        let struck = Arc::clone(&proxy.struck);
        // Ends with the process: it only waits for clients that never come.
        std::thread::spawn(move || accept(&listener, &server, habit, &struck));
        proxy
    }

    pub fn url(&self) -> String {
        assert!(self.folder.path().exists());
        self.url.clone()
    }

    /// How often the habit showed.
    pub fn struck(&self) -> u32 {
        self.struck.load(Ordering::SeqCst)
    }
}

fn accept(listener: &UnixListener, server: &PathBuf, habit: Habit, struck: &Arc<AtomicU32>) {
    for client in listener.incoming() {
        let (Ok(client), Ok(server)) = (client, UnixStream::connect(server)) else { return };
        let struck = Arc::clone(struck);
        std::thread::spawn(move || {
            // Either end may leave at any time; then so does the other.
            let _ = Conversation { client, server, habit, struck, knows: false }.hold();
        });
    }
}

struct Conversation {
    client: UnixStream,
    server: UnixStream,
    habit: Habit,
    struck: Arc<AtomicU32>,
    /// The statement that the habit waits for was prepared here.
    knows: bool,
}

impl Conversation {
    fn hold(mut self) -> io::Result<()> {
        let hello = read_hello(&mut self.client)?;
        self.server.write_all(&hello)?;
        self.relay_answer()?;
        loop {
            let message = read_message(&mut self.client)?;
            self.knows |= message[0] == PARSE && self.waits_for().is_some_and(|text| holds(&message, text));
            if is_commit(&message) && self.knows && self.cuts() {
                if matches!(self.habit, Habit::CutAfterCommit(_)) {
                    self.server.write_all(&message)?;
                    self.swallow_answer()?;
                }
                return Ok(());
            }
            self.server.write_all(&message)?;
            match message[0] {
                QUERY | SYNC => self.answer()?,
                GOODBYE => return Ok(()),
                _ => {}
            }
        }
    }

    fn waits_for(&self) -> Option<&'static str> {
        match self.habit {
            Habit::CutBeforeCommit(text) | Habit::CutAfterCommit(text) => Some(text),
            Habit::ForgetSessions => None,
        }
    }

    /// Whether it is this one, the first, that is cut.
    fn cuts(&self) -> bool {
        self.struck.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn answer(&mut self) -> io::Result<()> {
        let idle = self.relay_answer()?;
        if idle && matches!(self.habit, Habit::ForgetSessions) {
            self.struck.fetch_add(1, Ordering::SeqCst);
            self.server.write_all(&query("DISCARD ALL"))?;
            self.swallow_answer()?;
        }
        Ok(())
    }

    /// Whether the server is in no transaction after its answer.
    fn relay_answer(&mut self) -> io::Result<bool> {
        loop {
            let message = read_message(&mut self.server)?;
            self.client.write_all(&message)?;
            if message[0] == READY {
                return Ok(message[HEAD_BYTES] == IDLE);
            }
        }
    }

    fn swallow_answer(&mut self) -> io::Result<()> {
        while read_message(&mut self.server)?[0] != READY {}
        Ok(())
    }
}

/// A message of the client's or the server's, head and all.
fn read_message(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut message = vec![0; HEAD_BYTES];
    stream.read_exact(&mut message)?;
    read_rest(stream, message, 1)
}

/// The client's first message, which has no kind.
fn read_hello(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut message = vec![0; HEAD_BYTES - 1];
    stream.read_exact(&mut message)?;
    read_rest(stream, message, 0)
}

/// The length stands behind `kind_bytes`, and counts itself.
fn read_rest(stream: &mut UnixStream, mut message: Vec<u8>, kind_bytes: usize) -> io::Result<Vec<u8>> {
    let length: [u8; 4] = message[kind_bytes..].try_into().expect("four bytes");
    message.resize(kind_bytes + u32::from_be_bytes(length) as usize, 0);
    stream.read_exact(&mut message[kind_bytes + length.len()..])?;
    Ok(message)
}

fn query(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len() + HEAD_BYTES).expect("a short text");
    [&[QUERY][..], &length.to_be_bytes(), text.as_bytes(), &[0]].concat()
}

fn is_commit(message: &[u8]) -> bool {
    message[0] == QUERY && holds(message, "COMMIT")
}

fn holds(message: &[u8], text: &str) -> bool {
    message.windows(text.len()).any(|part| part == text.as_bytes())
}
