//! Bytes of what the journal keeps: MessagePack in which well-known words, times, digests and ids are short.
//!
//! It stays self-describing: any MessagePack reader that has the list of [`WORDS`] reads it, and what comes out is the
//! JSON that serde made. So an event may gain fields and variants without a new format. See
//! `docs/decisions/2026-11-23-journal-encoding.md`.

use std::collections::HashMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use rmp::Marker;
use rmp::encode::{self, ByteBuf, ValueWriteError};
use serde_json::{Map, Number, Value};
use twinspan_plans::Digest;
use uuid::Uuid;

use super::words::WORDS;

/// Extension type of a word: its number.
const WORD: i8 = 1;
/// Extension type of a time: microseconds since the row's own time.
const TIME: i8 = 2;
/// Extension type of a UUID.
const ID: i8 = 3;
/// Deeper values are refused: no input may exhaust the stack.
const DEEPEST: usize = 120;

static NUMBERS: LazyLock<HashMap<&'static str, u8>> =
    LazyLock::new(|| WORDS.iter().zip(0..=u8::MAX).map(|(word, number)| (*word, number)).collect());

/// Bytes that are not a packed value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// They end too early.
    #[error("it ends too early")]
    Short,
    /// More than one value.
    #[error("something follows its end")]
    Trailing,
    /// Nested too deeply.
    #[error("it is nested too deeply")]
    Deep,
    /// A word or an extension of a later version.
    #[error("it uses something that this version does not know")]
    Unknown,
    /// Not text, not a time, a number out of range.
    #[error("a value is malformed")]
    Malformed,
}

/// Appends `value`; `base` is the time of the row, in microseconds.
pub(crate) fn pack(value: &Value, base: i64, out: &mut Vec<u8>) {
    let mut buffer = ByteBuf::from_vec(std::mem::take(out));
    // A buffer in memory takes everything; a length beyond 32 bits cannot be held by one journal row in the first place.
    let written = write(value, base, &mut buffer);
    debug_assert!(written.is_ok(), "a buffer in memory takes everything");
    *out = buffer.into_vec();
}

type Written = Result<(), ValueWriteError<std::convert::Infallible>>;

fn write(value: &Value, base: i64, out: &mut ByteBuf) -> Written {
    match value {
        Value::Null => encode::write_nil(out).map_err(ValueWriteError::InvalidMarkerWrite),
        Value::Bool(value) => encode::write_bool(out, *value).map_err(ValueWriteError::InvalidMarkerWrite),
        Value::Number(number) => {
            if let Some(number) = number.as_u64() {
                encode::write_uint(out, number)?;
            } else if let Some(number) = number.as_i64() {
                encode::write_sint(out, number)?;
            } else {
                encode::write_f64(out, number.as_f64().unwrap_or_default())?;
            }
            Ok(())
        }
        Value::String(text) => write_text(text, base, out),
        Value::Array(items) => {
            encode::write_array_len(out, length(items.len()))?;
            items.iter().try_for_each(|item| write(item, base, out))
        }
        Value::Object(fields) => {
            encode::write_map_len(out, length(fields.len()))?;
            fields.iter().try_for_each(|(key, value)| {
                match NUMBERS.get(key.as_str()) {
                    Some(number) => encode::write_uint(out, u64::from(*number)).map(drop)?,
                    None => encode::write_str(out, key)?,
                }
                write(value, base, out)
            })
        }
    }
}

fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Every short form is taken only where reading it back gives the very same text.
fn write_text(text: &str, base: i64, out: &mut ByteBuf) -> Written {
    if let Some(number) = NUMBERS.get(text) {
        return write_ext(WORD, &[*number], out);
    }
    let bytes = text.as_bytes();
    if bytes.len() == 64
        && bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && let Some(digest) = Digest::parse(text)
    {
        return encode::write_bin(out, &digest.0);
    }
    if bytes.len() == 36
        && bytes[8] == b'-'
        && let Ok(id) = Uuid::try_parse(text)
        && id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text
    {
        return write_ext(ID, id.as_bytes(), out);
    }
    if let Some(since) = microseconds_since(text, base) {
        return if let Ok(since) = i8::try_from(since) {
            write_ext(TIME, &since.to_be_bytes(), out)
        } else if let Ok(since) = i16::try_from(since) {
            write_ext(TIME, &since.to_be_bytes(), out)
        } else if let Ok(since) = i32::try_from(since) {
            write_ext(TIME, &since.to_be_bytes(), out)
        } else {
            write_ext(TIME, &since.to_be_bytes(), out)
        };
    }
    encode::write_str(out, text)
}

fn microseconds_since(text: &str, base: i64) -> Option<i64> {
    let bytes = text.as_bytes();
    if !(20..=27).contains(&bytes.len())
        || bytes[4] != b'-'
        || bytes[10] != b'T'
        || bytes.last() != Some(&b'Z')
    {
        return None;
    }
    let time: Timestamp = text.parse().ok()?;
    let micros = time.as_microsecond();
    let same = Timestamp::from_microsecond(micros).ok()?.to_string() == text;
    if same { micros.checked_sub(base) } else { None }
}

fn write_ext(kind: i8, data: &[u8], out: &mut ByteBuf) -> Written {
    encode::write_ext_meta(out, length(data.len()), kind)?;
    out.as_mut_vec().extend_from_slice(data);
    Ok(())
}

/// Reads one value that fills `bytes` whole.
pub(crate) fn unpack(mut bytes: &[u8], base: i64) -> Result<Value, Unreadable> {
    let value = read(&mut bytes, base, 0)?;
    if bytes.is_empty() { Ok(value) } else { Err(Unreadable::Trailing) }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], Unreadable> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(Unreadable::Short)?;
    *bytes = rest;
    Ok(taken)
}

fn number<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Unreadable> {
    take(bytes, N)?.try_into().map_err(|_| Unreadable::Short)
}

fn size<const N: usize>(bytes: &mut &[u8]) -> Result<usize, Unreadable> {
    Ok(number::<N>(bytes)?.iter().fold(0, |size, byte| (size << 8) | usize::from(*byte)))
}

fn read(bytes: &mut &[u8], base: i64, depth: usize) -> Result<Value, Unreadable> {
    if depth > DEEPEST {
        return Err(Unreadable::Deep);
    }
    Ok(match Marker::from_u8(number::<1>(bytes)?[0]) {
        Marker::Null => Value::Null,
        Marker::True => Value::Bool(true),
        Marker::False => Value::Bool(false),
        Marker::FixPos(value) => value.into(),
        Marker::FixNeg(value) => value.into(),
        Marker::U8 => u8::from_be_bytes(number(bytes)?).into(),
        Marker::U16 => u16::from_be_bytes(number(bytes)?).into(),
        Marker::U32 => u32::from_be_bytes(number(bytes)?).into(),
        Marker::U64 => u64::from_be_bytes(number(bytes)?).into(),
        Marker::I8 => i8::from_be_bytes(number(bytes)?).into(),
        Marker::I16 => i16::from_be_bytes(number(bytes)?).into(),
        Marker::I32 => i32::from_be_bytes(number(bytes)?).into(),
        Marker::I64 => i64::from_be_bytes(number(bytes)?).into(),
        Marker::F64 => Number::from_f64(f64::from_be_bytes(number(bytes)?))
            .map(Value::Number)
            .ok_or(Unreadable::Malformed)?,
        Marker::FixStr(length) => text(take(bytes, length.into())?)?,
        Marker::Str8 => sized_text::<1>(bytes)?,
        Marker::Str16 => sized_text::<2>(bytes)?,
        Marker::Str32 => sized_text::<4>(bytes)?,
        Marker::Bin8 => {
            let length = size::<1>(bytes)?;
            let digest = take(bytes, length)?.try_into().map(Digest).map_err(|_| Unreadable::Unknown)?;
            Value::String(digest.to_string())
        }
        Marker::FixArray(length) => array(bytes, length.into(), base, depth)?,
        Marker::Array16 => {
            let length = size::<2>(bytes)?;
            array(bytes, length, base, depth)?
        }
        Marker::Array32 => {
            let length = size::<4>(bytes)?;
            array(bytes, length, base, depth)?
        }
        Marker::FixMap(length) => map(bytes, length.into(), base, depth)?,
        Marker::Map16 => {
            let length = size::<2>(bytes)?;
            map(bytes, length, base, depth)?
        }
        Marker::Map32 => {
            let length = size::<4>(bytes)?;
            map(bytes, length, base, depth)?
        }
        Marker::FixExt1 => ext(bytes, 1, base)?,
        Marker::FixExt2 => ext(bytes, 2, base)?,
        Marker::FixExt4 => ext(bytes, 4, base)?,
        Marker::FixExt8 => ext(bytes, 8, base)?,
        Marker::FixExt16 => ext(bytes, 16, base)?,
        Marker::F32
        | Marker::Bin16
        | Marker::Bin32
        | Marker::Ext8
        | Marker::Ext16
        | Marker::Ext32
        | Marker::Reserved => return Err(Unreadable::Unknown),
    })
}

fn text(bytes: &[u8]) -> Result<Value, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::Malformed)?;
    Ok(Value::String(text.to_owned()))
}

fn sized_text<const N: usize>(bytes: &mut &[u8]) -> Result<Value, Unreadable> {
    let length = size::<N>(bytes)?;
    text(take(bytes, length)?)
}

fn array(bytes: &mut &[u8], length: usize, base: i64, depth: usize) -> Result<Value, Unreadable> {
    // The length is not trusted: each element takes at least one byte.
    let mut items = Vec::with_capacity(length.min(bytes.len()));
    for _ in 0..length {
        items.push(read(bytes, base, depth + 1)?);
    }
    Ok(Value::Array(items))
}

fn map(bytes: &mut &[u8], length: usize, base: i64, depth: usize) -> Result<Value, Unreadable> {
    let mut fields = Map::new();
    for _ in 0..length {
        let key = match read(bytes, base, depth + 1)? {
            Value::String(key) => key,
            Value::Number(number) => word(number.as_u64())?,
            _ => return Err(Unreadable::Malformed),
        };
        fields.insert(key, read(bytes, base, depth + 1)?);
    }
    Ok(Value::Object(fields))
}

fn word(number: Option<u64>) -> Result<String, Unreadable> {
    let number = number.and_then(|number| usize::try_from(number).ok()).ok_or(Unreadable::Unknown)?;
    WORDS.get(number).map(|word| (*word).to_owned()).ok_or(Unreadable::Unknown)
}

fn ext(bytes: &mut &[u8], length: usize, base: i64) -> Result<Value, Unreadable> {
    let kind = i8::from_be_bytes(number(bytes)?);
    let data = take(bytes, length)?;
    let text = match kind {
        WORD if length == 1 => word(data.first().map(|number| u64::from(*number)))?,
        ID => Uuid::from_slice(data).map_err(|_| Unreadable::Malformed)?.hyphenated().to_string(),
        TIME if length <= 8 => {
            let negative = data.first().is_some_and(|byte| byte & 0x80 != 0);
            let start = if negative { -1 } else { 0 };
            let since = data.iter().fold(start, |since: i64, byte| (since << 8) | i64::from(*byte));
            let micros = base.checked_add(since).ok_or(Unreadable::Malformed)?;
            Timestamp::from_microsecond(micros).map_err(|_| Unreadable::Malformed)?.to_string()
        }
        _ => return Err(Unreadable::Unknown),
    };
    Ok(Value::String(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn round(value: &Value, base: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        pack(value, base, &mut bytes);
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
            (-62_135_596_800_000_000_i64..=253_402_207_200_000_000)
                .prop_map(|at| Timestamp::from_microsecond(at).unwrap().to_string().into()),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::hash_map("[a-z]{1,8}", inner, 0..6)
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
