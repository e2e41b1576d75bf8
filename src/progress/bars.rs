//! The bars of a terminal: one a node, one for the run, and a line of numbers beneath.

use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::state::RunState;
use super::text;

/// A node's bar; twelve characters of its name.
const NODE: &str = "{prefix:12!} {bar:32.cyan/dim} {pos:>5}/{len:<5} {msg}";
/// The run's bar.
const RUN: &str = "{prefix:12!.bold} {bar:32.green/dim} {percent:>5} %     {elapsed} {msg}";
/// The line of numbers.
const NUMBERS: &str = "{msg}";

/// Bars on standard output.
pub(super) struct Bars {
    screen: MultiProgress,
    nodes: Vec<ProgressBar>,
    run: ProgressBar,
    numbers: ProgressBar,
}

impl Bars {
    /// No node has a bar before it tells of progress.
    pub(super) fn new() -> Self {
        // Ten redraws a second: events come from many nodes, and terminals over a network are slow.
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(10));
        let run = screen.add(ProgressBar::new(0).with_style(style(RUN)).with_prefix("run"));
        let numbers = screen.add(ProgressBar::new(0).with_style(style(NUMBERS)));
        Self { screen, nodes: Vec::new(), run, numbers }
    }

    /// Draws where the run is.
    pub(super) fn show(&mut self, state: &RunState, now: Instant) {
        for (i, node) in state.nodes().iter().enumerate() {
            if i == self.nodes.len() {
                let bar = ProgressBar::new(0).with_style(style(NODE)).with_prefix(node.name.clone());
                self.nodes.push(self.screen.insert_before(&self.run, bar));
            }
            let bar = &self.nodes[i];
            bar.set_length(state.clips(node.split).unwrap_or(node.done));
            bar.set_position(node.done);
            let speed = node.clips_per_sec(now).map_or_else(String::new, |s| format!("{s:6.1} clips/s"));
            bar.set_message(format!("{:<5} {speed}", node.split.as_str()));
        }
        if let (Some(done), Some(total)) = (state.done_of_run(), state.clips_of_run()) {
            self.run.set_length(total);
            self.run.set_position(done);
            let left = state.time_left(now).map_or_else(String::new, |left| format!("{} left", text::duration(left)));
            self.run.set_message(left);
        }
        self.numbers.set_message(text::numbers(state));
    }

    /// A line above the bars.
    pub(super) fn line(&self, line: &str) {
        // A terminal that is gone does not stop a run.
        let _ = self.screen.println(line);
    }

    /// Takes the bars off the screen.
    pub(super) fn clear(self) {
        for bar in self.nodes.iter().chain([&self.run, &self.numbers]) {
            bar.finish_and_clear();
        }
        let _ = self.screen.clear();
    }
}

/// A template; the plain bar if it were wrong.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [NODE, RUN, NUMBERS] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
