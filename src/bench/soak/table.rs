//! What a soak prints: the slopes, then a verdict for each quantity with the bound it is held to.

use std::fmt::Write;

use super::verdict::{Left, Phase, Quantity, Row, State};

/// Slope, first, last and greatest value of every series, and the verdicts; and what is wrong, a line each.
pub(super) fn table(rows: &[Row], left: &Left) -> (String, Vec<String>) {
    let mut out = String::new();
    for (phase, title) in [
        (Phase::Short, "Short runs, a value a run, the first of each task left out"),
        (Phase::Long, "The long run, a value a second, its first third left out"),
    ] {
        let lines: Vec<String> = rows.iter().filter(|r| r.phase == phase).map(line).collect();
        if !lines.is_empty() {
            let head = format!(
                "{:16} {:18} {:>4} {:>12} {:>10} {:>10} {:>10} {:>7}",
                "", "", "", "an hour", "first", "last", "most", "values"
            );
            // A line into a string cannot fail.
            let _ = write!(out, "\n{title}\n{head}\n{}\n", lines.join("\n"));
        }
    }
    let (verdicts, broken) = verdicts(rows, left);
    let _ = write!(out, "\n{}\n", verdicts.join("\n"));
    (out, broken)
}

fn line(row: &Row) -> String {
    let (unit, size) = row.quantity.unit();
    let Some(fit) = &row.fit else {
        return format!("{:16} {:18} {unit:>4} too few values", row.subject, row.quantity.name());
    };
    let [slope, first, last, max] = [fit.per_hour, fit.first, fit.last, fit.max].map(|v| v / size);
    format!(
        "{:16} {:18} {unit:>4} {slope:>+12.1} {first:>10.1} {last:>10.1} {max:>10.1} {:>7}",
        row.subject,
        row.quantity.name(),
        fit.count
    )
}

/// A line a quantity, the worst subject named; and those that are wrong.
fn verdicts(rows: &[Row], left: &Left) -> (Vec<String>, Vec<String>) {
    let (mut all, mut broken) = (Vec::new(), Vec::new());
    for phase in [Phase::Short, Phase::Long] {
        for quantity in Quantity::ALL {
            let of: Vec<&Row> = rows.iter().filter(|r| r.phase == phase && r.quantity == quantity).collect();
            if let Some(line) = verdict(phase, quantity, &of) {
                if of.iter().any(|r| r.state == State::Grows) {
                    broken.push(line.clone());
                }
                all.push(line);
            }
        }
    }
    let Left { runs, failed_runs, orphans, shared_files } = left;
    for (what, count) in [
        ("runs that did not end as they should", failed_runs),
        ("processes that outlived their run", orphans),
        ("files left in shared memory", shared_files),
    ] {
        let state = if *count == 0 { "ok   " } else { "GROWS" };
        let line = format!("{state}  {what}: {count} after {runs} runs; bound 0");
        all.push(line.clone());
        if *count > 0 {
            broken.push(line);
        }
    }
    (all, broken)
}

fn verdict(phase: Phase, quantity: Quantity, rows: &[&Row]) -> Option<String> {
    let bound = quantity.bound(phase)?;
    let judged =
        rows.iter().filter(|r| matches!(r.state, State::Level | State::Grows)).filter_map(|r| Some((r, r.fit?)));
    // One that grows before all that do not, then the steepest.
    let worst = judged.max_by(|(a, f), (b, g)| {
        (a.state == State::Grows).cmp(&(b.state == State::Grows)).then(f.per_hour.total_cmp(&g.per_hour))
    });
    let (unit, size) = quantity.unit();
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    let place = match phase {
        Phase::Short => "over the short runs",
        Phase::Long => "within the long run",
    };
    let held = format!(
        "bound {:.0}{unit} an hour, less than {}{unit} in all is noise",
        bound.per_hour / size,
        bound.noise / size
    );
    let name = quantity.name();
    let Some((row, fit)) = worst else {
        return (!rows.is_empty()).then(|| format!("-      {name} {place}: too few values to judge; {held}"));
    };
    let state = if row.state == State::Grows { "GROWS" } else { "ok   " };
    let (slope, growth) = (fit.per_hour / size, fit.growth / size);
    Some(format!(
        "{state}  {name} {place}: at most {slope:+.1}{unit} an hour, {growth:+.1}{unit} in {:.0} s ({}); {held}",
        fit.secs, row.subject
    ))
}

/// The same for programs.
pub(super) fn json(rows: &[Row], left: &Left, secs: f64) -> serde_json::Value {
    let (_, broken) = verdicts(rows, left);
    serde_json::json!({ "secs": secs, "rows": rows, "left": left, "broken": broken, "ok": broken.is_empty() })
}

#[cfg(test)]
mod tests {
    use super::super::series::tests::made;
    use super::*;

    const MIB: f64 = 1048576.0;

    fn rows(leak: f64) -> Vec<Row> {
        let of = |node: &str, rise: f64| {
            let series = made(900, |secs| 100.0 * MIB + rise * MIB * secs / 3600.0);
            Row::of(Phase::Long, node, Quantity::Memory, &series)
        };
        let folder = Row::of(Phase::Long, "all nodes", Quantity::RunFolder, &made(900, |secs| MIB * secs));
        vec![of("loss", 1.0), of("model", leak), folder]
    }

    #[test]
    fn a_level_soak_names_its_bounds_and_nothing_is_wrong() {
        let (text, broken) = table(&rows(2.0), &Left { runs: 4, ..Left::default() });
        assert!(broken.is_empty(), "{broken:?}");
        for words in [
            "ok     memory within the long run: at most +2.0 MB an hour, +0.5 MB in 899 s (model); bound 32 MB an hour",
            "ok     processes that outlived their run: 0 after 4 runs; bound 0",
            "run's folder",
        ] {
            assert!(text.contains(words), "{words}\n{text}");
        }
    }

    #[test]
    fn a_leak_is_named_with_its_node() {
        let (text, broken) = table(&rows(80.0), &Left { runs: 4, orphans: 2, ..Left::default() });
        assert_eq!(broken.len(), 2, "{broken:?}");
        assert!(broken[0].starts_with("GROWS  memory within the long run: at most +80.0 MB an hour"), "{broken:?}");
        assert!(broken[0].contains("(model)") && broken[1].contains("2 after 4 runs"), "{broken:?}");
        assert!(text.contains(&broken[0]));
        let json = json(&rows(80.0), &Left::default(), 900.0);
        assert_eq!((json["ok"].as_bool(), json["rows"][1]["state"].as_str()), (Some(false), Some("grows")));
    }

    #[test]
    fn few_values_are_not_judged() {
        let row = Row::of(Phase::Short, "ave-mini", Quantity::PeakMemory, &made(2, |secs| MIB * secs));
        let (text, broken) = table(&[row], &Left::default());
        assert!(broken.is_empty() && text.contains("peak memory over the short runs: too few values"), "{text}");
    }
}
