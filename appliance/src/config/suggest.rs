//! "Did you mean": the nearest of a list of words.

/// The candidate that was most likely meant: the same word in another notation, within two edits
/// (Damerau–Levenshtein, at most a third of the word), or one that starts with it.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = normal(word);
    let allowed = (wanted.chars().count() / 3).clamp(1, 2);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other = normal(candidate);
        let prefix = wanted.len() >= 3 && (other.starts_with(&wanted) || wanted.starts_with(&other));
        let near = distance(&wanted, &other);
        let rank = if near <= allowed { Some(near) } else { prefix.then_some(3) };
        if let Some(rank) = rank
            && best.is_none_or(|(r, _)| rank < r)
        {
            best = Some((rank, candidate));
        }
    }
    best.map(|(_, c)| c)
}

fn normal(word: &str) -> String {
    word.to_lowercase().replace(['-', '.'], "_")
}

/// Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |r: &[usize], k: usize| r.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut d = (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x) {
                d = d.min(at(&before, j - 1) + 1);
            }
            row.push(d);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, d) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("wieght", "weight", 1),
            ("timout", "timeout", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), d, "{a} {b}");
        }
    }

    #[test]
    fn suggestions() {
        let keys = ["weight", "backup", "fall", "rise", "virtual_router_id", "http_request", "interface"];
        for (typed, meant) in [
            ("wieght", Some("weight")),
            ("Weight", Some("weight")),
            ("virtual_router_idd", Some("virtual_router_id")),
            ("virtual-router-id", Some("virtual_router_id")),
            ("http-request", Some("http_request")),
            ("inter", Some("interface")),
            ("fal", Some("fall")),
            ("zzz", None),
            ("x", None),
        ] {
            assert_eq!(nearest(typed, keys), meant, "{typed}");
        }
    }
}
