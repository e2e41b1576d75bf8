//! Rows of the tables of a run. The tables themselves, their columns with type, unit and meaning, are declared in
//! [`copl_contract::schema`]: a table's rows are those of the messages of its schema.
//!
//! Every table begins with `run`, `epoch` and `split`, so the tables of many runs can be stacked. Columns are never
//! renamed, retyped or taken away under one [`TABLES_VERSION`], but may be added; the version stands in each Parquet file's key-value metadata
//! (`copl.version`), and so does the meaning of each column (`copl.column.NAME`).

pub use copl_contract::schema::{Column, ColumnType, Table};

use crate::error::ReportError;

/// Version of all tables. Files of a newer version are refused, those of an older one are read.
pub const TABLES_VERSION: u32 = 1;

/// The values of one column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// For [`ColumnType::Utf8`].
    Text(Vec<String>),
    /// For [`ColumnType::Int64`].
    Integer(Vec<i64>),
    /// For [`ColumnType::Float64`].
    Number(Vec<f64>),
    /// For [`ColumnType::ListInt32`].
    Integers(Vec<Vec<i32>>),
    /// For [`ColumnType::Binary`].
    Bytes(Vec<Vec<u8>>),
}

impl Values {
    /// The type of column they are for.
    pub fn kind(&self) -> ColumnType {
        match self {
            Self::Text(_) => ColumnType::Utf8,
            Self::Integer(_) => ColumnType::Int64,
            Self::Number(_) => ColumnType::Float64,
            Self::Integers(_) => ColumnType::ListInt32,
            Self::Bytes(_) => ColumnType::Binary,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(v) => v.len(),
            Self::Integer(v) => v.len(),
            Self::Number(v) => v.len(),
            Self::Integers(v) => v.len(),
            Self::Bytes(v) => v.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Rows of a table that belong to one epoch's split.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    pub(crate) table: Table,
    pub(crate) run: String,
    pub(crate) epoch: i64,
    pub(crate) split: String,
    pub(crate) columns: Vec<Values>,
}

impl Rows {
    /// Rows from the columns of [`Table::own_columns`].
    ///
    /// # Errors
    /// If a column is missing, of another type, or of another length than the first.
    pub fn new(table: Table, run: &str, epoch: i64, split: &str, columns: Vec<Values>) -> Result<Self, ReportError> {
        let wrong = |problem: String| ReportError::Rows { table: table.name(), problem };
        let want = table.own_columns();
        if columns.len() != want.len() {
            return Err(wrong(format!("{} columns are needed, {} were given", want.len(), columns.len())));
        }
        let rows = columns.first().map_or(0, Values::len);
        for (column, values) in want.iter().zip(&columns) {
            if column.kind != values.kind() {
                return Err(wrong(format!(
                    "`{}` is {}, not {}",
                    column.name,
                    column.kind.label(),
                    values.kind().label()
                )));
            }
            if values.len() != rows {
                return Err(wrong(format!("`{}` has {} rows, the first column has {rows}", column.name, values.len())));
            }
        }
        Ok(Self { table, run: run.to_owned(), epoch, split: split.to_owned(), columns })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, Values::len)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their table.
    pub fn table(&self) -> Table {
        self.table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for table in Table::ALL {
            assert_eq!(Table::by_name(table.name()), Some(*table));
            let names: Vec<&str> = table.columns().map(|c| c.name).collect();
            assert_eq!(&names[..3], ["run", "epoch", "split"]);
            assert!(names.iter().enumerate().all(|(i, n)| !names[i + 1..].contains(n)));
        }
    }

    #[test]
    fn rows_of_another_shape_are_refused() {
        let text = |s: &str| Values::Text(vec![s.to_owned()]);
        let whole = vec![text("a.safetensors"), text("00"), Values::Integer(vec![1])];
        assert_eq!(Rows::new(Table::Checkpoints, "r", 1, "val", whole.clone()).unwrap().len(), 1);
        assert!(Rows::new(Table::Checkpoints, "r", 1, "val", whole[..2].to_vec()).is_err());
        let mistyped = vec![text("a"), text("b"), text("1")];
        assert!(
            Rows::new(Table::Checkpoints, "r", 1, "val", mistyped)
                .is_err_and(|e| e.to_string().contains("`best` is Int64"))
        );
        let uneven = vec![text("a"), text("b"), Values::Integer(vec![])];
        assert!(Rows::new(Table::Checkpoints, "r", 1, "val", uneven).is_err_and(|e| e.to_string().contains("0 rows")));
    }
}
