//! What the words behind the page's path ask for: HAProxy's `;csv`, `;norefresh`, `;st=DONE`, and ours.

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wish {
    /// In what form.
    pub form: Form,
    /// Only servers that are up.
    pub up: bool,
    /// No servers that are out of service.
    pub no_maint: bool,
    /// It is not to look at itself again.
    pub no_refresh: bool,
    /// Only proxies with this in their name.
    pub scope: String,
    /// What came of what an operator has just sent.
    pub said: Option<Said>,
}

/// In what form it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// The page itself.
    #[default]
    Page,
    /// HAProxy's CSV listing.
    Csv,
    /// HAProxy's JSON listing.
    Json,
    /// How the page looks.
    Style,
    /// What keeps the page fresh.
    Script,
}

/// What came of what an operator sent, in HAProxy's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// All of it was done.
    Done,
    /// Some of it.
    Partly,
    /// There was nothing to do.
    Nothing,
    /// It could not be read.
    Unreadable,
    /// It was too much.
    TooLarge,
    /// The sender may not change anything.
    Denied,
    /// The action, or what it is to be done to, is none.
    Invalid,
}

impl Said {
    const ALL: [(&'static str, Self); 7] = [
        ("DONE", Self::Done),
        ("PART", Self::Partly),
        ("NONE", Self::Nothing),
        ("ERRP", Self::Unreadable),
        ("EXCD", Self::TooLarge),
        ("DENY", Self::Denied),
        ("IVAL", Self::Invalid),
    ];

    /// HAProxy's word for it.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, said)| *said == self).map_or("UNKN", |(word, _)| word)
    }

    fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(w, _)| *w == word).map(|(_, said)| *said)
    }

    /// For a person.
    pub fn text(self) -> &'static str {
        match self {
            Self::Done => "Done.",
            Self::Partly => "Some of it is done; the rest could not be done.",
            Self::Nothing => "Nothing was chosen, or nothing had to be done.",
            Self::Unreadable => "Nothing is done: what was sent could not be read.",
            Self::TooLarge => "Nothing is done: too many servers at once.",
            Self::Denied => {
                "Nothing is done: you may not change anything here (admin_if, or a form of another site)."
            }
            Self::Invalid => "Nothing is done: there is no such action, proxy or server.",
        }
    }

    /// Whether it went as it was meant.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Done)
    }
}

impl Wish {
    /// What the words say. Those nobody knows are passed over, as HAProxy does.
    pub fn read(rest: &[u8]) -> Self {
        let rest = String::from_utf8_lossy(rest);
        let mut wish = Self::default();
        for word in rest.split([';', '?', '&']) {
            match word {
                "csv" => wish.form = Form::Csv,
                "json" => wish.form = Form::Json,
                "css" => wish.form = Form::Style,
                "js" => wish.form = Form::Script,
                "up" => wish.up = true,
                "no-maint" => wish.no_maint = true,
                "norefresh" => wish.no_refresh = true,
                _ => match word.split_once('=') {
                    Some(("scope", text)) => wish.scope = decoded(text),
                    Some(("st", word)) => wish.said = Said::named(word),
                    _ => {}
                },
            }
        }
        wish
    }

    /// The words that ask for the same, without what was said.
    pub fn words(&self) -> String {
        let mut words = String::new();
        let flags = [(self.up, ";up"), (self.no_maint, ";no-maint"), (self.no_refresh, ";norefresh")];
        flags.into_iter().filter(|(set, _)| *set).for_each(|(_, word)| words.push_str(word));
        if !self.scope.is_empty() {
            words.push_str(";scope=");
            words.extend(form_urlencoded::byte_serialize(self.scope.as_bytes()));
        }
        words
    }
}

/// A value as forms write it, at most [`LONGEST_SCOPE`] characters of it, those that are no control characters.
fn decoded(text: &str) -> String {
    let pair = format!("x={text}");
    let value = form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned());
    value.unwrap_or_default().chars().filter(|c| !c.is_control()).take(LONGEST_SCOPE).collect()
}

/// HAProxy's.
const LONGEST_SCOPE: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_ask_for_things() {
        let read = |text: &str| Wish::read(text.as_bytes());
        assert_eq!(read(""), Wish::default());
        assert_eq!(read(";csv;norefresh"), Wish { form: Form::Csv, no_refresh: true, ..Wish::default() });
        assert_eq!(read("?scope=a%20b&up").scope, "a b");
        assert_eq!(read(";scope=a%0d%0aset-cookie").scope, "aset-cookie");
        assert_eq!((read(";st=PART").said, read(";st=<b>").said), (Some(Said::Partly), None));
        let wish = read(";up;no-maint;norefresh;scope=web+1;st=DONE;json");
        assert_eq!(wish.words(), ";up;no-maint;norefresh;scope=web+1");
        assert_eq!(Said::Denied.word(), "DENY");
    }
}
