//! Finds an unquoted reference inside `{ }` or `[ ]`.
//!
//! Used only for text that is not valid YAML, so it is approximate: it follows quotes, comments, brackets and block
//! scalars, and
//! nothing else of YAML.

use std::ops::Range;

/// The first unquoted `${{ … }}` inside a flow collection.
pub(super) fn unquoted_reference(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut quote = None;
    // Whether a new value may begin here; inside a plain scalar, brackets and quotes have no meaning.
    let mut fresh = true;
    let mut block: Option<usize> = None;
    let mut at = 0;
    while at < bytes.len() {
        let line_end = text[at..].find('\n').map_or(bytes.len(), |end| at + end + 1);
        let line = &text[at..line_end];
        let indent = line.len() - line.trim_start_matches(' ').len();
        if let Some(parent) = block {
            if line.trim().is_empty() || indent > parent {
                at = line_end;
                continue;
            }
            block = None;
        }
        if quote.is_none() && depth == 0 {
            fresh = true;
        }
        let mut i = at;
        while i < line_end {
            // Compare bytes, because `i` may be inside a character; the compared strings are ASCII.
            let rest = &bytes[i..line_end];
            let byte = bytes[i];
            match quote {
                Some(b'"') if byte == b'\\' => i += 1,
                Some(open) if byte == open => quote = None,
                Some(_) => {}
                None if rest.starts_with(b"${{") && depth > 0 => {
                    let end = text[i..].find("}}").map_or(line_end, |end| i + end + 2);
                    return Some(i..end);
                }
                None if rest.starts_with(b"${{") => {
                    let end = text[i..line_end].find("}}").map_or(line_end, |end| i + end + 2);
                    i = end;
                    fresh = false;
                    continue;
                }
                None => match byte {
                    b'#' if i == at || bytes[i - 1].is_ascii_whitespace() => break,
                    b'"' | b'\'' if fresh => quote = Some(byte),
                    b'[' | b'{' if fresh || depth > 0 => {
                        depth += 1;
                        fresh = true;
                    }
                    b']' | b'}' if depth > 0 => {
                        depth -= 1;
                        fresh = false;
                    }
                    b',' if depth > 0 => fresh = true,
                    b':' if bytes.get(i + 1).is_none_or(u8::is_ascii_whitespace) => fresh = true,
                    b'-' | b'?' if fresh && bytes.get(i + 1).is_none_or(u8::is_ascii_whitespace) => {}
                    b'|' | b'>' if fresh && depth == 0 => {
                        block = Some(indent);
                        break;
                    }
                    _ if byte.is_ascii_whitespace() => {}
                    _ => fresh = false,
                },
            }
            i += 1;
        }
        at = line_end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::unquoted_reference;

    #[test]
    fn is_found_beside_characters_of_several_bytes() {
        for words in ["Für alle", "from here → there", "日本語 {", "\u{1f600} [", "'é' \"ü\"", "a\u{301}"]
        {
            let text = format!("summary: {words}\nwith: {{ é: 'ß', for: ${{{{ inputs.pause }}}} }}\n");
            let found = unquoted_reference(&text).map(|span| &text[span]);
            assert_eq!(found, Some("${{ inputs.pause }}"), "{text}");
        }
        assert_eq!(unquoted_reference("title: Ä: ö\n"), None);
    }
}
