//! Table cells (RFC 4180) that a spreadsheet does not interpret as formulas.

use crate::characters::is_active;
use crate::terminal;

/// `text` as one quoted cell. An apostrophe is put before text that looks like a formula.
pub fn cell(text: &str) -> String {
    let formula = text
        .trim_start_matches([' ', '\u{a0}'])
        .starts_with(['=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let mut cell = String::with_capacity(text.len() + 3);
    cell.push_str(if formula { "\"'" } else { "\"" });
    for c in text.chars() {
        match c {
            '"' => cell.push_str("\"\""),
            '\n' => cell.push(c),
            c if is_active(c) => terminal::escape(c, &mut cell),
            c => cell.push(c),
        }
    }
    cell.push('"');
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_none_ends_early() {
        for (text, wanted) in [
            ("plain", "\"plain\""),
            ("a \"b\", c", "\"a \"\"b\"\", c\""),
            ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
            (" +1", "\"' +1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\\u{9}=1\""),
        ] {
            assert_eq!(cell(text), wanted);
        }
    }
}
