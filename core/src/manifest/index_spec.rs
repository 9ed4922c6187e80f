//! What an index is, as a manifest says it and as people write it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use kapok_schemas::manifest_capnp as wire;

use super::{Wire, count};
use crate::error::{Error, Result};

/// An index that every segment of a record type is to have, beside that of the primary key.
///
/// A segment without its artifact is searched by reading its rows, so a reader that does not know the kind misses no
/// record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexSpec {
    /// What its artifacts are called. It never changes, also if fields are renamed.
    pub name: String,
    /// "hash", for example.
    pub kind: String,
    /// Paths of the indexed fields: Cap'n Proto names joined by dots, `[]` behind a list that is gone through.
    pub fields: Vec<String>,
    /// Only rows that satisfy this expression are in it; empty for all.
    pub filter: String,
    /// Revision of the rules by which segments become artifacts of this kind.
    pub revision: u32,
    /// What else the kind is told.
    pub options: BTreeMap<String, String>,
}

impl IndexSpec {
    pub(super) fn encode(&self, mut out: wire::index_spec::Builder<'_>) {
        out.set_name(self.name.as_str());
        out.set_kind(self.kind.as_str());
        let mut fields = out.reborrow().init_fields(count(&self.fields));
        for (index, field) in (0..).zip(&self.fields) {
            fields.set(index, field.as_str());
        }
        out.set_filter(self.filter.as_str());
        out.set_revision(self.revision);
        let mut options = out.init_options(u32::try_from(self.options.len()).unwrap_or(u32::MAX));
        for (index, (key, value)) in (0..).zip(&self.options) {
            let mut option = options.reborrow().get(index);
            option.set_key(key.as_str());
            option.set_value(value.as_str());
        }
    }
}

impl Wire<'_> {
    /// Reads the indexes of a record type: sorted by name, each once.
    pub(super) fn indexes(
        &self,
        specs: capnp::Result<capnp::struct_list::Reader<'_, wire::index_spec::Owned>>,
    ) -> Result<Vec<IndexSpec>> {
        let mut out: Vec<IndexSpec> = Vec::new();
        for spec in self.read(specs)? {
            let mut options = BTreeMap::new();
            for option in self.read(spec.get_options())? {
                options.insert(self.text(option.get_key())?, self.text(option.get_value())?);
            }
            out.push(IndexSpec {
                name: self.text(spec.get_name())?,
                kind: self.text(spec.get_kind())?,
                fields: self.texts(spec.get_fields())?,
                filter: self.text(spec.get_filter())?,
                revision: spec.get_revision(),
                options,
            });
        }
        if !out.is_sorted_by(|a, b| a.name < b.name) {
            return Err(self.wrong("indexes sorted by name, each once", "another order".into()));
        }
        Ok(out)
    }

    pub(super) fn texts(&self, texts: capnp::Result<capnp::text_list::Reader<'_>>) -> Result<Vec<String>> {
        self.read(texts)?.iter().map(|text| self.text(text)).collect()
    }
}

impl fmt::Display for IndexSpec {
    /// Writes the text that [`FromStr`] reads: without the name where it is that of all else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = self.meaning();
        if self.name != meaning {
            write!(f, "{}: ", self.name)?;
        }
        f.write_str(&meaning)
    }
}

impl IndexSpec {
    /// Option that holds the positions of fields in descending order, comma separated.
    pub const DESCENDING: &str = "descending";

    /// Returns whether another one is the same but for its name and the revision of its kind.
    pub fn is_alike(&self, other: &Self) -> bool {
        let what = |spec: &Self| (spec.kind.clone(), spec.fields.clone(), spec.filter.clone(), spec.options.clone());
        what(self) == what(other)
    }

    /// Returns whether the field at a position is in descending order.
    pub fn is_descending(&self, position: usize) -> bool {
        let all = self.options.get(Self::DESCENDING).map_or("", String::as_str);
        all.split(',').any(|one| one.parse() == Ok(position))
    }

    /// Returns the text of all but the name.
    fn meaning(&self) -> String {
        let sign = |at| if self.is_descending(at) { "-" } else { "" };
        let fields = self.fields.iter().enumerate().map(|(at, field)| format!("{}{field}", sign(at)));
        let mut out = format!("{}({})", self.kind, fields.collect::<Vec<_>>().join(", "));
        for (key, value) in self.options.iter().filter(|(key, _)| *key != Self::DESCENDING) {
            out.extend([" ", key, "=", value]);
        }
        if !self.filter.is_empty() {
            out.push_str(" where ");
            out.push_str(&self.filter);
        }
        out
    }
}

impl FromStr for IndexSpec {
    type Err = Error;

    /// Reads `[NAME:] KIND(FIELD, …) [KEY=VALUE …] [where FILTER]`, such as `hash(genres[])`; `-` before a field says
    /// that it is in descending order. Without a name it is called as all else. The revision is 0.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |what: &str| {
            let shape = "an index is written as [NAME:] KIND(FIELD, ...) [KEY=VALUE ...] [where FILTER], such as hash(genres[])";
            Error::invalid(format!("index {text:?}"), format!("{what}; {shape}"))
        };
        let (head, rest) = text.split_once('(').ok_or_else(|| wrong("no ( behind the kind"))?;
        let (fields, tail) = rest.split_once(')').ok_or_else(|| wrong("no ) behind the fields"))?;
        let (name, kind) = match head.rsplit_once(':') {
            Some((name, kind)) if name.trim().is_empty() => return Err(wrong(&format!("no name before {kind}"))),
            Some((name, kind)) => (Some(name.trim()), kind.trim()),
            None => (None, head.trim()),
        };
        let is_word =
            |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        let is_key =
            |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_word(kind) {
            return Err(wrong("no kind"));
        }
        let (mut spec_fields, mut descending) = (Vec::new(), Vec::new());
        for (at, field) in fields.split(',').map(str::trim).enumerate() {
            let plain = field.strip_prefix('-').map(str::trim_start);
            if plain.is_some() {
                descending.push(at.to_string());
            }
            let field = plain.unwrap_or(field);
            if field.is_empty() {
                return Err(wrong("a field without a name"));
            }
            spec_fields.push(field.to_owned());
        }
        let (settings, filter) = match tail.trim().strip_prefix("where ") {
            Some(filter) => ("", filter),
            None => tail.split_once(" where ").unwrap_or((tail, "")),
        };
        let mut options = BTreeMap::new();
        for setting in settings.split_whitespace() {
            match setting.split_once('=') {
                Some((key, value)) if is_key(key) && key != Self::DESCENDING => {
                    options.insert(key.to_owned(), value.to_owned());
                }
                _ => return Err(wrong(&format!("{setting:?} is no KEY=VALUE"))),
            }
        }
        if !descending.is_empty() {
            options.insert(Self::DESCENDING.to_owned(), descending.join(","));
        }
        let mut spec = Self {
            name: String::new(),
            kind: kind.to_owned(),
            fields: spec_fields,
            filter: filter.trim().to_owned(),
            revision: 0,
            options,
        };
        spec.name = name.map_or_else(|| spec.meaning(), str::to_owned);
        Ok(spec)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_text_is_read_and_printed_as_it_was() {
        for text in [
            "hash(genres[])",
            "by_genre: hash(genres[], year)",
            "sorted(-year, title)",
            "text(title) by=word fold=full",
            "hash(year) where runtimeMin > 0",
            "a name: hash(a.b[].c) x=1 where (a = 1)",
            "hnsw(embedding) codes=sq8 efConstruction=200 m0=32",
        ] {
            assert_eq!(text.parse::<IndexSpec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn parts_are_told_apart() {
        let spec: IndexSpec = " by year : sorted( - year ,title)  a=b  where x = ')' ".parse().unwrap();
        assert_eq!(
            (spec.name.as_str(), spec.kind.as_str(), spec.fields.join("|")),
            ("by year", "sorted", "year|title".into())
        );
        assert_eq!((spec.is_descending(0), spec.is_descending(1)), (true, false));
        assert_eq!((spec.options["a"].as_str(), spec.filter.as_str()), ("b", "x = ')'"));
    }

    #[test]
    fn what_is_no_index_is_refused_with_the_shape_of_one() {
        for text in [
            "",
            "hash",
            "hash(",
            "hash()",
            "hash(a,)",
            "(a)",
            ": hash(a)",
            "Hash(a)",
            "hash(a) b",
            "hash(a) descending=0",
        ] {
            let error = text.parse::<IndexSpec>().unwrap_err().to_string();
            assert!(error.contains("KIND(FIELD, ...)"), "{error}");
        }
    }
}
