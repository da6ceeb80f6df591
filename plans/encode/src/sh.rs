//! Words for a POSIX shell (dash, bash, zsh).

use crate::characters::is_active;

/// `text` as one word, always in single quotes. Active characters are written as octal escapes that the shell decodes,
/// so that a
/// script can be shown on a terminal. A line feed is kept in the quotes.
pub fn quoted(text: &str) -> String {
    let mut word = String::with_capacity(text.len() + 2);
    word.push('\'');
    let mut rest = text;
    while let Some(start) = rest.find(|c| is_active(c) && c != '\n') {
        let (plain, active) = rest.split_at(start);
        let end = active.find(|c| !is_active(c) || c == '\n').unwrap_or(active.len());
        push_plain(&mut word, plain);
        word.push_str("'\"$(printf '");
        for byte in active[..end].bytes() {
            word.push('\\');
            for shift in [6, 3, 0] {
                word.push(char::from(b'0' + (byte >> shift & 7)));
            }
        }
        word.push_str("')\"'");
        rest = &active[end..];
    }
    push_plain(&mut word, rest);
    word.push('\'');
    word
}

/// `text` as one word of a suggested command: bare if no shell interprets any of its characters, else [`quoted`].
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@,+=".contains(c);
    // zsh expands `=ls` to the path of a program.
    if !text.is_empty() && !text.starts_with('=') && text.chars().all(plain) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

fn push_plain(word: &mut String, text: &str) {
    word.push_str(&text.replace('\'', "'\\''"));
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    const HOSTILE: &[&str] = &[
        "",
        "plain",
        "$(touch x) `id` ${IFS} $HOME !! # ~ * ? [a] {a,b} ; & | < > \\ \\n %s %",
        "it's 'quoted' \"twice\"",
        "-rf --option =cmd",
        "two\nlines\n",
        "esc \u{1b}]0;x\u{7} csi \u{9b}31m cr \r bs \u{8} del \u{7f} bidi \u{202e} tab \t end",
        "\u{1b}",
        "\u{2018}\u{2019}ü語💡",
    ];

    /// The result of a shell that reads a word.
    fn read_by(shell: &str, word: &str) -> Option<String> {
        let output = Command::new(shell).args(["-c", &format!("printf '%s|' {word}")]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.strip_suffix('|').map(str::to_owned)
    }

    #[test]
    fn a_shell_reads_what_was_meant() {
        for text in HOSTILE {
            for word in [quoted(text), word(text)] {
                assert_eq!(read_by("sh", &word).as_deref(), Some(*text), "{word}");
                assert!(!word.replace('\n', "").contains(is_active), "{word:?}");
            }
        }
        assert_eq!(quoted("a'b"), "'a'\\''b'");
        assert_eq!(quoted("\u{1b}x"), "''\"$(printf '\\033')\"'x'");
    }

    #[test]
    fn plain_words_stay_readable() {
        assert_eq!(word("connect.scope-connection"), "connect.scope-connection");
        assert_eq!(word("members[*]"), "'members[*]'");
        assert_eq!(word(""), "''");
        assert_eq!(word("=ls"), "'=ls'");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_is_one_word(text in "[^\0]{0,40}") {
            let found = read_by("sh", &quoted(&text));
            prop_assert_eq!(found.as_deref(), Some(text.as_str()));
        }
    }
}
