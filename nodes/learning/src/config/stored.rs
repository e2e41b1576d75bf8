//! A configuration as files keep it: words for task, method and head, and the settings of the latter two by their keys.
//!
//! Cards of version 1 had every setting of every method and head in one flat object, in lower case; those that belong to
//! the card's method and head are read, the others had no effect.

use std::collections::BTreeMap;

use copl_contract::setting_choice::env_of_json;
use copl_contract::settings::{Env, SettingValue};
use copl_contract::task::Task;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ModelConfig;
use crate::heads::HeadConfig;
use crate::methods::MethodConfig;

/// The layout of files.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Today {
    task: String,
    method: String,
    method_settings: BTreeMap<String, String>,
    head_settings: BTreeMap<String, String>,
    segments: usize,
    classes: usize,
    consistency: bool,
    seed: u64,
    visual_encoder: String,
    audio_encoder: String,
    visual_weights: Option<String>,
    audio_weights: Option<String>,
}

/// What serde reads and writes: today's layout, or an older one.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Stored(Map<String, Value>);

/// Keys of the flat layout that are the model's own.
const OWN: [&str; 9] = [
    "task",
    "segments",
    "classes",
    "consistency",
    "seed",
    "visual_encoder",
    "audio_encoder",
    "visual_weights",
    "audio_weights",
];

/// The flat layout as today's. An absent key had its default.
fn of_version_1(mut flat: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let defaults = match serde_json::to_value(Stored::from(ModelConfig::default())) {
        Ok(Value::Object(defaults)) => defaults,
        _ => return Err("a configuration is an object".to_string()),
    };
    let mut today: Map<String, Value> = Map::new();
    for key in OWN {
        let value = flat.remove(key).or_else(|| defaults.get(key).cloned());
        today.insert(key.to_string(), value.unwrap_or(Value::Null));
    }
    let word = flat.remove("method").and_then(|word| word.as_str().map(str::to_owned)).unwrap_or("copl".to_string());
    let of_copl = match flat.remove("copl") {
        Some(Value::Object(settings)) => env_of_json(&settings),
        _ => Env::new(),
    };
    // Of the official head's attention; every card has 4.
    flat.remove("head_attention");
    let task = today.get("task").and_then(Value::as_str).unwrap_or_default();
    let task = Task::parse(task)?;
    let of_heads = env_of_json(&flat);
    let text = |env: Env| env.into_iter().map(|(key, value)| (key, Value::String(value))).collect::<Map<_, _>>();
    let of_method = if word == "copl" { of_copl } else { Env::new() };
    today.insert("method_settings".to_string(), Value::Object(text(of_method)));
    today.insert("head_settings".to_string(), Value::Object(text(HeadConfig::applicable(task, of_heads))));
    today.insert("method".to_string(), Value::String(word));
    Ok(today)
}

impl TryFrom<Stored> for ModelConfig {
    type Error = String;

    fn try_from(Stored(found): Stored) -> Result<Self, String> {
        let found = if found.contains_key("method_settings") { found } else { of_version_1(found)? };
        let today: Today = serde_json::from_value(Value::Object(found)).map_err(|e| e.to_string())?;
        let task = Task::parse(&today.task)?;
        let named = |(key, problem): (String, String)| format!("{key}: {problem}");
        Ok(Self {
            task,
            method: MethodConfig::read(&today.method, task, &today.method_settings).map_err(named)?,
            head: HeadConfig::read(task, &today.head_settings).map_err(named)?,
            segments: today.segments,
            classes: today.classes,
            consistency: today.consistency,
            seed: today.seed,
            visual_encoder: today.visual_encoder,
            audio_encoder: today.audio_encoder,
            visual_weights: today.visual_weights,
            audio_weights: today.audio_weights,
        })
    }
}

impl From<ModelConfig> for Stored {
    fn from(config: ModelConfig) -> Self {
        let owned = |values: Vec<(&'static str, String)>| {
            values.into_iter().map(|(key, value)| (key.to_string(), value)).collect::<BTreeMap<_, _>>()
        };
        let today = Today {
            task: config.task.name.to_string(),
            method: config.method.word().to_string(),
            method_settings: owned(config.method.values()),
            head_settings: owned(config.head.values()),
            segments: config.segments,
            classes: config.classes,
            consistency: config.consistency,
            seed: config.seed,
            visual_encoder: config.visual_encoder,
            audio_encoder: config.audio_encoder,
            visual_weights: config.visual_weights,
            audio_weights: config.audio_weights,
        };
        match serde_json::to_value(today) {
            Ok(Value::Object(fields)) => Self(fields),
            // A struct of texts and numbers is an object.
            _ => Self(Map::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use copl_contract::task;

    use super::*;
    use crate::methods::copl::CoplSettings;

    #[test]
    fn a_configuration_is_read_as_it_was_written() {
        let mut config = ModelConfig::of(task::MUSIC_AVQA);
        config.method = CoplSettings { global_len: 7, bank: false, ..CoplSettings::default() }.into();
        config.head = HeadConfig::read(
            config.task,
            &[("HEAD_WIDTH".to_string(), "64".to_string()), ("DROPOUT".to_string(), "0.25".to_string())].into(),
        )
        .unwrap();
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<ModelConfig>(&text).unwrap(), config);
        assert!(text.contains(r#""GLOBAL_LEN":"7""#) && text.contains(r#""HEAD_WIDTH":"64""#), "{text}");
    }

    #[test]
    fn cards_of_version_1_are_read() {
        // As the first release wrote it.
        let text = r#"{"task": "avs", "method": "copl", "copl": {"global": true, "frame": true, "interaction": true,
            "bank": true, "global_len": 30, "interaction_len": 30, "bank_len": 10, "coupled_sites": null,
            "granularity": "block", "prompt_bias": "mean", "frame_prompts": "own", "bottleneck": 8}, "segments": 5,
            "classes": 29, "head": "linear", "decoder": "avsbench", "mask_size": 64, "decoder_width": 32,
            "answer_head": "avst", "head_width": 512, "head_attention": 4, "vocabulary": 93, "question_width": null,
            "dropout": 0.1, "consistency": true, "seed": 3, "visual_encoder": "swin-v2-nano",
            "audio_encoder": "shared", "visual_weights": null, "audio_weights": null}"#;
        let config: ModelConfig = serde_json::from_str(text).unwrap();
        assert_eq!((config.task.name, config.segments, config.seed), ("avs-s4", 5, 3));
        let values: BTreeMap<_, _> = config.method.values().into_iter().collect();
        assert_eq!((values["GLOBAL_LEN"].as_str(), values["GRANULARITY"].as_str()), ("30", "block"));
        let values: BTreeMap<_, _> = config.head.values().into_iter().collect();
        assert_eq!((values["MASK_SIZE"].as_str(), values["DECODER_WIDTH"].as_str()), ("64", "32"));
        let wrong = text.replace("\"bottleneck\"", "\"botleneck\"");
        assert!(serde_json::from_str::<ModelConfig>(&wrong).unwrap_err().to_string().contains("BOTTLENECK"));
        let probe: ModelConfig = serde_json::from_str(&text.replace("\"copl\",", "\"linear-probe\",")).unwrap();
        assert_eq!(probe.method.word(), "linear-probe");
    }
}
