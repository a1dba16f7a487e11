//! Sentences of the engine in Korean: what it says in English, with a hole for what it fills in.
//!
//! The engine has one language, which is also that of the log and the command line. What people of operations meet on
//! these pages is known here by its English; what is not is shown as it is.

/// A hole in a sentence.
const HOLE: &str = "{}";

/// The Korean of a sentence; `None` where it is not known.
pub fn korean(sentence: &str) -> Option<String> {
    SENTENCES.iter().find_map(|(english, korean)| Some(filled(korean, &holes(english, sentence)?)))
}

/// What stands in the holes, where the sentence is this one.
fn holes<'s>(pattern: &str, sentence: &'s str) -> Option<Vec<&'s str>> {
    let mut parts = pattern.split(HOLE);
    let mut rest = sentence.strip_prefix(parts.next()?)?;
    let mut holes = Vec::new();
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        // The last part ends the sentence; each before it ends its hole where it comes first.
        let end = match (part.is_empty(), parts.peek()) {
            (true, _) => rest.len(),
            (false, None) => rest.len().checked_sub(part.len()).filter(|_| rest.ends_with(part))?,
            (false, Some(_)) => rest.find(part)?,
        };
        holes.push(&rest[..end]);
        rest = &rest[end + part.len()..];
    }
    rest.is_empty().then_some(holes)
}

/// `{0}`, `{1}` stand for the holes in their order; what is in them may itself be a sentence.
fn filled(text: &str, holes: &[&str]) -> String {
    holes.iter().enumerate().fold(text.to_owned(), |text, (at, hole)| {
        let told = korean(hole).unwrap_or_else(|| (*hole).to_owned());
        text.replace(&format!("{{{at}}}"), &told)
    })
}

const SENTENCES: &[(&str, &str)] = &[
    // What is next
    ("it is being charged now; what comes of it is looked up before it is recorded", "지금 결제 중이며, 결과를 조회한 뒤 기록합니다"),
];
