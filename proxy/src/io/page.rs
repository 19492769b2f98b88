//! The statistics page of a running data plane: what is shown, and what operators do on it.

use std::time::Instant;

use super::sight::{Services, Sight, empty};
use crate::h1::forward::write_field;
use crate::health::Mutable;
use crate::metrics::{Wanted, text};
use crate::page::form::{Change, Deed};
use crate::page::sheet::Sheet;
use crate::page::visit::{Turn, Visit};
use crate::page::wish::{Form, Said, Wish};
use crate::page::{StatsPage, render};
use crate::plan::{AdminState, ServerId};
use crate::rules::action::Reply;

impl Services {
    /// What a visitor of a statistics page gets. `content` is what an operator sends, as far as that is asked for.
    pub(super) fn page(&self, page: &StatsPage, visit: &Visit, content: &[u8]) -> Reply {
        let Some(sight) = self.sight() else { return empty(503) };
        match visit.turn {
            Turn::Challenge => {
                let mut fields = Vec::new();
                let challenge = format!("Basic realm=\"{}\", charset=\"UTF-8\"", page.realm);
                write_field(&mut fields, b"www-authenticate", challenge.as_bytes());
                reply(
                    401,
                    fields,
                    "text/plain; charset=utf-8",
                    "You need a valid user and password to see this.\n".into(),
                )
            }
            Turn::NotAllowed => Reply { fields: b"allow: GET, HEAD, POST\r\n"[..].into(), ..empty(405) },
            Turn::Refuse(said) => back(page, &visit.wish, said),
            Turn::Change => back(page, &visit.wish, sight.change(page, content)),
            Turn::Show { admin } => sight.show(page, &visit.wish, admin),
        }
    }
}

impl Sight {
    fn show(&self, page: &StatsPage, wish: &Wish, admin: bool) -> Reply {
        let wanted = Wanted { up: wish.up, no_maint: wish.no_maint, ..Wanted::ALL };
        let rows = || {
            let mut rows = self.rows(&wanted);
            rows.retain(|row| {
                let name = row.text(crate::metrics::Column::Pxname);
                page.shows(&name) && (wish.scope.is_empty() || name.contains(&wish.scope))
            });
            rows
        };
        let mut out = String::new();
        let kind = match wish.form {
            Form::Csv => {
                text::csv(&mut out, &rows());
                "text/plain; charset=utf-8"
            }
            Form::Json => {
                text::json(&mut out, &rows());
                "application/json"
            }
            Form::Style => return asset("text/css; charset=utf-8", render::STYLE),
            Form::Script => return asset("text/javascript; charset=utf-8", render::SCRIPT),
            Form::Page => {
                let (info, rows, servers, more) =
                    (self.info(), rows(), self.operator().report(), self.more());
                out = self.with_recent(|recent| {
                    render::page(&Sheet {
                        plan: self.plan(),
                        page,
                        wish,
                        admin,
                        product: ("Evenkeel", env!("CARGO_PKG_VERSION")),
                        info: &info,
                        rows: &rows,
                        servers: &servers,
                        recent,
                        panels: &more.panels,
                        now: Instant::now(),
                    })
                });
                "text/html; charset=utf-8"
            }
        };
        let mut fields = Vec::new();
        write_field(&mut fields, b"cache-control", b"no-store");
        if wish.form == Form::Page {
            write_field(&mut fields, b"content-security-policy", render::POLICY.as_bytes());
            write_field(&mut fields, b"referrer-policy", b"same-origin");
        }
        reply(200, fields, kind, out)
    }

    /// Does what an operator sends.
    fn change(&self, page: &StatsPage, content: &[u8]) -> Said {
        let change = match Change::read(content, self.plan()) {
            Ok(change) => change,
            Err(said) => return said,
        };
        let shown = |id: &ServerId| {
            let server = self.plan().servers().get(id.0 as usize);
            let backend = server.and_then(|s| self.plan().backends().get(usize::from(s.backend.0)));
            backend.is_some_and(|b| page.shows(&b.name))
        };
        if !change.servers.iter().all(shown) {
            return Said::Invalid;
        }
        let done = change.servers.iter().filter(|id| self.carry_out(**id, change.deed)).count();
        match done {
            0 => Said::Nothing,
            _ if done < change.servers.len() => Said::Partly,
            _ => Said::Done,
        }
    }

    /// Does it to one server. `false`: it has nothing that this could be done to.
    fn carry_out(&self, server: ServerId, deed: Deed) -> bool {
        let operator = self.operator();
        match deed {
            Deed::Ready => operator.set_admin(server, AdminState::Ready),
            Deed::Drain => operator.set_admin(server, AdminState::Drain),
            Deed::Maint => operator.set_admin(server, AdminState::Maint),
            Deed::MuteChecks(muted) => return operator.mute(server, Mutable::Check, muted),
            Deed::Force(to) => return operator.force(server, to),
            Deed::MuteAgent(muted) => return operator.mute(server, Mutable::Agent, muted),
            Deed::ForceAgent(up) => return operator.force_agent(server, up),
            Deed::Shutdown => self.state().shutdowns().order_by_operator(server),
            Deed::Weight(weight) => operator.set_weight(server, weight),
        }
        true
    }
}

/// Back to the page, which says what came of it (HAProxy: 303 with `;st=`).
fn back(page: &StatsPage, wish: &Wish, said: Said) -> Reply {
    let mut fields = Vec::new();
    let to = format!("{}{};st={}", page.uri, wish.words(), said.word());
    write_field(&mut fields, b"location", to.as_bytes());
    write_field(&mut fields, b"cache-control", b"no-store");
    Reply { fields: fields.into(), ..empty(303) }
}

/// What changes with the program only.
fn asset(kind: &str, content: &'static str) -> Reply {
    let mut fields = Vec::new();
    write_field(&mut fields, b"cache-control", b"max-age=60");
    reply(200, fields, kind, content.to_owned())
}

fn reply(status: u16, mut fields: Vec<u8>, kind: &str, content: String) -> Reply {
    write_field(&mut fields, b"content-type", kind.as_bytes());
    write_field(&mut fields, b"x-content-type-options", b"nosniff");
    Reply { status, fields: fields.into(), content: content.into_bytes().into() }
}
