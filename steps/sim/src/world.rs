//! The world, and its entry point for requests.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::authorization::Grants;
use crate::directory::{Barrier, Directory, ExternalState};
use crate::faults::{self, After, ConnectionFault, Course, Fault, FaultName, Held};
use crate::hierarchy::{Hierarchy, key, management_group_id};
use crate::lags::Lags;
use crate::ledger::{Change, Effect, InFlight, Ledger, ReceivedRequest};
use crate::lies::Lie;
use crate::network::{self, Network};
use crate::reply::{Body, Reply};
use crate::request::Request;
use crate::service::{Hosts, Service};
use crate::throttling::{Buckets, Rates, Sort};
use crate::tokens::{self, Bad, Claims};
use crate::worlds::Label;

/// A response, if the connection does not fail.
pub type Answer = http::Response<Bytes>;

/// Entra ID, Microsoft Graph and Azure Resource Manager.
#[derive(Clone)]
pub struct World {
    pub(crate) hosts: Hosts,
    pub(crate) lags: Lags,
    pub(crate) lies: BTreeSet<Lie>,
    pub(crate) buckets: Buckets,
    pub(crate) directory: Directory,
    pub(crate) hierarchy: Hierarchy,
    pub(crate) grants: Grants,
    pub(crate) network: Network,
    pub(crate) ledger: Ledger,
    /// The labels of the ready file.
    pub(crate) labels: IndexMap<String, Label>,
    /// Tenants whose policy requires a second factor from people for changes.
    pub(crate) step_up: BTreeSet<String>,
    /// Tokens of a tenant that were issued before this time are invalid, regardless of their lifetime.
    ended: BTreeMap<String, Timestamp>,
    faults: Vec<Fault>,
    seed: Uuid,
    drawn: u64,
    advanced: SignedDuration,
    latest: Timestamp,
}

impl World {
    /// A world without tenants. Its ids are derived from `seed`.
    pub(crate) fn empty(seed: u64) -> World {
        World {
            hosts: Hosts::default(),
            lags: Lags::default(),
            lies: BTreeSet::new(),
            buckets: Buckets::default(),
            directory: Directory::default(),
            hierarchy: Hierarchy::default(),
            grants: Grants::default(),
            network: Network::default(),
            ledger: Ledger::default(),
            labels: IndexMap::new(),
            step_up: BTreeSet::new(),
            ended: BTreeMap::new(),
            faults: Vec::new(),
            seed: Uuid::new_v5(&Uuid::NAMESPACE_OID, &seed.to_be_bytes()),
            drawn: 0,
            advanced: SignedDuration::ZERO,
            latest: Timestamp::UNIX_EPOCH,
        }
    }

    /// The next id that a service would choose at random.
    pub(crate) fn draw(&mut self) -> Uuid {
        self.drawn += 1;
        Uuid::new_v5(&self.seed, &self.drawn.to_be_bytes())
    }

    /// An id that depends on `what` only.
    pub(crate) fn named(&self, what: &str) -> Uuid {
        Uuid::new_v5(&self.seed, what.as_bytes())
    }

    pub(crate) fn tells(&self, lie: Lie) -> bool {
        self.lies.contains(&lie)
    }

    /// Sets the base URLs of the world.
    pub fn set_hosts(&mut self, hosts: Hosts) {
        self.hosts = hosts;
    }

    /// The base URLs of the world.
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Advances the world's clock relative to the time of requests.
    pub fn advance(&mut self, by: SignedDuration) {
        self.advanced = self.advanced.saturating_add(by);
    }

    /// The world's time when the caller's clock says `now`; it never runs backwards.
    pub fn time(&mut self, now: Timestamp) -> Timestamp {
        let at = now.saturating_add(self.advanced).unwrap_or(now);
        self.latest = self.latest.max(at);
        self.latest
    }

    /// How far the clock was advanced.
    pub(crate) fn advanced(&self) -> SignedDuration {
        self.advanced
    }

    /// The world's current time, for a request that arrived before the clock was advanced.
    pub(crate) fn time_of(&mut self, request: &Request) -> Timestamp {
        let now = request.arrived;
        self.time(now)
    }

    /// Adds faults of future requests.
    pub fn add_faults(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.extend(faults.into_iter().filter(|f| f.times > 0));
    }

    /// Faults that have not occurred yet.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Removes all faults.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Sets or clears a lie.
    pub fn set_lie(&mut self, lie: Lie, told: bool) {
        if told {
            self.lies.insert(lie);
        } else {
            self.lies.remove(&lie);
        }
    }

    /// Makes commits to this region fail with this message; `None` ends that.
    pub fn fail_deployments(&mut self, region: &str, message: Option<&str>) {
        self.network.fail_deployments(region, message);
    }

    /// Sets the lags.
    pub fn set_lags(&mut self, lags: Lags) {
        self.lags = lags;
    }

    /// The lags.
    pub fn lags(&self) -> &Lags {
        &self.lags
    }

    /// Sets the request limits of each caller for each subscription; buckets start full.
    pub fn set_rates(&mut self, rates: Rates) {
        self.buckets = Buckets::of(rates);
    }

    /// How many requests were refused by the limits, and how many of them came before their Retry-After had
    /// passed.
    pub fn throttled(&self) -> (u64, u64) {
        (self.buckets.refused, self.buckets.early)
    }

    /// Every write that arrived.
    pub fn effects(&self) -> &[Effect] {
        &self.ledger.effects
    }

    /// Every request that arrived.
    pub fn requests(&self) -> &[ReceivedRequest] {
        &self.ledger.requests
    }

    /// Handles one request that arrives at `now`. The service is determined by its `Host` (or its absolute URL),
    /// or by a [`Service`] in its extensions.
    pub fn handle(
        &mut self,
        request: http::Request<Bytes>,
        now: Timestamp,
    ) -> Result<Answer, ConnectionFault> {
        let at = self.time(now);
        let service = request.extensions().get::<Service>().copied().or_else(|| self.service_of(&request));
        let request = Request::new(request, now, at);
        let Some(service) = service else {
            return Ok(self.answer(
                None,
                &request,
                Reply::error(404, "NotFound", "no such host in this world"),
            ));
        };
        if service == Service::Arm && request.path.starts_with("/_sim/") {
            let reply = crate::control::handle(self, &request).unwrap_or_else(|refusal| refusal);
            return Ok(self.answer(Some(service), &request, reply));
        }
        let Some(told) = faults::take(&mut self.faults, request.method.as_str(), &request.path) else {
            let reply = self.serve(service, &request);
            return Ok(self.answer(Some(service), &request, reply));
        };
        if told.fault == FaultName::Refuse {
            let reply = crate::refusals::refuse(self, service, &request, &told.refusal);
            self.record(service, &request, reply.status, Change::None);
            return Ok(self.answer(Some(service), &request, reply));
        }
        let location = format!("{}{}", self.hosts.arm, crate::arm::FAILED_OPERATION);
        match faults::course(told.fault, service, || location) {
            Course::Held => {
                let number = self.hold(&request);
                let (before, after) = (told.before, told.after);
                let request = Box::new(request);
                Err(ConnectionFault::Held(Held { before, after, number, service, request }))
            }
            Course::Unreached(fault) => Err(fault),
            Course::Refused(reply) => {
                self.record(service, &request, reply.status, Change::None);
                Ok(self.answer(Some(service), &request, reply))
            }
            Course::Applied { twice, then } => {
                if twice {
                    self.serve(service, &request);
                }
                let reply = self.serve(service, &request);
                match then {
                    After::Answer => Ok(self.answer(Some(service), &request, reply)),
                    After::Lose => Err(ConnectionFault::AnswerLost),
                    After::Truncate => {
                        Err(ConnectionFault::Truncated(self.answer(Some(service), &request, reply)))
                    }
                    After::Replace(other) => Ok(self.answer(Some(service), &request, other)),
                }
            }
        }
    }

    /// Records a slow request that has arrived.
    fn hold(&mut self, request: &Request) -> u64 {
        self.ledger.slow += 1;
        self.ledger.in_flight.push(InFlight {
            number: self.ledger.slow,
            at: request.at,
            method: request.method.to_string(),
            path: request.path.clone(),
            client_request_id: request.client_request_id().map(str::to_owned),
            done: false,
        });
        self.ledger.slow
    }

    /// Processes a slow request at `now`. Its response is in flight until [`World::let_out`].
    pub fn let_in(&mut self, held: &Held, now: Timestamp) -> Answer {
        let request = Request { arrived: now, at: self.time(now), ..(*held.request).clone() };
        let reply = self.serve(held.service, &request);
        for waiting in self.ledger.in_flight.iter_mut().filter(|waiting| waiting.number == held.number) {
            waiting.done = true;
        }
        self.answer(Some(held.service), &request, reply)
    }

    /// Records that the response of a slow request was sent.
    pub fn let_out(&mut self, held: &Held) {
        self.ledger.in_flight.retain(|waiting| waiting.number != held.number);
    }

    /// Slow requests that have arrived and have no response yet.
    pub fn in_flight(&self) -> &[InFlight] {
        &self.ledger.in_flight
    }

    fn service_of(&self, request: &http::Request<Bytes>) -> Option<Service> {
        let host = request.headers().get(http::header::HOST).and_then(|h| h.to_str().ok());
        let authority = request.uri().authority().map(http::uri::Authority::as_str).or(host)?;
        self.hosts.service_of(authority)
    }

    /// Lets a service handle the request, and records the result.
    fn serve(&mut self, service: Service, request: &Request) -> Reply {
        let handled = match service {
            Service::Arm => crate::arm::handle(self, request),
            Service::Login => crate::entra::handle(self, request),
            Service::Graph => crate::graph::handle(self, request),
        };
        let reply = handled.unwrap_or_else(|refusal| refusal);
        self.record(service, request, reply.status, reply.change);
        reply
    }

    fn record(&mut self, service: Service, request: &Request, status: u16, change: Change) {
        let client_request_id = request.client_request_id().map(str::to_owned);
        self.ledger.requests.push(ReceivedRequest {
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
            tenant: self.tenant_of(service, request),
            method: request.method.to_string(),
            path: request.path.clone(),
            change,
            client_request_id,
        });
    }

    /// The tenant of a write: that of the resource, otherwise that of the token.
    fn tenant_of(&self, service: Service, request: &Request) -> String {
        if let Some(tenant) = self.hierarchy.tenant_of(&request.path) {
            return tenant.to_owned();
        }
        let token =
            request.header("authorization").and_then(|value| value.split_once(' ')).map(|(_, token)| token);
        let claims = token.and_then(|token| self.verify(token, service, request).ok());
        claims.map(|claims| claims.tid).unwrap_or_default()
    }

    /// Verifies a token that was sent to `service`.
    pub(crate) fn verify(&self, token: &str, service: Service, request: &Request) -> Result<Claims, Bad> {
        let claims = tokens::verify(self.token_key(), token, request.at, |audience| {
            self.hosts.is_audience(audience, service)
        })?;
        let ended = self.ended.get(&claims.tid.to_ascii_lowercase());
        if ended.is_some_and(|until| claims.iat <= until.as_second()) {
            return Err(Bad::Expired(Box::new(claims)));
        }
        Ok(claims)
    }

    /// The key that signs this world's tokens.
    pub(crate) fn token_key(&self) -> Uuid {
        self.named("token key")
    }

    /// Accepts all pending invitations of the person with this address, of one tenant or of all. Returns the
    /// tenants.
    pub fn redeem(&mut self, email: &str, now: Timestamp) -> Vec<String> {
        let at = self.time(now);
        self.redeem_at(email, None, at)
    }

    pub(crate) fn redeem_at(&mut self, email: &str, tenant: Option<&str>, at: Timestamp) -> Vec<String> {
        let mut accepted = Vec::new();
        for known in self.directory.tenants.values_mut() {
            if tenant.is_some_and(|only| only != known.id) {
                continue;
            }
            for user in known.users.values_mut() {
                let open = user.external == Some(ExternalState::PendingAcceptance);
                if open && user.mail.eq_ignore_ascii_case(email) {
                    user.external = Some(ExternalState::Accepted);
                    user.external_changed = Some(at);
                    accepted.push(known.id.clone());
                }
            }
        }
        accepted
    }

    /// Refuses sign-ins of `client_id` to `tenant` with this AADSTS code; `None` ends that.
    pub fn set_barrier(&mut self, client_id: &str, tenant: &str, code: Option<u32>) {
        let (client_id, tenant) = (client_id.to_ascii_lowercase(), tenant.to_ascii_lowercase());
        self.directory.barriers.retain(|b| b.client_id != client_id || b.tenant != tenant);
        if let Some(code) = code {
            self.directory.barriers.push(Barrier { client_id, tenant, code });
        }
    }

    /// Sets whether people need a second factor to change resources in `tenant`: Azure Policy's "Users must
    /// authenticate with multi-factor authentication to create or update resources", and the one for deletes.
    pub fn require_second_factor(&mut self, tenant: &str, required: bool) {
        let tenant = tenant.to_ascii_lowercase();
        if required {
            self.step_up.insert(tenant);
        } else {
            self.step_up.remove(&tenant);
        }
    }

    /// Invalidates all tokens of `tenant` that were issued so far.
    pub fn end_tokens(&mut self, tenant: &str) {
        self.ended.insert(tenant.to_ascii_lowercase(), self.latest);
    }

    /// The existing state, without times and generated ids, so that two runs with the same requests have equal
    /// snapshots.
    pub fn snapshot(&self) -> Value {
        let tenants: Vec<Value> = self
            .directory
            .tenants
            .values()
            .map(|tenant| {
                let guests = tenant.users.values().filter_map(|u| Some((&u.mail, u.external?.name())));
                let applications = tenant.service_principals.values().map(|p| &p.app_id);
                json!({
                    "id": tenant.id,
                    "guests": guests.collect::<BTreeMap<_, _>>(),
                    "applications": applications.collect::<BTreeSet<_>>(),
                })
            })
            .collect();
        let roles: BTreeSet<String> = self
            .grants
            .assignments
            .iter()
            .map(|a| {
                let principal = self.directory.tenant(&a.tenant).and_then(|t| {
                    let user = t.users.get(&a.principal).map(|u| u.mail.clone());
                    user.or_else(|| t.service_principals.get(&a.principal).map(|p| p.app_id.clone()))
                });
                let principal = principal.unwrap_or_else(|| "an unknown principal".to_owned());
                format!("{principal} has {} on {}", a.role, key(&a.scope))
            })
            .collect();
        let registered: BTreeSet<String> = {
            let subscriptions = self.hierarchy.subscriptions.values().flat_map(|s| {
                let names = s.registrations.iter().filter(|(_, r)| !r.leaving);
                names.map(move |(n, _)| format!("/subscriptions/{} {n}", s.id))
            });
            let groups = self.hierarchy.management_groups.values().flat_map(|g| {
                let names = g.registrations.iter().filter(|(_, r)| !r.leaving);
                names.map(move |(n, _)| format!("{} {n}", management_group_id(&g.name)))
            });
            subscriptions.chain(groups).collect()
        };
        let resource_groups: BTreeSet<String> = self
            .hierarchy
            .subscriptions
            .values()
            .flat_map(|s| {
                s.resource_groups
                    .values()
                    .map(move |g| format!("/subscriptions/{}/resourceGroups/{}", s.id, g.name))
            })
            .collect();
        json!({
            "tenants": tenants,
            "roles": roles,
            "registered": registered,
            "resource_groups": resource_groups,
            "mails": self.directory.mails.iter().map(|m| json!({ "tenant": m.tenant, "to": m.to })).collect::<Vec<_>>(),
            "network": network::snapshot(self),
        })
    }

    /// Serializes a reply, with the headers that every response has.
    fn answer(&mut self, service: Option<Service>, request: &Request, reply: Reply) -> Answer {
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
        // This world's time: clients compare times in resources with it.
        put("date", &request.at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
        put("x-ms-request-id", &id);
        put("x-ms-correlation-request-id", request.header("x-ms-correlation-request-id").unwrap_or(&id));
        if let Some(own) = request.client_request_id() {
            put("x-ms-client-request-id", own);
        }
        if service == Some(Service::Graph) {
            put("request-id", &id);
            put("client-request-id", request.client_request_id().unwrap_or(&id));
        }
        if service == Some(Service::Arm) {
            put(
                "x-ms-routing-request-id",
                &format!("SIMULATED:{}:{id}", request.at.strftime("%Y%m%dT%H%M%SZ")),
            );
            for (name, left) in self.buckets.headers(&request.path, Sort::of(request)) {
                put(name, &left.to_string());
            }
        }
        for (name, value) in &reply.headers {
            put(name, value);
        }
        let mut answer = http::Response::new(reply.body_bytes());
        *answer.status_mut() = http::StatusCode::from_u16(reply.status).unwrap_or_default();
        *answer.headers_mut() = headers;
        answer
    }
}

#[cfg(test)]
mod flow_tests;
#[cfg(test)]
mod tests;
