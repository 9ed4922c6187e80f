//! Makes valid Cap'n Proto names of names in data.
//!
//! Cap'n Proto's compiler wants ASCII letters and digits only, a lower-case letter first for fields and enumerants, an
//! upper-case one for types. Its keywords are fine as names. What a name loses on the way stays in the `name`
//! annotation.

use std::collections::BTreeSet;

use super::{FieldKind, Schema};

/// Types that need no declaration: one that is declared under such a name would hide it.
pub(super) const BUILT_IN: [&str; 15] = [
    "Void", "Bool", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64",
    "Text", "Data", "List",
];

/// Returns a valid name of a field or enumerant for any JSON name: `installed_size_kib` gives `installedSizeKib`,
/// `2fast` gives `n2fast`; if nothing is left of it, `field`.
pub fn to_camel_case(json_name: &str) -> String {
    let mut name = String::with_capacity(json_name.len());
    for word in words(json_name) {
        if name.is_empty() {
            name.push_str(&lower_start(&word));
        } else {
            push_capitalised(&mut name, &word);
        }
    }
    match name.chars().next() {
        None => "field".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("n{name}"),
        Some(_) => name,
    }
}

/// Returns a valid name of a type for any JSON name: `installed_size` gives `InstalledSize`, `2fast` gives `N2fast`,
/// `text` gives `TextType`, since `Text` is taken; if nothing is left of it, `Record`.
pub fn to_type_name(json_name: &str) -> String {
    let mut name = String::with_capacity(json_name.len());
    for word in words(json_name) {
        push_capitalised(&mut name, &word);
    }
    match name.chars().next() {
        None => "Record".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("N{name}"),
        Some(_) if BUILT_IN.contains(&name.as_str()) => format!("{name}Type"),
        Some(_) => name,
    }
}

/// Returns the wanted name, or else the first of `wanted2`, `wanted3`, … that is not taken.
pub fn unique_name(taken: &BTreeSet<String>, wanted: &str) -> String {
    let mut name = wanted.to_owned();
    let mut count = 1_u64;
    while taken.contains(&name) {
        count += 1;
        name = format!("{wanted}{count}");
    }
    name
}

/// Returns whether the compiler takes it as the name of a field or enumerant.
pub(super) fn is_field_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(|c| c.is_ascii_alphanumeric())
}

/// Returns whether the compiler takes it as the name of a type.
pub fn is_type_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase()) && name.bytes().all(|c| c.is_ascii_alphanumeric())
}

/// Runs of ASCII letters and digits. Other letters vanish without a break; a name in capitals becomes lower case.
fn words(name: &str) -> Vec<String> {
    let shouting = !name.bytes().any(|c| c.is_ascii_lowercase());
    name.split(|c: char| !c.is_alphanumeric())
        .map(|word| word.chars().filter(char::is_ascii_alphanumeric).collect::<String>())
        .map(|word| if shouting { word.to_ascii_lowercase() } else { word })
        .filter(|word| !word.is_empty())
        .collect()
}

/// Makes the start of a word lower case: `HTTPServer` gives `httpServer`, `Title` gives `title`.
fn lower_start(word: &str) -> String {
    let capitals = word.bytes().take_while(u8::is_ascii_uppercase).count();
    let lowered = if capitals > 1 && capitals < word.len() { capitals - 1 } else { capitals };
    word[..lowered].to_ascii_lowercase() + &word[lowered..]
}

fn push_capitalised(name: &mut String, word: &str) {
    let mut chars = word.chars();
    name.extend(chars.next().map(|first| first.to_ascii_uppercase()));
    name.push_str(chars.as_str());
}

impl Schema {
    /// Returns the JSON names of a path of Cap'n Proto names, which may lead through groups; `None` if it leads nowhere.
    pub fn json_path(&self, type_id: u64, path: &str) -> Option<String> {
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let field = self.get_struct(type_id)?.field(name)?;
        match (rest, &field.kind) {
            (None, _) => Some(field.json_name().to_owned()),
            (Some(rest), FieldKind::Group(id)) => Some(format!("{}.{}", field.json_name(), self.json_path(*id, rest)?)),
            (Some(_), FieldKind::Slot { .. }) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_names_become_valid_field_names() {
        for (json, name) in [
            ("installed_size_kib", "installedSizeKib"),
            ("Installed-Size", "installedSize"),
            ("MAX_SIZE", "maxSize"),
            ("userID", "userID"),
            ("HTTPServer", "httpServer"),
            ("ID", "id"),
            ("2fast", "n2fast"),
            ("", "field"),
            ("é", "field"),
            ("größe", "gre"),
            ("a.b[0]", "aB0"),
            ("__x__", "x"),
            ("union", "union"),
            ("\"; struct X {}", "structX"),
        ] {
            assert_eq!(to_camel_case(json), name, "{json:?}");
            assert!(is_field_name(name), "{name:?}");
        }
    }

    #[test]
    fn json_names_become_valid_type_names_that_hide_no_built_in_type() {
        for (json, name) in [
            ("movie", "Movie"),
            ("installed_size", "InstalledSize"),
            ("text", "TextType"),
            ("list", "ListType"),
            ("2fast", "N2fast"),
            ("é", "Record"),
            ("DEBIAN_PACKAGE", "DebianPackage"),
        ] {
            assert_eq!(to_type_name(json), name, "{json:?}");
            assert!(is_type_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_taken_name_gets_the_first_free_number() {
        let taken = BTreeSet::from(["a".to_owned(), "a2".to_owned(), "a3".to_owned()]);
        assert_eq!(unique_name(&taken, "a"), "a4");
        assert_eq!(unique_name(&taken, "b"), "b");
    }
}
