//! Names and shapes against what is expected: three lists, everything at once.

use std::collections::BTreeMap;

use super::spec::TensorSpec;
use crate::error::{NameMismatch, Result};

/// Compares names and shapes with what is expected.
///
/// # Errors
/// Lists everything missing, unexpected or mis-shaped.
pub fn check_names<'a>(
    origin: &str,
    found: impl IntoIterator<Item = (&'a str, &'a [usize])>,
    expected: &[TensorSpec],
) -> Result<()> {
    let found: BTreeMap<&str, &[usize]> = found.into_iter().collect();
    let known: BTreeMap<&str, &[usize]> = expected.iter().map(|s| (s.name.as_str(), s.shape.as_slice())).collect();
    let mut mismatch = NameMismatch { origin: origin.to_string(), ..Default::default() };
    for (name, shape) in &known {
        match found.get(name) {
            None => mismatch.missing.push((*name).to_string()),
            Some(other) if other != shape => {
                mismatch.misshaped.push(format!("{name}: {other:?}, expected {shape:?}"));
            }
            Some(_) => {}
        }
    }
    mismatch.unexpected = found.keys().filter(|name| !known.contains_key(*name)).map(|n| (*n).to_string()).collect();
    if mismatch.is_empty() { Ok(()) } else { Err(mismatch.into()) }
}
