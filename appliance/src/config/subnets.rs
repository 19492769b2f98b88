//! Virtual addresses against the addresses of the machine.

use super::codes::Code;
use super::diagnostic::Diagnostic;
use super::environment::Interfaces;
use super::model::VirtualRouter;
use super::read::Reader;
use super::value::masked;

/// Warns about virtual addresses outside every subnet of their interface. An interface that is not there, or has no
/// address of the family yet, says nothing.
pub(super) fn check(cx: &mut Reader<'_>, routers: &[VirtualRouter], interfaces: &Interfaces) {
    for router in routers {
        for vip in router.vips.iter().chain(&router.excluded) {
            let name = vip.value.dev.as_ref().unwrap_or(&router.interface);
            let Some(addresses) = interfaces.get(name.as_str()) else { continue };
            let addr = vip.value.addr;
            let own: Vec<_> = addresses.iter().filter(|(a, _)| a.is_ipv4() == addr.is_ipv4()).collect();
            if own.is_empty() || own.iter().any(|(a, len)| masked(*a, *len) == masked(addr, *len)) {
                continue;
            }
            let message = format!("{addr} is in no subnet of {name}");
            let there: Vec<String> = own.iter().map(|(a, len)| format!("{a}/{len}")).collect();
            let help = format!("{name} has {}", there.join(", "));
            cx.push(Diagnostic::warning(Code::VrrpSubnet, vip.span, message).help(help));
        }
    }
}
