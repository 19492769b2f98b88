//! Secret values: said here, or where to find them.

use std::path::PathBuf;

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::environment::{External, FetchError, Privacy};
use crate::config::keys::Key;
use crate::config::read::{Node, Reader, shown};
use crate::config::secret::{Secret, is_placeholder};
use crate::config::source::Spanned;

/// A secret that nobody but the keeper needs, fetched from where the value says. Placeholders are refused.
pub(super) fn secret(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Spanned<Secret>> {
    let bytes = read(cx, key, node, Privacy::Secret)?;
    Some(Spanned::new(Secret::new(bytes), node.span))
}

/// A password that the worker compares with what clients say, fetched from where the value says.
pub(super) fn password(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<u8>> {
    let bytes = read(cx, key, node, Privacy::Password)?;
    if bytes.is_empty() {
        let message = format!("`{}` has an empty password", key.name);
        cx.push(Diagnostic::error(Code::BadValue, node.span, message));
    }
    Some(bytes)
}

fn read(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>, privacy: Privacy) -> Option<Vec<u8>> {
    let text = cx.text(key, node)?;
    let bytes = match reference(&text.value) {
        None => text.value.into_bytes(),
        Some(Ok(external)) => fetch(cx, key, node, (&external, privacy))?,
        Some(Err(why)) => {
            cx.push(Diagnostic::error(Code::BadValue, node.span, format!("`{}`: {why}", key.name)));
            return None;
        }
    };
    if is_placeholder(&bytes) {
        let message = format!("`{}` is a password from a manual", key.name);
        let help = format!("choose your own; {} = \"file:/etc/evenkeel/{}\"", key.name, key.name);
        cx.push(Diagnostic::error(Code::SecretPlaceholder, node.span, message).help(help));
        return None;
    }
    Some(bytes)
}

/// What a value refers to, if it does.
fn reference(text: &str) -> Option<Result<External, String>> {
    if let Some(path) = text.strip_prefix("file:") {
        let found = if path.is_empty() {
            Err("no path after `file:`".to_owned())
        } else {
            Ok(External::File(PathBuf::from(path)))
        };
        return Some(found);
    }
    if let Some(name) = text.strip_prefix("env:") {
        let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        return Some(if good {
            Ok(External::Env(name.to_owned()))
        } else {
            Err(format!("{} names no variable", shown(name)))
        });
    }
    let name = text.strip_prefix("cred:")?;
    // A credential is a file name in one directory, never a path out of it.
    let good = !name.is_empty() && name != "." && name != ".." && !name.contains('/');
    Some(if good {
        Ok(External::Cred(name.to_owned()))
    } else {
        Err(format!("{} names no credential", shown(name)))
    })
}

/// The bytes without the newline that editors put at the end of a file.
fn fetch(
    cx: &mut Reader<'_>,
    key: &Key,
    node: Node<'_>,
    (what, privacy): (&External, Privacy),
) -> Option<Vec<u8>> {
    match cx.externals.fetch(what, privacy, MAX_BYTES) {
        Ok(mut bytes) => {
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
            Some(bytes)
        }
        Err(FetchError::Unreadable(why)) => {
            cx.push(Diagnostic::error(
                Code::Unreadable,
                node.span,
                format!("cannot read `{}`: {why}", key.name),
            ));
            None
        }
        Err(FetchError::Exposed(mode)) => {
            let message = format!(
                "{} is open to every user of this machine (mode {mode:04o})",
                shown(&what.to_string())
            );
            let path = what.to_string();
            let path = path.split_once(':').map_or("FILE", |(_, p)| p);
            cx.push(
                Diagnostic::error(Code::SecretExposed, node.span, message).help(format!("chmod o= {path}")),
            );
            None
        }
    }
}

/// Keys and passwords are short; a path to something else is a mistake.
const MAX_BYTES: u64 = 64 << 10;
