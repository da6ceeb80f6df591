//! The world and its one door.

use std::collections::BTreeSet;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::authorization::Grants;
use crate::caller::Caller;
use crate::directory::Directory;
use crate::faults::{self, After, ConnectionFault, Course, Fault};
use crate::hierarchy::Hierarchy;
use crate::lags::Lags;
use crate::ledger::{Change, Effect, Ledger, Seen};
use crate::lies::Lie;
use crate::network::Network;
use crate::reply::{Body, Reply};
use crate::request::Request;
use crate::service::{Hosts, Service};

/// What a client gets when the connection holds.
pub type Answer = http::Response<Bytes>;

/// Entra ID, Microsoft Graph and Azure Resource Manager.
pub struct World {
    pub(crate) hosts: Hosts,
    pub(crate) lags: Lags,
    pub(crate) lies: BTreeSet<Lie>,
    pub(crate) directory: Directory,
    pub(crate) hierarchy: Hierarchy,
    pub(crate) grants: Grants,
    pub(crate) network: Network,
    pub(crate) ledger: Ledger,
    faults: Vec<Fault>,
    seed: Uuid,
    drawn: u64,
    advanced: SignedDuration,
    latest: Timestamp,
}

impl World {
    /// A world without tenants. `seed` makes its names.
    pub(crate) fn empty(seed: u64) -> World {
        World {
            hosts: Hosts::default(),
            lags: Lags::default(),
            lies: BTreeSet::new(),
            directory: Directory::default(),
            hierarchy: Hierarchy::default(),
            grants: Grants::default(),
            network: Network::default(),
            ledger: Ledger::default(),
            faults: Vec::new(),
            seed: Uuid::new_v5(&Uuid::NAMESPACE_OID, &seed.to_be_bytes()),
            drawn: 0,
            advanced: SignedDuration::ZERO,
            latest: Timestamp::UNIX_EPOCH,
        }
    }

    /// The next name that a service would draw at random.
    pub(crate) fn draw(&mut self) -> Uuid {
        self.drawn += 1;
        Uuid::new_v5(&self.seed, &self.drawn.to_be_bytes())
    }

    /// A name that depends on `what` only.
    pub(crate) fn named(&self, what: &str) -> Uuid {
        Uuid::new_v5(&self.seed, what.as_bytes())
    }

    pub(crate) fn tells(&self, lie: Lie) -> bool {
        self.lies.contains(&lie)
    }

    /// Says under which addresses the world is reached.
    pub fn set_hosts(&mut self, hosts: Hosts) {
        self.hosts = hosts;
    }

    /// The addresses under which the world is reached.
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Moves the world's clock ahead of the time that requests bring along.
    pub fn advance(&mut self, by: SignedDuration) {
        self.advanced = self.advanced.saturating_add(by);
    }

    /// The world's time when the caller's clock says `now`; it never runs backwards.
    pub fn time(&mut self, now: Timestamp) -> Timestamp {
        let at = now.saturating_add(self.advanced).unwrap_or(now);
        self.latest = self.latest.max(at);
        self.latest
    }

    /// Tells what will go wrong with coming requests.
    pub fn add_faults(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.extend(faults.into_iter().filter(|f| f.times > 0));
    }

    /// Faults that have not happened yet.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Nothing goes wrong any more.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Begins or ends a lie.
    pub fn set_lie(&mut self, lie: Lie, told: bool) {
        if told {
            self.lies.insert(lie);
        } else {
            self.lies.remove(&lie);
        }
    }

    /// How long things take from now on.
    pub fn set_lags(&mut self, lags: Lags) {
        self.lags = lags;
    }

    /// How long things take.
    pub fn lags(&self) -> &Lags {
        &self.lags
    }

    /// Every write that arrived.
    pub fn effects(&self) -> &[Effect] {
        &self.ledger.effects
    }

    /// Every request that arrived.
    pub fn requests(&self) -> &[Seen] {
        &self.ledger.requests
    }

    /// Handles one request that arrives at `now`. The service is that of its `Host` (or of its absolute address),
    /// or a [`Service`] among its extensions.
    pub fn handle(
        &mut self,
        request: http::Request<Bytes>,
        now: Timestamp,
    ) -> Result<Answer, ConnectionFault> {
        let at = self.time(now);
        let service = request.extensions().get::<Service>().copied().or_else(|| self.service_of(&request));
        let request = Request::new(request, at);
        let Some(service) = service else {
            return Ok(self.answer(&request, Reply::error(404, "NotFound", "no such host in this world")));
        };
        if service == Service::Arm && request.path.starts_with("/_sim/") {
            let reply = Reply::error(404, "NotFound", "no such control");
            return Ok(self.answer(&request, reply));
        }
        let Some(fault) = faults::take(&mut self.faults, request.method.as_str(), &request.path) else {
            let reply = self.serve(service, &request);
            return Ok(self.answer(&request, reply));
        };
        let operation = self.named("failed operation").to_string();
        let location = format!("{}/_failed/{operation}", self.hosts.arm);
        match faults::course(fault, service, || location) {
            Course::Unreached(fault) => Err(fault),
            Course::Refused(reply) => {
                self.record(service, &request, reply.status, Change::None);
                Ok(self.answer(&request, reply))
            }
            Course::Applied { twice, then } => {
                if twice {
                    self.serve(service, &request);
                }
                let reply = self.serve(service, &request);
                match then {
                    After::Answer => Ok(self.answer(&request, reply)),
                    After::Lose => Err(ConnectionFault::AnswerLost),
                    After::Truncate => Err(ConnectionFault::Truncated(self.answer(&request, reply))),
                    After::Delay(by) => Err(ConnectionFault::Slow(self.answer(&request, reply), by)),
                    After::Replace(other) => Ok(self.answer(&request, other)),
                }
            }
        }
    }

    fn service_of(&self, request: &http::Request<Bytes>) -> Option<Service> {
        let host = request.headers().get(http::header::HOST).and_then(|h| h.to_str().ok());
        let authority = request.uri().authority().map(http::uri::Authority::as_str).or(host)?;
        self.hosts.service_of(authority)
    }

    /// Lets a service do its work and writes down what came of it.
    fn serve(&mut self, service: Service, request: &Request) -> Reply {
        let handled = match service {
            Service::Arm => crate::arm::handle(self, request),
            Service::Login | Service::Graph => Err(Reply::error(404, "NotFound", "no such service yet")),
        };
        let reply = handled.unwrap_or_else(|refusal| refusal);
        self.record(service, request, reply.status, reply.change);
        reply
    }

    fn record(&mut self, service: Service, request: &Request, status: u16, change: Change) {
        let client_request_id = request.client_request_id().map(str::to_owned);
        self.ledger.requests.push(Seen {
            seq: self.ledger.requests.len() as u64 + 1,
            at: request.at,
            method: request.method.to_string(),
            path: request.path.clone(),
            status,
            client_request_id: client_request_id.clone(),
        });
        if service == Service::Login || !crate::arm::is_write(&request.method, &request.path) {
            return;
        }
        self.ledger.effects.push(Effect {
            seq: self.ledger.effects.len() as u64 + 1,
            at: request.at,
            tenant: self.hierarchy.tenant_of(&request.path).unwrap_or_default().to_owned(),
            method: request.method.to_string(),
            path: request.path.clone(),
            change,
            client_request_id,
        });
    }

    /// Turns a reply into bytes, with the headers that every answer has.
    fn answer(&mut self, request: &Request, reply: Reply) -> Answer {
        let id = self.draw().to_string();
        let mut headers = http::HeaderMap::new();
        let mut put = |name: &'static str, value: &str| {
            if let Ok(value) = http::HeaderValue::from_str(value) {
                headers.append(name, value);
            }
        };
        match &reply.body {
            Body::Empty => {}
            Body::Json(_) => put("content-type", "application/json; charset=utf-8"),
            Body::Other { content_type, .. } => put("content-type", content_type),
        }
        put("x-ms-request-id", &id);
        put("x-ms-correlation-request-id", request.header("x-ms-correlation-request-id").unwrap_or(&id));
        if let Some(own) = request.client_request_id() {
            put("x-ms-client-request-id", own);
        }
        for (name, value) in &reply.headers {
            put(name, value);
        }
        let mut answer = http::Response::new(reply.body_bytes());
        *answer.status_mut() = http::StatusCode::from_u16(reply.status).unwrap_or_default();
        *answer.headers_mut() = headers;
        answer
    }

    /// Who sends this request: 401 unless all its tokens are good.
    pub(crate) fn caller(&self, _request: &Request) -> Result<Caller, Reply> {
        Err(Reply::error(401, "AuthenticationFailed", "Authentication failed."))
    }
}
