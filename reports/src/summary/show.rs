//! The summary as text.

use std::fmt;

use super::{Pass, Summary};

/// Quarantined clips that are listed by name.
const LISTED: usize = 10;

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |v| format!("{v:.digits$}"))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metric = &self.metric;
        writeln!(f, "epoch  split   read  used  quarantined    loss  {:>10}", format!("{metric} %"))?;
        for pass in &self.passes {
            let Pass { epoch, split, read, trained, evaluated, quarantined, loss, accuracy } = pass;
            let (loss, accuracy) = (number(*loss, 4), number(*accuracy, 2));
            let used = trained + evaluated;
            writeln!(f, "{epoch:5}  {split:5} {read:6} {used:5}  {quarantined:11}  {loss:>6}  {accuracy:>10}")?;
        }
        if let (Some(epoch), Some(accuracy)) = (self.best_epoch, self.val_accuracy) {
            writeln!(f, "\nbest epoch {epoch}: validation {metric} {accuracy:.2} %")?;
        }
        if let Some(accuracy) = self.test_accuracy {
            writeln!(f, "test {metric}: {accuracy:.2} %")?;
        }
        self.show_quarantine(f)?;
        self.show_time(f)?;
        for problem in &self.mismatches {
            writeln!(f, "does not add up: {problem}")?;
        }
        Ok(())
    }
}

impl Summary {
    fn show_quarantine(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.quarantine.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nquarantined clips: {}", self.quarantine.len())?;
        for clip in self.quarantine.iter().take(LISTED) {
            writeln!(f, "  {} ({}, {}): {}", clip.path, clip.stage, clip.reason, clip.detail)?;
        }
        if let Some(more) = self.quarantine.len().checked_sub(LISTED).filter(|m| *m > 0) {
            writeln!(f, "  and {more} more, in quarantine.parquet")?;
        }
        Ok(())
    }

    fn show_time(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nodes.is_empty() {
            return Ok(());
        }
        let wide = self.nodes.iter().map(|n| n.node.len()).max().unwrap_or(0).max(4);
        writeln!(f, "\n{:wide$}    items   busy s  waiting s  compute s  memory MB", "node")?;
        for n in &self.nodes {
            let (busy, waiting, compute) = (n.busy_secs, n.waiting_secs, n.compute_secs);
            let memory = n.peak_memory_bytes as f64 / 1e6;
            writeln!(f, "{:wide$} {:8} {busy:8.1} {waiting:10.1} {compute:10.1} {memory:10.1}", n.node, n.items)?;
        }
        if let Some(share) = self.not_compute {
            writeln!(f, "{:.1} % of {:.1} s was not the model's arithmetic", 100.0 * share, self.wall_secs)?;
        }
        Ok(())
    }
}
