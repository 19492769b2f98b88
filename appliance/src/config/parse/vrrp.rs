//! `[vrrp.X]`, `[vrrp_script.X]` and `[sync_group.X]`.

use std::time::Duration;

use evenkeel_vrrp::config::{AnnounceConfig, ChecksumForm, Preempt, ScriptConfig, VipMismatch};
use evenkeel_vrrp::types::Version;

use super::vip::{interface, unicast, unicasts, vips};
use super::{secret, track};
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{RouterDraft, ScriptDraft};
use crate::config::keys::{self, Key};
use crate::config::model::{Notify, SyncGroup};
use crate::config::read::{Fields, Node, Reader};
use crate::config::secret::Secret;
use crate::config::source::Spanned;
use crate::config::value::Bad;

/// Reads one `[vrrp.X]`.
pub(super) fn router(cx: &mut Reader<'_>, name: Spanned<String>, node: Node<'_>) -> Option<RouterDraft> {
    let mut t = Fields::of(cx, &keys::VRRP, name.span, node)?;
    let draft = RouterDraft {
        interface: t.read_per_node(cx, "interface", interface),
        vrid: t.read(cx, "virtual_router_id", Reader::int),
        priority: t.read_per_node(cx, "priority", Reader::int),
        version: t.read(cx, "version", Reader::int::<u8>).map(|v| v.map(version)),
        advert_int: t.read(cx, "advert_int", Reader::duration),
        auth_pass: t.read(cx, "authentication", authentication),
        vips: t.read(cx, "virtual_ipaddress", vips).unwrap_or_default(),
        excluded: t.read(cx, "virtual_ipaddress_excluded", vips).unwrap_or_default(),
        preempt: t.read(cx, "preempt", preempt),
        peers: t.read_per_node(cx, "unicast_peer", |cx, key, node| {
            unicasts(cx, key, node).map(|all| Spanned::new(all, node.span))
        }),
        unicast_src_ip: t.read_per_node(cx, "unicast_src_ip", unicast),
        mcast_src_ip: t.read_per_node(cx, "mcast_src_ip", unicast),
        check_unicast_src: t.read(cx, "check_unicast_src", Reader::bool).is_none_or(|b| b.value),
        use_vmac: t.read(cx, "use_vmac", Reader::bool).is_some_and(|b| b.value),
        checksum: t.read(cx, "checksum", Reader::word).map_or(ChecksumForm::Rfc5798, |w| checksum(w.value)),
        vip_mismatch: t
            .read(cx, "vip_mismatch", Reader::word)
            .map_or(VipMismatch::Drop, |w| mismatch(w.value)),
        announce: announce(cx, &mut t),
        tracks: t.read(cx, "track", |cx, key, node| {
            track::tracks(cx, key, node).map(|all| Spanned::new(all, node.span))
        }),
        lease: t.read(cx, "lease", Reader::duration),
        down_timer_adverts: t.read(cx, "down_timer_adverts", Reader::int).map_or(3, |n| n.value),
        notify: Notify {
            master: t.read(cx, "notify_master", command),
            backup: t.read(cx, "notify_backup", command),
            fault: t.read(cx, "notify_fault", command),
            stop: t.read(cx, "notify_stop", command),
        },
        name,
    };
    t.finish(cx);
    Some(draft)
}

fn version(number: u8) -> Version {
    if number == 2 { Version::V2 } else { Version::V3 }
}

fn checksum(word: &str) -> ChecksumForm {
    match word {
        "rfc9568" => ChecksumForm::Rfc9568,
        "old_unicast" => ChecksumForm::OldUnicast,
        _ => ChecksumForm::Rfc5798,
    }
}

fn mismatch(word: &str) -> VipMismatch {
    if word == "accept" { VipMismatch::Accept } else { VipMismatch::Drop }
}

fn authentication(cx: &mut Reader<'_>, _: &'static Key, node: Node<'_>) -> Option<Spanned<Secret>> {
    let mut t = Fields::of(cx, &keys::AUTHENTICATION, node.key, node)?;
    // There is one type; the key is there so that a configuration can say it.
    let _pass = t.read(cx, "auth_type", Reader::word);
    let pass = t.read(cx, "auth_pass", secret::secret);
    t.finish(cx);
    let pass = pass?;
    // RFC 2338 §5.3.6.2: eight bytes, padded with zeros.
    let length = pass.value.expose().len();
    let why = match length {
        1..=8 => return Some(pass),
        0 => "auth_pass is empty: anybody knows it".to_owned(),
        n => format!("auth_pass has {n} bytes, an advert carries 8"),
    };
    let help = if length == 0 {
        "leave `authentication` out, or choose a password"
    } else {
        "choose one of at most 8 bytes"
    };
    cx.push(Diagnostic::error(Code::AuthPassLength, pass.span, why).help(help));
    None
}

fn preempt(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Spanned<Preempt>> {
    let at = |p| Some(Spanned::new(p, node.span));
    match node.value.as_str() {
        Some("always") => return at(Preempt::Always),
        Some("never") => return at(Preempt::Never),
        Some(other) => {
            cx.bad_value(
                key,
                node,
                other,
                Bad::new("is neither \"always\" nor \"never\"").help("or { after = \"60s\" }"),
            );
            return None;
        }
        None => {}
    }
    if node.value.as_table().is_none() {
        let meant = match node.value.as_bool() {
            Some(true) => Some("\"always\"".to_owned()),
            Some(false) => Some("\"never\"".to_owned()),
            None => None,
        };
        cx.wrong_type(key, node, meant);
        return None;
    }
    let mut t = Fields::of(cx, &keys::PREEMPT, node.key, node)?;
    let after = t.read(cx, "after", Reader::duration);
    t.finish(cx);
    at(Preempt::After(after?.value))
}

fn announce(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> AnnounceConfig {
    let usual = AnnounceConfig::default();
    AnnounceConfig {
        repeat: t.read(cx, "garp_master_repeat", Reader::int).map_or(usual.repeat, |n| n.value),
        delay: t.read(cx, "garp_master_delay", Reader::duration).map_or(usual.delay, |d| d.value),
        refresh_repeat: t
            .read(cx, "garp_master_refresh_repeat", Reader::int)
            .map_or(usual.refresh_repeat, |n| n.value),
        refresh: t.read(cx, "garp_master_refresh", Reader::duration).map_or(usual.refresh, |d| d.value),
        lower_prio_repeat: t
            .read(cx, "garp_lower_prio_repeat", Reader::int)
            .map_or(usual.lower_prio_repeat, |n| n.value),
    }
}

/// A program and its arguments.
fn command(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<String>> {
    let alone = node.value.as_str().is_some();
    let words: Vec<Spanned<String>> =
        node.one_or_many().into_iter().map(|n| cx.text(key, n)).collect::<Option<_>>()?;
    let program = words.first();
    let why = match program.map(|p| p.value.as_str()) {
        None => Bad::new("has no program"),
        Some(p) if !p.starts_with('/') => Bad::new("is not an absolute path"),
        Some(p) if alone && p.contains(char::is_whitespace) => {
            let parts: Vec<String> = p.split_whitespace().map(|w| format!("{w:?}")).collect();
            Bad::new("has blanks, and there is no shell to split it").help(format!("[{}]", parts.join(", ")))
        }
        Some(_) if words.iter().any(|w| w.value.contains('\0')) => Bad::new("has a zero byte"),
        Some(_) => return Some(words.into_iter().map(|w| w.value).collect()),
    };
    let text = program.map_or("[]", |p| p.value.as_str()).to_owned();
    cx.bad_value(key, node, &text, why);
    None
}

/// Reads one `[vrrp_script.X]`.
pub(super) fn script(cx: &mut Reader<'_>, name: Spanned<String>, node: Node<'_>) -> Option<ScriptDraft> {
    let mut t = Fields::of(cx, &keys::VRRP_SCRIPT, name.span, node)?;
    let command = t.read(cx, "script", command);
    let interval = t.read(cx, "interval", Reader::duration).map_or(Duration::from_secs(1), |d| d.value);
    let timeout = t.read(cx, "timeout", Reader::duration).map_or(interval, |d| d.value);
    let rise = t.read(cx, "rise", Reader::int).map_or(1, |n| n.value);
    let fall = t.read(cx, "fall", Reader::int).map_or(1, |n| n.value);
    let weight = t.read(cx, "weight", Reader::int);
    let reverse = t.read(cx, "reverse", Reader::bool).is_some_and(|b| b.value);
    let init_fail = t.read(cx, "init_fail", Reader::bool).is_some_and(|b| b.value);
    let user = t.read(cx, "user", Reader::name).map(|u| u.value);
    t.finish(cx);
    let run = command.map(|command| ScriptConfig { command, interval, timeout, rise, fall, init_fail, user });
    Some(ScriptDraft { name, run, weight, reverse })
}

/// Reads one `[sync_group.X]`.
pub(super) fn group(cx: &mut Reader<'_>, name: Spanned<String>, node: Node<'_>) -> Option<SyncGroup> {
    let mut t = Fields::of(cx, &keys::SYNC_GROUP, name.span, node)?;
    let members = t.read(cx, "group", |cx, key, node| {
        let Some(all) = node.elements() else {
            cx.wrong_type(key, node, Some("group = [\"VI_1\", \"VI_2\"]".to_owned()));
            return None;
        };
        Some(all.into_iter().filter_map(|n| cx.text(key, n)).collect())
    });
    t.finish(cx);
    Some(SyncGroup { name, members: members? })
}
