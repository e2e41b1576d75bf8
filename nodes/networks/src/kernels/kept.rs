//! What a forward pass leaves for its backward pass.

use std::sync::{Mutex, PoisonError};

use candle_core::Result;

/// What a forward pass leaves for its backward pass, taken once.
pub(crate) struct Kept<T>(Mutex<Option<T>>);

impl<T> Kept<T> {
    pub(crate) fn empty() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn put(&self, value: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    pub(crate) fn take(&self) -> Result<T> {
        match self.try_take() {
            Some(value) => Ok(value),
            None => candle_core::bail!("the activations of this step were not kept, or were used already"),
        }
    }

    pub(crate) fn try_take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
