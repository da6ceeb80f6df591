//! The contents of a resource: deleting the resource deletes them too, whichever run or person created them.

use crate::decision::Difference;
use crate::ids::ClaimKey;

/// The contents of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Their kind, as people know it: "static members".
    pub what: &'static str,
    /// Each item.
    pub items: Vec<Content>,
}

/// One item of contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its normalized id.
    pub key: ClaimKey,
    /// Its name for people.
    pub words: String,
}

impl Contents {
    /// Largest number of items named in a sentence.
    const NAMED: usize = 20;

    /// The items that this run did not create, as a difference that needs a decision. An item inside a resource that this run
    /// created within `container` counts as created; the container itself, and what contains it, do not count.
    pub(crate) fn foreign(&self, created: &[ClaimKey], container: &[ClaimKey]) -> Option<Difference> {
        let inside: Vec<&ClaimKey> =
            created.iter().filter(|own| !container.iter().any(|held| lies_in(held, own))).collect();
        let own = |key: &ClaimKey| inside.iter().any(|own| lies_in(key, own));
        let mut others: Vec<&Content> = self.items.iter().filter(|item| !own(&item.key)).collect();
        others.sort_by(|one, other| one.key.cmp(&other.key));
        let foreign: Vec<&str> = others.iter().map(|item| item.words.as_str()).collect();
        let named = foreign.iter().take(Self::NAMED).copied().collect::<Vec<_>>().join(", ");
        let more = match foreign.len().saturating_sub(Self::NAMED) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let found = format!("{}: {named}{more}", foreign.len());
        (!foreign.is_empty()).then(|| Difference {
            contents: others.iter().map(|item| item.key.clone()).collect(),
            ..Difference::new(self.what, "none", found)
        })
    }
}

/// Whether `key` is `own`, or inside it.
fn lies_in(key: &ClaimKey, own: &ClaimKey) -> bool {
    key.0.strip_prefix(&own.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(names: &[&str]) -> Contents {
        let content = |name: &&str| Content { key: ClaimKey((*name).to_owned()), words: (*name).to_owned() };
        Contents { what: "content", items: names.iter().map(content).collect() }
    }

    #[test]
    fn what_this_run_created_and_what_lies_in_that_is_its_own() {
        let created = ["/rg/v".to_owned(), "/rg/w".to_owned()].map(ClaimKey);
        let container = [ClaimKey("/rg".to_owned())];
        assert_eq!(held(&["/rg/v", "/rg/w/subnets/a"]).foreign(&created, &container), None);
        assert_eq!(held(&[]).foreign(&[], &container), None);
        let foreign = held(&["/rg/v", "/rg/v2", "/rg/x"]).foreign(&created, &container).unwrap();
        assert_eq!((foreign.field.as_str(), foreign.found.as_str()), ("content", "2: /rg/v2, /rg/x"));
        assert_eq!(foreign.contents, ["/rg/v2", "/rg/x"].map(|key| ClaimKey(key.to_owned())));
        assert_eq!(held(&["/rg/x", "/rg/v2"]).foreign(&[], &container).unwrap(), foreign, "in any order");
    }

    #[test]
    fn that_this_run_created_the_container_does_not_make_its_content_its_own() {
        let created = ["/rg".to_owned(), "/rg/v".to_owned()].map(ClaimKey);
        let foreign = held(&["/rg/v/subnets/a"]).foreign(&created, &[ClaimKey("/rg/v".to_owned())]).unwrap();
        assert_eq!(foreign.found, "1: /rg/v/subnets/a");
    }

    #[test]
    fn twenty_are_named_and_the_rest_is_counted() {
        let names: Vec<String> = (0..22).map(|number| format!("/{number:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = held(&names).foreign(&[], &[]).unwrap().found;
        assert!(found.starts_with("22: /00, /01, ") && found.ends_with("/19, and 2 more"), "{found}");
    }
}
