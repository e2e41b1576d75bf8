//! Files of the Hugging Face hub.
//!
//! [`cached`] finds a file in the cache that huggingface_hub, hf-hub and this crate share; [`pull`] brings it there. What
//! decides where and how is in [`Settings`]: the usual `HF_*` variables.
//!
//! The cache's layout (`models--OWNER--NAME/{blobs,snapshots,refs}`) and the addresses are those of the crate hf-hub. Its
//! own download is not used: it gives a file its final name before anything is checked, appends whatever a server answers
//! to a range request, and waits for a silent server without end. [`pull`] resumes only where the server says it does,
//! compares SHA-256 with the hub's before the file gets its name, and gives up in finite time.

mod cache;
mod error;
mod file;
mod pull;
mod settings;
mod transfer;

pub use cache::{cached, partial_bytes};
pub use error::{Error, Result};
pub use file::HubFile;
pub use pull::{Progress, Pulled, pull};
pub use settings::Settings;
