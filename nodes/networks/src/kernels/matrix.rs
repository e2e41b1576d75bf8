//! Views of `f32` slices as matrices, and their product. The one place that chooses the library for it.

use rayon::prelude::*;

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

/// `out = a b`, or `out += a b`. An element's sum runs over `a`'s columns in their order, in parts of a fixed length: it is
/// the same whatever the number of threads, the size of the matrices and the instructions.
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
    let (rows, columns) = (out.rows, out.columns);
    let height = block_rows(rows, columns, threads);
    let across = columns.div_ceil(BLOCK_COLUMNS);
    let target = Target(out.data.as_mut_ptr());
    let block = |index: usize| {
        let (row, column) = (index / across * height, index % across * BLOCK_COLUMNS);
        let (rows, columns) = (height.min(rows - row), BLOCK_COLUMNS.min(columns - column));
        // SAFETY: the constructors checked that every element addressed by (rows, columns, strides) lies inside its slice,
        // and that written rows do not overlap; the borrows keep the slices alive and the output unaliased; no two blocks
        // share an element of the output.
        unsafe {
            multiply(Product {
                rows,
                columns,
                depth: a.columns,
                out: target.at(row * out.row_stride + column),
                out_stride: out.row_stride as isize,
                a: a.data.as_ptr().add(row * a.row_stride),
                a_strides: (a.row_stride as isize, a.column_stride as isize),
                b: b.data.as_ptr().add(column * b.column_stride),
                b_strides: (b.row_stride as isize, b.column_stride as isize),
                write,
            });
        }
    };
    let blocks = 0..rows.div_ceil(height) * across;
    match threads {
        Threads::All if blocks.len() > 1 => blocks.into_par_iter().with_max_len(1).for_each(block),
        _ => blocks.for_each(block),
    }
}

/// Columns of the output computed together; more would leave a core's cache.
const BLOCK_COLUMNS: usize = 192;

/// Rows of the output computed together: as many as pay for packing the other side, or fewer so that every thread has two
/// blocks.
fn block_rows(rows: usize, columns: usize, threads: Threads) -> usize {
    match threads {
        Threads::One => rows,
        Threads::All => {
            let wanted = (2 * rayon::current_num_threads()).div_ceil(columns.div_ceil(BLOCK_COLUMNS));
            rows.div_ceil(wanted).clamp(64, 512)
        }
    }
}

/// Where the blocks of one product are written.
#[derive(Clone, Copy)]
struct Target(*mut f32);

// SAFETY: the blocks that threads write share no element.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Target {
    /// # Safety
    /// `offset` lies inside the output.
    unsafe fn at(self, offset: usize) -> *mut f32 {
        // SAFETY: the caller's.
        unsafe { self.0.add(offset) }
    }
}

/// One block: `out` [rows, columns] = `a` [rows, depth] `b` [depth, columns]; strides are of rows, then of columns.
struct Product {
    rows: usize,
    columns: usize,
    depth: usize,
    out: *mut f32,
    out_stride: isize,
    a: *const f32,
    a_strides: (isize, isize),
    b: *const f32,
    b_strides: (isize, isize),
    write: Write,
}

/// On one thread.
///
/// # Safety
/// Every element lies in memory that may be read, or written and not read by others.
unsafe fn multiply(p: Product) {
    #[cfg(target_arch = "x86_64")]
    if let Some(instructions) = x86::instructions()
        && p.rows > 1
        && p.columns > 1
    {
        // SAFETY: the caller's; the processor has the instructions.
        return unsafe { x86::multiply(p, instructions) };
    }
    // SAFETY: the caller's.
    unsafe {
        gemm::gemm(
            p.rows,
            p.columns,
            p.depth,
            p.out,
            1,
            p.out_stride,
            p.write == Write::Add,
            p.a,
            p.a_strides.1,
            p.a_strides.0,
            p.b,
            p.b_strides.1,
            p.b_strides.0,
            if p.write == Write::Add { 1.0 } else { 0.0 },
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// The kernels under the `faer` library, which are faster than `gemm`'s, and the more so without AVX-512 (docs/speed.md).
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::ptr::null;
    use std::sync::OnceLock;

    use private_gemm_x86::{Accum, DType, DstKind, IType, InstrSet, gemm};

    use super::{Product, Write};

    /// The widest instructions that the processor has and `COPL_CPU_CAPABILITY` allows; none if it lacks AVX2 or FMA.
    pub(super) fn instructions() -> Option<InstrSet> {
        static FOUND: OnceLock<Option<InstrSet>> = OnceLock::new();
        *FOUND.get_or_init(|| {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512cd")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            let allowed = std::env::var("COPL_CPU_CAPABILITY").map_or(true, |most| most != "avx2");
            match avx2 {
                true if avx512 && allowed => Some(InstrSet::Avx512),
                true => Some(InstrSet::Avx256),
                false => None,
            }
        })
    }

    /// # Safety
    /// As the module's; the processor has the instructions.
    pub(super) unsafe fn multiply(p: Product, instructions: InstrSet) {
        let one = 1f32;
        // SAFETY: the caller's.
        unsafe {
            gemm(
                DType::F32,
                IType::U64,
                instructions,
                p.rows,
                p.columns,
                p.depth,
                p.out.cast(),
                p.out_stride,
                1,
                null(),
                null(),
                DstKind::Full,
                if p.write == Write::Add { Accum::Add } else { Accum::Replace },
                p.a.cast(),
                p.a_strides.0,
                p.a_strides.1,
                false,
                null(),
                0,
                p.b.cast(),
                p.b_strides.0,
                p.b_strides.1,
                false,
                (&raw const one).cast(),
                1,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use copl_testing::tensors::numbers;

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
    fn threads_and_instructions_change_no_bit() {
        for (rows, depth, columns) in [(2, 3, 2), (37, 513, 300), (700, 40, 257), (130, 1100, 5)] {
            let (a, b) = (numbers(rows * depth, 1), numbers(depth * columns, 2));
            let compute = |threads| {
                let mut out = numbers(rows * columns, 3);
                let b = Matrix::new(&b, columns, depth).transposed();
                product(MatrixMut::new(&mut out, rows, columns), Matrix::new(&a, rows, depth), b, Write::Add, threads);
                out
            };
            let out = compute(Threads::One);
            assert_eq!(out, compute(Threads::All));
            #[cfg(target_arch = "x86_64")]
            if x86::instructions().is_some() {
                let mut narrow = numbers(rows * columns, 3);
                let block = Product {
                    rows,
                    columns,
                    depth,
                    out: narrow.as_mut_ptr(),
                    out_stride: columns as isize,
                    a: a.as_ptr(),
                    a_strides: (depth as isize, 1),
                    b: b.as_ptr(),
                    b_strides: (1, depth as isize),
                    write: Write::Add,
                };
                // SAFETY: the slices have the sizes and strides named; where any instructions serve, AVX2 is among them.
                unsafe { x86::multiply(block, private_gemm_x86::InstrSet::Avx256) };
                assert_eq!(out, narrow);
            }
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
