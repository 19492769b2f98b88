//! A line of input: commands between semicolons, words between blanks.

/// The commands of a line. A line with nothing on it is one command without words.
pub(super) fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let mut chars = line.trim_end_matches(['\r', '\n']).chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                // What follows is no separator.
                let next = chars.next().unwrap_or('\\');
                word.get_or_insert_default().push(next);
            }
            ';' => {
                words.extend(word.take());
                commands.push(std::mem::take(&mut words));
            }
            ' ' | '\t' => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    // Also behind a semicolon at the end, as HAProxy 2.8 does it.
    commands.push(words);
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_apart_at_semicolons_and_blanks() {
        let cases: [(&str, &[&[&str]]); 8] = [
            ("show info", &[&["show", "info"]]),
            ("  show\tinfo \r\n", &[&["show", "info"]]),
            ("a b; c", &[&["a", "b"], &["c"]]),
            ("a;b;", &[&["a"], &["b"], &[]]),
            ("", &[&[]]),
            ("a; ;b", &[&["a"], &[], &["b"]]),
            ("a\\;b c\\ d", &[&["a;b", "c d"]]),
            ("a\\", &[&["a\\"]]),
        ];
        for (line, expected) in cases {
            assert_eq!(commands(line), expected, "{line:?}");
        }
    }
}
