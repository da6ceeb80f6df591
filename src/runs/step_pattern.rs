//! Patterns over step ids: `*` matches any text. Brackets have no special meaning, because step ids contain them.

/// Whether the text is a pattern and not a step id.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains('*')
}

/// Whether a step id matches.
pub(crate) fn fits(pattern: &str, step: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = step.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The pattern that was probably meant: the id of a step with `*` in its brackets.
pub(crate) fn nearest<'a>(pattern: &str, steps: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut known: Vec<String> = steps.map(opened).collect();
    known.sort();
    known.dedup();
    twinspan_plans::nearest(pattern, known.iter().map(String::as_str)).map(str::to_owned)
}

/// `connect[fabrikam-prod].role` as `connect[*].role`.
fn opened(step: &str) -> String {
    let mut out = String::with_capacity(step.len());
    let mut depth = 0_usize;
    for letter in step.chars() {
        match letter {
            '[' => {
                depth += 1;
                if depth == 1 {
                    out.push_str("[*");
                }
            }
            ']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    out.push(']');
                }
            }
            _ if depth > 0 => {}
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_brackets_mean_themselves() {
        for (pattern, step) in [
            ("members[*]", "members[vnet-app-1a2b3c4d]"),
            ("members[*]", "members[a.b[c]]"),
            ("connect[*].half-a", "connect[sub-001].half-a"),
            ("*", "anything"),
            ("*role", "connect[a].role"),
            ("a*b*c", "a-b-b-c"),
            ("größe[*]", "größe[ä]"),
            ("exact", "exact"),
        ] {
            assert!(fits(pattern, step), "{pattern} {step}");
        }
        for (pattern, step) in [
            ("members[*]", "members"),
            ("members[*]", "members[a].add"),
            ("connect[*].half-a", "connect[x].half-b"),
            ("a*a", "a"),
            ("m*", "x-m"),
            ("exact", "exactly"),
        ] {
            assert!(!fits(pattern, step), "{pattern} {step}");
        }
    }

    #[test]
    fn what_was_meant_is_suggested() {
        let steps = ["connect[a].scope", "connect[b].scope", "members[x]"];
        assert_eq!(nearest("conect[*].scope", steps.into_iter()).as_deref(), Some("connect[*].scope"));
        assert_eq!(nearest("member[*]", steps.into_iter()).as_deref(), Some("members[*]"));
        assert_eq!(nearest("something[*].else", steps.into_iter()), None);
    }
}
