//! Which paths a file names: in `use` trees and in the middle of code, resolved to where they lead.

use super::source::{Source, Token};
use std::collections::{BTreeMap, BTreeSet};

/// `path` starts with `crate` when it leads into this crate, else with another crate's name; a glob ends with `*`.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    pub line: usize,
    pub path: Vec<String>,
}

/// Every module of the crate that is a file, as a path from `crate`.
pub fn modules(sources: &[Source]) -> BTreeSet<Vec<String>> {
    sources.iter().map(|source| module_of(&source.path)).collect()
}

/// `src/domain/due.rs` is `crate::domain::due`; `src/domain/mod.rs` is `crate::domain`.
pub fn module_of(path: &str) -> Vec<String> {
    let below = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    let below = below.trim_end_matches("mod").trim_end_matches('/');
    let names = below.split('/').filter(|name| !matches!(*name, "" | "lib" | "main"));
    std::iter::once("crate").chain(names).map(str::to_owned).collect()
}

pub fn named(source: &Source, modules: &BTreeSet<Vec<String>>) -> Vec<Named> {
    let walk = Walk { source, modules, at: 0, imported: BTreeMap::new(), inside: Vec::new(), depth: 0, found: vec![] };
    walk.run()
}

struct Walk<'a> {
    source: &'a Source,
    modules: &'a BTreeSet<Vec<String>>,
    at: usize,
    /// What `use` brought in, by the name that it goes by here.
    imported: BTreeMap<String, Vec<String>>,
    /// Modules written in this file that we are in, with the depth of braces that each opened at.
    inside: Vec<(String, usize)>,
    depth: usize,
    found: Vec<Named>,
}

impl Walk<'_> {
    fn run(mut self) -> Vec<Named> {
        while let Some((_, token)) = self.source.tokens.get(self.at) {
            match token {
                Token::Mark('{') => self.depth += 1,
                Token::Mark('}') => self.leave(),
                Token::Word(word) if word == "mod" && self.source.is_mark(self.at + 2, '{') => self.enter(),
                Token::Word(word) if word == "use" && !self.source.is_mark(self.at + 1, '<') => {
                    self.at += 1;
                    self.use_tree(&[]);
                    continue;
                }
                Token::Word(_) => {
                    self.inline_path();
                    continue;
                }
                Token::Mark(_) | Token::Text(_) => {}
            }
            self.at += 1;
        }
        self.found
    }

    fn enter(&mut self) {
        let name = self.source.word(self.at + 1).unwrap_or_default();
        self.inside.push((name.to_owned(), self.depth));
        self.depth += 1;
        self.at += 2;
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        if self.inside.last().is_some_and(|(_, opened)| *opened == self.depth) {
            self.inside.pop();
        }
    }

    fn inline_path(&mut self) {
        let line = self.source.tokens[self.at].0;
        let outside = self.is_separator(self.at.saturating_sub(2));
        let path = self.segments();
        if path.len() > 1 {
            let path = if outside { path } else { self.resolve(path) };
            self.found.push(Named { line, path });
        }
    }

    /// One branch of a `use`; ends before the `,`, `}` or `;` behind it.
    fn use_tree(&mut self, prefix: &[String]) {
        if self.is_separator(self.at) {
            self.at += 2;
        }
        let line = self.source.tokens.get(self.at).map_or(0, |(line, _)| *line);
        let mut path = prefix.to_vec();
        if self.source.is_mark(self.at, '*') {
            path.push("*".to_owned());
            self.at += 1;
        }
        path.extend(self.segments());
        if self.source.is_mark(self.at, '{') {
            while !self.source.is_mark(self.at, '}') && self.at < self.source.tokens.len() {
                self.at += 1;
                if !self.source.is_mark(self.at, '}') {
                    self.use_tree(&path);
                }
            }
            self.at += 1;
            return;
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let mut name = path.last().cloned().unwrap_or_default();
        if self.source.is_word(self.at, "as") {
            name = self.source.word(self.at + 1).unwrap_or_default().to_owned();
            self.at += 2;
        }
        let path = self.resolve(path);
        self.imported.insert(name, path.clone());
        self.found.push(Named { line, path });
    }

    /// Reads `a::b::c`, `a::b::*`, and `a::b::` before a group or a turbofish.
    fn segments(&mut self) -> Vec<String> {
        let mut path = Vec::new();
        loop {
            match self.source.tokens.get(self.at) {
                Some((_, Token::Word(word))) => path.push(word.clone()),
                Some((_, Token::Mark('*'))) if self.is_separator(self.at.saturating_sub(2)) => {
                    path.push("*".to_owned())
                }
                _ => return path,
            }
            self.at += 1;
            if !self.is_separator(self.at) {
                return path;
            }
            self.at += 2;
        }
    }

    fn is_separator(&self, index: usize) -> bool {
        self.source.is_mark(index, ':') && self.source.is_mark(index + 1, ':')
    }

    fn resolve(&self, path: Vec<String>) -> Vec<String> {
        let mut here = module_of(&self.source.path);
        here.extend(self.inside.iter().map(|(name, _)| name.clone()));
        let mut rest = path.as_slice();
        match rest.first().map(String::as_str) {
            Some("crate" | "renewd") => return [&["crate".to_owned()], &rest[1..]].concat(),
            Some("self") => rest = &rest[1..],
            Some("super") => {}
            Some(name) => {
                if let Some(imported) = self.imported.get(name).filter(|imported| imported.as_slice() != rest) {
                    return [imported, &rest[1..]].concat();
                }
                here.push(name.to_owned());
                if !self.modules.contains(&here) {
                    return path;
                }
                here.pop();
            }
            None => return path,
        }
        while rest.first().is_some_and(|name| name == "super") {
            here.pop();
            rest = &rest[1..];
        }
        [&here, rest].concat()
    }
}

#[cfg(test)]
fn named_in(path: &str, text: &str) -> Vec<String> {
    let tree =
        ["src/lib.rs", "src/store/mod.rs", "src/store/postgres/mod.rs", "src/engine/mod.rs", "src/engine/backoff.rs"];
    let sources: Vec<_> = tree.iter().map(|path| Source::new(path, "")).collect();
    named(&Source::new(path, text), &modules(&sources)).into_iter().map(|named| named.path.join("::")).collect()
}

#[test]
fn use_trees_are_followed_into_groups_and_names() {
    let text = "use crate::{store::{self, postgres::{Pool as P, *}}, domain::ids};\nfn f() { P::new(); store::read() }";
    assert_eq!(
        named_in("src/engine/run.rs", text),
        [
            "crate::store",
            "crate::store::postgres::Pool",
            "crate::store::postgres::*",
            "crate::domain::ids",
            "crate::store::postgres::Pool::new",
            "crate::store::read",
        ]
    );
}

#[test]
fn relative_paths_are_resolved_from_the_module_they_stand_in() {
    assert_eq!(named_in("src/store/postgres/claim.rs", "super::super::sqlite::x()"), ["crate::store::sqlite::x"]);
    assert_eq!(named_in("src/store/mod.rs", "fn f() -> postgres::Pool {}"), ["crate::store::postgres::Pool"]);
    assert_eq!(named_in("src/engine/run.rs", "mod tests { use super::super::plan; }"), ["crate::engine::plan"]);
    assert_eq!(named_in("src/engine/run.rs", "mod tests {} use super::super::store;"), ["crate::store"]);
    assert_eq!(named_in("src/engine/run.rs", "self::x::y()"), ["crate::engine::run::x::y"]);
}

#[test]
fn a_crate_is_told_from_a_module_of_its_name() {
    assert_eq!(named_in("src/engine/mod.rs", "backoff::Intervals::new()"), ["crate::engine::backoff::Intervals::new"]);
    assert_eq!(named_in("src/engine/mod.rs", "::backoff::Intervals::new()"), ["backoff::Intervals::new"]);
    assert_eq!(named_in("src/engine/run.rs", "use backoff; fn f() { backoff::x() }"), ["backoff", "backoff::x"]);
    assert_eq!(named_in("src/main.rs", "renewd::cli::main()"), ["crate::cli::main"]);
}
