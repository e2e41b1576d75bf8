use super::*;
use crate::store::{RunRecord, Store};
use crate::view::RunView;

fn view(dir: &std::path::Path, method: &str) -> RunView {
    view_of(dir, "ave-mini", &format!("METHOD: {method}"))
}

/// A run on a dataset whose model has these settings.
fn view_of(dir: &std::path::Path, dataset: &str, model: &str) -> RunView {
    let run = Store::new(dir).create().unwrap();
    let mut record = RunRecord::begin(&run.id, "dataflows/ave-mini.yml");
    record.finish(5, "a node failed", Some("node `model` said <script>alert(1)</script>"));
    run.write_record(&record).unwrap();
    let yaml = format!(
        "nodes:\n  - id: source\n    path: copl\n    args: node clip-source\n    env: {{ DATASET: {dataset} }}\n  \
         - id: model\n    path: copl\n    args: node copl-model\n    env: {{ {model}, VISUAL_ENCODER: nano }}\n"
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
    assert!(text.contains("| CoPL | Swin-V2-L | 1.7 | 232.3 | 230.6 | 81.9 |"), "{text}");
}

#[test]
fn a_run_of_a_task_that_the_paper_has_no_results_of_stands_beside_no_table() {
    let dir = tempfile::tempdir().unwrap();
    for (dataset, task, is_beside) in
        [("avs-s4", "avs-s4", true), ("avs-s4", "avs", true), ("avs-ms3", "avs-ms3", false)]
    {
        let views = [view_of(dir.path(), dataset, &format!("METHOD: copl, TASK: {task}"))];
        assert_eq!(views[0].task, dataset);
        let text = markdown(&Page { views: &views, examples: &[], note: None, dataflow: "" }, None);
        for page in [html(&views), text] {
            assert_eq!(page.contains("Segmentation on AVSBench-S4"), is_beside, "{task}: {page}");
            assert_eq!(page.contains("Beside the paper"), is_beside, "{task}: {page}");
        }
    }
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

/// What a class, a clip, a run or a message may be called.
const HOSTILE: &str = "a|b`c``d<script>alert(1)</script>\n# e *f* [g](http://h) &amp; \\ \u{1b}[0m \"'";

/// A run whose every text is hostile.
fn hostile(dir: &std::path::Path) -> RunView {
    use crate::tables::{Rows, Table, Values};
    let run = Store::new(dir).create().unwrap();
    let mut record = RunRecord::begin(&run.id, HOSTILE);
    (record.id, record.device) = (HOSTILE.to_owned(), HOSTILE.to_owned());
    record.finish(5, HOSTILE, Some(HOSTILE));
    run.write_record(&record).unwrap();
    let quoted = serde_json::to_string(HOSTILE).unwrap();
    run.write_dataflow(&format!(
        "nodes:\n  - {{ id: source, path: copl, args: node clip-source, env: {{ DATASET: {quoted} }} }}\n  \
         - {{ id: model, path: copl, args: node copl-model, env: {{ METHOD: {quoted}, VISUAL_ENCODER: {quoted} }} }}\n"
    ))
    .unwrap();
    let add = |table, columns| {
        let mut writer = crate::TableWriter::open(&run.path, table).unwrap();
        writer.append(&Rows::new(table, &run.id, 1, "test", columns).unwrap()).unwrap();
        writer.finish().unwrap();
    };
    let text = || Values::Text(vec![HOSTILE.to_owned()]);
    let (one, number) = (|| Values::Integer(vec![1]), || Values::Number(vec![50.0]));
    for parts in [&[HOSTILE][..], &["accuracy", HOSTILE], &["confusion", HOSTILE, HOSTILE]] {
        let name = Values::Text(vec![copl_contract::names::joined(parts)]);
        add(Table::Metrics, vec![one(), name, number(), text(), one(), Values::Integer(vec![0])]);
    }
    add(Table::Params, vec![text(), one(), one(), one()]);
    add(Table::Nodes, vec![text(), one(), number(), number(), number(), number(), one()]);
    add(Table::Quarantine, (0..5).map(|_| text()).collect());
    let mut view = RunView::load(&run, &|_| Vec::new()).unwrap();
    view.letters = HOSTILE.to_owned();
    view
}

#[test]
fn what_others_call_things_is_shown_in_markdown_and_is_never_markup() {
    let dir = tempfile::tempdir().unwrap();
    let one = [hostile(dir.path())];
    let two = [hostile(dir.path()), view(dir.path(), "copl")];
    for (views, headings) in [(&one[..], 6), (&two[..], 5)] {
        let page = markdown(&Page { views, examples: &[], note: None, dataflow: "" }, Some("figures"));
        let read = crate::quote::reading::read(&page);
        assert_eq!(read.markup, Vec::<String>::new(), "{page}");
        assert_eq!(read.headings, headings, "{page}");
        let wanted = crate::quote::one_line(HOSTILE);
        let quoting: Vec<&String> = read.texts.iter().filter(|text| text.contains("<script")).collect();
        assert!(quoting.len() > 3 && quoting.iter().all(|text| text.contains(&wanted)), "{quoting:?}");
    }
}

#[test]
fn what_others_call_things_is_shown_on_the_page_and_is_never_markup() {
    let dir = tempfile::tempdir().unwrap();
    let views = [hostile(dir.path())];
    let said = Said { truth: vec![(HOSTILE.into(), Some(1))], predicted: vec![(HOSTILE.into(), None)] };
    let example = Example {
        title: HOSTILE.into(),
        strips: vec![Strip { label: HOSTILE.into(), pictures: vec![vec![1]] }],
        said: Some(said),
        lines: vec![(HOSTILE.into(), HOSTILE.into())],
        problem: Some(HOSTILE.into()),
    };
    let page = Page { views: &views, examples: &[example], note: Some(HOSTILE), dataflow: HOSTILE }.html();
    assert!(!page.contains("<script") && !page.contains('\u{1b}'));
    assert!(page.matches("&lt;script&gt;").count() > 20 && page.contains("&amp;amp;"));
    // Every tag is one of the page's own: what is quoted opens none.
    let tags = page.matches('<').count();
    let own = page.split('<').skip(1).filter(|rest| {
        rest.starts_with(['!', '/']) || rest.chars().take_while(char::is_ascii_alphanumeric).count() > 0
    });
    assert_eq!(own.count(), tags);
    for figure in figures(&views) {
        assert!(figure.file.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_'), "{}", figure.file);
        crate::figure::png(&figure.svg).unwrap();
    }
}
