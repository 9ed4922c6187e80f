//! Questions about the records of a version, in words.
//!
//! An [`Expr`] is a condition, made of text or by [`field`]. [`View::query`](crate::View::query) runs it on the records of
//! a type; a [`Query`] is bound once and runs often, with other [`Parameters`]. The answer is [`Rows`]: counted, read in key
//! order or in another [`Order`], paged, or summed up by [`Aggregate`]s. Queries answer the same with an index and without:
//! where no [index](crate::IndexSet) is cheaper, they look at all live rows, a block at a time, cheap conditions first.
//!
//! ```
//! # use kapok_core::Result;
//! # use kapok_index::View;
//! use kapok_index::query::{Aggregate, Order};
//!
//! fn report(view: &View) -> Result<()> {
//!     let films = view.query("Movie", r#"year >= 1990 and "Drama" in genres and not title ^= "The""#)?;
//!     println!("{} films", films.count()?);
//!     for film in films.clone().order_by(&[Order::descending("year")])?.limit(10).records() {
//!         println!("{}", film?.to_json_string()?);
//!     }
//!     for group in films.group_by(&["year"], &[Aggregate::count(), Aggregate::avg("runtimeMin")?])? {
//!         println!("{}: {} films of {} minutes", group.key[0], group.values[0], group.values[1]);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! ```text
//! text ──parse──▶ Expr ──bind──▶ Query ──run──▶ Rows ─┬▶ count, contains, row ids, records, values, batches
//!                  ▲           names, types   plan per│  order_by, limit, page
//!  field("year").ge(1990)      checked once   segment └▶ aggregate, group_by, explain
//! ```
//!
//! # The language
//!
//! | text | holds if |
//! |---|---|
//! | `year = 1990`, `!=` `<` `<=` `>` `>=` | the field compares so with the value |
//! | `year between 1990 and 1999` | it is between both, or one of them |
//! | `year in [1990, 2000]`, `year in $years` | it is one of the values |
//! | `title ^= "The"`, `title *= "war"` | the Text or Data starts with it, contains it: bytewise |
//! | `title ~= "star wa* trekk~1"` | the Text has all of these words, in any order and case; `*` is for words that begin so, `~1` and `~2` for words within so many edits |
//! | `"Drama" in genres` | an element of the list is equal to it |
//! | `any(items, productId = 3 and qty > 1)` | one element satisfies the condition; `it` names an element that is no struct |
//! | `all(items, qty > 1)` | all elements satisfy it |
//! | `len(genres) = 0` | the list has so many elements, or the Text or Data so many bytes; null has none |
//! | `labels["en"] = "one"` | the map's value of this key compares so |
//! | `title is null`, `title is not null` | there is no value; there is one |
//! | `movieId.title ^= "M"` | the record that `movieId` [refers](#references) to has such a title |
//! | `any(Rating.movieId, stars >= 4)` | a record of type `Rating` that refers to this one by `movieId` satisfies the condition |
//! | `all(Rating.movieId, stars >= 4)` | all of them satisfy it |
//! | `len(Rating.movieId) = 0` | so many records refer to this one |
//! | `any(actorIds, it.name = "Ann")` | the record that an element of the list [refers](#references) to has such a name |
//! | `any(Movie.actorIds[], year > 1990)` | a record of type `Movie`, an element of whose list refers to this one, satisfies the condition |
//! | `open` | the Bool is true |
//! | `true`, `false` | always; never |
//!
//! `not` binds tighter than `and`, `and` tighter than `or`, and all of them looser than comparisons; there are parentheses.
//!
//! * **Fields** are named as in JSON or as in Cap'n Proto, with dots through structs, groups and unions: `address.city`.
//!   Odd names stand in backquotes: `` `odd name`.x ``. A path through a list is an error: ask by `any` or `all`.
//! * **Values** are numbers, `true`, `false`, text in `"` (with the escapes of JSON) or `'` (where `''` is a quote), bytes as
//!   `b"base64"`, enumerants by name or as text, `NaN`, `Infinity`, and `$name` for a parameter.
//! * A text has at most [`TEXT_BYTES_MAX`] bytes and nests at most [`NESTING_MAX`] deep.
//!
//! # References
//!
//! A field that a schema declares to refer to records of a type holds the key of one of them:
//!
//! ```capnp
//! struct Rating $Kapok.key("movieId,user") $Kapok.references(["edition: Edition(movieId, code)"]) {
//!   movieId @0 :UInt32 $Kapok.reference("Movie");
//!   user @1 :Text $Kapok.reference("User");
//!   code @2 :Text;
//!   stars @3 :UInt8;
//! }
//! ```
//!
//! **Forward.** A path goes on behind it, in the record that it refers to, which may refer to others: `movieId.title`,
//! `movieId.director.name`, `edition.price`. So it does in conditions, [`Order`]s, aggregates, groups and
//! [selections](Rows::select). `movieId` alone is the number; `edition`, which is no field, is the record: `edition is null`
//! holds where there is none. If no record has the key, or a part of it is null, what lies behind is null, as behind a struct
//! that is missing. Records are found by primary key. At most 16 references stand in a path.
//!
//! **Elements of lists** refer, too: those of a list of keys that is declared so (`actorIds @5 :List(UInt32)
//! $Kapok.reference("Person")`), and fields of structs in lists. In `any(actorIds, ..)` `it` is the key and `it.name` is in the
//! record that it refers to; `any(items, productId.price > 9)` asks likewise. Aggregates, groups and selections say
//! `actorIds[].name` and `items[].productId.name`.
//!
//! **Back.** `any`, `all` and `len` take a record type and the path of a field that refers, or of a reference of several
//! fields: `any(Rating.edition, stars = 5)`. The condition is about the record that refers, and may ask for what refers to
//! that one. The path may itself go through references: `any(Rating.movieId.director, ..)` on people is about the ratings of
//! their films. It goes through the elements of lists by `[]`: `any(Order.items[].productId, paid)` on products,
//! `len(Movie.actorIds[])` on people. A record that refers several times counts once. A field of this record that has the name of
//! the type comes first. [`Aggregate`]s take the same paths: `avg(Rating.movieId, stars)`.
//!
//! The records that refer are found by an index of exactly the fields that do (an alternate key or a hash index), by the
//! primary key or a sorted index that begins with them, or by one scan of their type for the whole query if there is no such
//! index in all of its segments: [`Rows::explain`] tells which. An index that was asked for several times as many rows as the type
//! has, by conditions within one another, is asked no more: one scan takes its place.
//!
//! **Found first.** Conditions about other records ask their indexes, too. If the films of a title are found at less cost than a
//! film for each rating, `movieId.title = "M"` first finds the films, and then asks which ratings have one of their keys: by an
//! index of `movieId`, or by a scan without lookups. `any(Rating.movieId, stars = 5)` first finds the ratings, if an index of `stars`
//! does. That is done when the rows are made ([`Query::rows`]), and costs at most a quarter of what the query would cost without.
//! Keys of several fields are looked up record by record.
//!
//! # What it means
//!
//! Every condition is true or false. `=`, `<` and their like are false for null, and `!=` and `not` are plain opposites: so
//! `x != 5` holds where `x` is null. A field is null if a struct on its path is missing, if it is a member of a union that
//! is not active, or if its `nullOf` flag says so. Fields that an older segment lacks have their defaults. `any` of no
//! elements is false, `all` is true; a null list has no elements.
//!
//! There is one order for operators, [`Order`], `min` and `max`:
//!
//! * numbers of different types compare exactly, so a `Float32` that prints as 0.1 is not equal to `0.1`;
//! * -0.0 is equal to 0.0, and NaN is equal to NaN and greater than all other numbers;
//! * Text and Data compare bytewise, enums by number, and false is less than true.
//!
//! # Errors
//! What is wrong in an expression is [`Fault::Query`](kapok_core::Fault::Query): the column, and what was expected there.
//! Bytes that are not as they must be are `Corrupt`, if a query reads them.
//!
//! # Limitations
//! [`Query::bind_table`] and [`Selection::bind`] know one table and refuse references. Orders and groups do not go through the
//! records that refer, and aggregates of these take all of them. References of several fields stand in no list of keys. Lists of a
//! record are looked at up to 16 Mi elements, as when it is walked.

mod access;
mod accumulator;
mod aggregate;
mod bind;
mod bound;
mod build;
mod check;
mod column;
mod dangling;
mod evaluate;
mod exact_sum;
mod explain;
mod expr;
mod filter;
mod found_first;
mod group;
mod implied;
mod join;
mod key_order;
mod lex;
mod mask;
mod matching;
mod number;
mod order;
mod page;
mod parameters;
mod parse;
mod place;
mod plan;
mod print;
mod reference_path;
mod referrers;
mod referring;
mod resolve;
mod route;
mod rows;
mod scan;
mod select;
mod test;
mod tree;
mod unreadable;
mod value;
mod values;
mod walk;
mod words;

pub use aggregate::Aggregate;
pub use bound::Query;
pub use build::{FieldExpr, field, parameter};
pub use dangling::{Dangling, DeclaredReference};
pub use explain::{Explanation, JoinExplanation, SegmentExplanation};
pub use expr::{Expr, NESTING_MAX, Operand, TEXT_BYTES_MAX};
pub(crate) use filter::{Filter, SharedSchema};
pub use group::Group;
pub use matching::FieldMatch;
pub use order::Order;
pub use page::Page;
pub use parameters::Parameters;
pub use rows::{RowIter, Rows};
pub use select::{Selected, Selection};
pub use value::Value;
