//! Rows of a message as rows of a table. Values are copied one by one: polars keeps an Arrow of its own.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int32Type;
use copl_contract::Message;
use copl_contract::schema::{self, Schema};
use copl_reports::{Column, ColumnType, Rows, Table, Values};

/// The rows of a message of a report.
///
/// # Errors
/// If the message is of no table, or a column is not the table's.
pub(crate) fn rows(schema: Schema, message: &Message) -> Result<Rows, String> {
    let table =
        Table::by_name(schema.name()).ok_or_else(|| format!("`{}` is no table of the report", schema.name()))?;
    let columns = table.own_columns().iter().map(|c| values(&message.batch, c)).collect::<Result<_, _>>()?;
    let header = &message.header;
    Rows::new(table, &header.run, header.epoch.into(), header.split.as_str(), columns).map_err(|e| e.to_string())
}

fn values(batch: &RecordBatch, column: &Column) -> Result<Values, String> {
    Ok(match column.kind {
        ColumnType::Utf8 => {
            Values::Text(schema::utf8(batch, column.name)?.iter().flatten().map(str::to_owned).collect())
        }
        ColumnType::Int64 => Values::Integer(schema::int64(batch, column.name)?.values().to_vec()),
        ColumnType::Float64 => Values::Number(schema::float64(batch, column.name)?.values().to_vec()),
        ColumnType::Binary => {
            Values::Bytes(schema::binary(batch, column.name)?.iter().flatten().map(<[u8]>::to_vec).collect())
        }
        ColumnType::ListInt32 => {
            let lists = schema::list(batch, column.name)?;
            let row = |i: usize| lists.value(i).as_primitive_opt::<Int32Type>().map(|v| v.values().to_vec());
            let rows: Option<Vec<Vec<i32>>> = (0..lists.len()).map(row).collect();
            Values::Integers(rows.ok_or_else(|| format!("column `{}` holds no Int32 lists", column.name))?)
        }
        other => return Err(format!("column `{}` is {}, which no table keeps", column.name, other.label())),
    })
}
