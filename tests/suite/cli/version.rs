//! Which renewd this is: the build script as cargo runs it, and the program that tells what it found.

use super::Stage;
use super::place::Place;
use crate::http::served::{On, Stage as Served};
use renewd::version;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// 30 January 2026, in seconds of UTC.
const A_DAY: &str = "1769731200";

/// The build script, built, and a folder that it is run in.
struct Script {
    program: PathBuf,
    folder: TempDir,
}

impl Script {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("build-script");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs");
        let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
        let built = Command::new(rustc).args(["--edition=2024", "-o"]).arg(&program).arg(source).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        std::fs::create_dir_all(folder.path().join("project/src")).unwrap();
        Self { program, folder }
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// What it tells cargo, with these variables and no others.
    fn told(&self, variables: &[(&str, &str)]) -> String {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(&self.program);
        command.current_dir(self.project()).env_clear().env("PATH", path).envs(variables.iter().copied());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Commit and day, with these variables.
    fn found(&self, variables: &[(&str, &str)]) -> (String, String) {
        let told = self.told(variables);
        assert!(
            !told.contains("rustc-env=RENEWD_"),
            "`cargo run` hands it on, and renewd refuses it as a setting: {told}"
        );
        let value = |name: &str| {
            let begin = format!("cargo::rustc-env=BUILD_OF_RENEWD_{name}=");
            told.lines().find_map(|line| line.strip_prefix(&begin)).expect("a value").to_owned()
        };
        (value("COMMIT"), value("DATE"))
    }

    fn git(&self, arguments: &[&str]) -> String {
        let named = ["-c", "user.name=a test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"];
        let mut command = Command::new("git");
        command.current_dir(self.project()).env("GIT_CONFIG_GLOBAL", "/dev/null").args(named).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

const RELEASE: (&str, &str) = ("PROFILE", "release");
const EPOCH: (&str, &str) = ("SOURCE_DATE_EPOCH", A_DAY);

#[test]
fn a_release_knows_its_commit_and_whether_its_sources_are_that_commits() {
    let script = Script::new();
    let unknown = ("unknown".to_owned(), "2026-01-30".to_owned());
    assert_eq!(script.found(&[RELEASE, EPOCH]), unknown, "no repository");
    let source = script.project().join("src/main.rs");
    std::fs::write(&source, "one").unwrap();
    script.git(&["init", "--quiet"]);
    script.git(&["add", "."]);
    script.git(&["commit", "--quiet", "--message", "one"]);
    let commit = script.git(&["rev-parse", "HEAD"])[..12].to_owned();
    assert_eq!(script.found(&[RELEASE, EPOCH]).0, commit);
    std::fs::write(script.project().join("notes.txt"), "mine").unwrap();
    assert_eq!(script.found(&[RELEASE, EPOCH]).0, commit, "it is not built of that");
    std::fs::write(&source, "two").unwrap();
    assert_eq!(script.found(&[RELEASE, EPOCH]).0, format!("{commit}-changed"));
    assert_eq!(script.found(&[RELEASE, EPOCH, ("PATH", "/nowhere")]), unknown, "no git");
    assert_eq!(script.found(&[("PROFILE", "debug")]), ("unknown".to_owned(), "unknown".to_owned()));
    let given = "0123456789abcdef0123456789abcdef01234567";
    assert_eq!(script.found(&[RELEASE, EPOCH, ("SOURCE_COMMIT", given)]).0, given[..12]);
}

/// A file that is not there, or none at all, makes cargo build everything again each time.
#[test]
fn cargo_is_told_what_to_watch_and_all_of_it_is_there() {
    let script = Script::new();
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs"), script.project().join("build.rs")).unwrap();
    script.git(&["init", "--quiet"]);
    script.git(&["add", "."]);
    script.git(&["commit", "--quiet", "--message", "one"]);
    let watched = |variables: &[(&str, &str)]| -> Vec<String> {
        let told = script.told(variables);
        told.lines().filter_map(|line| line.strip_prefix("cargo::rerun-if-changed=")).map(str::to_owned).collect()
    };
    let of_release = watched(&[RELEASE]);
    assert!(
        of_release.iter().any(|path| path.ends_with("HEAD")) && of_release.contains(&"src".to_owned()),
        "{of_release:?}"
    );
    for path in &of_release {
        assert!(script.project().join(path).exists(), "{path}");
    }
    assert_eq!(watched(&[("PROFILE", "debug")]), ["build.rs"], "a commit builds nothing again");
}

#[test]
fn days_are_those_of_the_calendar() {
    let script = Script::new();
    for day in ["1970-01-01", "1999-12-31", "2000-02-29", "2024-02-29", "2024-03-01", "2026-11-29", "2100-03-01"] {
        let date: chrono::NaiveDate = day.parse().unwrap();
        let last_second = date.and_hms_opt(23, 59, 59).unwrap().and_utc().timestamp().to_string();
        assert_eq!(script.found(&[("SOURCE_DATE_EPOCH", &last_second)]).1, day);
    }
    assert_eq!(script.found(&[("SOURCE_DATE_EPOCH", "yesterday")]).1, "unknown");
}

#[test]
fn the_program_tells_it_wherever_somebody_asks() {
    assert!(version::WHOLE.contains(version::NUMBER) && version::WHOLE.contains(version::COMMIT));
    assert_eq!(Place::empty().run(&["--version"]).ok().out, format!("renewd {}\n", version::WHOLE));
    let doctor = Stage::with(&[]).place.run(&["--output", "json", "doctor"]).json();
    assert_eq!(
        (&doctor["checks"][0]["check"], &doctor["checks"][0]["found"]),
        (&"version".into(), &version::WHOLE.into())
    );
    let mut stage = Served::on(On::Sqlite, &[]);
    stage.place.set("RENEWD_SERVER__METRICS_OPEN", "true");
    let served = stage.serve().up();
    let metrics = served.get("/metrics").text;
    let wanted = format!(
        "renewd_build_info{{version=\"{}\",commit=\"{}\",built=\"{}\"}} 1",
        version::NUMBER,
        version::COMMIT,
        version::BUILT
    );
    assert!(metrics.contains(&wanted), "{metrics}");
    assert!(served.said().contains(version::WHOLE), "the log begins with it");
}
