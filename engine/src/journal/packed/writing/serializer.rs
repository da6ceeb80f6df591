//! The serde serializer: one method per type.

use std::fmt::{Display, Write as _};

use rmp::encode;
use serde::ser::{self, Error as _, Serialize};
use serde_json::Error;
use twinspan_plans::Digest;
use uuid::Uuid;

use super::super::{ID, NUMBERS, OUTPUT};
use super::{Nest, Packer, Written, taken};

impl<'p> ser::Serializer for &'p mut Packer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Nest<'p>;
    type SerializeTuple = Nest<'p>;
    type SerializeTupleStruct = Nest<'p>;
    type SerializeTupleVariant = Nest<'p>;
    type SerializeMap = Fields<'p>;
    type SerializeStruct = Nest<'p>;
    type SerializeStructVariant = Nest<'p>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Written {
        if std::mem::take(&mut self.naming) {
            return self.name(if value { "true" } else { "false" });
        }
        encode::write_bool(&mut self.out, value).map_err(Error::custom)
    }

    fn serialize_i8(self, value: i8) -> Written {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Written {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Written {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Written {
        if std::mem::take(&mut self.naming) {
            return self.name(&value.to_string());
        }
        taken(encode::write_sint(&mut self.out, value))
    }

    fn serialize_u8(self, value: u8) -> Written {
        self.number(value.into())
    }

    fn serialize_u16(self, value: u16) -> Written {
        self.number(value.into())
    }

    fn serialize_u32(self, value: u32) -> Written {
        self.number(value.into())
    }

    fn serialize_u64(self, value: u64) -> Written {
        self.number(value)
    }

    fn serialize_f32(self, value: f32) -> Written {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Written {
        self.not_a_name()?;
        if value.is_finite() { taken(encode::write_f64(&mut self.out, value)) } else { self.serialize_unit() }
    }

    fn serialize_char(self, value: char) -> Written {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Written {
        if std::mem::take(&mut self.naming) { self.name(value) } else { self.text(value) }
    }

    /// Ids and digests come as bytes, which are shorter than their text.
    fn serialize_bytes(self, value: &[u8]) -> Written {
        self.not_a_name()?;
        if let Ok(digest) = value.try_into() {
            return self.digest(Digest(digest));
        }
        match Uuid::from_slice(value) {
            Ok(id) => self.ext(ID, id.as_bytes()),
            Err(error) => Err(Error::custom(error)),
        }
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Written {
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        let written = match write!(text, "{value}") {
            Ok(()) => self.serialize_str(&text),
            Err(error) => Err(Error::custom(error)),
        };
        self.scratch = text;
        written
    }

    fn serialize_none(self) -> Written {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Written {
        self.not_a_name()?;
        encode::write_nil(&mut self.out).map_err(Error::custom)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Written {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Written {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Written {
        self.variant(variant)?;
        self.value(value, variant == OUTPUT)?;
        self.depth -= 1;
        Ok(())
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Nest<'p>, Error> {
        self.begin(length, false)
    }

    fn serialize_tuple(self, length: usize) -> Result<Nest<'p>, Error> {
        self.begin(Some(length), false)
    }

    fn serialize_tuple_struct(self, _name: &'static str, length: usize) -> Result<Nest<'p>, Error> {
        self.begin(Some(length), false)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Nest<'p>, Error> {
        self.variant(variant)?;
        Ok(Nest { of: Some(variant), ..self.begin(Some(length), false)? })
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Fields<'p>, Error> {
        Ok(Fields { nest: self.begin(length, true)?, is_output: false })
    }

    fn serialize_struct(self, _name: &'static str, length: usize) -> Result<Nest<'p>, Error> {
        self.begin(Some(length), true)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Nest<'p>, Error> {
        self.variant(variant)?;
        Ok(Nest { of: Some(variant), ..self.begin(Some(length), true)? })
    }
}

impl ser::SerializeSeq for Nest<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        self.item(value)
    }

    fn end(self) -> Written {
        self.finish()
    }
}

impl ser::SerializeTuple for Nest<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        self.item(value)
    }

    fn end(self) -> Written {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for Nest<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        self.item(value)
    }

    fn end(self) -> Written {
        self.finish()
    }
}

impl ser::SerializeTupleVariant for Nest<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        self.item(value)
    }

    fn end(self) -> Written {
        self.finish()
    }
}

impl ser::SerializeStruct for Nest<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Written {
        self.field(name, value)
    }

    fn end(self) -> Written {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Nest<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Written {
        self.field(name, value)
    }

    fn end(self) -> Written {
        self.finish()
    }
}

/// A map whose names come one by one.
pub(super) struct Fields<'p> {
    nest: Nest<'p>,
    /// The last name was that of an output.
    is_output: bool,
}

impl ser::SerializeMap for Fields<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Written {
        let packer = &mut *self.nest.packer;
        let from = packer.at();
        packer.naming = true;
        name.serialize(&mut *packer)?;
        let output = NUMBERS.of(OUTPUT).map(|number| [number]);
        self.is_output = output.is_some_and(|output| packer.out.as_slice()[from..] == output);
        self.nest.length += 1;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        self.nest.packer.value(value, self.is_output)
    }

    fn end(self) -> Written {
        self.nest.finish()
    }
}
