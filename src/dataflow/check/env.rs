//! Settings: known, of their type, given where they must be, and in keeping with each other.

use copl_contract::NodeSpec;
use copl_contract::setting_choice::inapplicable;
use copl_contract::settings::{Env, PASSED_THROUGH, SettingSpec};

use super::flow::{Flow, Seen};
use crate::dataflow::diagnostic::{Diagnostic, Place};
use crate::dataflow::document::Item;

/// Names the file a node records its messages in; any node takes it.
const RECORD: &str = "COPL_RECORD";

pub(super) fn check(flow: &Flow<'_>) -> Vec<Diagnostic> {
    let mut found = lost(flow);
    for (seen, spec) in flow.nodes.iter().filter_map(|s| Some((s, s.spec?))) {
        let mut new = single(seen, spec);
        // What settings mean together can be said once each is right and known.
        if new.is_empty() && !variables(seen).any(|(_, _, text)| is_late(text)) {
            new.extend(together(seen, spec));
        }
        found.extend(new);
    }
    found
}

/// Name, place of the name, value.
fn variables<'a>(seen: &Seen<'a>) -> impl Iterator<Item = (&'a str, &'a Item, &'a str)> {
    seen.node.env().iter().filter_map(|(key, value)| Some((key.text()?, key, value.text()?)))
}

/// Variables of the whole dataflow reach a node's libraries, never its settings.
fn lost(flow: &Flow<'_>) -> Vec<Diagnostic> {
    let has = |seen: &Seen<'_>, key: &str| seen.spec.is_some_and(|spec| spec.settings.iter().any(|s| s.key == key));
    let shared = flow.document.root.get("env").map(Item::entries).unwrap_or_default();
    let lost = shared.iter().filter_map(|(key, _)| {
        let name = key.text()?;
        let seen = flow.nodes.iter().find(|s| has(s, name))?;
        let message = format!("`{name}` is a setting, and settings are read from a node's own `env`");
        Some(Diagnostic::error(&key.place, message).help(format!("move it into the `env` of `{}`", seen.label())))
    });
    lost.collect()
}

fn single(seen: &Seen<'_>, spec: &NodeSpec) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, key, _) in variables(seen) {
        if name != RECORD && !PASSED_THROUGH.contains(&name) && !spec.settings.iter().any(|s| s.key == name) {
            let message = format!("{} has no setting `{name}`", spec.name);
            found.push(Diagnostic::error(&key.place, message).nearest(name, spec.settings.iter().map(|s| s.key)));
        }
    }
    let env: Env = variables(seen).map(|(name, _, text)| (name.to_owned(), passed_on(text))).collect();
    for key in inapplicable(&spec.settings, &env) {
        let (Some((_, place, _)), Some(setting)) =
            (variables(seen).find(|(name, ..)| *name == key), spec.settings.iter().find(|s| s.key == key))
        else {
            continue;
        };
        let message = format!("`{key}` applies with {} alone", setting.applies);
        found.push(
            Diagnostic::error(&place.place, message).help(format!("leave it out, or choose {}", setting.applies)),
        );
    }
    for setting in &spec.settings {
        match seen.variable(setting.key) {
            Some((_, text)) if is_late(text) => {}
            Some((value, text)) => {
                if let Err(problem) = (setting.check)(&passed_on(text)) {
                    found.push(wrong(&value.place, setting.key, &problem, Some(setting)));
                }
            }
            None if setting.default.is_none() => {
                let message = format!("{} needs the setting `{}`", spec.name, setting.key);
                found.push(Diagnostic::error(seen.at_key("env"), message).help(describe(setting)));
            }
            None => {}
        }
    }
    found
}

fn together(seen: &Seen<'_>, spec: &NodeSpec) -> Option<Diagnostic> {
    let settings = variables(seen).filter(|(name, ..)| *name != RECORD);
    let env: Env = settings.map(|(name, _, text)| (name.to_owned(), passed_on(text))).collect();
    let (key, problem) = (spec.check)(&env).err()?;
    let place = seen.variable(&key).map_or_else(|| seen.node.place(), |(value, _)| &value.place);
    Some(wrong(place, &key, &problem, spec.settings.iter().find(|s| s.key == key)))
}

/// A wrong value; what the setting is for where the problem does not name a better value itself.
fn wrong(place: &Place, key: &str, problem: &str, setting: Option<&SettingSpec>) -> Diagnostic {
    let found = Diagnostic::from_problem(place, &format!("{key}: {problem}"));
    match setting {
        Some(setting) if found.help.is_none() => found.help(describe(setting)),
        _ => found,
    }
}

fn describe(setting: &SettingSpec) -> String {
    let choices = if setting.choices.is_empty() { String::new() } else { format!(" ({})", setting.choices.join(", ")) };
    format!("{}: {}{choices}: {}", setting.key, setting.type_name, setting.meaning)
}

/// Whether a value is known only when the run starts, as it names a variable of the shell.
fn is_late(text: &str) -> bool {
    text.contains('$')
}

/// The text dora gives the node: it reads any value as truth value, whole number or number where it can.
fn passed_on(text: &str) -> String {
    if matches!(text, "True" | "TRUE" | "False" | "FALSE") {
        return text.to_lowercase();
    }
    if let Ok(number) = text.parse::<i64>() {
        return number.to_string();
    }
    text.parse::<f64>().map_or_else(|_| text.to_owned(), |number| number.to_string())
}
