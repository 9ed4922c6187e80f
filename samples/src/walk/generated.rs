//! The walk through generated readers, with a budget.

use crate::kinds_capnp::{address, kinds, tree};
use crate::movies_capnp::movie;
use capnp::Result;

/// Elements left to look at; what was found along the way.
pub(super) struct Walk {
    left: u32,
    pub(super) errors: u32,
}

impl Walk {
    pub(super) fn new(elements: u32) -> Self {
        Self { left: elements, errors: 0 }
    }

    /// Whether there is one more element to look at.
    fn more(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }

    fn see<T>(&mut self, result: Result<T>) -> Option<T> {
        self.errors += u32::from(result.is_err());
        result.ok().filter(|_| self.more())
    }

    fn text(&mut self, text: Result<capnp::text::Reader<'_>>) {
        if let Some(text) = self.see(text) {
            self.errors += u32::from(text.to_str().is_err());
        }
    }

    pub(super) fn movie(&mut self, movie: movie::Reader<'_>) {
        std::hint::black_box((movie.get_id(), movie.get_year(), movie.get_runtime_min()));
        self.text(movie.get_title());
        if let Some(genres) = self.see(movie.get_genres()) {
            for genre in genres {
                if !self.more() {
                    return;
                }
                self.text(genre);
            }
        }
    }

    fn address(&mut self, address: address::Reader<'_>) {
        self.text(address.get_street());
        self.text(address.get_city());
        std::hint::black_box(address.get_zip());
    }

    fn tree(&mut self, tree: tree::Reader<'_>) {
        std::hint::black_box(tree.get_value());
        if let Some(children) = self.see(tree.get_children()) {
            for child in children {
                if !self.more() {
                    return;
                }
                self.tree(child);
            }
        }
    }

    fn numbers<T: Copy>(&mut self, len: u32, get: impl Fn(u32) -> T) {
        for index in 0..len {
            if !self.more() {
                return;
            }
            std::hint::black_box(get(index));
        }
    }

    pub(super) fn kinds(&mut self, record: kinds::Reader<'_>) {
        std::hint::black_box((record.get_id(), record.get_flag_on(), record.get_f32(), record.get_f64()));
        std::hint::black_box((record.get_i16(), record.get_u8(), record.get_u64()));
        std::hint::black_box(record.get_colour().is_ok());
        self.text(record.get_code());
        self.text(record.get_text());
        let data = record.get_data().map(|data| data.iter().map(|byte| u64::from(*byte)).sum::<u64>());
        self.see(data);
        let place = record.get_place();
        std::hint::black_box((place.get_lat(), place.get_lon()));
        self.text(place.get_label());
        if let Some(address) = self.see(record.get_address()) {
            self.address(address);
        }
        match record.which() {
            Ok(kinds::Name(name)) => self.text(name),
            Ok(kinds::Where(address)) => {
                if let Some(address) = self.see(address) {
                    self.address(address);
                }
            }
            Ok(kinds::Span(span)) => self.numbers(1, |_| (span.get_from(), span.get_to())),
            Ok(kinds::None(()) | kinds::Count(_)) => {}
            Err(_) => self.errors += 1,
        }
        match record.get_contact().which() {
            Ok(kinds::contact::Email(email)) => self.text(email),
            Ok(kinds::contact::Phone(_)) => {}
            Err(_) => self.errors += 1,
        }
        self.lists(record);
        self.nested(record);
    }

    fn lists(&mut self, record: kinds::Reader<'_>) {
        macro_rules! all {
            ($($get:ident)*) => {$(
                if let Some(list) = self.see(record.$get()) {
                    self.numbers(list.len(), |index| list.get(index));
                }
            )*};
        }
        all!(get_voids get_bools get_i8s get_i64s get_u16s get_f32s get_f64s get_embedding);
        if let Some(list) = self.see(record.get_colours()) {
            self.numbers(list.len(), |index| list.get(index).is_ok());
        }
        let codes = record.get_codes().map(<[u8]>::len);
        self.see(codes);
        if let Some(texts) = self.see(record.get_texts()) {
            for text in texts {
                if !self.more() {
                    return;
                }
                self.text(text);
            }
        }
        if let Some(datas) = self.see(record.get_datas()) {
            for data in datas {
                if self.see(data).is_none() && self.left == 0 {
                    return;
                }
            }
        }
    }

    fn nested(&mut self, record: kinds::Reader<'_>) {
        if let Some(addresses) = self.see(record.get_addresses()) {
            for address in addresses {
                if !self.more() {
                    return;
                }
                self.address(address);
            }
        }
        if let Some(matrix) = self.see(record.get_matrix()) {
            for row in matrix {
                match self.see(row) {
                    Some(row) => self.numbers(row.len(), |index| row.get(index)),
                    None if self.left == 0 => return,
                    None => {}
                }
            }
        }
        if let Some(groups) = self.see(record.get_groups()) {
            for group in groups {
                let Some(group) = self.see(group) else {
                    if self.left == 0 {
                        return;
                    }
                    continue;
                };
                for address in group {
                    if !self.more() {
                        return;
                    }
                    self.address(address);
                }
            }
        }
        if let Some(tree) = self.see(record.get_tree()) {
            self.tree(tree);
        }
    }
}
