//! `--vector FIELD[:METRIC[,OPTION=VALUE..]]`: a vector field, its metric, and how it is to be indexed.

use std::str::FromStr;

use kapok_core::schema::Metric;

/// A vector field of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VectorArgument {
    /// JSON names joined by dots.
    pub field: String,
    /// Its metric.
    pub metric: Metric,
    /// What its index is to be.
    pub index: VectorIndexOptions,
}

/// Options of the index of a vector field; what is not given is the index's own to choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VectorIndexOptions {
    /// Links of a node on the levels above the lowest.
    pub m: Option<u32>,
    /// Links of a node on the lowest level.
    pub m0: Option<u32>,
    /// Candidates that an insertion looks at.
    pub ef_construction: Option<u32>,
    /// Codes that a search goes by.
    pub codes: Option<String>,
}

impl VectorArgument {
    /// Returns the index that its options ask for; `None` without options, since a field with a metric gets one by itself.
    pub fn index_text(&self) -> Option<String> {
        let VectorIndexOptions { m, m0, ef_construction, codes } = &self.index;
        let number = |name: &str, number: &Option<u32>| number.map(|number| format!(" {name}={number}"));
        let options = [number("m", m), number("m0", m0), number("efConstruction", ef_construction)];
        let codes = codes.as_ref().map(|codes| format!(" codes={codes}"));
        let options: String = options.into_iter().chain([codes]).flatten().collect();
        (!options.is_empty()).then(|| format!("hnsw({}){options}", self.field))
    }
}

impl FromStr for VectorArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let of_field = |field: &str| match field {
            "" => Err("expected FIELD[:METRIC[,OPTION=VALUE..]]".to_owned()),
            field => Ok(field.to_owned()),
        };
        // A name may have a colon; a metric has none.
        let Some((field, rest)) = text.rsplit_once(':') else {
            return Ok(Self {
                field: of_field(text)?,
                metric: Metric::Unspecified,
                index: VectorIndexOptions::default(),
            });
        };
        let (metric, options) = rest.split_once(',').map_or((rest, None), |(metric, options)| (metric, Some(options)));
        let metric = match metric {
            "cosine" => Metric::Cosine,
            "l2" => Metric::L2,
            "dot" => Metric::InnerProduct,
            "hamming" => Metric::Hamming,
            other => return Err(format!("no metric {other:?}; known are cosine, l2, dot and hamming")),
        };
        let index = options.map(VectorIndexOptions::from_str).transpose()?.unwrap_or_default();
        Ok(Self { field: of_field(field)?, metric, index })
    }
}

impl FromStr for VectorIndexOptions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut out = Self::default();
        for option in text.split(',') {
            let Some((name, value)) = option.split_once('=') else {
                return Err(format!("expected OPTION=VALUE, found {option:?}"));
            };
            let number = || {
                let number = value.parse().ok().filter(|number| *number > 0);
                number.ok_or_else(|| format!("{name}: expected a number above 0, found {value:?}"))
            };
            let is_twice = match name {
                "m" => out.m.replace(number()?).is_some(),
                "m0" => out.m0.replace(number()?).is_some(),
                "ef" => out.ef_construction.replace(number()?).is_some(),
                "codes" if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                    return Err(format!("codes: expected a name, such as sq8, found {value:?}"));
                }
                "codes" => out.codes.replace(value.to_owned()).is_some(),
                _ => return Err(format!("no option {name:?}; known are m, m0, ef and codes")),
            };
            if is_twice {
                return Err(format!("{name} is given twice"));
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_its_metric_and_its_options_are_told_apart() {
        let plain = |field: &str, metric| VectorArgument {
            field: field.to_owned(),
            metric,
            index: VectorIndexOptions::default(),
        };
        for (text, expected) in [
            ("embedding", plain("embedding", Metric::Unspecified)),
            ("embedding:cosine", plain("embedding", Metric::Cosine)),
            ("a.b:l2", plain("a.b", Metric::L2)),
            ("a:b:dot", plain("a:b", Metric::InnerProduct)),
            ("code:hamming", plain("code", Metric::Hamming)),
            (
                "embedding:l2,m=16,ef=200,codes=sq8",
                VectorArgument {
                    index: VectorIndexOptions {
                        m: Some(16),
                        m0: None,
                        ef_construction: Some(200),
                        codes: Some("sq8".to_owned()),
                    },
                    ..plain("embedding", Metric::L2)
                },
            ),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_has_another_form_is_refused_with_what_is_known() {
        for (text, expected) in [
            ("", "expected FIELD"),
            (":l2", "expected FIELD"),
            ("embedding:", "known are cosine, l2, dot and hamming"),
            ("embedding:euclid", "no metric \"euclid\""),
            ("embedding:l2,", "expected OPTION=VALUE"),
            ("embedding:l2,m", "expected OPTION=VALUE"),
            ("embedding:l2,m=", "m: expected a number above 0"),
            ("embedding:l2,m=0", "m: expected a number above 0"),
            ("embedding:l2,ef=-1", "ef: expected a number above 0"),
            ("embedding:l2,codes=", "codes: expected a name"),
            ("embedding:l2,k=1", "known are m, m0, ef and codes"),
            ("embedding:l2,m=1,m=2", "m is given twice"),
        ] {
            let error = text.parse::<VectorArgument>().expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
