//! Whether runs are ahead of others by more than chance: the same clips, judged by both.
//!
//! The lead is the mean score (table `samples`: share of a clip's segments that are right, 1 or 0 of a question, mean IoU of
//! a clip's masks) of the one runs less that of the others. Its interval is a percentile bootstrap at two levels: each
//! resample draws videos with replacement, the same for all runs, and runs with replacement on either side. So it holds the
//! chance that lies in the test videos and, of several seeds, that of training; of one run a side it holds the first alone.
//! Questions about one video are drawn together: they are not independent.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::error::ReportError;
use crate::samples::Sample;

/// Resamples of an interval.
pub const RESAMPLES: usize = 10_000;
/// Resamples below and above the 95 % interval, each.
const TAIL: usize = RESAMPLES / 40;

/// What one run said of the clips of its last pass.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Id of the run.
    pub run: String,
    /// Its samples ([`crate::samples::last_pass`]).
    pub samples: Vec<Sample>,
}

/// A run and its mean score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunScore {
    /// Id of the run.
    pub run: String,
    /// Mean score of the clips, in per cent.
    pub score: f64,
}

/// The lead of runs over others, in points (per cent of the score's whole range).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lead {
    /// The runs.
    pub runs: Vec<RunScore>,
    /// The runs they are measured against.
    pub over: Vec<RunScore>,
    /// Clips that every run judged.
    pub clips: usize,
    /// Clips that some run gave up: they do not count.
    pub given_up: usize,
    /// Videos of the clips.
    pub videos: usize,
    /// Mean score of the runs less that of the others.
    pub lead: f64,
    /// Ends of its 95 % interval.
    pub interval: [f64; 2],
    /// Share of the resamples without a lead (0 or below), in per cent.
    pub without: f64,
}

/// The lead of `runs` over `over`.
///
/// # Errors
/// If a side holds no run, a run judged nothing, runs judged different clips or know different truths of one, or fewer than
/// two videos are left.
pub fn lead(runs: &[Judged], over: &[Judged]) -> Result<Lead, ReportError> {
    let all = || runs.iter().chain(over);
    let (Some(first), false) = (runs.first(), over.is_empty()) else {
        return Err(ReportError::Lead { run: String::new(), problem: "a side has no run".to_owned() });
    };
    let judged: Vec<Clips<'_>> = all().map(|run| run.samples.iter().map(|s| (s.clip.as_str(), s)).collect()).collect();
    for (run, clips) in all().zip(&judged) {
        same_clips((first, &judged[0]), (run, clips))?;
    }
    let mut videos: BTreeMap<&str, Video> = BTreeMap::new();
    for clip in judged[0].keys() {
        let of_runs: Vec<f64> = judged.iter().filter_map(|clips| Some(clips.get(clip)?.score)).collect();
        if of_runs.iter().any(|score| score.is_nan()) {
            continue;
        }
        let name = clip.split('#').next().unwrap_or(clip);
        let video = videos.entry(name).or_insert_with(|| Video { clips: 0, sums: vec![0.0; judged.len()] });
        video.clips += 1;
        video.sums.iter_mut().zip(of_runs).for_each(|(sum, score)| *sum += score);
    }
    let videos: Vec<Video> = videos.into_values().collect();
    let clips: usize = videos.iter().map(|video| video.clips).sum();
    if videos.len() < 2 {
        let problem = format!("clips of {} video(s) left that every run judged; two are needed", videos.len());
        return Err(ReportError::Lead { run: first.run.clone(), problem });
    }
    let means = means(&videos, judged.len());
    let (ours, theirs) = means.split_at(runs.len());
    let resamples = resamples(&videos, runs.len(), over.len());
    let named = |runs: &[Judged], means: &[f64]| {
        runs.iter().zip(means).map(|(run, mean)| RunScore { run: run.run.clone(), score: 100.0 * mean }).collect()
    };
    Ok(Lead {
        runs: named(runs, ours),
        over: named(over, theirs),
        clips,
        given_up: first.samples.len() - clips,
        videos: videos.len(),
        lead: 100.0 * (mean(ours) - mean(theirs)),
        interval: [resamples[TAIL], resamples[RESAMPLES - 1 - TAIL]].map(|lead| 100.0 * lead),
        without: 100.0 * resamples.iter().filter(|lead| **lead <= 0.0).count() as f64 / RESAMPLES as f64,
    })
}

/// What a run said of each clip.
type Clips<'a> = BTreeMap<&'a str, &'a Sample>;

/// The clips of a video.
struct Video {
    clips: usize,
    /// Sum of their scores for each run.
    sums: Vec<f64>,
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Mean score of each run over the clips of these videos.
fn means<'a>(videos: impl IntoIterator<Item = &'a Video>, runs: usize) -> Vec<f64> {
    let (mut clips, mut sums) = (0, vec![0.0; runs]);
    for video in videos {
        clips += video.clips;
        sums.iter_mut().zip(&video.sums).for_each(|(sum, of_video)| *sum += of_video);
    }
    sums.into_iter().map(|sum| sum / clips as f64).collect()
}

/// Leads of the resamples, ascending.
fn resamples(videos: &[Video], runs: usize, over: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut leads: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn: Vec<&Video> = (0..videos.len()).map(|_| &videos[rng.random_range(0..videos.len())]).collect();
            let means = means(drawn, runs + over);
            let (ours, theirs) = means.split_at(runs);
            let mut side = |means: &[f64]| {
                let drawn: Vec<f64> = (0..means.len()).map(|_| means[rng.random_range(0..means.len())]).collect();
                mean(&drawn)
            };
            side(ours) - side(theirs)
        })
        .collect();
    leads.sort_by(f64::total_cmp);
    leads
}

/// Refuses a run that judged other clips than the first, or the same against other targets.
fn same_clips((first, ours): (&Judged, &Clips<'_>), (run, theirs): (&Judged, &Clips<'_>)) -> Result<(), ReportError> {
    let wrong = |problem: String| Err(ReportError::Lead { run: run.run.clone(), problem });
    if theirs.is_empty() {
        return wrong("no test and no validation pass; `copl eval` makes one".to_owned());
    }
    if theirs.len() != run.samples.len() {
        return wrong("a clip was judged twice in its last pass".to_owned());
    }
    let here = theirs.keys().filter(|clip| ours.contains_key(*clip)).count();
    if here != theirs.len() || here != ours.len() {
        return wrong(format!(
            "it judged {} clips and run {} {}, {here} of them the same; a lead needs the same split of one dataset",
            theirs.len(),
            first.run,
            ours.len()
        ));
    }
    // A clip given up has no target.
    let differs = |(clip, theirs): &(&&str, &&Sample)| {
        let (ours, theirs) = (&ours[*clip].target, &theirs.target);
        !ours.is_empty() && !theirs.is_empty() && ours != theirs
    };
    match theirs.iter().find(differs) {
        Some((clip, _)) => wrong(format!("its truth of clip {clip} is not that of run {}", first.run)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run that has the first `right` of each video's four questions right.
    fn run(name: &str, right: &[usize]) -> Judged {
        let of = |video: usize, right: usize| {
            (0..4).map(move |q| Sample {
                clip: format!("v{video}#q{q}"),
                score: f64::from(u8::from(q < right)),
                prediction: vec![1],
                target: vec![q as i32],
            })
        };
        let samples = right.iter().enumerate().flat_map(|(video, right)| of(video, *right)).collect();
        Judged { run: name.to_owned(), samples }
    }

    #[test]
    fn a_lead_everywhere_is_certain_and_one_here_and_there_is_not() {
        let always = lead(&[run("a", &[3; 30])], &[run("b", &[2; 30])]).unwrap();
        assert_eq!((always.lead, always.interval, always.without), (25.0, [25.0; 2], 0.0));
        assert_eq!((always.clips, always.videos, always.given_up), (120, 30, 0));
        assert_eq!(always.over, [RunScore { run: "b".into(), score: 50.0 }]);
        // Ahead by one question of four in 16 videos, behind in 14: 25 (16 - 14) / 30, standard error 25 / sqrt(30).
        let ours: Vec<usize> = (0..30).map(|video| if video < 16 { 3 } else { 1 }).collect();
        let even = lead(&[run("a", &ours)], &[run("b", &[2; 30])]).unwrap();
        assert!((even.lead - 50.0 / 30.0).abs() < 1e-12);
        let half = (even.interval[1] - even.interval[0]) / 2.0;
        assert!((half - 1.96 * 25.0 / 30f64.sqrt()).abs() < 1.5, "{half}");
        assert!((30.0..50.0).contains(&even.without), "{}", even.without);
    }

    #[test]
    fn seeds_that_disagree_widen_the_interval() {
        let one = lead(&[run("a", &[3; 30])], &[run("b", &[2; 30])]).unwrap();
        let two = lead(&[run("a1", &[4; 30]), run("a2", &[2; 30])], &[run("b", &[2; 30])]).unwrap();
        assert_eq!((one.lead, two.lead), (25.0, 25.0));
        assert_eq!(two.interval, [0.0, 50.0]);
        // Both draws are of the seed without a lead in a quarter of the resamples.
        assert!((two.without - 25.0).abs() < 2.0, "{}", two.without);
    }

    #[test]
    fn a_clip_given_up_by_one_run_counts_for_none() {
        let mut ours = run("a", &[3; 3]);
        ours.samples[0].score = f64::NAN;
        ours.samples[0].target.clear();
        let found = lead(&[ours], &[run("b", &[2; 3])]).unwrap();
        assert_eq!((found.clips, found.given_up), (11, 1));
        assert!((found.runs[0].score - 100.0 * 8.0 / 11.0).abs() < 1e-9);
    }

    #[test]
    fn runs_of_other_clips_are_refused() {
        let says = |runs: &[Judged], over: &[Judged]| lead(runs, over).unwrap_err().to_string();
        let fewer = says(&[run("a", &[1; 3])], &[run("b", &[1; 2])]);
        assert!(fewer.contains("`b`") && fewer.contains("8 clips") && fewer.contains("8 of them the same"), "{fewer}");
        let mut other = run("b", &[1; 3]);
        other.samples[5].target = vec![9];
        assert!(says(&[run("a", &[1; 3])], &[other]).contains("truth of clip v1#q1"));
        assert!(says(&[run("a", &[1; 3])], &[run("b", &[])]).contains("copl eval"));
        assert!(says(&[run("a", &[1])], &[run("b", &[1])]).contains("two are needed"));
        let mut twice = run("b", &[1; 3]);
        twice.samples[1] = twice.samples[0].clone();
        assert!(says(&[run("a", &[1; 3])], &[twice]).contains("twice"));
    }
}
