//! Writes packed bytes directly from serde, without a tree of values in between.

mod serializer;

use std::convert::Infallible;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use rmp::encode::{self, ByteBuf, ValueWriteError};
use serde::ser::{Error as _, Serialize};
use serde_json::Error;
use twinspan_plans::Digest;
use uuid::Uuid;

use super::{
    ABSENT, AGAIN, DEEPEST, DIGEST, ID, KnownDigest, MOST_AGAIN, NUMBERS, OUTPUT, SHORTEST_AGAIN, TIME, WORD,
};
use crate::digest::digest_of;

/// Appends `value`; `base` is the time of the row, in microseconds.
pub(crate) fn pack<T: Serialize + ?Sized>(value: &T, base: i64, out: &mut Vec<u8>) -> Result<(), Error> {
    let buffer = ByteBuf::from_vec(std::mem::take(out));
    let mut packer = Packer {
        out: buffer,
        base,
        texts: Vec::new(),
        output: None,
        scratch: String::new(),
        naming: false,
        depth: 0,
    };
    let packed = value.serialize(&mut packer);
    *out = packer.out.into_vec();
    packed
}

/// A serde serializer. It reports that it is not human-readable, so that digests and ids come as bytes; everything else is
/// written like its JSON.
struct Packer {
    out: ByteBuf,
    base: i64,
    /// Positions of the texts that were written out.
    texts: Vec<(usize, usize)>,
    /// Digest of the last `output`.
    output: Option<Digest>,
    /// Scratch space for formatting.
    scratch: String,
    /// The next text is the name of a field.
    naming: bool,
    depth: usize,
}

type Written = Result<(), Error>;

/// Writing to memory cannot fail; a length above 32 bits does not fit into one row of the journal.
fn taken<T>(written: Result<T, ValueWriteError<Infallible>>) -> Written {
    written.map(drop).map_err(Error::custom)
}

impl Packer {
    fn at(&self) -> usize {
        self.out.as_slice().len()
    }

    fn ext(&mut self, kind: i8, data: &[u8]) -> Written {
        let length = u32::try_from(data.len()).map_err(Error::custom)?;
        taken(encode::write_ext_meta(&mut self.out, length, kind))?;
        self.out.as_mut_vec().extend_from_slice(data);
        Ok(())
    }

    /// Only a text can be a name.
    fn not_a_name(&self) -> Written {
        if self.naming { Err(Error::custom("the name of a field has to be a text")) } else { Ok(()) }
    }

    fn number(&mut self, number: u64) -> Written {
        if std::mem::take(&mut self.naming) {
            return self.name(&number.to_string());
        }
        taken(encode::write_uint(&mut self.out, number))
    }

    fn name(&mut self, name: &str) -> Written {
        match NUMBERS.of(name) {
            Some(number) => taken(encode::write_uint(&mut self.out, u64::from(number))),
            None => taken(encode::write_str(&mut self.out, name)),
        }
    }

    /// A short form is used only if reading it returns exactly the same text.
    fn text(&mut self, text: &str) -> Written {
        if let Some(number) = NUMBERS.of(text) {
            return self.ext(WORD, &[number]);
        }
        let bytes = text.as_bytes();
        if bytes.len() == 64
            && bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            && let Some(digest) = Digest::parse(text)
        {
            return self.digest(digest);
        }
        if bytes.len() == 36
            && bytes[8] == b'-'
            && let Ok(id) = Uuid::try_parse(text)
            && id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text
        {
            return self.ext(ID, id.as_bytes());
        }
        if let Some(since) = microseconds(text).and_then(|at| at.checked_sub(self.base)) {
            return if let Ok(since) = i8::try_from(since) {
                self.ext(TIME, &since.to_be_bytes())
            } else if let Ok(since) = i16::try_from(since) {
                self.ext(TIME, &since.to_be_bytes())
            } else if let Ok(since) = i32::try_from(since) {
                self.ext(TIME, &since.to_be_bytes())
            } else {
                self.ext(TIME, &since.to_be_bytes())
            };
        }
        if bytes.len() > SHORTEST_AGAIN {
            let written = self.out.as_slice();
            let before = self.texts.iter().position(|(from, to)| &written[*from..*to] == bytes);
            if let Some(number) = before.and_then(|number| u8::try_from(number).ok()) {
                return self.ext(AGAIN, &[number]);
            }
        }
        taken(encode::write_str(&mut self.out, text))?;
        if bytes.len() > SHORTEST_AGAIN && self.texts.len() < MOST_AGAIN {
            let to = self.at();
            self.texts.push((to - bytes.len(), to));
        }
        Ok(())
    }

    fn digest(&mut self, digest: Digest) -> Written {
        if digest == *ABSENT {
            return self.ext(DIGEST, &[KnownDigest::Absent as u8]);
        }
        if Some(digest) == self.output {
            return self.ext(DIGEST, &[KnownDigest::Output as u8]);
        }
        taken(encode::write_bin(&mut self.out, &digest.0))
    }

    /// Begins a list or a map; if serde does not know its length, it is written afterwards.
    fn begin(&mut self, length: Option<usize>, map: bool) -> Result<Nest<'_>, Error> {
        self.not_a_name()?;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Error::custom("it is nested too deeply"));
        }
        let header = self.at();
        let known = length.map(|length| u32::try_from(length).map_err(Error::custom)).transpose()?;
        match (known, map) {
            (Some(length), true) => taken(encode::write_map_len(&mut self.out, length))?,
            (Some(length), false) => taken(encode::write_array_len(&mut self.out, length))?,
            (None, map) => {
                let marker = if map { 0xdf } else { 0xdd };
                self.out.as_mut_vec().extend_from_slice(&[marker, 0, 0, 0, 0]);
            }
        }
        Ok(Nest { packer: self, header, known, length: 0, of: None })
    }

    /// A variant with content: a map of its name to the content.
    fn variant(&mut self, variant: &'static str) -> Written {
        self.not_a_name()?;
        self.depth += 1;
        taken(encode::write_map_len(&mut self.out, 1))?;
        self.name(variant)
    }

    /// Writes the value of a named field; its digest may be implied afterwards.
    fn value<T: Serialize + ?Sized>(&mut self, value: &T, is_output: bool) -> Written {
        value.serialize(&mut *self)?;
        if is_output {
            self.output = Some(digest_of(&serde_json::to_value(value)?));
        }
        Ok(())
    }
}

/// Microseconds since 1970 of a time in its canonical form: UTC, without a fraction that ends in zero.
fn microseconds(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if !matches!(bytes.len(), 20 | 22..=27) || bytes[10] != b'T' || bytes.last() != Some(&b'Z') {
        return None;
    }
    let digits = |from: usize, to: usize| {
        bytes[from..to].iter().try_fold(0_i32, |number, byte| {
            byte.is_ascii_digit().then(|| number * 10 + i32::from(byte - b'0'))
        })
    };
    let between = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if between.iter().any(|(at, mark)| bytes[*at] != *mark) {
        return None;
    }
    let micros = match bytes.len() {
        20 => 0,
        length => {
            let places = u32::try_from(length - 21).ok()?;
            let fraction = digits(20, length - 1)?;
            if bytes[19] != b'.' || bytes[length - 2] == b'0' {
                return None;
            }
            fraction * 10_i32.pow(6_u32.checked_sub(places)?)
        }
    };
    let part = |from, to| i8::try_from(digits(from, to)?).ok();
    let civil = DateTime::new(
        i16::try_from(digits(0, 4)?).ok()?,
        part(5, 7)?,
        part(8, 10)?,
        part(11, 13)?,
        part(14, 16)?,
        part(17, 19)?,
        micros * 1_000,
    );
    Offset::UTC.to_timestamp(civil.ok()?).ok().map(|at| at.as_microsecond())
}

/// A list or a map that is being written.
struct Nest<'p> {
    packer: &'p mut Packer,
    header: usize,
    known: Option<u32>,
    length: u32,
    /// The variant whose content it is.
    of: Option<&'static str>,
}

impl Nest<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        self.length += 1;
        value.serialize(&mut *self.packer)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Written {
        self.length += 1;
        self.packer.name(name)?;
        self.packer.value(value, name == OUTPUT)
    }

    fn finish(self) -> Written {
        self.packer.depth -= 1;
        if let Some(variant) = self.of {
            self.packer.depth -= 1;
            if variant == OUTPUT {
                self.packer.output = None;
            }
        }
        match self.known {
            Some(known) if known == self.length => Ok(()),
            Some(_) => Err(Error::custom("a list or map has another length than it said")),
            None => {
                let length = self.length.to_be_bytes();
                self.packer.out.as_mut_vec()[self.header + 1..self.header + 5].copy_from_slice(&length);
                Ok(())
            }
        }
    }
}
