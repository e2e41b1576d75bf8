//! The shipped dataflows, each with one mistake a person makes: `copl check` finds it, and points at its line.
//!
//! Mistakes are made by rule, at every place of every shipped file where they can be made, so a new dataflow or a new
//! setting is tried too. A mistake that leaves the meaning as it was is none: a report edge may have any name, an optional
//! one may be left out. What only the disk can tell (a folder that is not where `ROOT` says) is made too, and is among
//! the misses.

mod good;
mod links;
mod nodes;
mod settings;
mod together;
mod yaml;

use std::collections::BTreeMap;

use super::super::check::check;
use good::Good;

/// Share of the mistakes that must be found, and at the right line.
const FOUND: f64 = 0.95;

/// A dataflow with a mistake.
struct Mutant {
    /// What kind of mistake.
    kind: &'static str,
    /// What was done.
    what: String,
    /// The file's text with it.
    text: String,
    /// Lines a finding may point at: the line that was changed; for what was removed, the lines that are left of it and
    /// those that miss it; for two things that do not fit, either.
    lines: Vec<usize>,
}

/// A word with a slip of the pen: two letters swapped, one left out, one twice. `n` picks the slip.
fn slip(word: &str, n: usize) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let at = (letters.len() / 2).min(letters.len().saturating_sub(2));
    match n % 3 {
        0 if letters.len() > 2 && letters[at] != letters[at + 1] => letters.swap(at, at + 1),
        1 if letters.len() > 2 => {
            letters.remove(at);
        }
        _ => letters.insert(at, letters[at]),
    }
    letters.into_iter().collect()
}

fn mutants(good: &Good) -> Vec<Mutant> {
    let parts = [settings::make, links::make, nodes::make, together::make, yaml::make];
    parts.into_iter().flat_map(|make: fn(&Good) -> Vec<Mutant>| make(good)).collect()
}

/// What became of one kind of mistake.
#[derive(Default)]
struct Count {
    made: usize,
    found: usize,
    pointed: usize,
}

#[test]
fn mistakes_in_the_shipped_dataflows_are_found_at_their_line() {
    let specs = crate::catalog::specs();
    let (mut kinds, mut missed, mut seen) = (BTreeMap::<&str, Count>::new(), Vec::new(), BTreeMap::new());
    for good in Good::all() {
        for mutant in mutants(&good) {
            let again = seen.insert(mutant.text.clone(), mutant.what.clone());
            assert!(again.is_none() || mutant.kind.starts_with("yaml"), "{}: made twice", mutant.what);
            assert_ne!(mutant.text, good.text, "{}: nothing was changed", mutant.what);
            let found = check(&good.file, &mutant.text, &[], &specs);
            let count = kinds.entry(mutant.kind).or_default();
            count.made += 1;
            count.found += usize::from(!found.is_empty());
            if found.iter().any(|d| mutant.lines.contains(&d.line)) {
                count.pointed += 1;
                continue;
            }
            let lines: Vec<String> = found.iter().map(|d| format!("{}: {}", d.line, d.message)).collect();
            missed.push(format!(
                "{} ({}), {}: expected at {:?}, found {}",
                good.file,
                mutant.kind,
                mutant.what,
                mutant.lines,
                if lines.is_empty() { "nothing".to_owned() } else { lines.join("; ") }
            ));
        }
    }
    let sum = |of: fn(&Count) -> usize| kinds.values().map(of).sum::<usize>();
    let (made, found, pointed) = (sum(|c| c.made), sum(|c| c.found), sum(|c| c.pointed));
    for (kind, count) in &kinds {
        println!("{kind:<44} {:>4} made {:>4} found {:>4} at their line", count.made, count.found, count.pointed);
    }
    println!("{made} mistakes, {found} found, {pointed} of these at their line; misses:");
    missed.iter().for_each(|miss| println!("  {miss}"));
    assert!(made >= 200, "only {made} mistakes were made");
    assert!(found as f64 >= FOUND * made as f64, "{found} of {made} found:\n{}", missed.join("\n"));
    assert!(pointed as f64 >= FOUND * made as f64, "{pointed} of {made} at their line:\n{}", missed.join("\n"));
    for (kind, count) in &kinds {
        assert!(count.pointed * 2 >= count.made, "{kind}: {} of {}\n{}", count.pointed, count.made, missed.join("\n"));
    }
}

#[test]
fn a_slip_changes_a_word() {
    for word in ["ave", "aa", "BATCH", "x", "clips", "report_video"] {
        for n in 0..3 {
            assert_ne!(slip(word, n), word);
        }
    }
}
