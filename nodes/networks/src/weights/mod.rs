//! Named weights: what an encoder expects, and where it comes from.
//!
//! Files are told apart by content ([`format`]): safetensors (`safetensors`), mapped into memory and their header
//! verified, or PyTorch's zip archives (`pickle`), whose pickle is read as data: nothing in it is ever run. Both are read
//! strictly ([`read_strict`]): missing, unexpected and mis-shaped tensors are listed and refused together. Weights are never
//! random unless a user says `random`; where none are named they come from inside the program or from the hub's cache
//! ([`hub`] says which file of the hub belongs to which preset).

mod contents;
mod digest;
mod format;
pub mod hub;
mod names;
mod pickle;
mod read;
mod safetensors;
mod source;
mod spec;
mod tensors;

pub use contents::{Contents, contents};
pub use digest::{sha256_of_bytes, sha256_of_file};
pub use format::Format;
pub use names::check_names;
pub use read::{Stored, read_embedded, read_strict};
pub use source::{WeightSource, is_embedded};
pub use spec::{Init, TensorSpec};
pub use tensors::Tensors;

#[cfg(test)]
mod tests;
