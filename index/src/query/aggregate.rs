//! Numbers about many records: their count, sums, extremes.

use std::fmt;
use std::str::FromStr;

use kapok_core::{Error, Result};

use super::expr::Path;
use super::parse::{self, Parser};

/// A number about the records of a query, or about each group of them.
///
/// Nulls do not count. Paths are those of expressions; they also go through the elements of lists, by `[]`:
///
/// ```
/// use kapok_index::query::Aggregate;
///
/// let aggregate: Aggregate = "sum(items[].qty)".parse()?;
/// assert_eq!(aggregate, Aggregate::sum("items[].qty")?);
/// assert_eq!(aggregate.to_string(), "sum(items[].qty)");
/// # Ok::<(), kapok_core::Error>(())
/// ```
///
/// | text | value |
/// |---|---|
/// | `count()` | number of records |
/// | `count(path)` | number of values |
/// | `count_distinct(path)` | number of different values |
/// | `sum(path)` | sum: an integer of 128 bits, or the exact sum of floats, rounded once; 0 of none |
/// | `avg(path)` | sum divided by count, as Float64; null of none |
/// | `min(path)`, `max(path)` | least and greatest value, in the order of comparisons; null of none |
/// | `top_n(n, path)` | the n greatest values, the greatest first |
///
/// Each of them also takes values of the records that [refer](super#references) to each record: `avg(Rating.movieId, stars)` of
/// films is the average of the stars of all their ratings, and `count(Rating.movieId)` the number of these. Every record that
/// refers counts, once for each record that it refers to:
///
/// ```
/// use kapok_index::query::Aggregate;
///
/// let aggregate: Aggregate = "avg(Rating.movieId, stars)".parse()?;
/// assert_eq!(aggregate, Aggregate::avg("stars")?.of_referrers("Rating.movieId")?);
/// assert_eq!(Aggregate::parse("count(Rating.movieId)")?, Aggregate::count().of_referrers("Rating.movieId")?);
/// # Ok::<(), kapok_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregate {
    pub(super) function: Function,
    /// How records refer whose values are taken, beginning with the name of their type; `None` if there is none, or the
    /// records themselves are counted.
    pub(super) referrers: Option<Path>,
    /// `None` for `count()` alone.
    pub(super) path: Option<Path>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Count,
    CountDistinct,
    Sum,
    Avg,
    Min,
    Max,
    TopN(usize),
}

/// Values of `top_n`, at most.
const TOP_MAX: usize = 1 << 20;

impl Function {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::CountDistinct => "count_distinct",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::TopN(_) => "top_n",
        }
    }
}

impl Aggregate {
    /// Parses the text of an aggregate, such as `sum(size)`.
    ///
    /// # Errors
    /// `Invalid` as [`Fault::Query`](kapok_core::Fault::Query), with the column.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parser = Parser::new(text)?;
        let at = parser.at();
        let mut function = match parser.name("count, count_distinct, sum, avg, min, max or top_n")? {
            "count" => Function::Count,
            "count_distinct" => Function::CountDistinct,
            "sum" => Function::Sum,
            "avg" => Function::Avg,
            "min" => Function::Min,
            "max" => Function::Max,
            "top_n" => Function::TopN(0),
            other => {
                let problem = format!("expected count, count_distinct, sum, avg, min, max or top_n, found {other:?}");
                return Err(at.error(problem));
            }
        };
        parser.expect_symbol("(")?;
        if function == Function::TopN(0) {
            let at = parser.at();
            let count = parser.count()?;
            if count > TOP_MAX {
                return Err(at.error(format!("at most {TOP_MAX} values")));
            }
            function = Function::TopN(count);
            parser.expect_symbol(",")?;
        }
        if function == Function::Count && parser.take_symbol(")") {
            parser.end("the end")?;
            return Ok(Self { function, referrers: None, path: None });
        }
        let mut path = parser.path("a field")?;
        let referrers = if parser.take_symbol(",") {
            Some(std::mem::replace(&mut path, parser.path("a field of the records that refer")?))
        } else {
            None
        };
        parser.expect_symbol(")")?;
        parser.end("the end")?;
        Ok(Self { function, referrers, path: Some(path) })
    }

    /// Counts records.
    pub fn count() -> Self {
        Self { function: Function::Count, referrers: None, path: None }
    }

    /// Counts the values of a field.
    ///
    /// # Errors
    /// As [`Aggregate::parse`].
    pub fn count_of(path: &str) -> Result<Self> {
        Self::of(Function::Count, path)
    }

    /// Counts the different values of a field.
    ///
    /// # Errors
    /// As [`Aggregate::parse`].
    pub fn count_distinct(path: &str) -> Result<Self> {
        Self::of(Function::CountDistinct, path)
    }

    /// Sums a field up.
    ///
    /// # Errors
    /// As [`Aggregate::parse`].
    pub fn sum(path: &str) -> Result<Self> {
        Self::of(Function::Sum, path)
    }

    /// Averages a field.
    ///
    /// # Errors
    /// As [`Aggregate::parse`].
    pub fn avg(path: &str) -> Result<Self> {
        Self::of(Function::Avg, path)
    }

    /// Finds the least value of a field.
    ///
    /// # Errors
    /// As [`Aggregate::parse`].
    pub fn min(path: &str) -> Result<Self> {
        Self::of(Function::Min, path)
    }

    /// Finds the greatest value of a field.
    ///
    /// # Errors
    /// As [`Aggregate::parse`].
    pub fn max(path: &str) -> Result<Self> {
        Self::of(Function::Max, path)
    }

    /// Finds the greatest values of a field.
    ///
    /// # Errors
    /// As [`Aggregate::parse`].
    pub fn top_n(values: usize, path: &str) -> Result<Self> {
        Self::of(Function::TopN(values.min(TOP_MAX)), path)
    }

    fn of(function: Function, path: &str) -> Result<Self> {
        Ok(Self { function, referrers: None, path: Some(parse::path(path)?) })
    }

    /// Takes the values of the records that refer to each record, in place of its own. `path`: their type and the field by which
    /// they refer, such as `Rating.movieId`.
    ///
    /// # Errors
    /// As [`Aggregate::parse`].
    pub fn of_referrers(mut self, path: &str) -> Result<Self> {
        let path = Some(parse::path(path)?);
        match self.path {
            Some(_) => self.referrers = path,
            None => self.path = path,
        }
        Ok(self)
    }
}

impl FromStr for Aggregate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.function.name())?;
        if let Function::TopN(count) = self.function {
            write!(f, "{count}, ")?;
        }
        if let Some(referrers) = &self.referrers {
            write!(f, "{referrers}, ")?;
        }
        if let Some(path) = &self.path {
            path.fmt(f)?;
        }
        f.write_str(")")
    }
}
