//! Checksums of weights.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Result, io};

/// Hexadecimal SHA-256 of a file.
///
/// # Errors
/// If the file cannot be read.
pub fn sha256_of_file(path: &Path) -> Result<String> {
    let mut file = std::fs::File::open(path).map_err(io(path))?;
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut hash).map_err(io(path))?;
    Ok(hexadecimal(&hash.finalize()))
}

/// Hexadecimal SHA-256 of bytes.
pub fn sha256_of_bytes(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
