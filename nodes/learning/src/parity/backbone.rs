//! Fixtures of kind `backbone`: tokens after the embedding, every block, the final norm, and the pooled feature.

use candle_core::Tensor;
use copl_networks::Result;
use copl_networks::kernels::Execution;
use serde::Deserialize;

use super::fixture::Fixture;
use super::{Measure, ParityReport};

#[derive(Deserialize)]
struct Config {
    backbone: serde_json::Value,
}

/// Runs the encoder block by block.
pub(super) fn compare(fixture: &Fixture, execution: Execution, report: &mut ParityReport) -> Result<()> {
    let loaded = fixture.encoder("backbone.", &fixture.config::<Config>()?.backbone)?;
    let encoder = loaded.architecture.build(loaded.weights, execution)?;
    let mut check = |name: &str, found: &Tensor| report.compare(name, Measure::Activation, found, fixture.get(name)?);
    let mut tokens = encoder.embed(fixture.get("input.images")?)?;
    check("expect.embed", &tokens)?;
    for block in 0..encoder.blocks().len() {
        tokens = encoder.block(block, &encoder.merge(block, &tokens)?, None)?;
        check(&format!("expect.block.{block}"), &tokens)?;
    }
    let tokens = encoder.finish(&tokens)?;
    check("expect.final", &tokens)?;
    check("expect.pooled", &encoder.pool(&tokens)?)
}
