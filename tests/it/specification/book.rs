//! The record of the checks: every exchange is compared with Microsoft's files at once, and counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use twinspan_engine::BoxFuture;
use twinspan_steps::{InProcess, TransportFault};

use super::checking::Specification;
use super::exceptions::EXCEPTIONS;
use crate::notice;

static SPECIFICATION: LazyLock<Option<Specification>> =
    LazyLock::new(|| Some(Specification::read(&notice::azure_data()?)));

/// All exchanges of the conformance tests.
pub(crate) static CONFORMANCE: LazyLock<Arc<Book>> = LazyLock::new(Arc::default);

/// `None` if the files are missing.
pub(super) fn specification() -> Option<&'static Specification> {
    SPECIFICATION.as_ref()
}

/// Counted exchanges and their findings.
#[derive(Default)]
pub(crate) struct Book(Mutex<Notes>);

/// The content of a book.
#[derive(Clone, Default)]
pub(super) struct Notes {
    pub(super) requests: usize,
    pub(super) responses: usize,
    /// `operationId`s of requests.
    pub(super) operations: BTreeSet<String>,
    /// Exchanges that no official file describes, by reason.
    pub(super) undescribed: BTreeMap<&'static str, usize>,
    /// Findings: how often each occurred, and one address.
    pub(super) findings: BTreeMap<String, (usize, String)>,
}

/// Which side of an exchange is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    Both,
    /// Only the simulator's response: the request is wrong on purpose, or no step sends it.
    Simulator,
}

impl Book {
    /// Passes a request on, and records the request and the response. `trusted`: the response is not one of the
    /// faults that do not come from Azure.
    pub(crate) fn through<'a>(
        &'a self,
        service: &'a dyn InProcess,
        request: Request<Bytes>,
        trusted: bool,
    ) -> BoxFuture<'a, Result<Response<Bytes>, TransportFault>> {
        if specification().is_none() {
            return service.call(request);
        }
        Box::pin(async move {
            let asked = request.clone();
            let answer = service.call(request).await;
            self.note(&asked, answer.as_ref().ok().filter(|_| trusted), Ends::Both);
            answer
        })
    }

    pub(super) fn note(&self, request: &Request<Bytes>, answer: Option<&Response<Bytes>>, ends: Ends) {
        let Some(specification) = specification() else { return };
        let checked = specification.check(request, answer);
        let mut notes = self.0.lock().unwrap();
        match checked.operation {
            Err(reason) if reason != "unknown" => *notes.undescribed.entry(reason).or_default() += 1,
            operation => {
                notes.requests += usize::from(ends == Ends::Both);
                notes.responses += usize::from(answer.is_some());
                if let Ok(operation) = operation {
                    notes.operations.insert(operation);
                }
            }
        }
        for finding in checked.findings {
            if ends == Ends::Simulator && finding.contains(" request ") {
                continue;
            }
            let place = || format!("{} {}", request.method(), request.uri());
            notes.findings.entry(finding).or_insert_with(|| (0, place())).0 += 1;
        }
    }

    pub(super) fn notes(&self) -> Notes {
        self.0.lock().unwrap().clone()
    }

    /// Findings that no exception explains.
    pub(crate) fn unexplained(&self) -> Vec<String> {
        let notes = self.notes();
        let unexplained = notes
            .findings
            .iter()
            .filter(|(finding, _)| !EXCEPTIONS.iter().any(|exception| exception.explains(finding)));
        unexplained.map(|(finding, (times, place))| format!("{finding} ({times} times; {place})")).collect()
    }
}
