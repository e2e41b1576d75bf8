//! Fixtures of kind `backbone`: tokens after the embedding, every block, the final norm, and the pooled feature.

use candle_core::Tensor;
use copl_networks::Result;
use copl_networks::features::{Layer, LayerShape};
use copl_networks::kernels::Execution;
use serde::Deserialize;

use super::fixture::{Fixture, LoadedFeatures};
use super::{Measure, ParityReport};

#[derive(Deserialize)]
struct Config {
    backbone: serde_json::Value,
    /// The tensor that goes in, where it is not `input.images` or `input.tokens`.
    network_input: Option<String>,
}

/// What a ResNet of stride 1 in its last stage is expected to give stands behind this.
const LAST_STRIDE_1: &str = "expect.last_stride_1.";

/// Every layer of a feature encoder that is expected behind a prefix. Maps stand in fixtures as [N, d, H, W].
fn features(
    fixture: &Fixture,
    config: &Config,
    (layers, encoder): &LoadedFeatures,
    prefix: &str,
    report: &mut ParityReport,
) -> Result<()> {
    let input = match &config.network_input {
        Some(name) => fixture.get(name)?.unsqueeze(1)?,
        None => match fixture.find("input.images") {
            Some(images) => images.clone(),
            None => fixture.get("input.tokens")?.clone(),
        },
    };
    let expected: Vec<(&Layer, &Tensor)> =
        layers.iter().filter_map(|layer| Some((layer, fixture.find(&format!("{prefix}{}", layer.name))?))).collect();
    let names: Vec<&str> = expected.iter().map(|(layer, _)| layer.name.as_str()).collect();
    let found = encoder.features(&input, &names)?;
    for ((layer, expected), found) in expected.into_iter().zip(found) {
        let found = match (expected.rank(), layer.shape) {
            (4, LayerShape::Map { .. }) => found.transpose(1, 2)?.reshape(expected.shape())?,
            _ => found,
        };
        report.compare(&format!("{prefix}{}", layer.name), Measure::Activation, &found, expected)?;
    }
    Ok(())
}

/// Runs the encoder block by block.
pub(super) fn compare(fixture: &Fixture, execution: Execution, report: &mut ParityReport) -> Result<()> {
    let config: Config = fixture.config()?;
    if let Some(loaded) = fixture.feature_encoder("backbone.", &config.backbone)? {
        features(fixture, &config, &loaded, "expect.", report)?;
        // The same weights with the last stage's stride taken away.
        let mut sizes = config.backbone.clone();
        sizes["last_stride"] = serde_json::json!(1);
        return match fixture.find(&format!("{LAST_STRIDE_1}stage.4")) {
            Some(_) => match fixture.feature_encoder("backbone.", &sizes)? {
                Some(loaded) => features(fixture, &config, &loaded, LAST_STRIDE_1, report),
                None => Ok(()),
            },
            None => Ok(()),
        };
    }
    let loaded = fixture.encoder("backbone.", &config.backbone)?;
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
