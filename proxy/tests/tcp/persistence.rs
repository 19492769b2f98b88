//! Clients of mode tcp that keep their server by a table.

use std::collections::BTreeSet;

use evenkeel_proxy::plan::{AdminState, ServerId};
use evenkeel_proxy::sticky::{StickAction, StickKey, StickRule, TableId};
use evenkeel_proxy::table::{KeyType, TableConfig};

use super::common::{Scripted, TestProxy, scripted};
use super::endings::setup;

/// Says its name and ends.
fn named(name: &'static str) -> Scripted {
    scripted(move |served, _| {
        served.send(name);
        served.client.shut();
        served.client.rest();
    })
}

fn visit(proxy: &TestProxy) -> String {
    let mut client = proxy.client();
    let said = String::from_utf8(client.rest()).unwrap();
    client.shut();
    said
}

#[test]
fn a_table_of_addresses_keeps_a_client_on_its_server() {
    let (one, two) = (named("one"), named("two"));
    let proxy = setup(&[one.addr, two.addr]).start();
    assert_eq!((0..4).map(|_| visit(&proxy)).collect::<BTreeSet<_>>().len(), 2, "in turn without a table");

    let mut sticky = setup(&[one.addr, two.addr]);
    sticky.backend.stick =
        vec![StickRule { action: StickAction::On, key: StickKey::Source, table: TableId(0) }];
    let key = KeyType::Ip { ipv6_prefix: 64 };
    sticky.tables = vec![TableConfig::new("clients", key, 10)];
    let proxy = sticky.start();
    let first = visit(&proxy);
    assert_eq!((0..6).map(|_| visit(&proxy)).collect::<BTreeSet<_>>(), BTreeSet::from([first.clone()]));
    let (at, other) = if first == "one" { (ServerId(0), "two") } else { (ServerId(1), "one") };
    proxy.balance.set_admin(at, AdminState::Maint);
    assert_eq!(visit(&proxy), other, "a server that is gone is not waited for");
    proxy.balance.set_admin(at, AdminState::Ready);
    assert_eq!(visit(&proxy), other, "who answered last is remembered");
}
