//! One value at a time: from TOML to numbers, durations, words and parsed text.

use std::time::Duration;

use toml::de::DeValue;

use super::{Node, Reader, shown};
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::keys::{Key, Type};
use crate::config::source::Spanned;
use crate::config::suggest::nearest;
use crate::config::value::{self, Bad};

/// A value's type, as it reads after "not".
pub(super) const fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

impl Reader<'_> {
    /// Reports a value of the wrong type.
    pub(in crate::config) fn wrong_type(&mut self, key: &Key, node: Node<'_>, help: Option<String>) {
        let message = format!("`{}` must be {}, not {}", key.name, key.ty, type_name(node.value));
        self.push(Diagnostic::error(Code::WrongType, node.span, message).help_if(help));
    }

    /// Reports a value of the right type that is none of the possible ones.
    pub(in crate::config) fn bad_value(&mut self, key: &Key, node: Node<'_>, text: &str, bad: Bad) {
        let message = format!("`{}`: {} {}", key.name, shown(text), bad.why);
        self.push(Diagnostic::error(Code::BadValue, node.span, message).help_if(bad.help));
    }

    pub(in crate::config) fn bool(&mut self, key: &'static Key, node: Node<'_>) -> Option<Spanned<bool>> {
        let Some(value) = node.value.as_bool() else {
            let meant = match node.value.as_str() {
                Some("true" | "yes" | "on") => Some("true, without quotes".to_owned()),
                Some("false" | "no" | "off") => Some("false, without quotes".to_owned()),
                Some(_) | None => None,
            };
            self.wrong_type(key, node, meant);
            return None;
        };
        Some(Spanned::new(value, node.span))
    }

    /// A whole number within the key's range. `T` holds that range.
    pub(in crate::config) fn int<T: TryFrom<i64>>(
        &mut self,
        key: &'static Key,
        node: Node<'_>,
    ) -> Option<Spanned<T>> {
        let Some(number) = node.value.as_integer() else {
            let quoted = node.value.as_str().filter(|s| s.parse::<i64>().is_ok());
            self.wrong_type(key, node, quoted.map(|s| format!("{s}, without quotes")));
            return None;
        };
        let value = i64::from_str_radix(number.as_str(), number.radix()).ok();
        let Type::Int { min, max } = key.ty else { return None };
        let value = value.filter(|v| (min..=max).contains(v)).and_then(|v| T::try_from(v).ok());
        if value.is_none() {
            let message = format!("`{}` must be {}, not {number}", key.name, key.ty);
            self.push(Diagnostic::error(Code::BadValue, node.span, message));
        }
        Some(Spanned::new(value?, node.span))
    }

    /// A duration within the key's range.
    pub(in crate::config) fn duration(
        &mut self,
        key: &'static Key,
        node: Node<'_>,
    ) -> Option<Spanned<Duration>> {
        if let Some(number) = node.value.as_integer() {
            self.wrong_type(key, node, Some(format!("say the unit: \"{number}ms\" or \"{number}s\"")));
            return None;
        }
        let found = self.parsed(key, node, value::duration)?;
        let Type::Duration { min_ms, max_ms } = key.ty else { return None };
        let range = Duration::from_millis(min_ms)..=Duration::from_millis(max_ms);
        if range.contains(&found.value) {
            return Some(found);
        }
        let message = format!("`{}` must be {}, not {}", key.name, key.ty, value::show(found.value));
        self.push(Diagnostic::error(Code::BadValue, node.span, message));
        None
    }

    /// A size in bytes within the key's range.
    pub(in crate::config) fn size(&mut self, key: &'static Key, node: Node<'_>) -> Option<Spanned<u64>> {
        if let Some(number) = node.value.as_integer() {
            self.wrong_type(key, node, Some(format!("say the unit: \"{number}B\" or \"{number}KiB\"")));
            return None;
        }
        let found = self.parsed(key, node, value::size)?;
        let Type::Size { min, max } = key.ty else { return None };
        if (min..=max).contains(&found.value) {
            return Some(found);
        }
        let message = format!("`{}` must be {}, not {}", key.name, key.ty, value::show_bytes(found.value));
        self.push(Diagnostic::error(Code::BadValue, node.span, message));
        None
    }

    /// One of the key's words.
    pub(in crate::config) fn word(
        &mut self,
        key: &'static Key,
        node: Node<'_>,
    ) -> Option<Spanned<&'static str>> {
        let text = self.text(key, node)?;
        let Type::Word(words) = key.ty else { return None };
        if let Some(word) = words.iter().find(|w| **w == text.value) {
            return Some(Spanned::new(word, node.span));
        }
        let message = format!("`{}` must be {}, not {}", key.name, key.ty, shown(&text.value));
        let d = Diagnostic::error(Code::BadValue, node.span, message);
        let d = match nearest(&text.value, words.iter().copied()) {
            Some(meant) => d.replace_with(format!("\"{meant}\"")),
            None => d,
        };
        self.push(d);
        None
    }

    /// Any text.
    pub(in crate::config) fn text(&mut self, key: &'static Key, node: Node<'_>) -> Option<Spanned<String>> {
        let Some(text) = node.value.as_str() else {
            self.wrong_type(key, node, None);
            return None;
        };
        Some(Spanned::new(text.to_owned(), node.span))
    }

    /// Text that a function turns into a value.
    pub(in crate::config) fn parsed<T>(
        &mut self,
        key: &'static Key,
        node: Node<'_>,
        parse: impl FnOnce(&str) -> Result<T, Bad>,
    ) -> Option<Spanned<T>> {
        self.parsed_as(Code::BadValue, key, node, parse)
    }

    /// Text that is an address of some kind.
    pub(in crate::config) fn address<T>(
        &mut self,
        key: &'static Key,
        node: Node<'_>,
        parse: impl FnOnce(&str) -> Result<T, Bad>,
    ) -> Option<Spanned<T>> {
        self.parsed_as(Code::BadAddress, key, node, parse)
    }

    /// Text that names something of the operator's.
    pub(in crate::config) fn name(&mut self, key: &'static Key, node: Node<'_>) -> Option<Spanned<String>> {
        let text = node.value.as_str().unwrap_or("").to_owned();
        self.parsed_as(Code::BadName, key, node, value::name).map(|v| v.map(|()| text))
    }

    fn parsed_as<T>(
        &mut self,
        code: Code,
        key: &'static Key,
        node: Node<'_>,
        parse: impl FnOnce(&str) -> Result<T, Bad>,
    ) -> Option<Spanned<T>> {
        let text = self.text(key, node)?;
        match parse(&text.value) {
            Ok(value) => Some(Spanned::new(value, node.span)),
            Err(bad) => {
                let message = format!("`{}`: {} {}", key.name, shown(&text.value), bad.why);
                self.push(Diagnostic::error(code, node.span, message).help_if(bad.help));
                None
            }
        }
    }
}
