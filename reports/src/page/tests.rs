use super::*;
use crate::store::{RunRecord, Store};

fn view(dir: &std::path::Path, method: &str) -> RunView {
    let run = Store::new(dir).create().unwrap();
    let mut record = RunRecord::begin(&run.id, "dataflows/ave-mini.yml");
    record.finish(5, "a node failed", Some("node `model` said <script>alert(1)</script>"));
    run.write_record(&record).unwrap();
    let yaml = format!(
        "nodes:\n  - id: source\n    path: copl\n    args: node clip-source\n    env: {{ DATASET: ave-mini }}\n  \
         - id: model\n    path: copl\n    args: node copl-model\n    env: {{ METHOD: {method}, VISUAL_ENCODER: nano }}\n"
    );
    run.write_dataflow(&yaml).unwrap();
    RunView::load(&run, &|_| Vec::new()).unwrap()
}

fn html(views: &[RunView]) -> String {
    Page { views, examples: &[], note: Some("The clips are gone."), dataflow: "nodes: []" }.html()
}

#[test]
fn a_page_needs_nothing_from_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let page = html(&[view(dir.path(), "copl")]);
    for address in ["http:", "https:", "url(", "<script", "@import"] {
        let found = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!found.contains(address), "{address}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)"), "what a node said is shown as text");
    assert!(page.contains("The clips are gone."));
}

#[test]
fn a_run_stands_beside_the_papers_rows_with_a_word_of_caution() {
    let dir = tempfile::tempdir().unwrap();
    let views = [view(dir.path(), "copl")];
    let page = html(&views);
    assert!(page.contains("DG-SCT") && page.contains("448.4"), "total of 187.1 and 261.3");
    assert!(page.contains("This run is of ave-mini, not of the paper"));
    let text = markdown(&Page { views: &views, examples: &[], note: None, dataflow: "" }, Some("report"));
    assert!(text.contains("| CoPL | Swin-V2-L | 1.7 | 232.3 | 230.6 | – |"), "{text}");
}

#[test]
fn two_runs_show_what_differs_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let views = [view(dir.path(), "copl"), view(dir.path(), "linear-probe")];
    let rows = markdown::differences(&views);
    assert_eq!(rows.lines().count(), 3, "{rows}");
    assert!(rows.contains("| model.METHOD | copl | linear-probe |"));
    assert!(html(&views).contains("What differs"));
}
