//! JSON as `serde_json` writes it, in less time for what records are made of: structs with names that need no escapes, and text that
//! needs none either.
//!
//! Invariant: the bytes and the errors are those of `serde_json::to_writer`. What is not an object, an array or such a text is written
//! by `serde_json` itself: numbers, text with escapes, the keys of maps, its own `RawValue` and `Number`.
//! Not here: indentation, and the output of a type that says it has no elements and then gives some.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant, Serializer,
};
use serde_json::Error;

/// Appends the value.
///
/// # Errors
/// A `Serialize` that fails, or a map whose keys are no text; what was written by then stays.
pub fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), Error> {
    value.serialize(Writer { out })
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

/// An object or an array of which the beginning is written.
struct Compound<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
    end: &'static str,
}

/// A struct, or one by whose name `serde_json` knows its own type.
enum Struct<'a> {
    Plain(Compound<'a>),
    Private(&'a mut Vec<u8>, &'static str),
}

/// What such names begin with.
const PRIVATE: &str = "$serde_json::private::";

/// A private struct with its only field.
struct Private<'a, T: ?Sized> {
    name: &'static str,
    key: &'static str,
    value: &'a T,
}

impl<T: Serialize + ?Sized> Serialize for Private<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut private = serializer.serialize_struct(self.name, 1)?;
        private.serialize_field(self.key, self.value)?;
        private.end()
    }
}

const LOWEST: u64 = u64::from_ne_bytes([1; 8]);
const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);

/// Not zero where one of eight bytes is below 0x20, a quote or a backslash: `hasless` and `haszero` of Anderson's Bit Twiddling Hacks.
#[inline]
fn escaped(eight: [u8; 8]) -> u64 {
    let bytes = u64::from_ne_bytes(eight);
    let below = |bytes: u64, bound: u8| bytes.wrapping_sub(LOWEST * u64::from(bound)) & !bytes;
    let equal = |byte: u8| below(bytes ^ (LOWEST * u64::from(byte)), 1);
    (below(bytes, 0x20) | equal(b'"') | equal(b'\\')) & HIGHEST
}

/// Whether the text is in JSON as it is. Of a text that the compiler knows, it knows this too.
#[inline(always)]
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let found = if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        match bytes.last_chunk::<8>() {
            Some(last) => bytes.as_chunks().0.iter().fold(escaped(*last), |found, eight| found | escaped(*eight)),
            None => escaped([first[0], first[1], first[2], first[3], last[0], last[1], last[2], last[3]]),
        }
    } else {
        let at = |index: usize| bytes.get(index).copied().unwrap_or(b'a');
        escaped([at(0), at(1), at(2), b'a', b'a', b'a', b'a', b'a'])
    };
    found == 0
}

#[inline]
fn write_text(out: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    if !is_plain(text) {
        return write_escaped(out, text);
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
    Ok(())
}

#[cold]
fn write_escaped(out: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    serde_json::Serializer::new(out).serialize_str(text)
}

#[cold]
fn write_escaped_field<T: Serialize + ?Sized>(out: &mut Vec<u8>, is_first: bool, key: &str, value: &T) -> Result<(), Error> {
    if !is_first {
        out.push(b',');
    }
    write_escaped(out, key)?;
    out.push(b':');
    value.serialize(Writer { out })
}

/// Methods that `serde_json` does as well.
macro_rules! delegate {
    ($($method:ident($ty:ty))*) => {$(
        #[inline]
        fn $method(self, value: $ty) -> Result<(), Error> {
            serde_json::Serializer::new(self.out).$method(value)
        }
    )*};
}

impl<'a> Writer<'a> {
    #[inline]
    fn begin(self, begin: &str, end: &'static str) -> Compound<'a> {
        self.out.extend_from_slice(begin.as_bytes());
        Compound { out: self.out, is_first: true, end }
    }

    #[inline]
    fn begin_variant(self, variant: &'static str, begin: &str, end: &'static str) -> Result<Compound<'a>, Error> {
        self.out.push(b'{');
        write_text(self.out, variant)?;
        self.out.push(b':');
        Ok(self.begin(begin, end))
    }
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Compound<'a>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Struct<'a>;
    type SerializeStructVariant = Compound<'a>;

    delegate! {
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_u128(u128)
        serialize_f32(f32) serialize_f64(f64) serialize_char(char) serialize_bytes(&[u8])
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<(), Error> {
        write_text(self.out, text)
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        serde_json::Serializer::new(self.out).collect_str(value)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Error> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let variant = self.begin_variant(variant, "", "}")?;
        value.serialize(Writer { out: &mut *variant.out })?;
        variant.finish()
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'a>, Error> {
        Ok(self.begin("[", "]"))
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Compound<'a>, Error> {
        Ok(self.begin("[", "]"))
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>, Error> {
        Ok(self.begin("[", "]"))
    }

    #[inline]
    fn serialize_tuple_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<Compound<'a>, Error> {
        self.begin_variant(variant, "[", "]}")
    }

    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'a>, Error> {
        Ok(self.begin("{", "}"))
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Struct<'a>, Error> {
        if name.starts_with(PRIVATE) {
            return Ok(Struct::Private(self.out, name));
        }
        Ok(Struct::Plain(self.begin("{", "}")))
    }

    #[inline]
    fn serialize_struct_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<Compound<'a>, Error> {
        self.begin_variant(variant, "{", "}}")
    }
}

impl Compound<'_> {
    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
        value.serialize(Writer { out: self.out })
    }

    #[inline(always)]
    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        let is_first = std::mem::take(&mut self.is_first);
        if !is_plain(key) {
            return write_escaped_field(self.out, is_first, key, value);
        }
        self.out.extend_from_slice(if is_first { b"\"" } else { b",\"" });
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        value.serialize(Writer { out: self.out })
    }

    #[inline]
    fn finish(self) -> Result<(), Error> {
        self.out.extend_from_slice(self.end.as_bytes());
        Ok(())
    }
}

/// Traits whose methods are those of [`Compound`].
macro_rules! compound {
    ($($of:ident $method:ident $does:ident($($key:ident: $ty:ty)?);)*) => {$(
        impl $of for Compound<'_> {
            type Ok = ();
            type Error = Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, $($key: $ty,)? value: &T) -> Result<(), Error> {
                self.$does($($key,)? value)
            }

            #[inline]
            fn end(self) -> Result<(), Error> {
                self.finish()
            }
        }
    )*};
}

compound! {
    SerializeSeq serialize_element element();
    SerializeTuple serialize_element element();
    SerializeTupleStruct serialize_field element();
    SerializeTupleVariant serialize_field element();
    SerializeStructVariant serialize_field field(key: &'static str);
}

impl SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Error;

    /// Lets `serde_json` begin a map, and makes a comma of its brace: which keys there may be, and how they look, only it knows.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let is_first = std::mem::take(&mut self.is_first);
        let at = self.out.len() - usize::from(is_first);
        self.out.truncate(at);
        serde_json::Serializer::new(&mut *self.out).serialize_map(None)?.serialize_key(key)?;
        self.out[at] = if is_first { b'{' } else { b',' };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.out.push(b':');
        value.serialize(Writer { out: self.out })
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl SerializeStruct for Struct<'_> {
    type Ok = ();
    type Error = Error;

    #[inline(always)]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        match self {
            Self::Plain(compound) => compound.field(key, value),
            Self::Private(out, name) => serde_json::to_writer(&mut **out, &Private { name, key, value }),
        }
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        match self {
            Self::Plain(compound) => compound.finish(),
            Self::Private(..) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    #[track_caller]
    fn same<T: Serialize + ?Sized>(value: &T) {
        let (mut ours, theirs) = (b"before".to_vec(), serde_json::to_string(value).map_err(|error| error.to_string()));
        let written = write(&mut ours, value).map_err(|error| error.to_string());
        assert_eq!(written.map(|()| String::from_utf8_lossy(&ours[6..]).into_owned()), theirs);
        assert!(ours.starts_with(b"before"));
    }

    #[derive(Serialize)]
    struct Unit;

    #[derive(Serialize)]
    struct New(f32);

    #[derive(Serialize)]
    struct Pair(i8, u128);

    #[derive(Serialize)]
    struct Empty {}

    #[derive(Serialize)]
    enum Kind {
        Unit,
        New(Option<char>),
        Pair(i128, bool),
        Named {
            a: u16,
            b: Unit,
        },
        Nothing {},
        #[serde(rename = "a \"quoted\" name")]
        Quoted(u8),
    }

    #[derive(Serialize)]
    struct Whole<'a> {
        #[serde(rename = "a \\ in the name")]
        renamed: u8,
        kinds: [Kind; 6],
        #[serde(rename = "\n")]
        short: (),
        unit: Unit,
        new: New,
        pair: (Pair, Empty),
        nothing: Option<u8>,
        #[serde(skip_serializing_if = "Option::is_none")]
        skipped: Option<u8>,
        bytes: &'a [u8],
        #[serde(flatten)]
        flat: BTreeMap<i64, Vec<f64>>,
        raw: Box<RawValue>,
        raws: BTreeMap<&'a str, &'a RawValue>,
        value: Value,
    }

    #[test]
    fn all_shapes_are_written_as_serde_json_writes_them() {
        let raw = RawValue::from_string(r#"{ "spaces" : [ 1.50 ] }"#.to_owned()).expect("it is JSON");
        let kinds = [
            Kind::Unit,
            Kind::New(Some('"')),
            Kind::Pair(i128::MIN, true),
            Kind::Named { a: 7, b: Unit },
            Kind::Nothing {},
            Kind::Quoted(1),
        ];
        same(&Whole {
            renamed: 1,
            kinds,
            short: (),
            unit: Unit,
            new: New(1.0e-7),
            pair: (Pair(-8, u128::MAX), Empty {}),
            nothing: None,
            skipped: None,
            bytes: b"ab",
            flat: BTreeMap::from([(-1, vec![f64::NAN, 0.1, -0.0, 1e300]), (2, vec![])]),
            raw: raw.clone(),
            raws: BTreeMap::from([("one", &*raw), ("two", &*raw)]),
            value: json!({ "a": [null, {}, [], { "b": "\u{1}" }], "": 1.5, "c\\": true }),
        });
        same(&BTreeMap::<u8, u8>::new());
        same(&BTreeMap::from([(true, 'a'), (false, 'b')]));
        same(&BTreeMap::from([(Some('\t'), u64::MAX)]));
        same(&BTreeMap::from([(vec![1], 1)])); // no key
        same(&BTreeMap::from([("a", BTreeMap::from([((), 1)]))])); // neither
        same(&"\u{7f}é€🦀");
        same(&format_args!("{}\t{:?}", 1, "é"));
    }

    #[test]
    fn a_byte_that_is_escaped_is_found_at_each_place_of_a_text_of_each_length() {
        for length in 0..=40 {
            for at in 0..length {
                for byte in 0..0x80_u8 {
                    let mut text = vec![b'a'; length];
                    text[at] = byte;
                    let text = String::from_utf8(text).expect("ASCII");
                    assert_eq!(is_plain(&text), serde_json::to_string(&text).expect("a text").len() == length + 2, "{text:?}");
                    same(&text);
                }
            }
            same(&"é".repeat(length));
            same(&("é".repeat(length) + "\\"));
        }
    }

    #[test]
    fn an_error_in_the_middle_is_the_one_of_serde_json() {
        struct Fails;
        impl Serialize for Fails {
            fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("no"))
            }
        }
        same(&(1, [Some(Fails)]));
        same(&BTreeMap::from([(1, Fails)]));
        same(&Private { name: "$serde_json::private::RawValue", key: "$serde_json::private::RawValue", value: &1 });
    }
}
