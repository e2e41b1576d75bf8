//! The layers that were asked for, as a pass comes by them.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::map::Map;
use crate::error::{Error, Result};

/// Collects the wanted layers of a pass.
pub(super) struct Taken<'a> {
    wanted: &'a [&'a str],
    found: BTreeMap<String, Tensor>,
}

impl<'a> Taken<'a> {
    pub(super) fn new(wanted: &'a [&'a str]) -> Self {
        Self { wanted, found: BTreeMap::new() }
    }

    /// Whether nothing more is wanted: what comes after need not be computed.
    pub(super) fn is_complete(&self) -> bool {
        self.wanted.iter().all(|name| self.found.contains_key(*name))
    }

    fn wants(&self, name: &str) -> bool {
        self.wanted.contains(&name)
    }

    /// A map that came by.
    pub(super) fn map(&mut self, name: &str, map: &Map) -> Result<()> {
        self.tokens(name, &map.values, map.count, map.places(), map.channels)
    }

    /// The mean over the places of a map.
    pub(super) fn mean(&mut self, name: &str, map: &Map) -> Result<()> {
        if self.wants(name) { self.rows(name, &map.mean(), map.channels) } else { Ok(()) }
    }

    /// Tokens [count, tokens, width] that came by.
    pub(super) fn tokens(&mut self, name: &str, all: &[f32], count: usize, tokens: usize, width: usize) -> Result<()> {
        if self.wants(name) {
            let tensor = Tensor::from_slice(all, (count, tokens, width), &Device::Cpu)?;
            self.found.insert(name.to_string(), tensor);
        }
        Ok(())
    }

    /// Vectors [count, width] that came by.
    pub(super) fn rows(&mut self, name: &str, all: &[f32], width: usize) -> Result<()> {
        if self.wants(name) {
            let tensor = Tensor::from_slice(all, (all.len() / width.max(1), width), &Device::Cpu)?;
            self.found.insert(name.to_string(), tensor);
        }
        Ok(())
    }

    /// All that was wanted, in that order.
    ///
    /// # Errors
    /// If the encoder has no such layer.
    pub(super) fn finish(mut self) -> Result<Vec<Tensor>> {
        let wanted = self.wanted.iter();
        let take = |name: &&str| {
            let found = self.found.remove(*name);
            found.ok_or_else(|| Error::Config(format!("the encoder has no layer `{name}`, or it was asked for twice")))
        };
        wanted.map(take).collect()
    }
}
