//! Values of enumerations as Azure returns them. Azure Resource Manager and Microsoft Graph compare them without case, and
//! providers return them in more than one spelling.

/// The spelling in `words` of a text that is one of them, ignoring case; any other text as it is.
pub(crate) fn known<'t>(text: &'t str, words: &[&'static str]) -> &'t str {
    words.iter().find(|word| word.eq_ignore_ascii_case(text)).map_or(text, |word| *word)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::avnm::deployment::Status;
    use crate::avnm::{ConnectionState, Provisioning};

    #[test]
    fn a_known_word_gets_its_spelling_and_another_keeps_its_own() {
        for (text, spelled) in
            [("connected", "Connected"), ("PENDING", "Pending"), ("levitating", "levitating"), ("", "")]
        {
            assert_eq!(known(text, &["Connected", "Pending"]), spelled);
        }
    }

    #[test]
    fn states_are_read_in_any_case() {
        let state = |text: &str| serde_json::from_value::<ConnectionState>(json!(text)).unwrap();
        assert_eq!(state("connected"), ConnectionState::Connected);
        assert_eq!(state("REVOKED"), ConnectionState::Revoked);
        assert_eq!(state("pending").to_string(), "Pending");
        assert_eq!(state("levitating"), ConnectionState::Other("levitating".to_owned()));
        let state = |text: &str| serde_json::from_value::<Provisioning>(json!(text)).unwrap();
        assert_eq!(state("succeeded"), Provisioning::Succeeded);
        assert_eq!(state("FAILED"), Provisioning::Failed("Failed".to_owned()));
        assert_eq!(state("Cancelled"), Provisioning::Failed("Cancelled".to_owned()));
        assert_eq!(state("updating"), Provisioning::Underway("updating".to_owned()));
        let state = |text: &str| serde_json::from_value::<Status>(json!(text)).unwrap();
        assert_eq!((state("deployed"), state("failed")), (Status::Deployed, Status::Failed));
    }
}
