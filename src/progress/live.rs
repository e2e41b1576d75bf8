//! A dashboard of a terminal: curves of loss and score, the nodes with their speed and the clips that wait for them, the
//! last lines said.
//!
//! It takes the whole screen and gives it back at the end, with everything that was said. The keyboard is left alone:
//! Ctrl-C stops the run as ever. Where there is no terminal the run shows plain lines instead.

use std::collections::VecDeque;
use std::ffi::c_int;
use std::io::Stdout;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use copl_contract::events::Event;
use nix::sys::signal::{SigHandler, Signal, signal};
use ratatui::backend::TermionBackend;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, Chart, Dataset, Gauge, GraphType, Paragraph, Row, Table};
use ratatui::{Frame, Terminal};
use termion::screen::{AlternateScreen, IntoAlternateScreen};

use super::state::{Measured, RunState};
use super::text;

/// Time between two drawings.
const DRAW_EVERY: Duration = Duration::from_millis(200);
/// Points of the curve of steps; beyond them neighbours are joined.
const STEPS: usize = 512;

/// Numbers over the run.
#[derive(Debug, Default)]
pub(super) struct History {
    /// (step, loss): means of [`History::joined`] steps.
    steps: Vec<(f64, f64)>,
    step: u64,
    joined: u64,
    open: (f64, u64),
    /// (epoch, value) of what picks the model in the validation passes.
    score: Vec<(f64, f64)>,
    /// Name of the metric.
    score_name: String,
    score_unit: String,
}

impl History {
    pub(super) fn take(&mut self, event: &Event) {
        let Event::Metrics { epoch, split, whole, values, units, picks } = event else { return };
        let told = Measured::all(values, units, picks.as_deref());
        match (whole, split.as_str()) {
            (false, "train") => {
                if let Some(loss) = told.iter().find(|told| told.name == "step/loss") {
                    self.push(loss.value);
                }
            }
            (true, "val") => {
                if let Some(score) = told.iter().find(|told| told.picks) {
                    self.score_name.clone_from(&score.name);
                    self.score_unit.clone_from(&score.unit);
                    self.score.push((f64::from(*epoch), score.value));
                }
            }
            _ => {}
        }
    }

    fn push(&mut self, loss: f64) {
        self.step += 1;
        self.open = (self.open.0 + loss, self.open.1 + 1);
        if self.open.1 < self.joined.max(1) {
            return;
        }
        self.steps.push((self.step as f64, self.open.0 / self.open.1 as f64));
        self.open = (0.0, 0);
        if self.steps.len() == STEPS {
            let join = |pair: &[(f64, f64)]| (pair[1].0, 0.5 * (pair[0].1 + pair[1].1));
            self.steps = self.steps.chunks_exact(2).map(join).collect();
            self.joined = 2 * self.joined.max(1);
        }
    }
}

/// What gives the screen back: the ordinary screen, and the cursor.
const GIVE_BACK: &[u8] = b"\x1b[?1049l\x1b[?25h";

/// The terminal, for the handler below.
static SCREEN: OnceLock<OwnedFd> = OnceLock::new();

/// The engine aborts at a third Ctrl-C, and then nothing is dropped.
extern "C" fn give_back(_signal: c_int) {
    // A handler of signals may write. The process ends here: there is nobody to tell whether the terminal took it.
    let _ = SCREEN.get().map(|screen| nix::unistd::write(screen, GIVE_BACK));
}

/// The dashboard.
pub(super) struct Live {
    terminal: Terminal<TermionBackend<AlternateScreen<Stdout>>>,
    history: History,
    said: Vec<String>,
    drawn: Option<Instant>,
}

impl Live {
    /// Takes the screen.
    ///
    /// # Errors
    /// If standard output is no terminal.
    pub(super) fn new() -> std::io::Result<Self> {
        let mut terminal = Terminal::new(TermionBackend::new(std::io::stdout().into_alternate_screen()?))?;
        let screen = std::io::stdout().as_fd().try_clone_to_owned()?;
        SCREEN.get_or_init(|| screen);
        // SAFETY: the handler does nothing but write; the process aborts when it returns.
        unsafe { signal(Signal::SIGABRT, SigHandler::Handler(give_back)) }?;
        // The other screen begins empty: clearing it would ask the terminal where its cursor is, on the keyboard's line.
        terminal.hide_cursor()?;
        Ok(Self { terminal, history: History::default(), said: Vec::new(), drawn: None })
    }

    pub(super) fn take(&mut self, event: &Event) {
        self.history.take(event);
    }

    /// Draws where the run is, a few times a second.
    pub(super) fn show(&mut self, state: &RunState, now: Instant) {
        if self.drawn.is_some_and(|t| now.duration_since(t) < DRAW_EVERY) {
            return;
        }
        self.drawn = Some(now);
        let (history, said) = (&self.history, &self.said);
        // A terminal that is gone does not stop a run.
        let _ = self.terminal.draw(|frame| draw(frame, state, history, said, now));
    }

    /// A line among the last said.
    pub(super) fn line(&mut self, line: &str) {
        self.said.push(line.to_owned());
    }

    /// Gives the screen back; what was said is for the ordinary one.
    pub(super) fn finish(mut self) -> Vec<String> {
        let _ = self.terminal.show_cursor();
        self.said
    }
}

fn draw(frame: &mut Frame<'_>, state: &RunState, history: &History, said: &[String], now: Instant) {
    let nodes = u16::try_from(state.nodes().len()).unwrap_or(8) + 3;
    let [top, curves, table, log] = frame.area().layout(&Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(8),
        Constraint::Length(nodes),
        Constraint::Length(6),
    ]));
    progress(frame, top, state, now);
    let [left, right] = curves.layout(&Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]));
    curve(frame, left, "loss of the training steps", "step", &history.steps, Color::Cyan);
    let unit = if history.score_unit == "percent" { ", %" } else { "" };
    let name = format!("{} on the validation split{unit}", history.score_name);
    curve(frame, right, name.trim_start(), "epoch", &history.score, Color::Yellow);
    node_table(frame, table, state, now);
    let last: VecDeque<Line<'_>> = said.iter().rev().take(5).rev().map(|l| Line::from(l.as_str())).collect();
    frame.render_widget(Paragraph::new(Vec::from(last)).block(Block::new().title("said")), log);
}

fn progress(frame: &mut Frame<'_>, area: Rect, state: &RunState, now: Instant) {
    let (done, total) = (state.done_of_run().unwrap_or(0), state.clips_of_run().unwrap_or(0));
    let share = if total == 0 { 0.0 } else { (done as f64 / total as f64).clamp(0.0, 1.0) };
    let left = state.time_left(now).map_or_else(String::new, |left| format!(", {} left", text::duration(left)));
    let label = format!("{:.0} %{left}  {}", 100.0 * share, text::brief(state));
    frame.render_widget(Gauge::default().ratio(share).label(label).gauge_style(Style::new().fg(Color::Blue)), area);
}

fn curve(frame: &mut Frame<'_>, area: Rect, title: &str, x: &str, points: &[(f64, f64)], colour: Color) {
    let span = |of: fn(&(f64, f64)) -> f64| {
        let (low, high) =
            points.iter().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        match low < high {
            true => [low, high],
            false if low.is_finite() => [low - 0.5, low + 0.5],
            false => [0.0, 1.0],
        }
    };
    let (xs, ys) = (span(|p| p.0), span(|p| p.1));
    let labels = |[low, high]: [f64; 2], digits: usize| [format!("{low:.digits$}"), format!("{high:.digits$}")];
    let soft = Style::new().fg(Color::DarkGray);
    let data = Dataset::default()
        .marker(Marker::Braille)
        .graph_type(GraphType::Line)
        .style(Style::new().fg(colour))
        .data(points);
    let chart = Chart::new(vec![data])
        .block(Block::bordered().title(title.to_owned()).border_style(soft))
        .x_axis(
            Axis::default()
                .title(x.to_owned())
                .style(soft)
                .bounds(xs)
                .labels(labels(xs, 0))
                .labels_alignment(Alignment::Right),
        )
        .y_axis(Axis::default().style(soft).bounds(ys).labels(labels(ys, 2)));
    frame.render_widget(chart, area);
}

/// Speed of the nodes, and how many clips the first of them has done that they have not: those wait or are at work.
fn node_table(frame: &mut Frame<'_>, area: Rect, state: &RunState, now: Instant) {
    let ahead = state.nodes().iter().map(|n| n.seen()).max().unwrap_or(0);
    let rows = state.nodes().iter().map(|n| {
        let clips = state.clips(n.split).map_or_else(String::new, |c| format!("/{c}"));
        let speed = n.clips_per_sec(now).map_or_else(|| "-".to_owned(), |s| format!("{s:.1}"));
        Row::new([
            n.name.clone(),
            format!("{} {}", n.epoch, n.split),
            format!("{}{clips}", n.done),
            speed,
            ahead.saturating_sub(n.seen()).to_string(),
        ])
    });
    let widths = [12, 12, 12, 10, 16].map(Constraint::Length);
    let head = Row::new(["node", "pass", "clips", "clips/s", "clips waiting"])
        .style(Style::new().add_modifier(Modifier::BOLD));
    let block = Block::bordered().title("nodes").border_style(Style::new().fg(Color::DarkGray));
    frame.render_widget(Table::new(rows, widths).header(head).block(block), area);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::backend::TestBackend;

    fn metrics(epoch: u32, split: &str, whole: bool, name: &str, value: f64) -> Event {
        Event::Metrics {
            epoch,
            split: split.into(),
            whole,
            values: vec![(name.into(), value)],
            units: Vec::new(),
            picks: None,
        }
    }

    #[test]
    fn the_screen_shows_curves_nodes_and_what_was_said() {
        let (mut state, mut history, now) = (RunState::default(), History::default(), Instant::now());
        let plan = Event::Plan {
            dataset: "d".into(),
            epochs: 2,
            clips: [10, 5, 4],
            fingerprint: "f".into(),
            description: None,
        };
        let progress = |done| Event::Progress { epoch: 1, split: "train".into(), done };
        for (node, event) in [("source", plan), ("source", progress(8)), ("model", progress(3))] {
            state.take(node, &event, now);
        }
        for i in 0..20 {
            history.take(&metrics(1, "train", false, "step/loss", 2.5 - 0.1 * f64::from(i)));
        }
        history.take(&metrics(1, "val", true, "accuracy", 40.0));
        history.take(&metrics(2, "val", true, "accuracy", 50.0));
        let mut terminal = Terminal::new(TestBackend::new(100, 30)).unwrap();
        let said = ["dataset d: 2 epochs".to_owned()];
        terminal.draw(|frame| draw(frame, &state, &history, &said, now)).unwrap();
        let screen = terminal.backend().to_string();
        for words in
            ["loss of the training steps", "accuracy on the validation split", "clips waiting", "dataset d: 2 epochs"]
        {
            assert!(screen.contains(words), "{words}\n{screen}");
        }
        let model = screen.lines().find(|l| l.contains("model")).unwrap();
        assert!(model.contains("3/10") && model.trim_end_matches(['│', '"', ' ']).ends_with('5'), "{model}");
        assert!(screen.contains("2.50") && screen.contains("50.00"), "the ends of the axes\n{screen}");
        // The smallest terminal there is: everything stands above the last line, and the head of the table with its nodes.
        let mut small = Terminal::new(TestBackend::new(80, 24)).unwrap();
        small.draw(|frame| draw(frame, &state, &history, &said, now)).unwrap();
        let screen = small.backend().to_string();
        for words in ["epoch 1/2 train", "clips waiting", "3/10", "50.00", "dataset d: 2 epochs"] {
            assert!(screen.contains(words), "{words}\n{screen}");
        }
    }

    #[test]
    fn a_long_run_keeps_its_curve_short() {
        let mut history = History::default();
        for _ in 0..5000 {
            history.take(&metrics(1, "train", false, "step/loss", 1.0));
        }
        assert!(history.steps.len() < STEPS && history.steps.len() > STEPS / 4);
        assert!(history.steps.iter().all(|(_, loss)| *loss == 1.0));
        assert!(history.steps.last().unwrap().0 > 4900.0);
    }
}
