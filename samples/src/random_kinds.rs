//! Random records of the type that uses every kind of value, and two ways to build the same one.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "random values"
)]
#![allow(clippy::needless_for_each, reason = "a field a line")]

use capnp::message::{Builder, HeapAllocator};

use crate::kinds_capnp::{Colour, address, kinds, tree};
use crate::random::Random;

/// What a street address holds; `None` is null.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    street: Option<String>,
    city: Option<String>,
    zip: u32,
}

/// A tree, which may be deep.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// The value of this node.
    pub value: i32,
    /// The trees below it.
    pub children: Option<Vec<Tree>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Union {
    None,
    Count(u32),
    Name(Option<String>),
    Where(Option<Address>),
    Span(u32, u32),
}

#[derive(Clone, Debug, PartialEq)]
enum Contact {
    Email(Option<String>),
    Phone(u64),
}

/// What a record holds; `None` is null.
#[derive(Clone, Debug, PartialEq)]
pub struct Kinds {
    /// The first field of the key.
    pub id: i64,
    /// The second field of the key.
    pub code: String,
    bools: [bool; 2],
    /// i8 … u64, f32, f64, in the order of the schema.
    numbers: [u64; 10],
    colour: Colour,
    /// A text that may be null.
    pub text: Option<String>,
    data: Option<Vec<u8>>,
    address: Option<Address>,
    place: (u64, u64, Option<String>),
    union: Union,
    contact: Contact,
    voids: Option<u32>,
    flags: Option<Vec<bool>>,
    lists: [Option<Vec<u64>>; 6],
    texts: Option<Vec<Option<String>>>,
    datas: Option<Vec<Option<Vec<u8>>>>,
    addresses: Option<Vec<Address>>,
    matrix: Option<Vec<Option<Vec<i32>>>>,
    groups: Option<Vec<Option<Vec<Address>>>>,
    /// A tree of structs.
    pub tree: Option<Tree>,
    embedding: Option<Vec<f32>>,
    codes: Option<Vec<u8>>,
}

impl Address {
    fn random(r: &mut Random) -> Self {
        Self { street: r.maybe(Random::text), city: r.maybe(Random::text), zip: r.number() as u32 }
    }

    fn write(&self, mut to: address::Builder<'_>) {
        if let Some(street) = &self.street {
            to.set_street(street.as_str());
        }
        if let Some(city) = &self.city {
            to.set_city(city.as_str());
        }
        to.set_zip(self.zip);
    }
}

impl Tree {
    fn random(r: &mut Random, depth: u32) -> Self {
        let children = r.maybe(|r| r.some(if depth < 5 { 3 } else { 0 }, |r| Self::random(r, depth + 1)));
        Self { value: r.number() as i32, children }
    }

    /// Trees in trees, each the only child.
    pub fn chain(nodes: u32) -> Self {
        let children = (nodes > 1).then(|| vec![Self::chain(nodes - 1)]);
        Self { value: 1, children }
    }

    fn write(&self, mut to: tree::Builder<'_>) {
        to.set_value(self.value);
        if let Some(children) = &self.children {
            let mut to = to.init_children(children.len() as u32);
            for (index, child) in (0..).zip(children) {
                child.write(to.reborrow().get(index));
            }
        }
    }
}

impl Kinds {
    /// Returns a record with this id.
    pub fn random(r: &mut Random, id: i64) -> Self {
        let addresses = |r: &mut Random| r.some(3, Address::random);
        Self {
            id,
            code: r.text(),
            bools: [r.one_in(2), r.one_in(2)],
            numbers: std::array::from_fn(|_| r.number()),
            colour: [Colour::Red, Colour::Green, Colour::Blue][r.below(3)],
            text: r.maybe(Random::text),
            data: r.maybe(Random::data),
            address: r.maybe(Address::random),
            place: (r.number(), r.number(), r.maybe(Random::text)),
            union: match r.below(5) {
                0 => Union::None,
                1 => Union::Count(r.number() as u32),
                2 => Union::Name(r.maybe(Random::text)),
                3 => Union::Where(r.maybe(Address::random)),
                _ => Union::Span(r.number() as u32, r.number() as u32),
            },
            contact: if r.one_in(2) { Contact::Email(r.maybe(Random::text)) } else { Contact::Phone(r.number()) },
            voids: r.maybe(|r| r.below(4) as u32),
            flags: r.maybe(|r| r.some(70, |r| r.one_in(2))),
            lists: std::array::from_fn(|_| r.maybe(|r| r.some(9, Random::number))),
            texts: r.maybe(|r| r.some(4, |r| r.maybe(Random::text))),
            datas: r.maybe(|r| r.some(4, |r| r.maybe(Random::data))),
            addresses: r.maybe(addresses),
            matrix: r.maybe(|r| r.some(3, |r| r.maybe(|r| r.some(5, |r| r.number() as i32)))),
            groups: r.maybe(|r| r.some(3, |r| r.maybe(addresses))),
            tree: r.maybe(|r| Tree::random(r, 0)),
            embedding: r.maybe(|r| (0..4).map(|_| r.number() as f32).collect()),
            codes: r.maybe(|r| (0..6).map(|_| r.next() as u8).collect()),
        }
    }

    /// Returns the least that a record may be.
    pub fn bare(id: i64) -> Self {
        let mut random = Self::random(&mut Random::new(0), id);
        random.union = Union::None;
        let none = || None;
        Self {
            bools: [false, true],
            numbers: [0, (-7_i64) as u64, 0, 200, 0, 0, 0, 1.5_f32.to_bits().into(), 0, 0],
            colour: Colour::Green,
            text: None,
            data: None,
            address: None,
            place: (0, 0, None),
            contact: Contact::Email(None),
            voids: None,
            flags: None,
            lists: std::array::from_fn(|_| none()),
            texts: None,
            datas: None,
            addresses: None,
            matrix: None,
            groups: None,
            tree: None,
            embedding: None,
            codes: None,
            ..random
        }
    }

    /// Lists whose elements take no room: of Void, and of structs without a value.
    pub fn set_empties(&mut self) {
        self.voids = Some(2);
        self.addresses = Some(vec![Address { street: None, city: None, zip: 0 }]);
    }

    /// Sets each field once, in the order of the schema, in one segment.
    pub fn plain(&self) -> Builder<HeapAllocator> {
        let mut message = Builder::new(HeapAllocator::new().first_segment_words(1 << 14));
        let mut root: kinds::Builder<'_> = message.init_root();
        for step in 0..STEPS {
            self.write(step, &mut root);
        }
        message
    }

    /// Comes to the same values by a long way round.
    pub fn noisy(&self, r: &mut Random) -> Builder<HeapAllocator> {
        let words = if r.one_in(2) { 1 } else { 1 << 15 };
        let mut message = Builder::new(HeapAllocator::new().first_segment_words(words));
        {
            let mut root: kinds::Builder<'_> = message.init_root();
            let mut steps: Vec<usize> = (0..STEPS).collect();
            for index in (1..STEPS).rev() {
                steps.swap(index, r.below(index + 1));
            }
            for step in steps {
                // Fields of a union are one step: what comes last is the value.
                for _ in 0..r.below(3) {
                    let other = Self::random(r, 7);
                    other.write(step, &mut root);
                }
                clear(step, &mut root);
                self.write(step, &mut root);
            }
        }
        message
    }

    /// Sets some fields of a record in which they have their defaults.
    fn write(&self, step: usize, root: &mut kinds::Builder<'_>) {
        let n = &self.numbers;
        match step {
            0 => root.set_id(self.id),
            1 => root.set_code(self.code.as_str()),
            2 => (root.set_flag(self.bools[0]), root.set_flag_on(self.bools[1])).0,
            3 => (root.set_i8(n[0] as i8), root.set_i16(n[1] as i16), root.set_i32(n[2] as i32)).0,
            4 => (root.set_u8(n[3] as u8), root.set_u16(n[4] as u16), root.set_u32(n[5] as u32)).0,
            5 => (root.set_u64(n[6]), root.set_f32(f32::from_bits(n[7] as u32)), root.set_f64(f64::from_bits(n[8]))).0,
            6 => root.set_colour(self.colour),
            7 => self.text.iter().for_each(|text| root.set_text(text.as_str())),
            8 => self.data.iter().for_each(|data| root.set_data(data)),
            9 => self.address.iter().for_each(|address| address.write(root.reborrow().init_address())),
            10 => {
                let mut place = root.reborrow().get_place();
                place.set_lat(f64::from_bits(self.place.0));
                place.set_lon(f64::from_bits(self.place.1));
                self.place.2.iter().for_each(|label| place.set_label(label.as_str()));
            }
            11 => match &self.union {
                Union::None => root.set_none(()),
                Union::Count(count) => root.set_count(*count),
                // A member is chosen by setting it; null, it is set to something first and then emptied.
                Union::Name(None) => (root.set_name("x"), forget(root, "name")).1,
                Union::Name(Some(name)) => root.set_name(name.as_str()),
                Union::Where(None) => (root.reborrow().init_where().set_zip(1), forget(root, "where")).1,
                Union::Where(Some(address)) => address.write(root.reborrow().init_where()),
                Union::Span(from, to) => {
                    let mut span = root.reborrow().init_span();
                    span.set_from(*from);
                    span.set_to(*to);
                }
            },
            12 => {
                let mut contact = root.reborrow().get_contact();
                match &self.contact {
                    Contact::Email(None) => (contact.set_email("x"), forget(root, "contact.email")).1,
                    Contact::Email(Some(email)) => contact.set_email(email.as_str()),
                    Contact::Phone(phone) => contact.set_phone(*phone),
                }
            }
            13 => {
                if let Some(count) = self.voids {
                    root.reborrow().init_voids(count);
                }
            }
            14 => self.flags.iter().for_each(|flags| root.set_bools(&flags[..]).expect("bools")),
            15 => self.write_lists(root),
            16 => self.write_pointers(root),
            17 => self.write_nested(root),
            18 => self.tree.iter().for_each(|tree| tree.write(root.reborrow().init_tree())),
            19 => self.embedding.iter().for_each(|e| root.set_embedding(&e[..]).expect("embedding")),
            _ => self.codes.iter().for_each(|codes| root.set_codes(codes)),
        }
    }

    fn write_lists(&self, root: &mut kinds::Builder<'_>) {
        let [i8s, i64s, u16s, f32s, f64s, colours] = &self.lists;
        if let Some(list) = i8s {
            root.set_i8s(&list.iter().map(|n| *n as i8).collect::<Vec<_>>()[..]).expect("i8s");
        }
        if let Some(list) = i64s {
            root.set_i64s(&list.iter().map(|n| *n as i64).collect::<Vec<_>>()[..]).expect("i64s");
        }
        if let Some(list) = u16s {
            root.set_u16s(&list.iter().map(|n| *n as u16).collect::<Vec<_>>()[..]).expect("u16s");
        }
        if let Some(list) = f32s {
            root.set_f32s(&list.iter().map(|n| f32::from_bits(*n as u32)).collect::<Vec<_>>()[..]).expect("f32s");
        }
        if let Some(list) = f64s {
            root.set_f64s(&list.iter().map(|n| f64::from_bits(*n)).collect::<Vec<_>>()[..]).expect("f64s");
        }
        if let Some(list) = colours {
            let colour = |n: &u64| if n.is_multiple_of(2) { Colour::Red } else { Colour::Blue };
            root.set_colours(&list.iter().map(colour).collect::<Vec<_>>()[..]).expect("colours");
        }
    }

    fn write_pointers(&self, root: &mut kinds::Builder<'_>) {
        if let Some(texts) = &self.texts {
            let mut to = root.reborrow().init_texts(texts.len() as u32);
            for (index, text) in (0..).zip(texts) {
                text.iter().for_each(|text| to.set(index, text.as_str()));
            }
        }
        if let Some(datas) = &self.datas {
            let mut to = root.reborrow().init_datas(datas.len() as u32);
            for (index, data) in (0..).zip(datas) {
                data.iter().for_each(|data| to.set(index, data));
            }
        }
        if let Some(matrix) = &self.matrix {
            let mut to = root.reborrow().init_matrix(matrix.len() as u32);
            for (index, row) in (0..).zip(matrix) {
                row.iter().for_each(|row| to.set(index, &row[..]).expect("matrix"));
            }
        }
    }

    fn write_nested(&self, root: &mut kinds::Builder<'_>) {
        if let Some(addresses) = &self.addresses {
            let mut to = root.reborrow().init_addresses(addresses.len() as u32);
            for (index, address) in (0..).zip(addresses) {
                address.write(to.reborrow().get(index));
            }
        }
        if let Some(groups) = &self.groups {
            let mut to = root.reborrow().init_groups(groups.len() as u32);
            for (index, group) in (0..).zip(groups) {
                let Some(group) = group else { continue };
                let mut to = to.reborrow().init(index, group.len() as u32);
                for (index, address) in (0..).zip(group) {
                    address.write(to.reborrow().get(index));
                }
            }
        }
    }
}

/// Kinds are set in so many steps, which do not overlap.
const STEPS: usize = 21;

/// Pointers that a step may leave null.
const POINTERS: [(usize, &str); 20] = [
    (7, "text"),
    (8, "data"),
    (9, "address"),
    (10, "place.label"),
    (14, "bools"),
    (13, "voids"),
    (15, "i8s"),
    (15, "i64s"),
    (15, "u16s"),
    (15, "f32s"),
    (15, "f64s"),
    (15, "colours"),
    (16, "texts"),
    (16, "datas"),
    (16, "matrix"),
    (17, "addresses"),
    (17, "groups"),
    (18, "tree"),
    (19, "embedding"),
    (20, "codes"),
];

/// Takes back what noise left in a step's pointers, since null cannot be set.
fn clear(step: usize, root: &mut kinds::Builder<'_>) {
    for (_, field) in POINTERS.iter().filter(|(of, _)| *of == step) {
        forget(root, field);
    }
}

/// Makes a pointer null: takes the object away and lets it go.
fn forget(root: &mut kinds::Builder<'_>, field: &str) {
    let path: Vec<&str> = field.split('.').collect();
    let mut at: capnp::dynamic_struct::Builder<'_> = capnp::dynamic_value::Builder::from(root.reborrow()).downcast();
    for name in &path[..path.len() - 1] {
        at = at.get_named(name).expect("a group").downcast();
    }
    at.clear_named(path[path.len() - 1]).expect("a field");
}

/// Returns the words of a message as one segment, from any number of segments.
///
/// # Panics
/// If the message has no root of this type.
pub fn one_segment(message: &Builder<HeapAllocator>, r: &mut Random) -> Vec<u8> {
    let source: kinds::Reader<'_> = message.get_root_as_reader().expect("a root");
    let segments = message.get_segments_for_output();
    match r.below(3) {
        0 if segments.len() == 1 => segments[0].to_vec(),
        1 => {
            let mut copy = Builder::new(HeapAllocator::new());
            copy.set_root_canonical(source).expect("a canonical copy");
            copy.get_segments_for_output()[0].to_vec()
        }
        _ => {
            let mut copy = Builder::new(HeapAllocator::new().first_segment_words(1 << 16));
            copy.set_root(source).expect("a copy");
            copy.get_segments_for_output()[0].to_vec()
        }
    }
}
