//! How a schema is declared: its meaning as a doc comment, then a line a column.

use super::column::Column;

/// A schema as it is declared.
#[derive(Debug)]
pub(crate) struct Declared {
    /// What a row is.
    pub(super) meaning: &'static str,
    /// Its columns in order.
    pub(super) columns: &'static [Column],
}

/// `"name": Type ["unit"], "meaning", added;`: unit and `added` where they apply.
macro_rules! declare {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident { $($column:literal: $kind:ident $([$unit:literal])?, $meaning:literal $(, $added:ident)?;)* }
    )*) => {$(
        $(#[doc = $doc])+
        pub(crate) const $name: Declared = Declared {
            meaning: concat!($($doc,)+),
            columns: &[$($crate::schema::column::Column {
                name: $column,
                kind: $crate::schema::column::ColumnType::$kind,
                unit: concat!($($unit)?),
                meaning: $meaning,
                added: !<[&str]>::is_empty(&[$(stringify!($added))?]),
            },)*],
        };
    )*};
}
pub(super) use declare;
