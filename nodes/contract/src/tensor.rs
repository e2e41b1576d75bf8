//! Tensors as Arrow columns: a `FixedSizeList` of u8, i32 or f32 whose field carries the canonical extension
//! `arrow.fixed_shape_tensor` with its shape, row-major. A row is one tensor, so a batch of B rows is a tensor
//! [B, …shape] in one contiguous buffer.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, FixedSizeListArray, PrimitiveArray, RecordBatch};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field};

const EXTENSION_NAME: &str = "ARROW:extension:name";
const EXTENSION_METADATA: &str = "ARROW:extension:metadata";

/// A tensor column and its field: `rows` tensors of `shape` out of one row-major buffer.
///
/// # Errors
/// If the buffer does not hold `rows` x the product of `shape` values.
pub fn column<T: ArrowPrimitiveType>(
    name: &str,
    values: Vec<T::Native>,
    rows: usize,
    shape: &[usize],
) -> Result<(Field, ArrayRef), String> {
    let width = product(shape).ok_or_else(|| format!("column `{name}`: a tensor of {shape:?} is too large"))?;
    if Some(values.len()) != rows.checked_mul(width) {
        return Err(format!("column `{name}`: {} values do not make {rows} tensors of {shape:?}", values.len()));
    }
    let width = i32::try_from(width).map_err(|_| format!("column `{name}`: a tensor of {shape:?} is too large"))?;
    let item = Arc::new(Field::new_list_field(T::DATA_TYPE, false));
    let array = PrimitiveArray::<T>::new(ScalarBuffer::from(values), None);
    let list = FixedSizeListArray::try_new_with_length(item.clone(), width, Arc::new(array), None, rows)
        .map_err(|e| format!("column `{name}`: {e}"))?;
    let shape = serde_json::json!({ "shape": shape }).to_string();
    let field = Field::new(name, DataType::FixedSizeList(item, width), false).with_metadata(
        [(EXTENSION_NAME.to_owned(), "arrow.fixed_shape_tensor".to_owned()), (EXTENSION_METADATA.to_owned(), shape)]
            .into(),
    );
    Ok((field, Arc::new(list)))
}

/// Values of a tensor of this shape, if they can be counted: a shape is a claim of whoever sent it.
fn product(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, length| product.checked_mul(*length))
}

/// A view of a tensor column: all rows in one slice.
#[derive(Debug)]
pub struct View<'a, N> {
    /// Row-major values of all rows.
    pub values: &'a [N],
    /// Number of rows.
    pub rows: usize,
    /// Shape of one row's tensor.
    pub shape: Vec<usize>,
}

/// The tensor column `name` of a batch.
///
/// # Errors
/// If the column is missing, is no tensor of this type, or its shape does not match its width.
pub fn view<'a, T: ArrowPrimitiveType>(batch: &'a RecordBatch, name: &str) -> Result<View<'a, T::Native>, String> {
    let schema = batch.schema_ref();
    let (index, field) = schema.column_with_name(name).ok_or_else(|| format!("column `{name}` is missing"))?;
    let wrong = || format!("column `{name}` is {}, expected a tensor of {}", field.data_type(), T::DATA_TYPE);
    let list = batch.column(index).as_any().downcast_ref::<FixedSizeListArray>().ok_or_else(wrong)?;
    let values = list.values().as_any().downcast_ref::<PrimitiveArray<T>>().ok_or_else(wrong)?;
    let width = usize::try_from(list.value_length()).map_err(|e| e.to_string())?;
    let metadata =
        field.metadata().get(EXTENSION_METADATA).ok_or_else(|| format!("column `{name}` names no tensor shape"))?;
    let shape: Vec<usize> = serde_json::from_str::<serde_json::Value>(metadata)
        .ok()
        .and_then(|v| serde_json::from_value(v.get("shape")?.clone()).ok())
        .ok_or_else(|| format!("column `{name}`: unreadable tensor shape `{metadata}`"))?;
    if product(&shape) != Some(width) {
        return Err(format!("column `{name}`: shape {shape:?} does not make {width} values"));
    }
    let start = list.value_offset(0) as usize;
    let values = &values.values()[start..start + list.len() * width];
    Ok(View { values, rows: list.len(), shape })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{Float32Type, Schema, UInt8Type};

    #[test]
    fn a_column_comes_back_as_it_was() {
        let (field, array) = column::<Float32Type>("x", (0..12u8).map(f32::from).collect(), 2, &[2, 3]).unwrap();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).unwrap();
        let x = view::<Float32Type>(&batch, "x").unwrap();
        assert_eq!((x.rows, x.shape, x.values.len(), x.values[7]), (2, vec![2, 3], 12, 7.0));
        let sliced = batch.slice(1, 1);
        assert_eq!(view::<Float32Type>(&sliced, "x").unwrap().values[0], 6.0);
        assert!(view::<UInt8Type>(&batch, "x").is_err_and(|e| e.contains("expected a tensor of UInt8")));
        assert!(view::<UInt8Type>(&batch, "y").is_err_and(|e| e.contains("missing")));
    }

    #[test]
    fn a_wrong_size_is_refused() {
        assert!(column::<UInt8Type>("x", vec![0; 5], 2, &[3]).is_err());
    }
}
