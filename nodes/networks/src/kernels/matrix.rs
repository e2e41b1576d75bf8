//! Views of `f32` slices as matrices, and their product. The one place that calls the `gemm` crate.

/// A read-only matrix in a slice, with any two strides.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `rows` x `columns`, rows one after the other.
    pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// `rows` x `columns` whose rows begin `row_stride` apart.
    pub(crate) fn strided(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(extent(rows, columns, row_stride) <= data.len(), "matrix reaches beyond its slice");
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// The same numbers, rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// A matrix to write, rows `row_stride` apart.
pub(crate) struct MatrixMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// `rows` x `columns`, rows one after the other.
    pub(crate) fn new(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// `rows` x `columns` whose rows begin `row_stride` apart.
    pub(crate) fn strided(data: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(extent(rows, columns, row_stride) <= data.len(), "matrix reaches beyond its slice");
        assert!(columns <= row_stride, "rows of a written matrix overlap");
        Self { data, rows, columns, row_stride }
    }
}

fn extent(rows: usize, columns: usize, row_stride: usize) -> usize {
    if rows == 0 || columns == 0 { 0 } else { (rows - 1) * row_stride + columns }
}

/// Whether a product may use all threads of the pool.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    One,
    All,
}

/// What happens to the numbers already in the output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Replace,
    Add,
}

/// `out = a b`, or `out += a b`. No sum is split between threads.
pub(crate) fn product(out: MatrixMut<'_>, a: Matrix<'_>, b: Matrix<'_>, write: Write, threads: Threads) {
    assert!(
        out.rows == a.rows && out.columns == b.columns && a.columns == b.rows,
        "product of {}x{} and {}x{} into {}x{}",
        a.rows,
        a.columns,
        b.rows,
        b.columns,
        out.rows,
        out.columns
    );
    if out.rows == 0 || out.columns == 0 {
        return;
    }
    if a.columns == 0 {
        if write == Write::Replace {
            for row in out.data.chunks_mut(out.row_stride).take(out.rows) {
                row[..out.columns].fill(0.0);
            }
        }
        return;
    }
    let parallelism = match threads {
        Threads::One => gemm::Parallelism::None,
        Threads::All => gemm::Parallelism::Rayon(0),
    };
    // SAFETY: the constructors checked that every element addressed by (rows, columns, strides) lies inside its slice,
    // and that written rows do not overlap; the borrows keep the slices alive and the output unaliased.
    unsafe {
        gemm::gemm(
            out.rows,
            out.columns,
            a.columns,
            out.data.as_mut_ptr(),
            1,
            out.row_stride as isize,
            write == Write::Add,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            if write == Write::Add { 1.0 } else { 0.0 },
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_views_match_the_definition() {
        let a: Vec<f32> = (0..12).map(|i| i as f32).collect(); // 3 x 4, of which the first 2 columns are used
        let b: Vec<f32> = (0..10).map(|i| 1.0 - i as f32).collect(); // 5 x 2, used transposed
        let mut out = vec![1.0f32; 3 * 7];
        let left = Matrix::strided(&a, 3, 2, 4);
        let right = Matrix::new(&b, 5, 2).transposed();
        product(MatrixMut::strided(&mut out, 3, 5, 7), left, right, Write::Add, Threads::One);
        for i in 0..3 {
            for j in 0..5 {
                let expected: f32 = 1.0 + (0..2).map(|k| a[i * 4 + k] * b[j * 2 + k]).sum::<f32>();
                assert_eq!(out[i * 7 + j], expected);
            }
            assert_eq!(&out[i * 7 + 5..][..2], &[1.0, 1.0]);
        }
    }

    #[test]
    fn an_empty_sum_writes_zeros() {
        let mut out = vec![3.0f32; 4];
        product(
            MatrixMut::new(&mut out, 2, 2),
            Matrix::new(&[], 2, 0),
            Matrix::new(&[], 0, 2),
            Write::Replace,
            Threads::One,
        );
        assert_eq!(out, vec![0.0; 4]);
    }
}
