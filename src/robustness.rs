//! Property tests with text in any script from people and the cloud: parsing and layout must not panic and must lose
//! nothing.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use twinspan_encode::terminal;
use twinspan_engine::Registry;
use twinspan_steps::ids::{ConnectionScope, Email, Guid, HumanDuration, ResourceName, Scope, TenantId, Url};

use crate::host::step_kinds;
use crate::text::Width;

/// All kinds, described once, because that takes longer than a test case.
static KINDS: LazyLock<Arc<Registry>> = LazyLock::new(|| step_kinds::described().unwrap());

/// Text of characters of one to four bytes, of zero width, and of parts of ids and addresses.
fn foreign() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "/",
            "/subscriptions/",
            "bbbbbbbb-0000-0000-0000-000000000001",
            "/providers/",
            "Microsoft.Network/",
            "/resourceGroups/",
            "@",
            ".",
            "-",
            "{",
            "}",
            "%",
            "1h",
            "30s",
            "https://",
            " ",
            "\n",
            "\u{1b}[31m",
            "é",
            "→",
            "日本",
            "\u{1f600}",
            "e\u{301}",
            "\u{202e}",
            "İ",
            "ß",
            "\u{feff}",
            "\u{85}",
            "\u{10ffff}",
        ])
        .prop_map(str::to_owned),
        "[a-z0-9]{0,9}",
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn ids_are_read_or_refused(text in foreign()) {
        let _ = (text.parse::<Guid>(), text.parse::<TenantId>(), text.parse::<Email>(), text.parse::<Url>());
        let _ = (text.parse::<ResourceName>(), text.parse::<HumanDuration>());
        if let Ok(scope) = text.parse::<Scope>() {
            prop_assert!(scope.holds(&scope), "{text}");
            let _ = (scope.name(), scope.subscription(), scope.words(), scope.key());
        }
        if let Ok(scope) = text.parse::<ConnectionScope>() {
            let _ = (scope.words(), scope.key());
        }
        if let Err(why) = text.parse::<Scope>() {
            prop_assert!(!why.to_string().is_empty());
        }
    }

    #[test]
    fn lines_are_broken_between_words_and_nothing_is_lost(text in foreign(), columns in 0..120_usize, indent in 0..60_usize) {
        let line = text.replace('\n', " ");
        // Active terminal characters are shown as their code point.
        let line = terminal::lines(&line).into_owned();
        let wrapped = Width::columns(columns).wrapped(&line, indent);
        let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        prop_assert_eq!(plain(&wrapped), plain(&line));
        let end = Width::columns(columns).end_of(&line, indent);
        prop_assert!(line.ends_with(end.trim_start_matches('…')) || end == line);
    }

    #[test]
    fn mistakes_in_plans_are_shown_whatever_they_hold(text in foreign()) {
        for plan in [
            format!("twinspan: 1\nname: {text}\nsteps: []\n"),
            format!("twinspan: 1\nname: p\nsummary: {text}\nsteps:\n  - id: a\n    uses delay\n"),
            format!("twinspan: 1\nname: p\nsteps:\n  - {{ id: a, uses: approval, with: {{ show: \"{text} ${{{{ x.{text} }}}}\" }} }}\n"),
        ] {
            let found = match twinspan_plans::parse("plan.yaml", plan.as_bytes()) {
                Err(found) => found,
                Ok(document) => match twinspan_plans::compile(&document, KINDS.catalog()) {
                    Err(found) => found,
                    Ok(_) => continue,
                },
            };
            let _ = (found.render(true), found.to_json(), found.to_string());
            prop_assert!(found.iter().all(|one| one.message != "the file could not be read as YAML"), "{plan:?}");
        }
    }
}
