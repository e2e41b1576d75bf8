//! `copl bench features`: how fast a feature encoder is on this machine.

use copl_contract::ExitCode;
use copl_networks::features::bench::{FeatureReport, measure};
use copl_networks::features::preset;
use copl_networks::weights::WeightSource;

use super::failed;
use crate::args::FeaturesArgs;
use crate::outcome::{Failure, Outcome};

pub(super) fn features(args: &FeaturesArgs) -> Outcome {
    let architecture = preset(&args.encoder).map_err(|e| Failure::new(ExitCode::Usage, e))?;
    let source = WeightSource::resolve(architecture.name(), Some(&args.weights)).map_err(failed)?;
    let layers = architecture.layers();
    let named = |name: &str| layers.iter().find(|layer| layer.name == name);
    let layer = match &args.layer {
        Some(name) => named(name).ok_or_else(|| {
            let known = layers.iter().map(|layer| layer.name.as_str());
            Failure::new(ExitCode::Usage, copl_contract::settings::not_one_of(name, known))
        })?,
        None => named("pooled").or(layers.last()).ok_or_else(|| failed("the encoder has no layers"))?,
    };
    let report = measure(&architecture, &source, layer, args.images.max(1), args.passes).map_err(failed)?;
    if args.json {
        println!("{}", serde_json::to_string(&report).map_err(failed)?);
        return Ok(ExitCode::Success);
    }
    let FeatureReport { encoder, layer, images, threads, pass_ms, bytes, peak_memory_mb } = &report;
    let each = pass_ms / *images as f64;
    println!(
        "{encoder}, `{layer}`, {images} at once, {threads} threads: {each:.1} ms each ({:.1} a second)",
        1e3 / each
    );
    println!("  {bytes} bytes each in f32; {peak_memory_mb:.0} MB of memory at most");
    Ok(ExitCode::Success)
}
