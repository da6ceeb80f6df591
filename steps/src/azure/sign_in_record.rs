//! Builds the exchange records of a sign-in.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use twinspan_engine::{ActedAs, Exchange, StepCx};

use super::authority::TokenExchange;
use super::claims::Claims;
use super::credentials::Credential;
use super::party::Party;
use super::redaction;
use super::sign_in_refusal::Refusal;

/// The records of all requests of a sign-in; the last one states the principal of the token.
pub(super) fn exchanges(
    cx: &StepCx<'_>,
    began: Timestamp,
    party: Party<'_>,
    credential: &Credential,
    scope: &str,
    seen: &[TokenExchange],
    outcome: Result<&Claims, &str>,
) -> Vec<Exchange> {
    let exchange = |verb: &str, target: String, acted_as: Vec<ActedAs>| Exchange {
        verb: verb.to_owned(),
        target,
        status: None,
        began,
        ended: cx.now(),
        identity: party.name.to_owned(),
        acted_as,
        write: false,
        created: None,
        references: Vec::new(),
        sent: None,
        received: None,
        sent_by: None,
    };
    let acted_as: Vec<ActedAs> =
        outcome.ok().and_then(|claims| claims.acted_as(party.name)).into_iter().collect();
    if matches!(credential, Credential::AzureCli { .. }) {
        let target = format!("account get-access-token --tenant {} --scope {scope}", party.tenant);
        // The Azure CLI passes on only the text of the response, which contains the ids.
        let received = Some(Arc::new(json!({"succeeded": outcome.is_ok()})));
        let references = outcome.err().and_then(Refusal::from_cli).map(|refusal| refusal.references());
        let references = references.unwrap_or_default();
        return vec![Exchange { received, references, ..exchange("az", target, acted_as) }];
    }
    let last = seen.len().saturating_sub(1);
    let of_one = |(position, seen): (usize, &TokenExchange)| {
        let acted_as = if position == last { acted_as.clone() } else { Vec::new() };
        let mut exchange = exchange(seen.verb, redaction::target(&seen.target), acted_as);
        exchange.sent = Some(Arc::new(json!({"scope": scope, "client_id": credential.client_id()})));
        match &seen.end {
            Ok(reply) => {
                exchange.status = Some(reply.status);
                exchange.references = super::references(&reply.headers);
                exchange.received = reply.refusal.as_ref().map(|refusal| Arc::new(redaction::body(refusal)));
            }
            Err(fault) => exchange.received = Some(Arc::new(json!({"fault": fault.to_string()}))),
        }
        exchange
    };
    seen.iter().enumerate().map(of_one).collect()
}
