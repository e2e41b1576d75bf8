//! The page of a run, from a real run to a browser: what it shows, that it needs no network, that it fits a phone.
//!
//! The browser's part runs where a Chromium is found (`COPL_CHROMIUM`, or on the path) and says so where none is.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{copl, mini_run, run_folder, text, tiny_ave};

fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("COPL_CHROMIUM").map(PathBuf::from);
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).flat_map(|dir| names.map(|n| dir.join(n))).find(|p| p.is_file());
    named.or(found)
}

/// Runs a browser without a window, without a network and with a profile of its own.
fn browse(browser: &Path, page: &Path, more: &[String]) -> String {
    let profile = tempfile::tempdir().unwrap();
    let flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
                 --disable-component-update --disable-sync --hide-scrollbars --proxy-server=127.0.0.1:9";
    let done = Command::new(browser)
        .args(flags.split_whitespace())
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(more)
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", text(&done));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// The page inside a frame of a phone's width, measured by a script of the frame's parent.
fn measured(html: &str) -> String {
    let source = html.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        "<!doctype html><title>wait</title><iframe style=\"width:360px;height:700px;border:0\" srcdoc=\"{source}\"></iframe>\
         <script>onload=()=>{{const d=document.querySelector('iframe').contentDocument,e=d.documentElement;\
         const pictures=[...d.images],broken=pictures.filter(i=>!i.naturalWidth).length;\
         const small=[...d.querySelectorAll('.figure text')].filter(t=>t.getBoundingClientRect().height<9).length;\
         document.title=`wide ${{e.scrollWidth}} pictures ${{pictures.length}} broken ${{broken}} small ${{small}}`}}</script>"
    )
}

#[test]
fn a_run_leaves_a_page_that_a_phone_can_show() {
    let work = tempfile::tempdir().unwrap();
    let done = mini_run(tiny_ave(), work.path(), &["--epochs", "2", "--seed", "3"]).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    let page = run_folder(work.path()).join("report.html");
    let html = std::fs::read_to_string(&page).unwrap();
    for part in ["Beside the paper", "Curves", "Confusions", "Parameters", "Time by node", "Quarantine", "Examples"] {
        assert!(html.contains(part), "{part}");
    }
    // Four test clips, each with its frames and its spectrogram.
    assert_eq!(html.matches("<div class=\"example\">").count(), 4);
    assert_eq!(html.matches("data:image/png;base64,").count(), 8);
    let figures = run_folder(work.path()).join("figures");
    assert!(figures.join("accuracy.svg").is_file() && figures.join("accuracy.png").is_file());

    let Some(browser) = chromium() else {
        return eprintln!("skipped: no Chromium; install one or set COPL_CHROMIUM");
    };
    let frame = work.path().join("frame.html");
    std::fs::write(&frame, measured(&html)).unwrap();
    let dom = browse(&browser, &frame, &["--virtual-time-budget=4000".into(), "--dump-dom".into()]);
    assert!(dom.contains("<title>wide 360 pictures 8 broken 0 small 0</title>"), "{}", &dom[..300.min(dom.len())]);

    let shot = work.path().join("page.png");
    browse(&browser, &page, &[format!("--screenshot={}", shot.display()), "--window-size=1200,2400".into()]);
    assert!(std::fs::metadata(&shot).unwrap().len() > 50_000, "an empty page is smaller");
}

#[test]
fn runs_are_listed_shown_compared_and_removed() {
    let work = tempfile::tempdir().unwrap();
    for more in [&["--epochs", "1"][..], &["--epochs", "1", "--set", "model.METHOD=linear-probe"]] {
        let done = mini_run(tiny_ave(), work.path(), more).output().unwrap();
        assert!(done.status.success(), "{}", text(&done));
    }
    let runs = work.path().join("runs");
    let tell = |args: &[&str]| {
        let done = copl().args(args).arg("--runs").arg(&runs).output().unwrap();
        assert!(done.status.success(), "{args:?}: {}", text(&done));
        String::from_utf8(done.stdout).unwrap()
    };
    let list = tell(&["runs"]);
    let ids: Vec<&str> = list.lines().skip(1).filter_map(|l| l.split_whitespace().next()).collect();
    assert_eq!(ids.len(), 2, "{list}");
    assert!(tell(&["runs", "show", ids[0]]).contains("test accuracy"));
    let compared = tell(&["report", "compare", ids[0], ids[1], "--only-changed"]);
    assert!(compared.lines().any(|l| l.starts_with("model.METHOD") && l.ends_with("linear-probe")), "{compared}");
    assert!(!compared.contains("model.BATCH"), "{compared}");
    let lead = tell(&["report", "lead", ids[0], "--over", ids[1]]);
    assert!(lead.contains("clips of") && lead.contains("95 % interval: "), "{lead}");
    let same: serde_json::Value =
        serde_json::from_str(&tell(&["report", "lead", ids[0], "--over", ids[0], "--json"])).unwrap();
    assert_eq!((same["lead"].as_f64(), same["without"].as_f64()), (Some(0.0), Some(100.0)));
    let views: serde_json::Value = serde_json::from_str(&tell(&["report", ids[0], ids[1], "--json"])).unwrap();
    assert_eq!((views[0]["method"].as_str(), views[1]["method"].as_str()), (Some("copl"), Some("linear-probe")));
    assert!(tell(&["report", ids[0], "--md"]).contains("## Beside the paper"));
    assert!(tell(&["runs", "prune", "--keep", "1"]).contains("would be removed"));
    tell(&["runs", "prune", "--keep", "1", "--yes"]);
    assert_eq!(tell(&["runs"]).lines().count(), 2);
}

#[test]
fn a_checkpoint_evaluates_to_the_numbers_of_its_run_and_speaks_of_a_clip() {
    let work = tempfile::tempdir().unwrap();
    let done = mini_run(tiny_ave(), work.path(), &["--epochs", "1", "--json"]).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    let run = run_folder(work.path());
    let trained = copl_reports::summarise(&run).unwrap();
    let done = copl()
        .arg("eval")
        .arg(run.join("checkpoints/best.safetensors"))
        .arg(common::root().join("dataflows/ave-mini.yml"))
        .arg("--runs")
        .arg(work.path().join("evaluated"))
        .arg("--set")
        .arg(format!("source.ROOT={}", tiny_ave().display()))
        .env("XDG_CACHE_HOME", work.path().join("cache"))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", text(&done));
    let folder = std::fs::read_dir(work.path().join("evaluated")).unwrap().next().unwrap().unwrap().path();
    let evaluated = copl_reports::summarise(&folder).unwrap();
    assert_eq!(evaluated.test_accuracy, trained.test_accuracy);
    let loss = |s: &copl_reports::Summary| s.passes.iter().find(|p| p.split == "test").and_then(|p| p.loss);
    assert_eq!(loss(&evaluated), loss(&trained), "bit for bit");
    assert_eq!(evaluated.passes.len(), 1);

    let checkpoint = run.join("checkpoints/best.safetensors");
    let clip = std::fs::read_dir(tiny_ave().join("AVE")).unwrap().next().unwrap().unwrap().path();
    let picture = work.path().join("clip.svg");
    let done =
        copl().arg("predict").arg(&checkpoint).arg(&clip).arg("--json").arg("-o").arg(&picture).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    let said: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let segments = said["segments"].as_array().unwrap();
    assert_eq!(segments.len(), 10);
    assert!(segments.iter().enumerate().all(|(t, s)| s["start_secs"] == t as f64));
    let sum: f64 = segments[0]["probabilities"].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-4);
    assert!(std::fs::read_to_string(&picture).unwrap().matches("data:image/png").count() == 2);

    let exported = work.path().join("exported");
    let done = copl().arg("export").arg(&checkpoint).arg(&exported).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    let python = std::env::var("COPL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let numpy = Command::new(&python).args(["-c", "import numpy"]).stderr(Stdio::null()).status();
    if !numpy.is_ok_and(|s| s.success()) {
        return eprintln!("skipped: {python} has no numpy to load the exported checkpoint with");
    }
    let loaded = Command::new(&python).arg(exported.join("load.py")).output().unwrap();
    assert!(loaded.status.success(), "{}", text(&loaded));
    let listed = text(&loaded);
    assert!(listed.contains("visual.global_prompts.0") && listed.starts_with("copl ['swin-v2-nano']"), "{listed}");
}
