//! `admin_socket`.

use std::path::{Path, PathBuf};

use crate::admin::Level;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::keys::{self, Key};
use crate::config::model::AdminSocket;
use crate::config::read::{Fields, Node, Reader};
use crate::config::value::Bad;

/// An array of admin sockets. One alone needs no array.
pub(super) fn sockets(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Vec<AdminSocket> {
    if node.elements().is_none() && node.value.as_table().is_none() {
        cx.wrong_type(key, node, Some("admin_socket = [{ path = \"/run/evenkeel/admin.sock\" }]".to_owned()));
        return Vec::new();
    }
    let mut sockets: Vec<AdminSocket> = Vec::new();
    for node in node.one_or_many() {
        let Some(socket) = socket(cx, node) else { continue };
        if sockets.iter().any(|s| s.path == socket.path) {
            let message = format!("two admin sockets at {}", socket.path.display());
            cx.push(Diagnostic::error(Code::Duplicate, node.span, message));
        }
        sockets.push(socket);
    }
    sockets
}

fn socket(cx: &mut Reader<'_>, node: Node<'_>) -> Option<AdminSocket> {
    let mut t = Fields::of(cx, &keys::ADMIN_SOCKET, node.key, node)?;
    let path = t.read(cx, "path", |cx, key, node| cx.parsed(key, node, path));
    let mode = t.read(cx, "mode", |cx, key, node| cx.parsed(key, node, mode));
    let user = t.read(cx, "user", Reader::name).map(|n| n.value);
    let group = t.read(cx, "group", Reader::name).map(|n| n.value);
    let level = t.read(cx, "level", Reader::word).and_then(|w| Level::named(w.value));
    let timeout = t.read(cx, "timeout", Reader::duration).map(|d| d.value);
    t.finish(cx);
    Some(AdminSocket {
        path: path?.value,
        mode: mode.map_or(0o660, |m| m.value),
        user,
        group,
        level: level.unwrap_or(Level::Operator),
        timeout: timeout.unwrap_or(std::time::Duration::from_secs(10)),
    })
}

/// The kernel takes 107 bytes.
fn path(text: &str) -> Result<PathBuf, Bad> {
    if !text.starts_with('/') {
        return Err(Bad::new("is no absolute path").help("\"/run/evenkeel/admin.sock\""));
    }
    if text.len() > 107 {
        return Err(Bad::new("is longer than the 107 bytes that the path of a socket can have"));
    }
    if text.contains('\0') || text.ends_with('/') {
        return Err(Bad::new("is the path of no file"));
    }
    Ok(Path::new(text).to_owned())
}

/// Permissions in octal, as `chmod` takes them.
fn mode(text: &str) -> Result<u32, Bad> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777 && text.len() <= 4);
    let mode = mode.ok_or_else(|| Bad::new("is no file mode").help("three octal digits, such as \"660\""))?;
    if mode & 0o600 != 0o600 {
        return Err(Bad::new("does not let its owner in").help("\"600\", or more"));
    }
    Ok(mode)
}
