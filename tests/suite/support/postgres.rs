//! A throw-away PostgreSQL server, started by the first test that asks, one per test process.
//!
//! It listens on a Unix socket in a private folder, writes nothing through to the disk (but for benchmarks), and
//! belongs to a *keeper*: a shell that waits on a pipe from this process. When the pipe closes, however this process ends (SIGKILL too), the
//! keeper stops the server and removes the folder. PostgreSQL refuses to run as root, so root hands the keeper to
//! another user.

use super::server_programs;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// initdb takes a second or two; a loaded machine may take many.
const START_SECS_MAX: u64 = 300;
/// A server that was told to start and does not answer is told so again this often.
const START_AGAIN_SECS: u64 = 5;
const START_POLL: Duration = Duration::from_millis(20);

/// `sun_path` holds 108 bytes on Linux, 104 elsewhere; the socket is called `.s.PGSQL.5432`.
const FOLDER_BYTES_MAX: usize = 80;

/// The keeper's whole life. `$1`: the folder of the server's programs; `$2`: the cluster's folder; `$3`: `on` or `off`,
/// whether commits reach the disk; `$4`: libraries; what follows goes to the server as it is.
/// In the background a shell's child reads nothing, so only `read` waits on the pipe, for the words `stop` and `start`
/// or its end. SIGQUIT: stop at once, as a crash would. A start that was refused may be asked for again: `sleep` lets the
/// shell notice that its child has ended.
const KEEPER: &str = r#"
start() {
    sleep 0
    if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then return; fi
    programs=$1 folder=$2 durable=$3 libraries=$4
    shift 4
    "$programs/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=$durable \
        -c full_page_writes=$durable -c autovacuum=$durable -c max_connections=300 -c timezone=UTC \
        -c log_min_messages=warning -c shared_preload_libraries="$libraries" "$@" &
    server=$!
}
stop() {
    kill -QUIT "$server"
    wait "$server"
}
"$1/initdb" --pgdata="$2/data" --username=renewd --auth=trust --encoding=UTF8 --locale=C --no-sync || exit 1
start "$@"
while read -r word; do "$word" "$@"; done
stop
cd /
rm -rf "$2"
"#;

/// A new, empty database; its URL. `name` shows in the server's log and in `pg_stat_activity`.
pub async fn database(name: &str) -> String {
    cluster().await.create(name, "template1").await
}

/// A new, empty database on a server of its own whose commits reach the disk, as in production; its URL.
pub async fn durable_database(name: &str) -> String {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER.get_or_init(|| Cluster::start("on", "")).await.create(name, "template1").await
}

/// The same on a server that counts its statements.
pub async fn measured_database(name: &str) -> String {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER.get_or_init(|| Cluster::start("on", "pg_stat_statements")).await.create(name, "template1").await
}

/// A database that others start as copies of; a `static` of the tests that share it.
pub struct Template {
    name: &'static str,
    filled: OnceCell<()>,
}

impl Template {
    pub const fn named(name: &'static str) -> Self {
        Self { name, filled: OnceCell::const_new() }
    }

    /// A new database that starts as a copy; its URL. The first caller's `fill` makes the template (by migrations,
    /// say), and closes its connections before it returns: a database in use cannot be copied.
    pub async fn database(&self, name: &str, fill: impl AsyncFnOnce(String)) -> String {
        let cluster = cluster().await;
        let template = format!("template_{}", self.name);
        self.filled
            .get_or_init(async || {
                // A `fill` that panicked left half a template behind.
                cluster.admin(format!("DROP DATABASE IF EXISTS {template} WITH (FORCE)")).await;
                cluster.admin(format!("CREATE DATABASE {template}")).await;
                fill(cluster.url(&template)).await;
            })
            .await;
        cluster.create(name, &template).await
    }
}

/// A new database that starts as a copy of the one of `url`, whose connections are ended; its URL.
pub async fn copy_of(url: &str) -> String {
    let cluster = cluster().await;
    let name = url.split(['/', '?']).nth(3).expect("a database in the URL");
    cluster.admin(format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")).await;
    cluster.create("copy", name).await
}

/// The process id of the server, as it wrote it down itself, and the folder that holds all it has.
pub async fn server_process() -> (u32, PathBuf) {
    let cluster = cluster().await;
    let lines = fs::read_to_string(cluster.folder.join("data/postmaster.pid")).expect("a running server's pid file");
    let pid = lines.lines().next().expect("a first line").parse().expect("a process id");
    (pid, cluster.folder.clone())
}

/// A server of a test's own, whose commits reach the disk, and which may be stopped at once and started again.
pub struct PrivateServer(Cluster);

impl PrivateServer {
    pub async fn start() -> Self {
        Self(Cluster::start("on", "").await)
    }

    /// The same, for clients that come over TCP to `localhost` as well.
    pub async fn on_tcp() -> Self {
        Self(Cluster::start_on(Some(free_port()), "on", "").await)
    }

    /// A new, empty database of exactly this name.
    pub async fn make_database(&self, name: &str) {
        self.0.admin(format!("CREATE DATABASE {name}")).await;
    }

    /// A database's URL, by the server's socket.
    pub fn url(&self, database: &str) -> String {
        self.0.url(database)
    }

    /// The same over TCP, with these parameters.
    pub fn tcp_url(&self, database: &str, parameters: &str) -> String {
        format!("postgres://renewd@localhost:{}/{database}?{parameters}", self.0.port)
    }

    /// A file that the server may read and nobody else, in its own folder; its path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let (folder, path) = (&self.0.folder, self.0.folder.join(name));
        fs::write(&path, text).expect("the server's folder");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("our own file");
        if runs_as_root(&path) {
            let owner = fs::metadata(folder).expect("the server's folder");
            chown(&path, Some(owner.uid()), Some(owner.gid())).expect("root may give a file away");
        }
        path
    }

    /// A new database that starts as a copy of `template` (`template1` is an empty one); its URL.
    pub async fn database(&self, name: &str, template: &str) -> String {
        self.0.create(name, template).await
    }

    /// Stops it as a crash would: what is not on disk is lost, and the next start has to recover.
    pub async fn stop_at_once(&mut self) {
        self.tell("stop");
        self.wait_until(false).await;
    }

    /// Starts it again, and waits until it answers.
    pub async fn start_again(&mut self) {
        self.tell("start");
        self.wait_until(true).await;
    }

    fn tell(&mut self, word: &str) {
        let pipe = self.0.keeper.stdin.as_mut().expect("the keeper's pipe");
        writeln!(pipe, "{word}").expect("a living keeper");
    }

    async fn wait_until(&mut self, answers: bool) {
        let (url, started) = (self.0.url("postgres"), Instant::now());
        let mut asked_again = 0;
        while connect(&url).await.is_ok() != answers {
            let waited = started.elapsed().as_secs();
            assert!(waited < START_SECS_MAX, "the server did not stop or start: {url}\nits log:\n{}", self.0.log());
            // While a child of the crashed server still holds its memory, the next one refuses to start.
            if answers && waited / START_AGAIN_SECS > asked_again {
                asked_again += 1;
                self.tell("start");
            }
            tokio::time::sleep(START_POLL).await;
        }
    }
}

struct Cluster {
    folder: PathBuf,
    /// Also names the socket, where nobody listens on TCP.
    port: u16,
    /// Holds the pipe: the server lives for as long as this process does.
    keeper: Child,
    databases_made: AtomicU32,
}

async fn cluster() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER.get_or_init(|| Cluster::start("off", "")).await
}

impl Cluster {
    async fn start(durable: &str, libraries: &str) -> Self {
        Self::start_on(None, durable, libraries).await
    }

    /// Listens on this port of `localhost` too, where one is given.
    async fn start_on(tcp: Option<u16>, durable: &str, libraries: &str) -> Self {
        let programs = server_programs::folder().unwrap_or_else(|problem| panic!("{problem}"));
        let more = tcp.map_or_else(Vec::new, |port| {
            ["-c", "listen_addresses=127.0.0.1", "-c", &format!("port={port}")].map(str::to_owned).to_vec()
        });
        let (folder, mut keeper) =
            spawn_keeper(&programs, &[&[durable.to_owned(), libraries.to_owned()], &more[..]].concat());
        let port = tcp.unwrap_or(PORT);
        let cluster_url = url(&folder, port, "postgres");
        let started = Instant::now();
        while let Err(refusal) = connect(&cluster_url).await {
            let ended = keeper.try_wait().expect("the keeper's state").is_some();
            if ended || started.elapsed().as_secs() >= START_SECS_MAX {
                let log = log_of(&folder);
                panic!("PostgreSQL from {} did not start: {refusal}\nits log:\n{log}", programs.display());
            }
            tokio::time::sleep(START_POLL).await;
        }
        Self { folder, port, keeper, databases_made: AtomicU32::new(0) }
    }

    fn url(&self, database: &str) -> String {
        url(&self.folder, self.port, database)
    }

    fn log(&self) -> String {
        log_of(&self.folder)
    }

    /// Copies `template`; names are made unique, since two tests may have the same idea.
    async fn create(&self, name: &str, template: &str) -> String {
        let number = self.databases_made.fetch_add(1, Ordering::Relaxed);
        let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect();
        let database = format!("t{number}_{}", plain.to_ascii_lowercase());
        self.admin(format!("CREATE DATABASE {database} TEMPLATE {template}")).await;
        self.url(&database)
    }

    /// One connection per statement: each test has a runtime of its own, and a connection dies with its runtime.
    async fn admin(&self, statement: String) {
        let mut connection = connect(&self.url("postgres")).await.expect("a connection to the running server");
        sqlx::raw_sql(AssertSqlSafe(statement.clone()))
            .execute(&mut connection)
            .await
            .unwrap_or_else(|refusal| panic!("{statement}: {refusal}"));
        connection.close().await.expect("a clean goodbye");
    }
}

fn log_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

/// PostgreSQL's own, which is left out.
const PORT: u16 = 5432;

fn url(folder: &Path, port: u16, database: &str) -> String {
    let port = if port == PORT { String::new() } else { format!(":{port}") };
    format!("postgres://renewd@localhost{port}/{database}?host={}", folder.display())
}

/// A port that nobody listens on, below those that the system hands out by itself: no other test gets it meanwhile.
fn free_port() -> u16 {
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| fastrand::u16(20_000..30_000)).find(is_free).expect("a port")
}

async fn connect(url: &str) -> Result<PgConnection, sqlx::Error> {
    PgConnectOptions::from_str(url)?.disable_statement_logging().connect().await
}

fn spawn_keeper(programs: &Path, settings: &[String]) -> (PathBuf, Child) {
    let folder = private_folder();
    let log = File::create(folder.join("log")).expect("a log file in our own folder");
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", KEEPER, "keeper"])
        .args([programs, folder.as_path()])
        .args(settings)
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        // Ctrl-C in the terminal reaches the tests only; the keeper hears of it through the pipe.
        .process_group(0);
    if runs_as_root(&folder) {
        let (user, group) = unprivileged_user();
        chown(&folder, Some(user), Some(group)).expect("root may give a folder away");
        command.uid(user).gid(group);
    }
    let keeper = command.spawn().expect("/bin/sh starts");
    (folder, keeper)
}

/// A folder whose path is short enough for a socket's. The keeper removes it.
fn private_folder() -> PathBuf {
    let mut base = std::env::temp_dir();
    if base.as_os_str().len() > FOLDER_BYTES_MAX - "/renewd-pg-XXXXXX".len() {
        base = PathBuf::from("/tmp");
    }
    let folder = tempfile::Builder::new().prefix("renewd-pg-").tempdir_in(base).expect("a temporary folder").keep();
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).expect("our own folder");
    folder
}

/// Who owns what this process makes.
fn runs_as_root(made_here: &Path) -> bool {
    fs::metadata(made_here).expect("our own folder").uid() == 0
}

/// The user and group that root runs the server as: `postgres` where the package made one, else `nobody`.
fn unprivileged_user() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").expect("the list of users");
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| ids_of(&users, name))
        .expect("PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody")
}

fn ids_of(users: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = users.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(name))?;
    let user = fields.nth(2)?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    Some((user, group))
}
