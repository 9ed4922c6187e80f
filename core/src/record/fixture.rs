//! Messages for the tests of records.
#![expect(clippy::unwrap_used, reason = "tests")]

use capnp::message::{Builder, HeapAllocator};
use kapok_samples::kinds_capnp::{Colour, kinds, tree};

use super::Record;
use crate::schema::{DefaultValue, EnumType, Enumerant, FieldKind, FieldType, Schema, StructType, Type};
use crate::words::Words;

/// A schema, one of its types, and the words of a segment whose root is of that type.
pub(crate) struct Fixture {
    pub schema: Schema,
    pub id: u64,
    pub bytes: Vec<u8>,
}

impl Fixture {
    /// Returns a `Kinds` as `fill` leaves it.
    pub fn kinds(fill: impl FnOnce(kinds::Builder<'_>)) -> Self {
        let (schema, id) = Schema::of::<kinds::Owned>().unwrap();
        let mut message = Builder::new(HeapAllocator::new().first_segment_words(1 << 14));
        fill(message.init_root());
        let segments = message.get_segments_for_output();
        assert_eq!(segments.len(), 1);
        Self { schema, id, bytes: segments[0].to_vec() }
    }

    /// Returns a record of words made by hand: the first must be a pointer to a struct of the type.
    pub fn by_hand(schema: Schema, id: u64, words: &[u64]) -> Self {
        Self { schema, id, bytes: words.iter().flat_map(|word| word.to_le_bytes()).collect() }
    }

    pub fn record(&self) -> Record<'_> {
        let at = Words::new(&self.bytes).struct_of(0).unwrap().unwrap();
        Record::new(&self.schema, self.id, at).unwrap().in_blob("test")
    }

    pub fn json(&self) -> String {
        self.record().to_json_string().unwrap()
    }

    /// Returns a tree with one child that is its own only child, and so on.
    pub fn cycle() -> Self {
        let (schema, _) = Schema::of::<kinds::Owned>().unwrap();
        let tag = struct_pointer(1, 1, 1);
        let words = [struct_pointer(0, 1, 1), 0, list_pointer(0, 7, 2), tag, 0, list_pointer(-3, 7, 2)];
        Self::by_hand(schema, TREE, &words)
    }

    /// Returns a tree of so many levels of two nodes, which share their children: twice as many nodes to walk with each
    /// level.
    pub fn shared(levels: u32) -> Self {
        let (schema, _) = Schema::of::<kinds::Owned>().unwrap();
        let mut words = vec![struct_pointer(0, 1, 1), 0, list_pointer(0, 7, 4)];
        for level in (0..levels).rev() {
            let children = |offset| if level == 0 { 0 } else { list_pointer(offset, 7, 4) };
            words.extend([struct_pointer(2, 1, 1), 0, children(2), 0, children(0)]);
        }
        Self::by_hand(schema, TREE, &words)
    }

    /// Returns a struct of one list.
    pub fn list_of(element: Type, words: &[u64]) -> Self {
        let mut schema = Schema::new();
        let items = FieldType::slot("items", 0, 0, Type::List(Box::new(element)));
        schema.insert_struct(struct_type(1, "Items", (0, 1), vec![items]));
        Self::by_hand(schema, 1, words)
    }

    /// Returns a struct with JSON names, a nullable number, a map, and fields that were declared in another order than
    /// that of their ordinals. `bits` go to the second word, which holds a flag and a colour.
    pub fn sheet(bits: u64) -> Self {
        let mut id = FieldType::slot("id", 0, 0, Type::Int32);
        id.json_name = Some("the id".into());
        let mut price = FieldType::slot("price", 1, 1, Type::Int32);
        price.kind = FieldKind::Slot { offset: 1, ty: Type::Int32, default: DefaultValue::Bits(5) };
        let mut flag = FieldType::slot("priceIsNull", 2, 64, Type::Bool);
        flag.null_of = Some("price".into());
        let mut tags = FieldType::slot("tags", 3, 0, Type::List(Box::new(Type::Struct(2))));
        tags.is_map = true;
        let mut colour = FieldType::slot("colour", 4, 5, Type::Enum(3));
        for (code_order, field) in [&mut colour, &mut id, &mut price, &mut flag, &mut tags].into_iter().enumerate() {
            field.code_order = u16::try_from(code_order).unwrap();
        }
        let key = FieldType::slot("key", 0, 0, Type::Text);
        let value = FieldType::slot("value", 1, 0, Type::Int64);
        let enumerant = |name: &str, json_name: Option<&str>, code_order| Enumerant {
            name: name.into(),
            json_name: json_name.map(Into::into),
            code_order,
        };
        let mut schema = Schema::new();
        schema.insert_struct(struct_type(1, "Sheet", (2, 1), vec![id, price, flag, tags, colour]));
        schema.insert_struct(struct_type(2, "Entry", (1, 1), vec![key, value]));
        let enumerants = vec![enumerant("red", None, 0), enumerant("deepBlue", Some("deep blue"), 1)];
        schema.insert_enum(EnumType { id: 3, name: "Colour".into(), scope: 0, enumerants });
        let words = [
            struct_pointer(0, 2, 1),
            u64::from((-2_i32).cast_unsigned()) | (0x0c ^ 0x05) << 32,
            bits,
            list_pointer(0, 7, 4),
            struct_pointer(2, 1, 1),
            7,
            list_pointer(2, 2, 2),
            8,
            list_pointer(1, 2, 3),
            u64::from(b'a'),
            u64::from(b'b') | 1 << 8,
        ];
        Self::by_hand(schema, 1, &words)
    }

    /// Returns a `Kinds` with nothing set.
    pub fn empty() -> Self {
        Self::kinds(|_| ())
    }

    /// Returns a `Kinds` with nothing set, but whose union says that the member of this discriminant is active.
    pub fn member(discriminant: u8) -> Self {
        let mut out = Self::empty();
        let offset = out.record().struct_type().discriminant_offset as usize * 2;
        out.bytes[8 + offset] = discriminant;
        out
    }

    /// Returns a `Kinds` with everything set.
    pub fn full() -> Self {
        Self::kinds(fill)
    }
}

/// Type id of `Tree`.
pub(crate) const TREE: u64 = 0xcedf_e0f1_0213_2435;

/// Bit of the second word of [`Fixture::sheet`]: the price is null.
pub(crate) const SHEET_FLAG: u64 = 1;

/// Bit of the second word of [`Fixture::sheet`]: the first enumerant of the colour.
pub(crate) const SHEET_COLOUR: u64 = 1 << 16;

/// Returns a struct type of plain fields.
pub(crate) fn struct_type(id: u64, name: &str, sizes: (u16, u16), fields: Vec<FieldType>) -> StructType {
    StructType { data_words: sizes.0, pointer_words: sizes.1, ..StructType::new(id, name, fields) }
}

/// Returns the pointer word of a struct, from the offset and the two sizes.
pub(crate) fn struct_pointer(offset: i32, data_words: u16, pointers: u16) -> u64 {
    u64::from(offset.cast_unsigned() << 2) | u64::from(data_words) << 32 | u64::from(pointers) << 48
}

/// Returns the pointer word of a list, from the offset, the element size's three bits, and the count.
pub(crate) fn list_pointer(offset: i32, size: u8, count: u32) -> u64 {
    u64::from(offset.cast_unsigned() << 2) | 1 | u64::from(size) << 32 | u64::from(count) << 35
}

pub(crate) fn fill(mut root: kinds::Builder<'_>) {
    root.set_id(-9_007_199_254_740_993);
    root.set_code("α\"\n");
    root.set_flag(true);
    root.set_flag_on(false);
    root.set_i8(-128);
    root.set_i16(0);
    root.set_i32(i32::MIN);
    root.set_u8(0);
    root.set_u16(65535);
    root.set_u32(u32::MAX);
    root.set_u64(u64::MAX);
    root.set_f32(0.1);
    root.set_f64(1e300);
    root.set_colour(Colour::Blue);
    root.set_text("");
    root.set_data(b"\x00\x01\xfe\xff");
    let mut address = root.reborrow().init_address();
    address.set_street("Main St");
    address.set_zip(12345);
    let mut place = root.reborrow().init_place();
    place.set_lat(-0.5);
    place.set_label("here");
    let mut span = root.reborrow().init_span();
    span.set_from(1);
    span.set_to(2);
    root.reborrow().init_contact().set_phone(5_551_234);
    root.reborrow().init_voids(2);
    root.set_bools(&[true, false, true][..]).unwrap();
    root.set_i8s(&[-1, 0, 1][..]).unwrap();
    root.set_i64s(&[i64::MIN, i64::MAX][..]).unwrap();
    root.set_u16s(&[0, 65535][..]).unwrap();
    root.set_f32s(&[0.1, f32::NAN, f32::INFINITY][..]).unwrap();
    root.set_f64s(&[0.1, f64::NEG_INFINITY, -0.0][..]).unwrap();
    root.set_colours(&[Colour::Red, Colour::Blue][..]).unwrap();
    let mut texts = root.reborrow().init_texts(3);
    texts.set(0, "a");
    texts.set(2, "");
    root.reborrow().init_datas(2).set(1, b"xyz");
    let mut addresses = root.reborrow().init_addresses(2);
    addresses.reborrow().get(0).set_city("Oslo");
    addresses.reborrow().get(1).set_zip(1);
    let mut matrix = root.reborrow().init_matrix(3);
    matrix.set(0, &[1, -2][..]).unwrap();
    matrix.reborrow().init(2, 0);
    root.reborrow().init_groups(1).init(0, 1).get(0).set_street("s");
    let tree: tree::Builder<'_> = root.reborrow().init_tree();
    let mut children = tree.init_children(2);
    children.reborrow().get(0).set_value(1);
    children.reborrow().get(1).init_children(1).get(0).set_value(2);
    root.set_embedding(&[1.0, 0.25, -1.5, 0.0][..]).unwrap();
    root.set_codes(&[1, 2, 3, 4, 5, 6]);
}
