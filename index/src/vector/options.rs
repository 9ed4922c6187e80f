//! How a vector field is indexed.

use std::collections::BTreeMap;

use kapok_core::vectors::ElementType;
use kapok_hnsw::{BuildSettings, CodeKind};

/// Options of an index of vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorOptions {
    /// `m` (default 16), `m0` (twice `m`) and `efConstruction` (200).
    pub settings: BuildSettings,
    /// `codes`: `sq8`, `sq4`, or `none`. Default: by dimension for floats, none for 8-bit numbers and bits.
    pub codes: CodeChoice,
}

/// Which codes vectors have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeChoice {
    /// None.
    None,
    /// 4 bits from 128 dimensions on, where what is lost in each is made up by the others; else 8.
    ByDimension,
    /// These.
    Of(CodeKind),
}

/// Dimensions from which 4 bits are enough.
const MANY_DIMENSIONS: u32 = 128;

impl CodeChoice {
    /// Returns the codes of vectors of a dimension.
    pub fn of_dimension(self, dimension: u32) -> Option<CodeKind> {
        match self {
            Self::None => None,
            Self::ByDimension if dimension >= MANY_DIMENSIONS => Some(CodeKind::Sq4),
            Self::ByDimension => Some(CodeKind::Sq8),
            Self::Of(kind) => Some(kind),
        }
    }
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
            None if element.is_float() => CodeChoice::ByDimension,
            None | Some("none") => CodeChoice::None,
            Some(_) if element == ElementType::Bit => return Err("bits have no codes".to_owned()),
            Some(name) => {
                let known = CodeKind::ALL.map(CodeKind::name).join(", ");
                CodeChoice::Of(CodeKind::named(name).ok_or_else(|| format!("codes={name} is none of {known}, none"))?)
            }
        };
        Ok(Self { settings: BuildSettings { m, m0, ef_construction }, codes })
    }

    /// Returns the options as they count, defaults included.
    pub(crate) fn texts(&self) -> Vec<(String, String)> {
        let BuildSettings { m, m0, ef_construction } = self.settings;
        let codes = match self.codes {
            CodeChoice::None => "none",
            CodeChoice::ByDimension => "by dimension",
            CodeChoice::Of(kind) => kind.name(),
        };
        [
            (M, m.to_string()),
            (M0, m0.to_string()),
            (EF_CONSTRUCTION, ef_construction.to_string()),
            (CODES, codes.to_owned()),
        ]
        .map(|(name, text)| (name.to_owned(), text))
        .into()
    }
}
