//! Characters that are not text: they control a terminal, or are invisible to a reader.

/// Whether a terminal, an editor or a browser may interpret `c` or not show it: control characters (C0, DEL, C1),
/// direction
/// controls, characters without width, line separators, tags, noncharacters.
///
/// Line feed and tab are control characters, too; each encoder documents how it handles them. Variation selectors are
/// not
/// included, because they only choose the form of the preceding character.
pub fn is_active(c: char) -> bool {
    let point = u32::from(c);
    c.is_control()
        || matches!(
            point,
            0x00AD | 0x034F | 0x061C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F
                | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFDD0..=0xFDEF
                | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A
                | 0xE0000..=0xE0FFF
        )
        || point & 0xFFFE == 0xFFFE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_text() {
        for c in "aZ0 ~äß語Ωعא…→●💡🇩\u{fe0f}'\"`$\\%\u{a0}\u{2013}\u{2019}".chars() {
            assert!(!is_active(c), "{c:?}");
        }
    }

    #[test]
    fn what_acts_or_hides_is_not() {
        for c in "\0\u{7}\u{8}\n\t\r\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{61c}\u{200b}\u{200d}\u{200e}\u{2028}\u{2029}\u{202a}\u{202e}\
                  \u{2060}\u{2066}\u{2069}\u{feff}\u{fdd0}\u{ffff}\u{fff9}\u{e0041}\u{10fffe}\u{3164}"
            .chars()
        {
            assert!(is_active(c), "{c:?}");
        }
    }
}
