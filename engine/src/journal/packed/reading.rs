//! Reads packed bytes; trusts nothing in them.

use jiff::Timestamp;
use rmp::Marker;
use serde_json::{Map, Number, Value};
use twinspan_plans::Digest;
use uuid::Uuid;

use super::{
    ABSENT, AGAIN, DEEPEST, DIGEST, ID, KnownDigest, MOST_AGAIN, OUTPUT, SHORTEST_AGAIN, TIME, Unreadable,
    WORD,
};
use crate::digest::digest_of;
use crate::journal::words::WORDS;

/// Reads one value that fills all of `bytes`.
pub(crate) fn unpack(bytes: &[u8], base: i64) -> Result<Value, Unreadable> {
    let mut reader = Reader { bytes, base, texts: Vec::new(), output: None };
    let value = reader.value(0)?;
    if reader.bytes.is_empty() { Ok(value) } else { Err(Unreadable::Trailing) }
}

/// The remaining bytes, and the values that short forms refer to.
struct Reader<'a> {
    bytes: &'a [u8],
    base: i64,
    texts: Vec<&'a str>,
    /// Digest of the last `output`.
    output: Option<Digest>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(Unreadable::Short)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        self.take(N)?.try_into().map_err(|_| Unreadable::Short)
    }

    fn size<const N: usize>(&mut self) -> Result<usize, Unreadable> {
        Ok(self.number::<N>()?.iter().fold(0, |size, byte| (size << 8) | usize::from(*byte)))
    }

    fn value(&mut self, depth: usize) -> Result<Value, Unreadable> {
        if depth > DEEPEST {
            return Err(Unreadable::Deep);
        }
        Ok(match Marker::from_u8(self.number::<1>()?[0]) {
            Marker::Null => Value::Null,
            Marker::True => Value::Bool(true),
            Marker::False => Value::Bool(false),
            Marker::FixPos(value) => value.into(),
            Marker::FixNeg(value) => value.into(),
            Marker::U8 => u8::from_be_bytes(self.number()?).into(),
            Marker::U16 => u16::from_be_bytes(self.number()?).into(),
            Marker::U32 => u32::from_be_bytes(self.number()?).into(),
            Marker::U64 => u64::from_be_bytes(self.number()?).into(),
            Marker::I8 => i8::from_be_bytes(self.number()?).into(),
            Marker::I16 => i16::from_be_bytes(self.number()?).into(),
            Marker::I32 => i32::from_be_bytes(self.number()?).into(),
            Marker::I64 => i64::from_be_bytes(self.number()?).into(),
            Marker::F64 => Number::from_f64(f64::from_be_bytes(self.number()?))
                .map(Value::Number)
                .ok_or(Unreadable::Malformed)?,
            Marker::FixStr(length) => self.text(length.into())?,
            Marker::Str8 => self.sized_text::<1>()?,
            Marker::Str16 => self.sized_text::<2>()?,
            Marker::Str32 => self.sized_text::<4>()?,
            Marker::Bin8 => {
                let length = self.size::<1>()?;
                let digest = self.take(length)?.try_into().map(Digest).map_err(|_| Unreadable::Unknown)?;
                Value::String(digest.to_string())
            }
            Marker::FixArray(length) => self.array(length.into(), depth)?,
            Marker::Array16 => {
                let length = self.size::<2>()?;
                self.array(length, depth)?
            }
            Marker::Array32 => {
                let length = self.size::<4>()?;
                self.array(length, depth)?
            }
            Marker::FixMap(length) => self.map(length.into(), depth)?,
            Marker::Map16 => {
                let length = self.size::<2>()?;
                self.map(length, depth)?
            }
            Marker::Map32 => {
                let length = self.size::<4>()?;
                self.map(length, depth)?
            }
            Marker::FixExt1 => self.ext(1)?,
            Marker::FixExt2 => self.ext(2)?,
            Marker::FixExt4 => self.ext(4)?,
            Marker::FixExt8 => self.ext(8)?,
            Marker::FixExt16 => self.ext(16)?,
            Marker::F32
            | Marker::Bin16
            | Marker::Bin32
            | Marker::Ext8
            | Marker::Ext16
            | Marker::Ext32
            | Marker::Reserved => return Err(Unreadable::Unknown),
        })
    }

    /// A text that is written out; a later one may refer to it by number.
    fn text(&mut self, length: usize) -> Result<Value, Unreadable> {
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| Unreadable::Malformed)?;
        if text.len() > SHORTEST_AGAIN && self.texts.len() < MOST_AGAIN {
            self.texts.push(text);
        }
        Ok(Value::String(text.to_owned()))
    }

    fn sized_text<const N: usize>(&mut self) -> Result<Value, Unreadable> {
        let length = self.size::<N>()?;
        self.text(length)
    }

    fn array(&mut self, length: usize, depth: usize) -> Result<Value, Unreadable> {
        // The length is not trusted: each element takes at least one byte.
        let mut items = Vec::with_capacity(length.min(self.bytes.len()));
        for _ in 0..length {
            items.push(self.value(depth + 1)?);
        }
        Ok(Value::Array(items))
    }

    fn map(&mut self, length: usize, depth: usize) -> Result<Value, Unreadable> {
        let mut fields = Map::new();
        for _ in 0..length {
            let key = self.name()?;
            let value = self.value(depth + 1)?;
            if key == OUTPUT {
                self.output = Some(digest_of(&value));
            }
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }

    /// Name of a field: a string number, or any text. Later texts do not refer to names.
    fn name(&mut self) -> Result<String, Unreadable> {
        let length = match Marker::from_u8(self.number::<1>()?[0]) {
            Marker::FixPos(number) => return word(number.into()),
            Marker::U8 => return word(self.size::<1>()?),
            Marker::FixStr(length) => length.into(),
            Marker::Str8 => self.size::<1>()?,
            Marker::Str16 => self.size::<2>()?,
            Marker::Str32 => self.size::<4>()?,
            _ => return Err(Unreadable::Malformed),
        };
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| Unreadable::Malformed)?;
        Ok(text.to_owned())
    }

    fn ext(&mut self, length: usize) -> Result<Value, Unreadable> {
        let kind = i8::from_be_bytes(self.number()?);
        let data = self.take(length)?;
        let text = match (kind, data) {
            (WORD, [number]) => word(usize::from(*number))?,
            (AGAIN, [number]) => {
                (*self.texts.get(usize::from(*number)).ok_or(Unreadable::Malformed)?).to_owned()
            }
            (DIGEST, [number]) if *number == KnownDigest::Absent as u8 => ABSENT.to_string(),
            (DIGEST, [number]) if *number == KnownDigest::Output as u8 => {
                self.output.ok_or(Unreadable::Malformed)?.to_string()
            }
            (ID, _) => Uuid::from_slice(data).map_err(|_| Unreadable::Malformed)?.hyphenated().to_string(),
            (TIME, _) if length <= 8 => {
                let negative = data.first().is_some_and(|byte| byte & 0x80 != 0);
                let start = if negative { -1 } else { 0 };
                let since = data.iter().fold(start, |since: i64, byte| (since << 8) | i64::from(*byte));
                let micros = self.base.checked_add(since).ok_or(Unreadable::Malformed)?;
                Timestamp::from_microsecond(micros).map_err(|_| Unreadable::Malformed)?.to_string()
            }
            _ => return Err(Unreadable::Unknown),
        };
        Ok(Value::String(text))
    }
}

fn word(number: usize) -> Result<String, Unreadable> {
    WORDS.get(number).map(|word| (*word).to_owned()).ok_or(Unreadable::Unknown)
}
