//! The file itself: where it lies, and whether it is still the one that was opened.

use crate::store::StoreError;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file as it was when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl OpenFile {
    /// `None` where there is no file: a database in memory.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self { path: path.to_owned(), device: found.dev(), inode: found.ino() })
    }

    /// A file that was deleted or replaced is still written to, and nobody will ever read what is written.
    ///
    /// # Errors
    /// [`StoreError::Row`] where its path leads elsewhere by now.
    pub(crate) fn assert_in_place(&self) -> Result<(), StoreError> {
        if Self::at(&self.path).as_ref() == Some(self) {
            return Ok(());
        }
        Err(refusal(
            &self.path,
            "was deleted, moved or replaced while it was open, so nothing more is written and nothing more is charged: \
             put back the file that was there, then run it again",
        ))
    }
}

/// Locks and shared memory are not to be relied on over a network, and a commit may be lost there.
///
/// # Errors
/// [`StoreError::Row`] with the name of the file system.
pub(super) fn refuse_network(path: &Path) -> Result<(), StoreError> {
    match network_file_system(path) {
        None => Ok(()),
        Some(name) => {
            Err(refusal(path, &format!("lies on a network file system ({name}): move the database to a local disk")))
        }
    }
}

fn refusal(path: &Path, problem: &str) -> StoreError {
    StoreError::Row { table: "the SQLite file", key: path.display().to_string(), problem: problem.to_owned() }
}

#[cfg(target_os = "linux")]
fn network_file_system(path: &Path) -> Option<&'static str> {
    // The file may not be there yet; its folder is then asked.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let kind = rustix::fs::statfs(path).or_else(|_| rustix::fs::statfs(folder)).ok()?.f_type;
    // Kinds have 32 bits, which some machines keep as a negative number.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the lower 32 bits are meant")]
    let kind = kind as u32;
    NETWORK_KINDS.iter().find(|(network, _)| *network == kind).map(|(_, name)| *name)
}

#[cfg(not(target_os = "linux"))]
fn network_file_system(_: &Path) -> Option<&'static str> {
    None
}

/// What `statfs` says of file systems that are shared between machines (`linux/magic.h`, `man 2 statfs`).
#[cfg(target_os = "linux")]
const NETWORK_KINDS: [(u32, &str); 9] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
];
