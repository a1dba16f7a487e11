//! Reads Rust far enough to ask questions of it: words, strings and marks with their lines, without comments.

use std::fs;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// An identifier, a keyword, a number.
    Word(String),
    /// What a string literal holds; escaped white space is a blank.
    Text(String),
    /// Any other character.
    Mark(char),
}

/// One source file, by its path below the crate's folder: `src/domain/due.rs`.
pub struct Source {
    pub path: String,
    /// With the line that each starts on, from 1.
    pub tokens: Vec<(usize, Token)>,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), tokens: Reader::new(text).tokens() }
    }

    pub fn is_word(&self, index: usize, word: &str) -> bool {
        matches!(self.tokens.get(index), Some((_, Token::Word(found))) if found == word)
    }

    pub fn is_mark(&self, index: usize, mark: char) -> bool {
        matches!(self.tokens.get(index), Some((_, Token::Mark(found))) if *found == mark)
    }

    pub fn word(&self, index: usize) -> Option<&str> {
        match self.tokens.get(index) {
            Some((_, Token::Word(word))) => Some(word),
            _ => None,
        }
    }

    pub fn texts(&self) -> impl Iterator<Item = (usize, &str)> {
        self.tokens.iter().filter_map(|(line, token)| match token {
            Token::Text(text) => Some((*line, text.as_str())),
            _ => None,
        })
    }
}

/// Every file below `folder` (itself below the crate's folder) that ends in `.extension`, sorted.
pub fn files(folder: &str, extension: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.expect("a readable folder").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path.strip_prefix(root).expect("below the crate").to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

pub fn exists(path: &str) -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).is_file()
}

pub fn text_of(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a readable text file")
}

pub fn sources(folder: &str) -> Vec<Source> {
    files(folder, "rs").iter().map(|path| Source::new(path, &text_of(path))).collect()
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    line: usize,
}

impl Reader {
    fn new(text: &str) -> Self {
        Self { chars: text.chars().collect(), at: 0, line: 1 }
    }

    fn tokens(mut self) -> Vec<(usize, Token)> {
        let mut tokens = Vec::new();
        while let Some(c) = self.peek(0) {
            let line = self.line;
            match c {
                '/' if self.peek(1) == Some('/') => self.skip_line(),
                '/' if self.peek(1) == Some('*') => self.skip_block(),
                '"' => tokens.push((line, self.string())),
                '\'' => self.skip_char_or_quote(),
                c if c.is_whitespace() => self.step(),
                c if c.is_alphanumeric() || c == '_' => {
                    if let Some(token) = self.word_or_raw_string() {
                        tokens.push((line, token));
                    }
                }
                c => {
                    self.step();
                    tokens.push((line, Token::Mark(c)));
                }
            }
        }
        tokens
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn step(&mut self) {
        self.line += usize::from(self.peek(0) == Some('\n'));
        self.at += 1;
    }

    fn skip_line(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.step();
        }
    }

    fn skip_block(&mut self) {
        let mut depth = 0;
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth -= 1,
                _ => {
                    self.step();
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                return;
            }
        }
    }

    /// A character literal is passed over; of a lifetime only the quote is, its name reads as a word.
    fn skip_char_or_quote(&mut self) {
        let is_escape = self.peek(1) == Some('\\');
        if !is_escape && self.peek(2) != Some('\'') {
            return self.step();
        }
        self.at += if is_escape { 3 } else { 2 };
        while self.peek(0).is_some_and(|c| c != '\'') {
            self.step();
        }
        self.step();
    }

    fn string(&mut self) -> Token {
        let mut text = String::new();
        self.step();
        while let Some(c) = self.peek(0).filter(|c| *c != '"') {
            self.step();
            if c != '\\' {
                text.push(c);
                continue;
            }
            let escaped = self.peek(0).unwrap_or(' ');
            self.step();
            text.push(if matches!(escaped, 'n' | 'r' | 't' | '\n') { ' ' } else { escaped });
        }
        self.step();
        Token::Text(text)
    }

    fn word_or_raw_string(&mut self) -> Option<Token> {
        let mut word = String::new();
        while let Some(c) = self.peek(0).filter(|c| c.is_alphanumeric() || *c == '_') {
            word.push(c);
            self.step();
        }
        let hashes = (0..).take_while(|ahead| self.peek(*ahead) == Some('#')).count();
        let opens = self.peek(hashes) == Some('"');
        match word.as_str() {
            "r" | "br" | "cr" if opens => Some(self.raw_string(hashes)),
            "r" if hashes == 1 => {
                self.step();
                self.word_or_raw_string()
            }
            // The prefix of a literal says nothing; the literal is read next.
            "b" | "c" if hashes == 0 && (opens || self.peek(0) == Some('\'')) => None,
            _ => Some(Token::Word(word)),
        }
    }

    fn raw_string(&mut self, hashes: usize) -> Token {
        let mut text = String::new();
        self.at += hashes + 1;
        while let Some(c) = self.peek(0) {
            if c == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                break;
            }
            text.push(c);
            self.step();
        }
        self.at += hashes + 1;
        Token::Text(text)
    }
}

#[test]
fn comments_lifetimes_and_quotes_do_not_confuse_the_reader() {
    let source = Source::new(
        "src/x.rs",
        "// \"no\"\n/* no /* no */ no */ fn f<'a>(c: char) { ('\"', '\\'', b'x', \"a\\\"b\",\n r#\"c\"d\"#, r#type) }",
    );
    let texts: Vec<_> = source.texts().collect();
    assert_eq!(texts, [(2, "a\"b"), (3, "c\"d")]);
    let words: Vec<_> = (0..source.tokens.len()).filter_map(|index| source.word(index)).collect();
    assert_eq!(words, ["fn", "f", "a", "c", "char", "type"]);
}
