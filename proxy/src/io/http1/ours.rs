//! Answers that rules give in a server's place.

use std::sync::Arc;

use super::super::sight::Services;
use crate::access_log::{Cause, Phase, Termination};
use crate::h1::answer::{Answer, Manner, reason};
use crate::h1::forward::write_field;
use crate::h1::head::Method;
use crate::h1::reject;
use crate::page::StatsPage;
use crate::page::visit::Visit;
use crate::rules::action::{Action, BodyWait, Limit, Redirect, Reply, Service};
use crate::rules::response::Response;
use crate::rules::{Call, Count, Edit, Looked, Request, ResponseAction};

/// What a request is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ours {
    /// It is refused.
    Denial(u16),
    /// It is refused, but not at once.
    Tarpit(u16),
    /// There is no answer, and the connection is given up without a word.
    SilentDrop,
    /// There is no answer.
    Close,
    /// As the rule says.
    Reply(Reply),
    /// What a service makes of its target.
    Service(Service, Vec<u8>),
    /// What the statistics page makes of it.
    Page(Arc<StatsPage>, Visit),
    /// Its client is sent to what is written here as field lines.
    Redirect(u16, Vec<u8>),
}

/// What a rule does behind a client's back.
pub(super) enum Silent<'a> {
    /// It changes the request.
    Edit(&'a Edit),
    /// It counts it.
    Count(&'a Count),
    /// It waits for its content before it goes on to a server.
    Wait(BodyWait),
    /// It moves no faster than this.
    Limit(&'a Limit),
    /// A script does something with it.
    Lua(&'a Call),
}

impl Ours {
    /// What a rule says, filled in by the request.
    ///
    /// # Errors
    /// It says nothing to the client.
    pub(super) fn of<'a, R: Request>(
        action: &'a Action,
        request: &Looked<'_, R>,
    ) -> Result<Self, Silent<'a>> {
        Ok(match action {
            Action::Edit(edit) => return Err(Silent::Edit(edit)),
            Action::Count(counting) => return Err(Silent::Count(counting)),
            Action::Limit(limit) => return Err(Silent::Limit(limit)),
            Action::WaitForBody(wait) => return Err(Silent::Wait(*wait)),
            Action::Lua(call) => return Err(Silent::Lua(call)),
            Action::Deny(status) => Self::Denial(*status),
            Action::Tarpit(status) => Self::Tarpit(*status),
            Action::SilentDrop => Self::SilentDrop,
            Action::Return(reply) => Self::Reply(reply.clone()),
            Action::Serve(service) => Self::Service(*service, request.request().target().to_vec()),
            Action::Redirect(redirect) => Self::redirect(redirect, &redirect.location(request)),
        })
    }

    /// What a rule puts in the place of a response. `None`: it changes it.
    pub(super) fn of_response(action: &ResponseAction, response: &impl Response) -> Option<Self> {
        Some(match action {
            ResponseAction::Edit(_) | ResponseAction::SetStatus(_) | ResponseAction::Lua(_) => return None,
            ResponseAction::Deny(status) => Self::Denial(*status),
            ResponseAction::Return(reply) => Self::Reply(reply.clone()),
            ResponseAction::Redirect(redirect) => {
                Self::redirect(redirect, &redirect.location_of_response(response))
            }
        })
    }

    fn redirect(redirect: &Redirect, location: &[u8]) -> Self {
        let mut fields = Vec::new();
        write_field(&mut fields, b"location", location);
        if redirect.is_passing() {
            fields.extend_from_slice(b"cache-control: no-cache\r\n");
        }
        Self::Redirect(redirect.status, fields)
    }

    /// With what services have to say.
    pub(super) fn made(self, services: &Services, method: Method) -> Self {
        match self {
            Self::Service(..) if !matches!(method, Method::Get | Method::Head) => Self::Denial(405),
            Self::Service(service, target) => Self::Reply(services.answer(service, &target)),
            Self::Page(page, visit) => Self::Reply(services.page(&page, &visit, &[])),
            Self::Denial(_)
            | Self::Tarpit(_)
            | Self::SilentDrop
            | Self::Close
            | Self::Reply(_)
            | Self::Redirect(..) => self,
        }
    }

    /// Its status, if there is an answer.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Denial(status) | Self::Tarpit(status) | Self::Redirect(status, _) => Some(*status),
            Self::Reply(reply) => Some(reply.status),
            // Services have something to say.
            Self::Service(..) => Some(200),
            Self::Page(_, visit) => Some(visit.turn.status()),
            Self::SilentDrop | Self::Close => None,
        }
    }

    /// Whether it refuses the request.
    pub(super) fn is_denial(&self) -> bool {
        matches!(self, Self::Denial(_) | Self::Tarpit(_) | Self::SilentDrop | Self::Close)
    }

    /// The letters of the record if it takes the place of a response: HAProxy's.
    pub(super) fn termination_of_response(&self) -> Termination {
        Termination::new(if self.is_denial() { Cause::Proxy } else { Cause::Local }, Phase::Headers)
    }

    /// The letters of the record: HAProxy's.
    pub(super) fn termination(&self) -> Termination {
        match self {
            Self::Denial(_) | Self::SilentDrop | Self::Close => {
                Termination::new(Cause::Proxy, Phase::Request)
            }
            Self::Tarpit(_) => Termination::new(Cause::Proxy, Phase::Tarpit),
            Self::Reply(_) | Self::Service(..) | Self::Page(..) | Self::Redirect(..) => {
                Termination::new(Cause::Local, Phase::Request)
            }
        }
    }

    /// Appends the answer.
    pub(super) fn write(&self, out: &mut Vec<u8>, manner: Manner) {
        let (status, fields, content) = match self {
            Self::Denial(status) | Self::Tarpit(status) => return reject::write_denial(out, *status, manner),
            Self::Reply(reply) => (reply.status, &*reply.fields, &*reply.content),
            Self::Redirect(status, fields) => (*status, fields.as_slice(), &[][..]),
            Self::Service(..) | Self::Page(..) => (503, &[][..], &[][..]),
            Self::SilentDrop | Self::Close => return,
        };
        Answer { status, reason: reason(status), fields, content }.write(out, manner);
    }
}
