//! Reads recordings from disk.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// One recorded session.
pub(super) struct Session {
    pub(super) name: String,
    pub(super) exchanges: Vec<Exchange>,
}

/// One request and Azure's response.
pub(super) struct Exchange {
    pub(super) seq: u64,
    pub(super) method: String,
    pub(super) path: String,
    /// Names and values of the query.
    pub(super) query: Vec<(String, String)>,
    pub(super) sent: Value,
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Value,
}

impl Session {
    pub(super) fn all(folder: &Path) -> Vec<Session> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        files.sort();
        let read = |path: &Path| Session {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            exchanges: fs::read_to_string(path).unwrap().lines().map(Exchange::of).collect(),
        };
        files.iter().map(|path| read(path)).collect()
    }
}

impl Exchange {
    fn of(line: &str) -> Self {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        let headers = line["response_headers"].as_object().into_iter().flatten();
        Exchange {
            seq: line["seq"].as_u64().unwrap(),
            method: text("method"),
            path: text("path"),
            query: line["query"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                .collect(),
            sent: line["request_body"].clone(),
            status: line["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap(),
            headers: headers
                .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            body: line["response_body"].clone(),
        }
    }

    /// Resource type without the provider, such as `networkmanagers/networkgroups`; `None` for another provider.
    pub(super) fn kind(&self) -> Option<String> {
        let path = self.path.to_ascii_lowercase();
        let (_, rest) = path.rsplit_once("/providers/microsoft.network/")?;
        Some(rest.split('/').step_by(2).collect::<Vec<_>>().join("/"))
    }

    /// Whether the path names a list, not a resource in it.
    pub(super) fn is_list(&self) -> bool {
        let (_, rest) = self.path.rsplit_once("/providers/").unwrap();
        rest.split('/').skip(1).count() % 2 == 1
    }

    /// The body that Azure sent, as text; empty where there was no body.
    pub(super) fn text(&self) -> String {
        if self.body.is_null() { String::new() } else { self.body.to_string() }
    }
}
