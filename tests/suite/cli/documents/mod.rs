//! The documents are true: their commands are commands and work, their links lead somewhere, and what they name exists.
//!
//! What a document says beside that only a reader can judge.

mod commands;
mod examples;
mod lines;
mod names;

use std::fs;
use std::path::{Path, PathBuf};

/// A Markdown file of this project.
pub struct Document {
    /// From the project's folder on.
    pub path: String,
    pub text: String,
}

/// A fenced block.
pub struct Block<'d> {
    /// What stands after the fence, such as `sh` or `json event`.
    pub kind: &'d str,
    pub text: &'d str,
}

impl Document {
    fn read(path: &str) -> Self {
        let text = fs::read_to_string(root().join(path)).unwrap_or_else(|problem| panic!("{path}: {problem}"));
        Self { path: path.to_owned(), text }
    }

    /// Fenced blocks, in order.
    pub fn blocks(&self) -> impl Iterator<Item = Block<'_>> {
        let fenced = self.text.split("```").skip(1).step_by(2);
        fenced.filter_map(|block| block.split_once('\n')).map(|(kind, text)| Block { kind: kind.trim(), text })
    }

    /// The text of the first block of this kind.
    pub fn block(&self, kind: &str) -> &str {
        let found = self.blocks().find(|block| block.kind == kind);
        found.unwrap_or_else(|| panic!("{} has no block {kind:?}", self.path)).text
    }

    /// All but the fenced blocks, in one line each: a code span may be broken where a line is full.
    pub fn prose(&self) -> String {
        let outside: Vec<&str> = self.text.split("```").step_by(2).collect();
        outside.join("\n")
    }

    /// What stands between backticks outside of blocks.
    pub fn spans(&self) -> Vec<String> {
        let prose = self.prose();
        prose.split('`').skip(1).step_by(2).map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// `docs/*.md`, by name.
pub fn guides() -> Vec<Document> {
    let names = fs::read_dir(root().join("docs")).expect("our own folder").flatten();
    let mut names: Vec<String> = names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.ends_with(".md"));
    names.sort();
    names.iter().map(|name| Document::read(&format!("docs/{name}"))).collect()
}

/// The guides, and everything else that a user of the program reads.
pub fn all() -> Vec<Document> {
    let mut all = guides();
    let single = ["README.md", "CHANGELOG.md", "migrations/README.md", "tests/FAULTS.md", "fuzz/README.md"];
    all.extend(single.map(Document::read));
    all.extend(["deploy", "benches"].iter().flat_map(|folder| readmes(&root().join(folder))));
    all
}

fn readmes(folder: &Path) -> Vec<Document> {
    let entries = fs::read_dir(folder).expect("our own folder").flatten().map(|entry| entry.path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    let own = files.iter().filter(|path| path.extension().is_some_and(|end| end == "md"));
    let name = |path: &Path| path.strip_prefix(root()).expect("below it").to_string_lossy().into_owned();
    let mut found: Vec<Document> = own.map(|path| Document::read(&name(path))).collect();
    found.extend(folders.iter().flat_map(|folder| readmes(folder)));
    found
}
