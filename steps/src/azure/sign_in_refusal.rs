//! Parses a sign-in refusal of Microsoft Entra, from its token endpoint or as the Azure CLI quotes it.

use std::time::Duration;

use serde_json::Value;

use super::redaction;

/// A refused sign-in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) codes: Vec<u32>,
    pub(crate) description: String,
    pub(crate) correlation: Option<String>,
    pub(crate) trace: Option<String>,
    pub(crate) timestamp: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    /// The signed-in account of the Azure CLI, if it states it.
    pub(crate) account: Option<String>,
}

impl Refusal {
    /// Parses a response of the token endpoint; `None` if it is not an error of Entra.
    pub(crate) fn from_json(status: u16, body: &Value) -> Option<Self> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let error = text("error")?;
        let description = text("error_description").unwrap_or_default();
        let mut codes: Vec<u32> = body
            .get("error_codes")
            .and_then(Value::as_array)
            .map(|codes| {
                codes.iter().filter_map(Value::as_u64).filter_map(|code| code.try_into().ok()).collect()
            })
            .unwrap_or_default();
        if codes.is_empty() {
            codes.extend(number_in(&description));
        }
        Some(Refusal {
            status: Some(status),
            error: Some(error),
            codes,
            correlation: text("correlation_id").or_else(|| after(&description, "Correlation ID:")),
            trace: text("trace_id").or_else(|| after(&description, "Trace ID:")),
            timestamp: text("timestamp"),
            retry_after: None,
            account: None,
            description,
        })
    }

    /// Parses the output of the Azure CLI; `None` if it does not quote Entra.
    pub(crate) fn from_cli(text: &str) -> Option<Self> {
        let code = number_in(text)?;
        let from = text.find("AADSTS").unwrap_or(0);
        Some(Refusal {
            codes: vec![code],
            description: text[from..].to_owned(),
            correlation: after(text, "Correlation ID:"),
            trace: after(text, "Trace ID:"),
            timestamp: after_line(text, "Timestamp:"),
            ..Refusal::default()
        })
    }

    /// The code, such as `AADSTS50076`, or the field `error`.
    pub(crate) fn code(&self) -> String {
        match self.codes.first() {
            Some(code) => format!("AADSTS{code}"),
            None => self.error.clone().unwrap_or_else(|| "no code".to_owned()),
        }
    }

    /// First sentence of the description, without its code and ids.
    pub(super) fn sentence(&self) -> String {
        let text = redaction::line(&self.description);
        let text = text.split(" Trace ID:").next().unwrap_or_default();
        match text.strip_prefix("AADSTS").and_then(|rest| rest.split_once(": ")) {
            Some((_, sentence)) => sentence.trim().to_owned(),
            None => text.trim().to_owned(),
        }
    }

    /// The ids with which an administrator finds the sign-in in the logs.
    pub(super) fn references(&self) -> Vec<(String, String)> {
        [("correlation_id", &self.correlation), ("trace_id", &self.trace), ("timestamp", &self.timestamp)]
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
            .collect()
    }
}

/// The number after `AADSTS`.
fn number_in(text: &str) -> Option<u32> {
    let (_, after) = text.split_once("AADSTS")?;
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..end].parse().ok()
}

/// The word after `label`.
fn after(text: &str, label: &str) -> Option<String> {
    let (_, rest) = text.split_once(label)?;
    rest.split_whitespace().next().map(str::to_owned)
}

/// The rest of the line after `label`.
fn after_line(text: &str, label: &str) -> Option<String> {
    let (_, rest) = text.split_once(label)?;
    rest.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_that_is_not_entras_is_none() {
        assert_eq!(Refusal::from_json(502, &json!({"message": "bad gateway"})), None);
        assert_eq!(Refusal::from_json(404, &json!({"error": {"code": "NotFound"}})), None);
    }

    #[test]
    fn what_the_azure_cli_prints_is_taken_apart() {
        let text = "ERROR: AADSTS50076: Use multi-factor authentication. Trace ID: t-2 Correlation ID: c-2 Timestamp: 2026-11-23 \
                    08:31:07Z\nPlease run:\naz login";
        let refusal = Refusal::from_cli(text).unwrap();
        assert_eq!(
            (refusal.code().as_str(), refusal.sentence().as_str()),
            ("AADSTS50076", "Use multi-factor authentication.")
        );
        let ids = [("correlation_id", "c-2"), ("trace_id", "t-2"), ("timestamp", "2026-11-23 08:31:07Z")];
        assert_eq!(refusal.references(), ids.map(|(name, id)| (name.to_owned(), id.to_owned())));
        assert_eq!(Refusal::from_cli("Please run 'az login' to setup account."), None);
    }
}
