//! A line of input: commands between semicolons, words between blanks, and whether more lines belong to it.

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

/// A line whose last command has a payload in the lines that follow (HAProxy: `<<`): the line without that, and the line that
/// ends it, which is empty unless it is said: `<<EOF`.
pub(super) fn payload(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_end();
    let start = line.rfind([' ', '\t']).map_or(0, |blank| blank + 1);
    let (command, last) = line.split_at(start);
    let end = last.strip_prefix("<<").filter(|end| end.len() <= LONGEST_END)?;
    Some((command, end))
}

/// HAProxy's.
const LONGEST_END: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_lines_belong_to_a_command_that_says_so() {
        for (line, expected) in [
            ("set ssl cert a <<", Some(("set ssl cert a ", ""))),
            ("add map m <<\r\n", Some(("add map m ", ""))),
            ("a; b <<EOF \n", Some(("a; b ", "EOF"))),
            ("<<", Some(("", ""))),
            ("add map m k <<12345678", None),
            ("add map m k \\<<", None),
            ("add map m k v<<", None),
            ("a << b", None),
            ("", None),
        ] {
            assert_eq!(payload(line), expected, "{line:?}");
        }
    }

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
