//! The Arrow schema of every payload we ship.
//!
//! A message names its payload's schema in the header (`schema`), a receiver accepts the ones its input lists, and both
//! sides check the columns: a wrong name or type is an error at the edge, not a wrong number later.
//!
//! - `declared`: the columns of each schema, which are listed there and nowhere else;
//! - [`Schema`]: the schemas by name; [`Table`]: those whose rows the report keeps;
//! - [`BatchBuilder`] makes a batch, [`Schema::check`] judges one, [`utf8`], [`int64`], … read its columns.

mod builder;
mod catalogue;
mod check;
mod column;
mod declare;
mod declared;
mod read;
mod table;

pub use builder::BatchBuilder;
pub use catalogue::Schema;
pub use column::{Column, ColumnType};
pub use read::{binary, float64, int64, list, texts, utf8};
pub use table::{PLACE, Table};

#[cfg(test)]
mod tests;
