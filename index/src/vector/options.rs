//! How a vector field is indexed.

use std::collections::BTreeMap;

use kapok_core::vectors::ElementType;
use kapok_hnsw::{BuildSettings, CodeKind};

/// Options of an index of vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorOptions {
    /// `m` (default 16), `m0` (twice `m`) and `efConstruction` (200).
    pub settings: BuildSettings,
    /// `codes`: `sq8`, `sq4`, or `none`. Default: `sq4` for floats, none for 8-bit numbers and bits.
    pub codes: Option<CodeKind>,
}

const M: &str = "m";
const M0: &str = "m0";
const EF_CONSTRUCTION: &str = "efConstruction";
const CODES: &str = "codes";
const LINKS_MAX: u32 = 256;
const EF_CONSTRUCTION_MAX: u32 = 10_000;

impl VectorOptions {
    /// Names of the options of an index.
    pub const NAMES: [&str; 4] = [M, M0, EF_CONSTRUCTION, CODES];

    /// Reads the options of an index. The error says what is wrong.
    pub(crate) fn of(options: &BTreeMap<String, String>, element: ElementType) -> Result<Self, String> {
        let number = |name: &str, default: u32, least: u32, most: u32| match options.get(name) {
            None => Ok(default),
            Some(text) => match text.parse() {
                Ok(number) if (least..=most).contains(&number) => Ok(number),
                _ => Err(format!("{name}={text} is no number from {least} to {most}")),
            },
        };
        let m = number(M, 16, 2, LINKS_MAX / 2)?;
        let m0 = number(M0, 2 * m, m, LINKS_MAX)?;
        let ef_construction = number(EF_CONSTRUCTION, 200, 1, EF_CONSTRUCTION_MAX)?;
        let codes = match options.get(CODES).map(String::as_str) {
            None => element.is_float().then_some(CodeKind::Sq4),
            Some("none") => None,
            Some(_) if element == ElementType::Bit => return Err("bits have no codes".to_owned()),
            Some(name) => {
                let known = CodeKind::ALL.map(CodeKind::name).join(", ");
                Some(CodeKind::named(name).ok_or_else(|| format!("codes={name} is none of {known}, none"))?)
            }
        };
        Ok(Self { settings: BuildSettings { m, m0, ef_construction }, codes })
    }

    /// Returns the options as they count, defaults included.
    pub(crate) fn texts(&self) -> Vec<(String, String)> {
        let BuildSettings { m, m0, ef_construction } = self.settings;
        let codes = self.codes.map_or("none", CodeKind::name).to_owned();
        [(M, m.to_string()), (M0, m0.to_string()), (EF_CONSTRUCTION, ef_construction.to_string()), (CODES, codes)]
            .map(|(name, text)| (name.to_owned(), text))
            .into()
    }
}
