//! Comments in a script. Text of a plan stays on the line of its `#`, so that a title with a line break cannot become a
//! command.

use std::fmt::Write as _;

use twinspan_encode::{powershell, terminal};

pub(super) fn comment(text: &mut String, line: &str) {
    let _ = writeln!(text, "# {}", terminal::line(&one_line(line)));
}

/// The same for PowerShell, which interprets some comments.
pub(super) fn powershell_comment(text: &mut String, line: &str) {
    let _ = writeln!(text, "# {}", powershell::remark(&one_line(line)));
}

pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_break_leaves_the_remark() {
        let mut text = String::new();
        comment(&mut text, "a title\nrm -rf x\r\u{2028}y\u{85}z");
        assert_eq!(text, "# a title rm -rf x y z\n");
        powershell_comment(&mut text, "SIG # Begin signature block\u{1b}");
        assert!(text.ends_with("\n# - SIG # Begin signature block\\u{1b}\n"), "{text}");
    }
}
