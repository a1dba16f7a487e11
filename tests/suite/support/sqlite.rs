//! A SQLite database in a folder of its own, which vanishes with it.

use std::path::PathBuf;
use tempfile::TempDir;

/// Keeps its folder for as long as it lives.
pub struct SqliteFile {
    folder: TempDir,
}

impl SqliteFile {
    /// A place for a database; the file is made by whoever opens it first.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("renewd-sqlite-").tempdir().expect("a temporary folder");
        Self { folder }
    }

    /// The same where files live in memory, if this machine has such a place: for tests of many commits and no power cut.
    pub fn in_memory() -> Self {
        let memory = std::path::Path::new("/dev/shm");
        if !memory.is_dir() {
            return Self::new();
        }
        let folder = tempfile::Builder::new().prefix("renewd-sqlite-").tempdir_in(memory).expect("a folder in memory");
        Self { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("renewd.db")
    }

    /// For `DATABASE_URL`.
    pub fn url(&self) -> String {
        format!("sqlite://{}", self.path().display())
    }
}
