//! "Did you mean …?": the known name that a misspelt one is nearest to.

/// The nearest of `known`, if it is near enough that a person would take one for the other.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // A third of the letters wrong is another word.
    let limit = (name.chars().count() / 3).clamp(1, 6);
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

/// Letters to insert, delete or replace to turn `a` into `b` (Levenshtein), one row of the table at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [("", "", 0), ("abc", "", 3), ("", "abc", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        let known = ["gateway.call_timeout", "gateway.connect_timeout", "log.level"];
        assert_eq!(nearest("gateway.cal_timeout", known).as_deref(), Some("gateway.call_timeout"));
        assert_eq!(nearest("log.levle", known).as_deref(), Some("log.level"));
        assert_eq!(nearest("smtp.password", known), None);
    }
}
