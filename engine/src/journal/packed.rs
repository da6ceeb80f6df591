//! The encoding of the journal: MessagePack with short forms for well-known strings, times, digests, ids and repeated texts.
//!
//! It is self-describing: any MessagePack reader with the list [`WORDS`] can read it, and the result is the JSON of serde. An
//! event can therefore gain fields and variants without a new format. See `docs/decisions/2026-11-23-journal-encoding.md`.

mod reading;
mod writing;

use std::sync::LazyLock;

use twinspan_plans::Digest;

use super::words::WORDS;

pub(crate) use reading::unpack;
pub(crate) use writing::pack;

/// Extension type of a well-known string: its number.
const WORD: i8 = 1;
/// Extension type of a time: microseconds since the row's time.
const TIME: i8 = 2;
/// Extension type of a UUID.
const ID: i8 = 3;
/// Extension type of an implied digest: one of [`KnownDigest`].
const DIGEST: i8 = 4;
/// Extension type of a repeated text: its number within the body.
const AGAIN: i8 = 5;
/// Shorter texts are always written out: the short form takes three bytes.
const SHORTEST_AGAIN: usize = 3;
/// Number of texts of a body that can be repeated by number.
const MOST_AGAIN: usize = 256;
/// Name of the field whose value's digest can be implied afterwards.
const OUTPUT: &str = "output";
/// Largest nesting depth: no input may exhaust the stack.
const DEEPEST: usize = 120;

/// Digests that follow from other content. Their numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KnownDigest {
    /// The digest of absence: the usual pre-image.
    Absent = 0,
    /// The digest of the last value of the field `output`: usually what was read is the output.
    Output = 1,
}

static ABSENT: LazyLock<Digest> = LazyLock::new(|| Digest::of(b"\"absent\""));

/// The well-known strings by text: a hash table with few collisions, because every name and value is looked up.
struct Numbers([u16; Numbers::SLOTS]);

static NUMBERS: LazyLock<Numbers> = LazyLock::new(Numbers::new);

impl Numbers {
    const SLOTS: usize = 1024;

    fn new() -> Self {
        let mut slots = [u16::MAX; Numbers::SLOTS];
        for (word, number) in WORDS.iter().zip(0_u16..) {
            let mut slot = Numbers::slot(word.as_bytes());
            while slots[slot] != u16::MAX {
                slot = (slot + 1) % Numbers::SLOTS;
            }
            slots[slot] = number;
        }
        Numbers(slots)
    }

    fn slot(word: &[u8]) -> usize {
        let byte = |at: usize| usize::from(word.get(at).copied().unwrap_or_default());
        let (length, last) = (word.len(), word.len().saturating_sub(1));
        (length + byte(0) * 31 + byte(length / 2) * 389 + byte(last) * 769) % Numbers::SLOTS
    }

    fn of(&self, text: &str) -> Option<u8> {
        let mut slot = Numbers::slot(text.as_bytes());
        loop {
            let number = usize::from(self.0[slot]);
            let word = WORDS.get(number)?;
            if *word == text {
                return u8::try_from(number).ok();
            }
            slot = (slot + 1) % Numbers::SLOTS;
        }
    }
}

/// Why bytes are not a packed value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// The bytes end too early.
    #[error("it ends too early")]
    Short,
    /// More than one value.
    #[error("something follows its end")]
    Trailing,
    /// Nested too deeply.
    #[error("it is nested too deeply")]
    Deep,
    /// A string number or extension of a later version.
    #[error("it uses something that this version does not know")]
    Unknown,
    /// Not text, not a time, or a number out of range.
    #[error("a value is malformed")]
    Malformed,
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn round(value: &Value, base: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        pack(value, base, &mut bytes).unwrap();
        assert_eq!(unpack(&bytes, base).as_ref(), Ok(value));
        bytes
    }

    #[test]
    fn words_times_digests_and_ids_are_short_and_come_back_as_they_were() {
        let base = 1_795_000_000_000_000;
        let time = Timestamp::from_microsecond(base + 1_500).unwrap().to_string();
        assert_eq!(round(&json!("apply"), base).len(), 3);
        assert_eq!(round(&json!({ "attempt": 1 }), base).len(), 3);
        assert_eq!(round(&json!(time), base).len(), 4);
        assert_eq!(round(&json!(Digest::of(b"x").to_string()), base).len(), 34);
        assert_eq!(round(&json!("0193e3a4-7777-7abc-8def-000000000001"), base).len(), 18);
    }

    #[test]
    fn text_that_only_looks_like_a_short_form_comes_back_as_it_was() {
        for text in [
            "2026-11-23T09:15:08.123456789Z",
            "2026-11-23T09:15:08+00:00Z",
            "2026-11-23T09:15:08.100Z",
            "2026-11-23T09:15:08.1Z",
            "0193E3A4-7777-7ABC-8DEF-000000000001",
            "ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789",
            "",
        ] {
            round(&json!(text), 5);
            round(&json!({ text: [text, null, true, -3, 1.5, u64::MAX, i64::MIN] }), -5);
        }
    }

    #[test]
    fn what_follows_from_what_else_is_there_is_not_written_out() {
        let output = json!({ "id": "/things/one", "at": [1, 2] });
        let seen = crate::digest::digest_of(&output).to_string();
        let alone = round(&json!({ "output": output, "seen": null }), 0).len();
        assert_eq!(round(&json!({ "output": output, "seen": seen }), 0).len(), alone + 2);
        // No output, or another one, came before: the digest is written out.
        assert_eq!(round(&json!([{ "output": output }, { "output": 1, "seen": seen }]), 0).len(), alone + 37);
        assert_eq!(round(&json!({ "seen": seen }), 0).len(), 36);
        assert_eq!(round(&json!(ABSENT.to_string()), 0).len(), 3);
        // A text is stored once.
        assert_eq!(round(&json!(["scope-connection", "scope-connection"]), 0).len(), 1 + 17 + 3);
        let many: Vec<String> = (0..600).map(|number| format!("text {}", number % 300)).collect();
        round(&json!(many), 0);
    }

    #[test]
    fn a_text_or_an_output_that_never_came_is_an_error() {
        assert_eq!(unpack(&[0xd4, 5, 0], 0), Err(Unreadable::Malformed));
        assert_eq!(unpack(&[0xd4, 4, 1], 0), Err(Unreadable::Malformed));
        assert_eq!(unpack(&[0xd4, 4, 2], 0), Err(Unreadable::Unknown));
        assert_eq!(unpack(&[0xd4, 6, 0], 0), Err(Unreadable::Unknown));
    }

    #[test]
    fn what_serde_writes_comes_back_as_its_json() {
        #[derive(serde::Serialize)]
        #[serde(rename_all = "kebab-case")]
        enum Kind {
            Unit,
            New(u8),
            Pair(i8, char),
            Named { some: Option<f32>, none: Option<()> },
        }
        #[derive(serde::Serialize)]
        struct Whole {
            id: uuid::Uuid,
            digest: Digest,
            at: Timestamp,
            span: std::time::Duration,
            kinds: Vec<Kind>,
            keys: std::collections::BTreeMap<i32, (bool, String)>,
            unit: (),
            #[serde(flatten)]
            rest: std::collections::BTreeMap<String, f64>,
        }
        let whole = Whole {
            id: uuid::Uuid::from_u128(0x0193_e3a4_7777_7abc_8def_0000_0000_0001),
            digest: Digest::of(b"x"),
            at: "2026-11-23T09:15:08.1234567Z".parse().unwrap(),
            span: std::time::Duration::from_millis(1_500),
            kinds: vec![
                Kind::Unit,
                Kind::New(7),
                Kind::Pair(-7, 'é'),
                Kind::Named { some: Some(0.5), none: None },
            ],
            keys: [(-1, (true, "status".to_owned()))].into(),
            unit: (),
            rest: [("x".to_owned(), f64::NAN), ("y".to_owned(), -1e300)].into(),
        };
        let mut bytes = Vec::new();
        pack(&whole, 0, &mut bytes).unwrap();
        assert_eq!(unpack(&bytes, 0), Ok(serde_json::to_value(&whole).unwrap()));
        assert!(pack(&std::collections::BTreeMap::from([((1, 2), 3)]), 0, &mut bytes).is_err());
    }

    #[test]
    fn every_cut_is_an_error() {
        let bytes = round(&json!({ "step": "a", "event": { "done": [1, 2, { "x": "y" }] } }), 0);
        for end in 0..bytes.len() {
            assert!(unpack(&bytes[..end], 0).is_err(), "cut at {end}");
        }
        assert_eq!(unpack(&[&bytes[..], &[0]].concat(), 0), Err(Unreadable::Trailing));
    }

    #[test]
    fn bytes_cannot_exhaust_stack_or_memory() {
        assert_eq!(unpack(&[0x91; 100_000], 0), Err(Unreadable::Deep));
        assert_eq!(unpack(&[0xdd, 0xff, 0xff, 0xff, 0xff], 0), Err(Unreadable::Short));
        assert_eq!(unpack(&[0xdb, 0xff, 0xff, 0xff, 0xff], 0), Err(Unreadable::Short));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "[ -~]{0,40}".prop_map(Value::from),
            proptest::sample::select(WORDS).prop_map(Value::from),
            proptest::sample::select(&["scope-connection", "abc", "\u{e9}"][..]).prop_map(Value::from),
            Just(Value::from(ABSENT.to_string())),
            "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,9})?Z"
                .prop_map(Value::from),
            (-62_135_596_800_000_000_i64..=253_402_207_200_000_000)
                .prop_map(|at| Timestamp::from_microsecond(at).unwrap().to_string().into()),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::hash_map("[a-z]{1,8}|output|seen", inner, 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn anything_comes_back_as_it_was(value in any_value(), base in -1_000_000_i64..2_000_000_000_000_000) {
            round(&value, base);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&bytes, 0);
        }
    }
}
