//! Fixtures of kind `hts-at`: the folded image, tokens after the embedding and every stage, the final norm, and the pooled
//! feature. A stage ends with its merging, as the official code has it.
//!
//! `expect.image_row` holds every 32nd row of the images, `expect.image_checksum` five numbers of all images: mean,
//! standard deviation, the first pixel of the first, pixel (100, 200) of the second, the last of the first.

use candle_core::{Device, Tensor};
use copl_networks::encoders::hts_at::HtsAt;
use copl_networks::encoders::hts_at::config::HtsAtConfig;
use copl_networks::encoders::{Encoder, stages};
use copl_networks::kernels::Execution;
use copl_networks::{Error, Result};
use serde::Deserialize;

use super::fixture::Fixture;
use super::{Measure, ParityReport};

/// Rows from one compared row of an image to the next.
const ROW_STEP: usize = 32;

#[derive(Deserialize)]
struct Config {
    backbone: serde_json::Value,
}

/// Runs the encoder stage by stage on `spectra` [N, frames, mels].
pub(super) fn compare(
    fixture: &Fixture,
    spectra: &[f32],
    execution: Execution,
    report: &mut ParityReport,
) -> Result<()> {
    let config: Config = fixture.config()?;
    let weights = fixture.encoder("backbone.", &config.backbone)?.weights;
    let sizes: HtsAtConfig = fixture.sizes(&config.backbone)?;
    let encoder = HtsAt::new("hts-at", &sizes, weights, execution)?;
    let [frames, mels] = [sizes.frames, sizes.mel_bins];
    if spectra.is_empty() || !spectra.len().is_multiple_of(frames * mels) {
        return Err(Error::Shape {
            what: "spectra".to_string(),
            found: vec![spectra.len()],
            expected: format!("the numbers of [N, {frames}, {mels}]"),
        });
    }
    let segments = Tensor::from_slice(spectra, (spectra.len() / (frames * mels), 1, frames, mels), &Device::Cpu)?;
    let mut check = |name: &str, found: &Tensor| report.compare(name, Measure::Activation, found, fixture.get(name)?);
    let image = encoder.image(&segments)?;
    let rows: Vec<u32> = (0..image.dim(1)?).step_by(ROW_STEP).map(|row| row as u32).collect();
    check("expect.image_row", &image.index_select(&Tensor::new(rows, &Device::Cpu)?, 1)?)?;
    check("expect.image_checksum", &checksum(&image)?)?;
    let mut tokens = encoder.embed(&segments)?;
    let first = fixture.get("expect.embed_first_tokens")?.dim(1)?;
    check("expect.embed_first_tokens", &tokens.narrow(1, 0, first)?)?;
    for (stage, blocks) in stages(encoder.blocks()).into_iter().enumerate() {
        let end = blocks.end;
        for block in blocks {
            tokens = encoder.block(block, &tokens, None)?;
        }
        if end < encoder.blocks().len() {
            tokens = encoder.merge(end, &tokens)?;
        }
        check(&format!("expect.stage.{stage}"), &tokens)?;
    }
    let tokens = encoder.finish(&tokens)?;
    check("expect.final", &tokens)?;
    check("expect.pooled", &encoder.pool(&tokens)?)
}

fn checksum(image: &Tensor) -> Result<Tensor> {
    let all: Vec<f32> = image.flatten_all()?.to_vec1()?;
    let count = all.len() as f64;
    let mean = all.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
    // Bessel's correction, as torch's `std`.
    let variance = all.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let (_, height, width) = image.dims3()?;
    let pixel = |n: usize, row: usize, column: usize| all[(n * height + row) * width + column];
    let numbers =
        [mean as f32, variance.sqrt() as f32, pixel(0, 0, 0), pixel(1, 100, 200), pixel(0, height - 1, width - 1)];
    Ok(Tensor::new(&numbers, &Device::Cpu)?)
}
