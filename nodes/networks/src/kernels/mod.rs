//! The arithmetic of frozen encoders, and of what learns on them.
//!
//! Two layers. The slice functions (`matrix`, `math`, `dense`, [`attention`], the rows of `norm` and `gelu`) know nothing of
//! tensors or graphs; a frozen block ([`crate::encoders`]) runs forward and backward through them as one operation, keeps
//! only what its backward needs and computes no gradient of a frozen weight. The tensor operations ([`Backend`]) are
//! differentiable in all their arguments: the file of each holds its fused form on slices, its plain composition of
//! candle's operations, the oracle, and the tests of one against the other. Which of the two runs is an [`Execution`],
//! chosen once from the device.
//!
//! For a fixed number of threads the same call gives the same bits: work is split where no sum crosses, and what is
//! summed over tasks is summed in their order.

mod adam;
mod adapter;
pub mod attention;
mod backend;
mod batch_norm;
mod constants;
mod conv;
pub(crate) mod dense;
mod execution;
mod gelu;
pub(crate) mod kept;
mod linear;
mod lstm;
pub(crate) mod math;
pub(crate) mod matrix;
mod norm;
mod relu;
mod resize;
pub(crate) mod slices;
pub(crate) mod softmax;
mod stages;

pub use adam::AdamStep;
pub use adapter::{AdaptedTokens, Bottleneck, Fusion, GatePlace, RowNorm};
pub use backend::{Backend, WindowAttention};
pub use batch_norm::BatchStatistics;
pub use conv::Filter;
pub use execution::Execution;
pub(crate) use gelu::{gelu_in_place, gelu_in_place_packed, multiply_by_packed, multiply_in_place};
pub(crate) use norm::{EPSILON, NormLayer, norm_rows, norm_rows_backward};
pub use resize::Interpolation;
pub use stages::Stages;
